"""The prober's core: which probe starts when, and what its result makes of the verdict.

Trouble of this director (`ProbeResult.local`) is reported but moves no streak: a director without a route, or out of
descriptors, must not take healthy servers out of service, nor put a failed one back.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import assert_never

from msgspec.structs import replace

from haagent.config.checks import Check, secrets_of
from haagent.health.check import Health, HealthState, judge
from haagent.health.diagnosis import Answer, Question, cause, questions
from haagent.health.effects import Diagnose, Effect, Report, StartProbe, StopProbe
from haagent.health.events import DeadlinePassed, Diagnosed, Event, ProbeFinished, ProbesSet
from haagent.health.probe import Probe, ProbeResult
from haagent.health.schedule import Schedule, lateness
from haagent.health.transcript import Kept, Transcript

Notes = Callable[[Check, Transcript], tuple[str, ...]]
NOTHING_KEPT = Kept()
HEALTHS: dict[HealthState, Health] = {"unknown": Health("unknown"), "up": Health("up"), "down": Health("down")}


@dataclass(slots=True)
class Target:
    """What is known of one probe."""

    probe: Probe
    health: Health
    start: StartProbe
    detail: str | None = None  # the last sentence; None before the first result
    weight: int | None = None  # the last that was asked for
    cause: str = ""  # of the failure that `detail` tells
    kept: Kept = NOTHING_KEPT
    running: bool = False
    missed_at: float | None = None  # it was due at this instant, but the try before was still running


class ProberCore:
    """handle(event, now) -> effects in order; `next_deadline` says when to wake it."""

    def __init__(self) -> None:
        self._targets: dict[int, Target] = {}
        self._schedule = Schedule()

    def handle(self, event: Event, now: float) -> list[Effect]:
        """`now` is a monotonic instant that never goes back."""
        match event:
            case DeadlinePassed():
                return self._start_due(now)
            case ProbeFinished(id=id, result=result):
                return self._finish(id, result, now)
            case Diagnosed(id=id, failed=failed, answers=answers):
                return self._diagnose(id, failed, answers)
            case ProbesSet(probes=probes):
                return self._set(probes, now)
            case _:
                assert_never(event)

    def next_deadline(self) -> float | None:
        """When the next probe is due; None while there is nothing to probe."""
        return self._schedule.next_deadline()

    def _set(self, probes: tuple[Probe, ...], now: float) -> list[Effect]:
        wanted = {probe.id: probe for probe in probes}
        effects: list[Effect] = []
        for id, target in list(self._targets.items()):
            probe = wanted.get(id)
            if probe is None or is_other_try(probe, target.probe):
                effects += self._forget(id)
        for id, probe in wanted.items():
            known = self._targets.get(id)
            if known is None:
                self._targets[id] = Target(probe, HEALTHS[probe.health], StartProbe(probe))
                self._schedule.add(id, probe.pace, now)
            elif known.probe.pace != probe.pace:  # the same try, rarer or more often
                self._schedule.remove(id)
                self._schedule.add(id, probe.pace, now)
                known.probe, known.start = probe, StartProbe(probe)
        return effects

    def _forget(self, id: int) -> list[Effect]:
        target = self._targets.pop(id)
        self._schedule.remove(id)
        return [StopProbe(id)] if target.running else []

    def _start_due(self, now: float) -> list[Effect]:
        effects: list[Effect] = []
        for id in self._schedule.due(now):
            target = self._targets[id]
            if target.running:
                target.missed_at = now
            else:
                effects.append(start(target))
        return effects

    def _finish(self, id: int, result: ProbeResult, now: float) -> list[Effect]:
        target = self._targets.get(id)
        if target is None or not target.running:  # a late result of a probe that is no longer wanted
            return []
        target.running = False
        effects: list[Effect] = []
        health = target.health if result.local else judge(target.probe.check, target.health, result.passed)
        weight = target.weight if result.local else result.weight
        tried = result.transcript or Transcript(passed=result.passed, detail=result.detail, local=result.local, at=now)
        target.kept = target.kept.and_(tried)
        asked: tuple[Question, ...] = ()
        is_new = result.detail != target.detail
        if is_new:
            target.cause = cause(target.probe.check, tried)
            asked = () if result.passed else questions(target.probe.check, tried, self._hosts())
        if is_new or health.state != target.health.state or weight != target.weight:
            effects.append(Report(id, health.state, result.detail, weight, result.failure, target.cause))
        if asked:
            effects.append(Diagnose(target.probe, tried, asked))
        target.health, target.detail, target.weight = health, result.detail, weight
        # A try that ran into its deadline ends just when the next is due, if timeout equals interval: that one is
        # late, not lost.
        missed_at, target.missed_at = target.missed_at, None
        if missed_at is not None and now - missed_at <= lateness(target.probe.pace):
            effects.append(start(target))
        return effects

    def _diagnose(self, id: int, failed: Transcript, answers: tuple[Answer, ...]) -> list[Effect]:
        target = self._targets.get(id)
        if target is None or target.detail != failed.detail:  # it fails otherwise by now, or not at all
            return []
        found = cause(target.probe.check, failed, answers)
        if found == target.cause:
            return []
        target.cause = found
        return [Report(id, target.health.state, failed.detail, target.weight, cause=found)]

    def _hosts(self) -> set[str]:
        return {host for each in self._targets.values() if (host := getattr(each.probe.check, "host", ""))}

    def remembered(self, id: int, notes: Notes = lambda check, tried: ()) -> tuple[Transcript, ...]:
        """The tries that are kept, oldest first, without secrets. `notes` reads their octets, as they still are here:
        masking may change lengths that a message depends on."""
        target = self._targets.get(id)
        if target is None:
            return ()
        check = target.probe.check
        tries = (replace(each, notes=each.notes + notes(check, each)) for each in target.kept.all())
        return tuple(each.without(secrets_of(check)) for each in tries)


def start(target: Target) -> StartProbe:
    target.running = True
    return target.start


def is_other_try(new: Probe, old: Probe) -> bool:
    """Whether an id that stayed now means something else (a broken promise of the sender; the verdict starts anew)."""
    return (new.check, new.address, new.port, new.through, new.mark) != (
        old.check,
        old.address,
        old.port,
        old.through,
        old.mark,
    )
