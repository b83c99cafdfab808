"""What one director hears on a virtual router's segment: its own view, and what the directors tell each other of it.

Instants are monotonic ones of this host. A word to a peer has them relative to the moment in which it is said, so no
two clocks need to agree.
"""

import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping

from msgspec import Struct, structs

from haagent.snapshot import RouterState

Instant = float
LAG = 3.0  # seconds after which a report that did not come says that nothing changed: they are two apart
_MAC = re.compile("[0-9a-f]{2}(:[0-9a-f]{2}){5}")


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


class Answered(Struct, frozen=True, kw_only=True):
    """Which MACs answer for a router's addresses: for most of them the same, so those are said once."""

    at: Instant  # when it was asked
    most: tuple[str, ...] = ()
    others: dict[str, tuple[str, ...]] = {}  # by address: where it is not those


class Hearing(Struct, frozen=True, kw_only=True):
    """One director's view of one virtual router."""

    router: str
    state: RouterState
    since: Instant  # of the state
    at: Instant  # when all of this was so
    priority: int
    interval: float
    own: tuple[str, ...] = ()  # the addresses from which it advertises
    sources: tuple[Source, ...] = ()
    uncounted: int = 0  # advertisements from more sources than can be told apart
    owners: "Answered | None" = None  # who answers for its addresses; None: nobody was asked


def relative(hearings: Iterable[Hearing], now: Instant) -> tuple[Hearing, ...]:
    """As a peer is told."""
    return tuple(_moved(as_of(each, now), -now, 0.0) for each in hearings)


def absolute(hearings: Iterable[Hearing], now: Instant) -> tuple[Hearing, ...]:
    """As a peer told it a moment ago. Nothing that it says lies in the future."""
    return tuple(_moved(each, now, now) for each in hearings)


def as_of(own: Hearing, now: Instant) -> Hearing:
    """What was reported and not taken back since is so still."""
    return structs.replace(own, at=max(own.at, now - LAG))


def is_finite(hearing: Hearing) -> bool:
    instants = (hearing.since, hearing.at, hearing.interval, *(each.at for each in hearing.sources))
    if hearing.owners:
        instants = (*instants, hearing.owners.at)
    return all(math.isfinite(each) for each in instants) and all(math.isfinite(s.interval) for s in hearing.sources)


def answered(addresses: Iterable[str], heard: Mapping[str, frozenset[str]], at: Instant) -> Answered:
    """As it is told."""
    sets = {address: tuple(sorted(heard.get(address, ()))) for address in addresses}
    (most, _), *_ = Counter(sets.values()).most_common(1) or [((), 0)]
    return Answered(at=at, most=most, others={address: macs for address, macs in sets.items() if macs != most})


def answers(addresses: Iterable[str], told: Answered) -> dict[str, frozenset[str]]:
    """As it was heard; only MACs that look like some, and only for the addresses that we know too."""
    sets = {address: told.others.get(address, told.most) for address in addresses}
    return {address: macs for address, each in sets.items() if (macs := frozenset(filter(_MAC.fullmatch, each)))}


def _moved(hearing: Hearing, by: float, limit: Instant) -> Hearing:
    owners = hearing.owners and structs.replace(hearing.owners, at=min(hearing.owners.at + by, limit))
    return structs.replace(
        hearing,
        since=min(hearing.since + by, limit),
        at=min(hearing.at + by, limit),
        owners=owners,
        sources=tuple(structs.replace(each, at=min(each.at + by, limit)) for each in hearing.sources),
    )
