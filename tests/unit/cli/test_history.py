"""How an entry of the history looks."""

import time

import msgspec
import pytest

from haagent.cli.history import show_json, show_line
from haagent.processes.history import Entry

ENTRY = Entry(
    sequence=7,
    at=1_700_000_000.25,
    subject="real_server",
    name="web/web1",
    previous="up",
    state="down",
    cause="page: connection refused",
)


@pytest.fixture(autouse=True)
def utc(monkeypatch):
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def test_a_transition_is_a_line(capsys):
    show_line(ENTRY)
    moment, rest = capsys.readouterr().out.rstrip().split("  ", 1)
    assert moment == "2023-11-14 22:13:20.250"
    assert rest == "real server   web/web1                 up -> down             page: connection refused"


def test_a_beginning_has_no_state_before(capsys):
    show_line(msgspec.structs.replace(ENTRY, previous="", state="up"))
    assert " up  " in capsys.readouterr().out


def test_a_moment_just_before_a_second_is_not_a_second_too_early_or_late(capsys):
    show_line(msgspec.structs.replace(ENTRY, at=1_700_000_000.9996))
    assert capsys.readouterr().out.startswith("2023-11-14 22:13:20.999")


def test_json_is_the_entry(capsys):
    show_json(ENTRY)
    assert msgspec.json.decode(capsys.readouterr().out, type=Entry) == ENTRY
