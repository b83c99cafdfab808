"""`haagent status --watch`: the view again every second, in place.

On a terminal it has the screen for itself and gives it back; each frame is one write that overwrites the last one, so
nothing flickers. q, Escape or Ctrl-C leave; what is higher than the terminal scrolls. Elsewhere it prints frame after
frame.
"""

import contextlib
import os
import select
import shutil
import signal
import sys
import termios
import time
import tty
from collections.abc import Callable, Iterator, Sequence
from types import FrameType

from haagent.cli.colour import painted, wanted

INTERVAL = 1.0  # seconds between two looks
ENTER, LEAVE = "\x1b[?1049h\x1b[?25l", "\x1b[?25h\x1b[?1049l"
INDENT = 11  # of what is wrapped
STEPS = {b"j": 1, b"\x1b[B": 1, b"\x1bOB": 1, b"k": -1, b"\x1b[A": -1, b"\x1bOA": -1}
PAGES = {b" ": 1, b"\x1b[6~": 1, b"b": -1, b"\x1b[5~": -1}
QUIT = (b"q", b"Q", b"\x1b", b"\x03")

Look = Callable[[], tuple[int, list[str]]]  # exit code, lines


def watch(look: Look) -> int:
    """Until the user leaves; the exit code of the last look."""
    if not sys.stdout.isatty() or os.environ.get("TERM", "dumb") == "dumb":
        return _in_turn(look)
    code, first = 0, 0
    with _screen() as wakes, contextlib.suppress(KeyboardInterrupt):
        while True:
            code, found = look()
            due = time.monotonic() + INTERVAL
            while True:
                first = _draw(found, first)
                key = _key(wakes, due - time.monotonic())
                if key in QUIT:
                    return code
                if key is None:
                    break
                first += STEPS.get(key, 0) + PAGES.get(key, 0) * max(1, shutil.get_terminal_size().lines - 2)
    return code


def _in_turn(look: Look) -> int:
    code = 0
    with contextlib.suppress(KeyboardInterrupt, BrokenPipeError):
        while True:
            code, found = look()
            print("\n".join(found), flush=True)
            time.sleep(INTERVAL)
            print(flush=True)
    return code


@contextlib.contextmanager
def _screen() -> Iterator[int]:
    """The alternate screen without echo. Gives a descriptor that wakes when the terminal's size changes."""
    woken, wake = os.pipe()
    os.set_blocking(wake, False)

    def resized(_number: int, _frame: FrameType | None) -> None:
        with contextlib.suppress(BlockingIOError):
            os.write(wake, b"w")

    def end(_number: int, _frame: FrameType | None) -> None:
        raise SystemExit(0)

    before = termios.tcgetattr(sys.stdin.fileno()) if sys.stdin.isatty() else None
    handlers = {
        number: signal.signal(number, each) for number, each in ((signal.SIGWINCH, resized), (signal.SIGTERM, end))
    }
    if before is not None:
        tty.setcbreak(sys.stdin.fileno())
    try:
        _write(ENTER)
        yield woken
    finally:
        _write(LEAVE)
        if before is not None:
            termios.tcsetattr(sys.stdin.fileno(), termios.TCSADRAIN, before)
        for number, handler in handlers.items():
            signal.signal(number, handler)
        os.close(woken)
        os.close(wake)


def _key(wakes: int, timeout: float) -> bytes | None:
    """What was pressed; something without a meaning when the size changed; None when the time is over."""
    keyboard = [sys.stdin.fileno()] if sys.stdin.isatty() else []
    ready, _, _ = select.select([*keyboard, wakes], [], [], max(0.0, timeout))
    if wakes in ready:
        return os.read(wakes, 64)
    if not ready:
        return None
    return os.read(keyboard[0], 16) or b"q"  # the terminal is gone


def _draw(found: Sequence[str], first: int) -> int:
    """Where the window begins, after it was kept within the view."""
    size = shutil.get_terminal_size()
    octets, first = frame(found, first, size.columns, size.lines, colours=wanted(sys.stdout))
    _write(octets)
    return first


def frame(found: Sequence[str], first: int, width: int, height: int, *, colours: bool) -> tuple[str, int]:
    """What to write, and the line at which the window begins. It has `height` lines, the last of them ours."""
    whole = [piece for line in found for piece in fitted(line, width)]
    room = max(1, height - 1)
    first = max(0, min(first, len(whole) - room))
    shown = whole[first : first + room]
    paint = painted if colours else str
    last = "q leaves"
    if len(whole) > room:
        last += f"   j k space b scroll   lines {first + 1} to {first + len(shown)} of {len(whole)}"
    body = "".join(f"{paint(line)}\x1b[K\r\n" for line in [*shown, *[""] * (room - len(shown))])
    reverse = f"\x1b[7m{cut(last, width):{max(0, width - 1)}}\x1b[0m"
    return f"\x1b[H{body}{reverse}\x1b[K\x1b[J", first


def fitted(line: str, width: int) -> list[str]:
    """Wrapped, since the sentence that matters is at the end; in a terminal too narrow for that, cut."""
    if len(line) <= width or width <= 3 * INDENT:
        return [cut(line, width)]
    pieces, rest = [], line
    while len(rest) > width:
        at = rest.rfind(" ", INDENT + 1, width + 1)
        at = width if at <= INDENT else at
        pieces.append(rest[:at].rstrip())
        rest = " " * INDENT + rest[at:].lstrip()
    return [*pieces, rest]


def cut(line: str, width: int) -> str:
    return line if len(line) <= width else line[: max(0, width - 1)] + "\N{HORIZONTAL ELLIPSIS}"


def _write(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()
