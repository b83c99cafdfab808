"""Several checks of one real server, one verdict: all must pass, any of them, or so many. Pure.

`require` counts: with n checks, "all" is n and "any" is 1. A server is up as soon as enough checks say so, down as soon
as the others cannot make up for those that failed, and unknown in between.
"""

from collections.abc import Sequence

from haagent.config.model import Require
from haagent.health.check import HealthState


def together(verdicts: Sequence[HealthState], require: Require) -> HealthState:
    """Without a check a server is up; to require more checks than there are is to require them all."""
    needed = needed_of(len(verdicts), require)
    if verdicts.count("up") >= needed:
        return "up"
    return "down" if len(verdicts) - verdicts.count("down") < needed else "unknown"


def needed_of(total: int, require: Require) -> int:
    match require:
        case "all":
            return total
        case "any":
            return min(1, total)
        case count:
            return min(count, total)
