"""The prober's core: transcripts of events and the effects they cause."""

import random
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from haagent.config.model import HttpCheck, TcpCheck
from haagent.health.core import ProberCore
from haagent.health.diagnosis import Answer
from haagent.health.effects import Diagnose, Effect, Report, StartProbe, StopProbe
from haagent.health.events import DeadlinePassed, Diagnosed, ProbeFinished, ProbesSet
from haagent.health.probe import Probe, ProbeResult
from haagent.health.transcript import Transcript

CHECK = TcpCheck(name="tcp", interval=1.0, timeout=1.0, rise=2, fall=3)
PASSED = ProbeResult(True, "connected")
REFUSED = ProbeResult(False, "connection refused (192.0.2.11:80)")
NO_ROUTE = ProbeResult(False, "this director cannot probe: it has no route to 192.0.2.11", local=True)


def probe(id: int, health: str = "unknown", check: TcpCheck = CHECK) -> Probe:
    return Probe(id, check, f"192.0.2.{id}", 80, health)  # type: ignore[arg-type]


class Bench:
    """A core and its virtual time."""

    def __init__(self, *probes: Probe) -> None:
        self.core, self.now = ProberCore(), 100.0
        self.set(*probes)

    def set(self, *probes: Probe) -> list[Effect]:
        return self.core.handle(ProbesSet(probes), self.now)

    def wake(self) -> list[Effect]:
        deadline = self.core.next_deadline()
        assert deadline is not None
        self.now = max(self.now, deadline)
        return self.core.handle(DeadlinePassed(), self.now)

    def finish(self, id: int, result: ProbeResult) -> list[Effect]:
        return self.core.handle(ProbeFinished(id, result), self.now)

    def try_once(self, result: ProbeResult, id: int = 1) -> list[Effect]:
        """The next probe, from its start to its result, with only one in the core."""
        assert [effect.probe.id for effect in self.wake() if isinstance(effect, StartProbe)] == [id]
        return self.finish(id, result)


def test_the_first_result_is_reported_and_then_the_verdict() -> None:
    bench = Bench(probe(1))
    assert bench.try_once(PASSED) == [Report(1, "unknown", "connected")]
    assert bench.try_once(PASSED) == [Report(1, "up", "connected")]
    assert bench.try_once(PASSED) == []


def test_a_failing_server_explains_itself_at_once_and_falls_after_three() -> None:
    bench = Bench(probe(1, "up"))
    assert bench.try_once(PASSED) == [Report(1, "up", "connected")]
    assert bench.try_once(REFUSED) == [Report(1, "up", REFUSED.detail)]
    assert bench.try_once(REFUSED) == []
    assert bench.try_once(REFUSED) == [Report(1, "down", REFUSED.detail)]


@pytest.mark.parametrize("health", ["unknown", "up", "down"])
def test_local_trouble_is_reported_and_holds_the_verdict(health: str) -> None:
    bench = Bench(probe(1, health))
    assert bench.try_once(NO_ROUTE) == [Report(1, health, NO_ROUTE.detail)]  # type: ignore[arg-type]
    for _ in range(5):
        assert bench.try_once(NO_ROUTE) == []


def test_local_trouble_does_not_break_a_streak() -> None:
    bench = Bench(probe(1, "up"))
    for result in (REFUSED, REFUSED, NO_ROUTE):
        bench.try_once(result)
    assert bench.try_once(REFUSED) == [Report(1, "down", REFUSED.detail)]


def test_a_verdict_given_at_the_start_needs_a_whole_streak_to_change() -> None:
    bench = Bench(probe(1, "down"))
    bench.try_once(PASSED)
    assert bench.try_once(PASSED) == [Report(1, "up", "connected")]


def test_unchanged_probes_keep_schedule_and_streak_over_a_reload() -> None:
    bench = Bench(probe(1, "up"))
    for _ in range(2):
        bench.try_once(REFUSED)
    deadline = bench.core.next_deadline()
    assert bench.set(probe(1, "unknown"), probe(2)) == []  # what the director believes comes second
    assert min(deadline, bench.core.next_deadline()) == bench.core.next_deadline()
    reports = []
    for _ in range(2):
        for effect in bench.wake():
            assert isinstance(effect, StartProbe)
            reports += bench.finish(effect.probe.id, REFUSED)
    assert Report(1, "down", REFUSED.detail) in reports


def test_another_pace_moves_the_schedule_and_keeps_verdict_and_streak() -> None:
    bench = Bench(probe(1))
    for _ in range(2):
        bench.wake()
        bench.finish(1, PASSED)
    bench.wake()
    bench.finish(1, REFUSED)
    slower = replace(probe(1), interval=4.0)
    assert bench.set(slower) == []
    at = []
    for _ in range(3):
        assert bench.wake() == [StartProbe(slower)]
        at.append(bench.now)
        effects = bench.finish(1, REFUSED)
        if effects:
            break
    assert effects == [Report(1, "down", REFUSED.detail)]
    assert len(at) == 2  # the streak went on from one
    assert at[1] - at[0] == pytest.approx(4.0)


def test_a_removed_probe_is_stopped_and_its_late_result_ignored() -> None:
    bench = Bench(probe(1))
    bench.wake()
    assert bench.set() == [StopProbe(1)]
    assert bench.core.next_deadline() is None
    assert bench.finish(1, PASSED) == []


def test_a_removed_probe_that_rests_needs_no_stop() -> None:
    bench = Bench(probe(1))
    assert bench.set() == []


def test_a_result_from_before_a_removal_does_not_count_for_the_successor() -> None:
    bench = Bench(probe(1))
    bench.wake()
    bench.set()
    bench.set(probe(1))
    assert bench.finish(1, PASSED) == []


def test_an_id_with_another_target_starts_anew() -> None:
    bench = Bench(probe(1, "up"))
    bench.wake()
    moved = Probe(1, CHECK, "192.0.2.200", 80, "down")
    assert bench.set(moved) == [StopProbe(1)]
    assert bench.wake() == [StartProbe(moved)]
    assert bench.finish(1, REFUSED) == [Report(1, "down", REFUSED.detail)]


def test_a_probe_that_still_runs_is_not_doubled_and_the_next_follows_in_time() -> None:
    bench = Bench(probe(1))
    assert bench.wake() == [StartProbe(probe(1))]
    assert bench.wake() == []
    bench.now += 0.01  # timeout equals interval: it ends just after the next was due
    assert StartProbe(probe(1)) in bench.finish(1, REFUSED)


def test_a_probe_that_ran_far_into_its_successors_time_waits_for_the_one_after() -> None:
    bench = Bench(probe(1))
    bench.wake()
    bench.wake()
    bench.now += 0.5
    assert bench.finish(1, REFUSED) == [Report(1, "unknown", REFUSED.detail)]
    assert bench.wake() == [StartProbe(probe(1))]


def test_waking_too_early_changes_nothing() -> None:
    bench = Bench(probe(1))
    assert bench.core.handle(DeadlinePassed(), bench.now) == []


@given(st.integers(0, 2**32))
def test_no_probe_is_ever_doubled_and_every_result_finds_its_probe(seed: int) -> None:
    """Random reloads, stalls and results: at most one run per id, none without a target, deadlines ahead of now."""
    chance = random.Random(seed)
    core, now, running, wanted = ProberCore(), 0.0, set(), set()
    for _ in range(120):
        match chance.randrange(4):
            case 0:
                wanted = {id for id in range(12) if chance.random() < 0.7}
                effects = core.handle(ProbesSet(tuple(probe(id) for id in wanted)), now)
            case 1 if running:
                id = chance.choice(sorted(running))
                running.discard(id)
                effects = core.handle(ProbeFinished(id, chance.choice([PASSED, REFUSED, NO_ROUTE])), now)
            case _:
                now += chance.choice([0.01, 0.1, 0.3, 2.5])
                effects = core.handle(DeadlinePassed(), now)
        for effect in effects:
            match effect:
                case StartProbe(probe=started):
                    assert started.id in wanted
                    assert started.id not in running
                    running.add(started.id)
                case StopProbe(id=id):
                    running.remove(id)
                case Report(id=id):
                    assert id in wanted
        assert running <= wanted
        deadline = core.next_deadline()
        assert (deadline is None) == (not wanted)


# ---------------------------------------------------------------------------------------------- what is behind it


WEB = HttpCheck(name="page", path="/check.txt", body="fine", rise=2, fall=3)
NAMED = HttpCheck(name="named", host="www.example.com")


def answered(status: int, passed: bool = False) -> ProbeResult:
    detail = f"HTTP {status}"
    octets = f"HTTP/1.1 {status} X\r\n\r\n".encode()
    said = Transcript(passed=passed, detail=detail, received=octets, received_octets=len(octets))
    return ProbeResult(passed, detail, transcript=said)


def page(id: int = 1) -> Probe:
    return Probe(id, WEB, f"192.0.2.{id}", 80)


def test_a_cause_that_the_answer_names_comes_with_the_failure() -> None:
    bench = Bench(page())
    [report] = bench.try_once(answered(403))
    assert isinstance(report, Report)
    assert report.cause.startswith("the site forbids /check.txt")
    assert bench.try_once(answered(403)) == []
    assert bench.try_once(answered(200, passed=True)) == [Report(1, "unknown", "HTTP 200")]


def test_further_questions_are_asked_once_for_each_new_failure() -> None:
    bench = Bench(page(), Probe(2, NAMED, "192.0.2.2", 80))
    bench.set(page())
    _, diagnose = bench.try_once(answered(404))
    assert isinstance(diagnose, Diagnose)
    assert [each.about for each in diagnose.questions] == ["path"]  # the other check is wanted no more
    assert bench.try_once(answered(404)) == []
    yes = Answer(diagnose.questions[0], True, "HTTP 200")
    [report] = bench.core.handle(Diagnosed(1, diagnose.failed, (yes,)), bench.now)
    assert isinstance(report, Report)
    assert "Explorer hid the suffix" in report.cause
    assert (report.health, report.detail) == ("unknown", "HTTP 404")
    assert bench.core.handle(Diagnosed(1, diagnose.failed, (yes,)), bench.now) == []  # nothing new


def test_an_answer_that_comes_too_late_says_nothing() -> None:
    bench = Bench(page())
    _, diagnose = bench.try_once(answered(404))
    assert isinstance(diagnose, Diagnose)
    yes = Answer(diagnose.questions[0], True, "HTTP 200")
    bench.try_once(answered(200, passed=True))
    assert bench.core.handle(Diagnosed(1, diagnose.failed, (yes,)), bench.now) == []
    bench.set()
    assert bench.core.handle(Diagnosed(1, diagnose.failed, (yes,)), bench.now) == []


def test_tries_are_remembered_while_the_probe_is_wanted() -> None:
    bench = Bench(page())
    for result in (PASSED, NO_ROUTE, REFUSED):
        bench.try_once(result)
    assert [each.detail for each in bench.core.remembered(1)] == [PASSED.detail, NO_ROUTE.detail, REFUSED.detail]
    assert bench.core.remembered(9) == ()
    bench.set()
    assert bench.core.remembered(1) == ()
