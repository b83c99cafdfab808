"""The live view: the frame as text, and the whole of it in a pseudo-terminal."""

import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from haagent.cli.watch import cut, fitted, frame

ROOT = Path(__file__).parents[3]
ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


def rows(text: str) -> list[str]:
    """What a frame leaves on the screen."""
    return [row.rstrip() for row in ESCAPES.sub("", text).split("\r\n")]


@given(
    st.lists(st.text("abc !", max_size=90), max_size=60), st.integers(-5, 90), st.integers(1, 100), st.integers(1, 50)
)
def test_a_frame_fits_the_terminal(found: list[str], first: int, width: int, height: int) -> None:
    text, begins = frame(found, first, width, height, colours=False)
    lines = rows(text)
    assert len(lines) == max(2, height)
    assert all(len(line) <= width for line in lines)
    assert 0 <= begins <= max(0, len(found) * 90)


def test_a_view_that_is_too_high_says_so_and_scrolls_to_its_end() -> None:
    found = [f"line {number}" for number in range(1, 41)]
    text, first = frame(found, 0, 80, 10, colours=False)
    assert rows(text)[:2] == ["line 1", "line 2"]
    assert "lines 1 to 9 of 40" in rows(text)[-1]
    text, first = frame(found, 999, 80, 10, colours=False)
    assert first == 31
    assert rows(text)[8] == "line 40"


def test_a_long_line_is_wrapped_and_in_a_narrow_terminal_cut() -> None:
    problem = "         ! real server web1 of web is down: connection refused by 198.51.100.11"
    assert fitted(problem, 40) == [
        "         ! real server web1 of web is",
        "           down: connection refused by",
        "           198.51.100.11",
    ]
    assert fitted("         web1 up " + "x" * 60, 20) == ["         web1 up xx…"]
    assert cut("abc", 3) == "abc"


# ------------------------------------------------------------------------------------------------ in a pseudo-terminal

PROGRAM = """
import sys
from haagent.cli.watch import watch
turn = 0
def look():
    global turn
    turn += 1
    return 2, [f"turn {turn}", "state    healthy", *(f"line {n}" for n in range(40))]
sys.exit(watch(look))
"""


class Watched:
    """The program on a terminal of its own, and all that it wrote."""

    def __init__(self, **environment: str) -> None:
        self.terminal, theirs = pty.openpty()
        self.resize(12, 60)
        self.before = termios.tcgetattr(theirs)
        self.theirs = theirs
        self.text = ""
        self.process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM],
            cwd=ROOT,
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
            env={"PATH": os.environ["PATH"], "TERM": "xterm", **environment},
        )

    def resize(self, lines: int, columns: int) -> None:
        fcntl.ioctl(self.terminal, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))

    def until(self, condition: Callable[[str], object]) -> None:
        """Reads until it holds; the test's own limit ends what never does."""
        while not condition(self.text):
            if select.select([self.terminal], [], [], 0.2)[0]:
                self.text += os.read(self.terminal, 65536).decode()

    def press(self, keys: bytes) -> None:
        os.write(self.terminal, keys)

    def last_frame(self) -> list[str]:
        return rows(self.text.rsplit("\x1b[H", 1)[1])

    def end(self) -> int:
        while self.process.poll() is None:  # a terminal that nobody reads would hold it up
            if select.select([self.terminal], [], [], 0.05)[0]:
                self.text += os.read(self.terminal, 65536).decode()
        while select.select([self.terminal], [], [], 0.05)[0]:
            self.text += os.read(self.terminal, 65536).decode()
        return self.process.returncode

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        os.close(self.terminal)
        os.close(self.theirs)


@pytest.fixture
def start() -> Iterator[Callable[..., Watched]]:
    started: list[Watched] = []

    def begin(**environment: str) -> Watched:
        started.append(Watched(**environment))
        return started[-1]

    yield begin
    for each in started:
        each.close()


def test_it_redraws_in_place_and_q_gives_the_terminal_back(start: Callable[..., Watched]) -> None:
    watched = start()
    watched.until(lambda text: "turn 2" in text)
    watched.press(b"q")
    assert watched.end() == 2
    assert watched.text.startswith("\x1b[?1049h\x1b[?25l")
    assert watched.text.endswith("\x1b[?25h\x1b[?1049l")
    assert "\x1b[2J" not in watched.text  # an erased screen flickers
    assert termios.tcgetattr(watched.theirs) == watched.before


def test_it_keeps_within_the_height_and_follows_a_resize(start: Callable[..., Watched]) -> None:
    watched = start()
    watched.until(lambda text: "of 42" in text)
    assert len(watched.last_frame()) == 12
    watched.resize(20, 60)
    watched.until(lambda text: "lines 1 to 19 of 42" in text)
    watched.press(b"j")
    watched.until(lambda text: "lines 2 to 20 of 42" in text)
    watched.press(b" ")
    watched.until(lambda text: "lines 20 to 38 of 42" in text)


@pytest.mark.parametrize("how", ["ctrl-c", "sigterm"])
def test_whatever_ends_it_gives_the_terminal_back(start: Callable[..., Watched], how: str) -> None:
    watched = start()
    watched.until(lambda text: "turn 1" in text)
    if how == "ctrl-c":
        watched.press(b"\x03")
    else:
        watched.process.send_signal(signal.SIGTERM)
    watched.end()
    assert watched.text.endswith("\x1b[?25h\x1b[?1049l")
    assert "Traceback" not in watched.text
    assert termios.tcgetattr(watched.theirs) == watched.before


def test_colours_and_none(start: Callable[..., Watched]) -> None:
    coloured, plain = start(), start(NO_COLOR="1")
    coloured.until(lambda text: "healthy" in text and "q leaves" in text)
    plain.until(lambda text: "healthy" in text and "q leaves" in text)
    assert "\x1b[32mhealthy\x1b[0m" in coloured.text
    assert "\x1b[32m" not in plain.text


def test_without_a_terminal_it_prints_one_after_the_other() -> None:
    process = subprocess.Popen([sys.executable, "-c", PROGRAM], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    seen = ""
    end = time.monotonic() + 20
    while "turn 2" not in seen and time.monotonic() < end:
        seen += process.stdout.readline()
    process.send_signal(signal.SIGINT)
    seen += process.stdout.read()
    assert process.wait() == 2
    assert "\x1b" not in seen
    assert "turn 2" in seen
