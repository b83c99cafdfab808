"""Flap damping: a penalty for each change of the verdict, which decays by half-lives (the idea of RFC 2439). Pure.

Penalty 1 for each change between up and down. At `suppress` the server is kept out of service although its checks
pass; when the penalty has decayed to `reuse` it may serve again. The penalty has a ceiling, from which the way down to
`reuse` takes `maximum_time`: nobody is kept out longer than that after its last change.
"""

import math
from dataclasses import dataclass

from haagent.config.model import Damping

Instant = float


@dataclass(frozen=True, slots=True)
class Damped:
    """What is remembered of one real server: its penalty as it was `at` an instant, and whether it is kept out."""

    penalty: float = 0.0
    at: Instant = 0.0
    suppressed: bool = False


def penalty_at(settings: Damping, damped: Damped, now: Instant) -> float:
    return damped.penalty * math.exp2(-max(0.0, now - damped.at) / settings.half_life)


def ceiling(settings: Damping) -> float:
    doublings = min(settings.maximum_time / settings.half_life, 900.0)  # beyond, a float has no number
    return settings.reuse * math.exp2(doublings)


def changed(settings: Damping, damped: Damped, now: Instant) -> Damped:
    """After one more change of the verdict."""
    penalty = min(penalty_at(settings, damped, now) + 1.0, ceiling(settings))
    return Damped(penalty, now, damped.suppressed or penalty >= settings.suppress)


def decayed(settings: Damping, damped: Damped, now: Instant) -> Damped:
    """Let go where the penalty has decayed to `reuse`; else the same value."""
    eligible = eligible_at(settings, damped)
    if eligible is None or now < eligible:
        return damped
    return Damped(penalty_at(settings, damped, now), now)


def eligible_at(settings: Damping, damped: Damped) -> Instant | None:
    """When a server that is kept out may serve again, if its verdict does not change before; None: it is not."""
    if not damped.suppressed:
        return None
    if damped.penalty <= settings.reuse:
        return damped.at
    return damped.at + settings.half_life * math.log2(damped.penalty / settings.reuse)
