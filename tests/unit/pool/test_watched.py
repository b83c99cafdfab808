"""Rise and fall of scripts, files' numbers, processes that come and go."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from haagent.config.model import FileTrack, ProcessTrack, ScriptTrack
from haagent.pool.tracking import tracking
from haagent.pool.watched import LARGEST_TERM, Memory, Observation, after_count, after_look, after_run
from haagent.vrrp.settings import Term, Tracking
from tests.unit.build import router

SCRIPT = ScriptTrack(script=("/bin/check",), rise=2, fall=3, fault=True)
EXIT = "failed with exit status 1"


def test_a_script_falls_and_rises() -> None:
    memory, shown = Memory(), []
    for failure in (EXIT, EXIT, "", EXIT, EXIT, EXIT, "", EXIT, "", ""):
        memory = after_run(SCRIPT, memory, failure)
        shown.append(bool(memory.shown.cause))
    assert shown == [False, False, False, False, False, True, True, True, True, False]


def test_a_script_that_fails_says_how() -> None:
    memory = after_run(ScriptTrack(script=("/bin/check",), fall=1), Memory(), EXIT)
    assert memory.shown == Observation("script /bin/check failed with exit status 1")
    memory = after_run(SCRIPT, memory, "did not end within 1 s")
    assert memory.shown.cause == "script /bin/check did not end within 1 s"


@pytest.mark.parametrize(
    ("when", "exists", "content", "wanted"),
    [
        ("exists", True, "", Observation("file /run/x exists")),
        ("exists", False, "", Observation()),
        ("missing", False, "", Observation("file /run/x is missing")),
        ("missing", True, "", Observation()),
        ("value", True, "-20\n", Observation("file /run/x says -20", -20)),
        ("value", True, " 30 because of work", Observation("file /run/x says +30", 30)),
        ("value", True, "99999", Observation("file /run/x says +254", 254)),
        ("value", True, "0", Observation()),
        ("value", True, "twenty", Observation()),
        ("value", True, "9" * 60, Observation()),
        ("value", False, "", Observation()),
    ],
)
def test_a_file(when: str, exists: bool, content: str, wanted: Observation) -> None:
    assert after_look(FileTrack(file="/run/x", when=when), exists, content) == wanted  # type: ignore[arg-type]


@given(st.text())
def test_whatever_is_in_a_file(content: str) -> None:
    seen = after_look(FileTrack(file="/run/x", when="value"), True, content)
    assert seen.priority is None or 0 < abs(seen.priority) <= LARGEST_TERM


def test_a_process_that_is_restarted_within_the_delay_was_never_gone() -> None:
    track = ProcessTrack(process="nginx", delay=2.0, fault=True)
    memory = after_count(track, Memory(), 0, 10.0)
    memory = after_count(track, memory, 0, 11.9)
    assert memory.shown == Observation()
    assert after_count(track, memory, 1, 11.95) == Memory()
    gone = after_count(track, memory, 0, 12.0)
    assert gone.shown == Observation("no process nginx runs")
    back = after_count(track, gone, 1, 13.0)
    assert back.shown.cause
    assert after_count(track, back, 1, 15.0) == Memory()


def test_fewer_processes_than_wanted() -> None:
    memory = after_count(ProcessTrack(process="worker", least=3), Memory(), 2, 0.0)
    assert memory.shown == Observation("2 of 3 processes worker run")


def test_faults_and_terms_of_a_router() -> None:
    value, script = FileTrack(file="/run/x", when="value"), ScriptTrack(script=("/bin/check",), priority=-10)
    process = ProcessTrack(process="nginx", fault=True)
    tracked = [router(track=(value, script, process))]
    name = tracked[0].name
    assert tracking(tracked, {}) == {name: Tracking()}  # nothing was looked at yet
    observed = {value: Observation("v", -5), script: Observation("s"), process: Observation("no process nginx runs")}
    assert tracking(tracked, {}, observed) == {name: Tracking("no process nginx runs", (Term("v", -5), Term("s", -10)))}
