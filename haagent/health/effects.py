"""What the prober's core may cause. All are edges: each happens once."""

from dataclasses import dataclass, field

from haagent.health.check import Failure, HealthState
from haagent.health.diagnosis import Question
from haagent.health.probe import Probe
from haagent.health.transcript import Transcript


@dataclass(frozen=True, slots=True)
class StartProbe:
    """Try this now; exactly one ProbeFinished answers, unless a StopProbe comes first."""

    probe: Probe


@dataclass(frozen=True, slots=True)
class StopProbe:
    """Abandon a running probe: its target is no longer wanted."""

    id: int


@dataclass(frozen=True, slots=True)
class Report:
    """A verdict, the sentence that explains it or a dynamic weight changed; and the first result of each probe."""

    id: int
    health: HealthState
    detail: str
    weight: int | None = None  # percent that the real server asks for; None: it did not say
    failure: Failure = field(default="", compare=False)
    cause: str = ""


@dataclass(frozen=True, slots=True)
class Diagnose:
    """A failure is new: ask these in turn; one Diagnosed answers, unless the probe is wanted no more."""

    probe: Probe
    failed: Transcript
    questions: tuple[Question, ...]


Effect = StartProbe | StopProbe | Report | Diagnose
