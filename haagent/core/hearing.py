"""What one director hears on a virtual router's segment: its own view, and what the directors tell each other of it.

Instants are monotonic ones of this host. A word to a peer has them relative to the moment in which it is said, so no
two clocks need to agree.
"""

import math
from collections.abc import Iterable

from msgspec import Struct, structs

from haagent.snapshot import RouterState

Instant = float


class Source(Struct, frozen=True, kw_only=True):
    """One address that advertises for the VRID."""

    address: str
    at: Instant  # when it was last heard
    refusal: str = ""  # why it is not listened to (vrrp.advertisement.Discard, lower case); "": it is
    heard: int = 1
    version: int = 3
    priority: int = 0  # 0 is a farewell
    interval: float = 0.0
    checksum: str = ""
    others: tuple[str, ...] = ()  # virtual addresses that it has and we have not
    lacks: tuple[str, ...] = ()  # those that we have and it has not


class Hearing(Struct, frozen=True, kw_only=True):
    """One director's view of one virtual router."""

    router: str
    state: RouterState
    since: Instant  # of the state
    at: Instant  # of all of this
    priority: int
    interval: float
    own: tuple[str, ...] = ()  # the addresses from which it advertises
    sources: tuple[Source, ...] = ()
    uncounted: int = 0  # advertisements from more sources than can be told apart


def relative(hearings: Iterable[Hearing], now: Instant) -> tuple[Hearing, ...]:
    """As a peer is told."""
    return tuple(_moved(each, -now, now) for each in hearings)


def absolute(hearings: Iterable[Hearing], now: Instant) -> tuple[Hearing, ...]:
    """As a peer told it a moment ago. Nothing that it says lies in the future."""
    return tuple(_moved(each, now, now) for each in hearings)


def is_finite(hearing: Hearing) -> bool:
    instants = (hearing.since, hearing.at, hearing.interval, *(each.at for each in hearing.sources))
    return all(math.isfinite(each) for each in instants) and all(math.isfinite(s.interval) for s in hearing.sources)


def _moved(hearing: Hearing, by: float, now: Instant) -> Hearing:
    limit = now if by > 0 else 0.0
    return structs.replace(
        hearing,
        since=min(hearing.since + by, limit),
        at=limit,
        sources=tuple(structs.replace(each, at=min(each.at + by, limit)) for each in hearing.sources),
    )
