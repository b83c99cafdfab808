"""What can happen to the prober's core."""

from dataclasses import dataclass

from haagent.health.diagnosis import Answer
from haagent.health.probe import Probe, ProbeResult
from haagent.health.transcript import Transcript


@dataclass(frozen=True, slots=True)
class ProbesSet:
    """The director said what is to be probed: everything, not a difference."""

    probes: tuple[Probe, ...]


@dataclass(frozen=True, slots=True)
class ProbeFinished:
    """A started probe came to its end; never sent after StopProbe for the same id."""

    id: int
    result: ProbeResult


@dataclass(frozen=True, slots=True)
class Diagnosed:
    """The further questions were answered."""

    id: int
    failed: Transcript  # as it was in Diagnose
    answers: tuple[Answer, ...]


@dataclass(frozen=True, slots=True)
class DeadlinePassed:
    """The shell woke at, or after, `next_deadline`; too early is harmless."""


Event = ProbesSet | ProbeFinished | Diagnosed | DeadlinePassed
