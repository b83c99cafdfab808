"""What the core knows of one probe, one path and one real server."""

from dataclasses import dataclass

from haagent.config.model import Check
from haagent.core.events import Instant
from haagent.health.check import Failure
from haagent.pool.path_verdict import UNTESTED, PathVerdict
from haagent.processes.messages import Probe
from haagent.snapshot import HealthState


@dataclass(frozen=True, slots=True)
class Verdict:
    health: HealthState = "unknown"
    detail: str = "not probed yet"
    since: Instant = 0.0
    failure: Failure = ""
    cause: str = ""
    weight: int | None = None
    unjudged_since: Instant | None = None  # trouble of this director since then: the verdict is held; None: judged

    @property
    def words(self) -> str:
        return f"{self.detail}: {self.cause}" if self.cause else self.detail


@dataclass(frozen=True, slots=True)
class Path:
    """The verdict on the virtual address through one real server."""

    verdict: PathVerdict = UNTESTED
    since: Instant = 0.0
    is_obstructed: bool = False  # somebody must do something before it can be tested


NO_PATH = Path(PathVerdict("", ""))


@dataclass(frozen=True, slots=True)
class Standing:
    """All checks of one real server together."""

    health: HealthState
    reason: str
    since: Instant


UNJUDGED = 3  # times the time in which a verdict would have changed: a held one is then a problem of its own


def is_stale(probe: Probe, verdict: Verdict, now: Instant) -> bool:
    """This director's own trouble has kept it from judging for so long that its verdict may well be wrong."""
    if verdict.unjudged_since is None:
        return False
    return now - verdict.unjudged_since >= UNJUDGED * probe.check.fall * (probe.interval or probe.check.interval)


Identity = tuple[Check, str, int, str, int]  # check without its name, address, port, through, mark


def pace(probe: Probe) -> float:
    """Seconds from one result to the next, at most."""
    return (probe.interval or probe.check.interval) + probe.check.timeout
