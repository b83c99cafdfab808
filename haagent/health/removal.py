"""Never take out more than so many at once: a burst of failures is held until it is confirmed. Pure.

Of the real servers that are configured to serve, at most the share `maximum` may leave within `window` seconds, and one
may always. The verdict that would exceed it is held for `hold` seconds: its server stays in service. If it is still
down then, it leaves; if it came back, nothing happened.
"""

import math
from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass, field

Instant = float


@dataclass(frozen=True, slots=True)
class Limits:
    maximum: float  # 0..1; 1: no limit
    window: float
    hold: float


@dataclass(frozen=True, slots=True)
class Removals:
    """Who left when, of late; whose verdict is held until when."""

    left: tuple[Instant, ...] = ()
    held: Mapping[str, Instant] = field(default_factory=dict)


def limited(
    limits: Limits,
    before: Removals,
    down: Set[str],
    newly_down: Iterable[str],
    total: int,
    now: Instant,
) -> Removals:
    """`newly_down`: of `down`, those that served until now, in the order of the configuration."""
    left = [at for at in before.left if now - at < limits.window]
    if limits.maximum >= 1:
        return Removals(tuple(left), {})
    held = {}
    for name, until in before.held.items():
        if name in down:
            if now >= until:
                left.append(now)
            else:
                held[name] = until
    allowed = max(1, math.floor(limits.maximum * total + 1e-9))
    for name in newly_down:
        if name in held:
            continue
        if len(left) < allowed:
            left.append(now)
        else:
            held[name] = now + limits.hold
    return Removals(tuple(left), held)


def next_release_at(removals: Removals) -> Instant | None:
    return min(removals.held.values(), default=None)
