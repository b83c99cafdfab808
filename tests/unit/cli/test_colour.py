"""Colours: where a state stands, and nowhere else."""

import io

import pytest

from haagent.cli.colour import painted, wanted

SERVER = (
    "         web1  198.51.100.11:80      {:8}weight 1   for 5.0 s       3 active 40 inactive    it went down before"
)


@pytest.mark.parametrize(
    ("line", "part"),
    [
        ("router   web   ACTIVE for 5.0 s   vrid 51 on eth1, priority 200", "\x1b[32mACTIVE\x1b[0m"),
        ("router   web   INITIALIZE for 5.0 s   vrid 51", "\x1b[31;1mINITIALIZE\x1b[0m"),
        ("service  web   EMPTY for 5.0 s   tcp 192.0.2.1:80", "\x1b[31;1mEMPTY\x1b[0m"),
        ("service  web   FROZEN for 5.0 s   tcp 192.0.2.1:80", "\x1b[33mFROZEN\x1b[0m"),
        (SERVER.format("up"), "\x1b[32mup\x1b[0m"),
        (SERVER.format("down"), "\x1b[31;1mdown\x1b[0m"),
        ("process  prober    NOT RUNNING  for 5.0 s", "\x1b[31;1mNOT RUNNING\x1b[0m"),
        ("state    healthy", "\x1b[32mhealthy\x1b[0m"),
        ("         ! a sentence", "\x1b[31;1m         ! a sentence\x1b[0m"),
    ],
)
def test_states_have_colours(line: str, part: str) -> None:
    assert part in painted(line)


def test_a_word_in_a_sentence_is_no_state() -> None:
    assert painted(SERVER.format("up")).count("\x1b[0m") == 1
    assert painted("         the link went down for 3 s") == "         the link went down for 3 s"


def test_what_operators_said_stands_out() -> None:
    assert "\x1b[33mDRAINED\x1b[0m" in painted(SERVER.format("up") + "; DRAINED by ann; ")


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("stream", "environment", "expected"),
    [
        (Terminal(), {"TERM": "xterm"}, True),
        (Terminal(), {"TERM": "xterm", "NO_COLOR": ""}, True),  # https://no-color.org: only when not empty
        (Terminal(), {"TERM": "xterm", "NO_COLOR": "1"}, False),
        (Terminal(), {"TERM": "dumb"}, False),
        (Terminal(), {}, False),
        (io.StringIO(), {"TERM": "xterm"}, False),
    ],
)
def test_when_there_are_colours(stream: io.StringIO, environment: dict[str, str], expected: bool) -> None:
    assert wanted(stream, environment) is expected
