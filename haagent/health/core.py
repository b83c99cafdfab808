"""The prober's core: which probe starts when, and what its result makes of the verdict.

Trouble of this director (`ProbeResult.local`) is reported but moves no streak: a director without a route, or out of
descriptors, must not take healthy servers out of service, nor put a failed one back.
"""

from dataclasses import dataclass
from typing import assert_never

from haagent.health.check import Health, judge
from haagent.health.effects import Effect, Report, StartProbe, StopProbe
from haagent.health.events import DeadlinePassed, Event, ProbeFinished, ProbesSet
from haagent.health.probe import Probe, ProbeResult
from haagent.health.schedule import Schedule, lateness


@dataclass(slots=True)
class Target:
    """What is known of one probe."""

    probe: Probe
    health: Health
    detail: str | None = None  # the last sentence; None before the first result
    weight: int | None = None  # the last that was asked for
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
            if id not in self._targets:
                self._targets[id] = Target(probe, Health(probe.health))
                self._schedule.add(id, probe.check.interval, now)
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
        if (health.state, result.detail, weight) != (target.health.state, target.detail, target.weight):
            effects.append(Report(id, health.state, result.detail, weight))
        target.health, target.detail, target.weight = health, result.detail, weight
        # A try that ran into its deadline ends just when the next is due, if timeout equals interval: that one is
        # late, not lost.
        missed_at, target.missed_at = target.missed_at, None
        if missed_at is not None and now - missed_at <= lateness(target.probe.check.interval):
            effects.append(start(target))
        return effects


def start(target: Target) -> StartProbe:
    target.running = True
    return StartProbe(target.probe)


def is_other_try(new: Probe, old: Probe) -> bool:
    """Whether an id that stayed now means something else (a broken promise of the sender; the verdict starts anew)."""
    return (new.check, new.address, new.port) != (old.check, old.address, old.port)
