"""One target of one check, and what one try of it said: the vocabulary that the probe adapters share with the core."""

from dataclasses import dataclass, field

from haagent.config.model import Check
from haagent.health.check import Failure, HealthState
from haagent.health.transcript import Transcript


@dataclass(frozen=True, slots=True)
class Probe:
    """What is tried, where. `port` is the port to connect to: a check's own port is already resolved into it."""

    id: int  # stable while check and target stay the same
    check: Check
    address: str
    port: int
    health: HealthState = "unknown"  # the verdict so far, for a core that starts anew
    through: str = ""  # a path probe: the address of the real server that must answer for `address` ...
    mark: int = 0  # ... and the firewall mark that leads there

    @property
    def machine(self) -> str:
        """The real server that is tried, whichever address is asked."""
        return self.through or self.address

    interval: float = 0.0  # instead of the check's own; 0: that

    @property
    def pace(self) -> float:
        """Seconds between two tries."""
        return self.interval or self.check.interval


@dataclass(frozen=True, slots=True)
class ProbeResult:
    """The outcome of one try."""

    passed: bool
    detail: str  # one sentence; what an operator reads at three in the morning
    local: bool = False  # this director's trouble (no route, no descriptors): says nothing about the real server
    weight: int | None = None  # percent of the configured weight that the real server asks for; None: it did not say
    failure: Failure = field(default="", compare=False)
    transcript: Transcript | None = field(default=None, compare=False)
