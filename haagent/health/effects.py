"""What the prober's core may cause. All are edges: each happens once."""

from dataclasses import dataclass

from haagent.health.check import HealthState
from haagent.health.probe import Probe


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


Effect = StartProbe | StopProbe | Report
