"""The history file survives restarts, rotation and a crash in the middle of a line."""

import pytest

from haagent.processes import history
from haagent.processes.history import Entry, History


def append(log, state, cause="because"):
    entry = log.append(1.0, "router", "web", "backup", state, cause)
    assert isinstance(entry, Entry)
    return entry


def test_entries_come_back_in_order_and_the_sequence_goes_on_after_a_restart(tmp_path):
    path = tmp_path / "d1" / "history.jsonl"
    first = append(History(path), "active")
    second = append(History(path), "backup")
    assert [first.sequence, second.sequence] == [1, 2]
    assert list(History(path).entries()) == [first, second]


def test_a_line_that_a_crash_cut_short_costs_that_line_alone(tmp_path):
    path = tmp_path / "history.jsonl"
    first = append(History(path), "active")
    with path.open("ab") as file:
        file.write(b'{"sequence":2,"at":1.0,"subj')
    third = append(History(path), "backup")
    assert list(History(path).entries()) == [first, third]


def test_it_is_bounded_and_keeps_what_came_before_the_rotation(tmp_path, monkeypatch):
    monkeypatch.setattr(history, "SIZE_LIMIT", 1000)
    log = History(tmp_path / "history.jsonl")
    for number in range(100):
        append(log, f"state {number}")
    states = [entry.state for entry in log.entries()]
    assert states[-1] == "state 99"
    assert states == [f"state {number}" for number in range(100 - len(states), 100)]
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) < 2500


def test_a_full_disk_is_a_sentence(tmp_path):
    log = History(tmp_path / "history.jsonl")
    log._descriptor = __import__("os").open("/dev/full", 1)
    said = log.append(1.0, "router", "web", "", "active", "because")
    assert isinstance(said, str)
    assert "No space left on device" in said


@pytest.mark.parametrize(
    "line", [b'{"sequence":2,"at":1.0,"subject":"rou\xffter"}\n', b'{"x":' * 3000 + b"\n", b"\0" * 100 + b"\n"]
)
def test_a_damaged_line_costs_that_line_alone(tmp_path, line):
    path = tmp_path / "history.jsonl"
    first = append(History(path), "active")
    with path.open("ab") as file:
        file.write(line)
    third = append(History(path), "backup")
    assert list(History(path).entries()) == [first, third]
