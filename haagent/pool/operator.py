"""What operators said about real servers, and what follows from it. Pure.

One `Override` for each real server of a service that somebody ever spoke of. "Enabled" without a weight is an override
too: it says that the configuration and the checks decide again, and it must win over what a peer heard earlier. So
nothing is ever removed, the newest version wins by server, and `merge` is commutative, associative and idempotent.

Deadlines are state, in wall-clock seconds (they survive a restart): at `deadline` a drained server is disabled, at
`until` an override ends. `operated` is the one place where all this meets the configuration.
"""

from collections import ChainMap
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Annotated, Literal, cast

from msgspec import Meta, Struct, structs

from haagent.config.model import VirtualService
from haagent.ipvs.table import Destination, DestinationCounts, DestinationKey, ServiceKey
from haagent.pool.desired import Adopted, destination_key, service_key
from haagent.snapshot import AdminState

ServerKey = tuple[str, str]  # service name, real server name
PersistentChoice = Literal["", "expire", "keep"]
HAAGENT = "haagent"  # the actor of what deadlines and counts bring about


class Version(Struct, frozen=True, order=True):
    """A Lamport counter; of equal ones the director's name decides, the same way everywhere."""

    counter: Annotated[int, Meta(ge=0, le=2**62)] = 0
    director: str = ""


class Override(Struct, frozen=True, kw_only=True):
    """The newest word on one real server of one service."""

    admin: AdminState = "enabled"
    weight: Annotated[int, Meta(ge=0, le=65535)] | None = None  # instead of the configured one; only while enabled
    deadline: float | None = None  # a drained one is disabled then, whatever connections are left
    until: float | None = None  # it is enabled again then
    keep: bool = False  # it stays drained at the deadline and without connections
    persistent: PersistentChoice = ""  # drain only: whether clients with a persistence template may come back
    at: float = 0.0  # when it was said
    actor: str = HAAGENT
    version: Version = Version()

    @property
    def is_automatic(self) -> bool:
        return self.admin == "enabled" and self.weight is None


AUTOMATIC = Override()
Overrides = Mapping[ServerKey, Override]


# ------------------------------------------------------------------------------------------------------- how it changes


def said(overrides: Overrides, keys: Iterable[ServerKey], word: Override, director: str) -> Overrides:
    """`word` about each of `keys`, newer than all that is known."""
    version = Version(_last(overrides) + 1, director)
    return {**overrides, **{key: structs.replace(word, version=version) for key in keys}}


def merge(ours: Overrides, theirs: Overrides) -> Overrides:
    """The newest word on each server, whoever heard it. Two of one version (a director that lost its memory and counts
    anew) are told apart by their content, so that both sides still agree."""
    merged = dict(ours)
    for key, word in theirs.items():
        known = merged.get(key)
        if known is None or _order(known) < _order(word):
            merged[key] = word
    return merged


def advance(overrides: Overrides, wall: float, director: str) -> Overrides:
    """What the deadlines that have come bring about; the same mapping where none has."""
    back = {key for key, word in overrides.items() if word.until is not None and word.until <= wall}
    out = [
        key
        for key, word in overrides.items()
        if word.admin == "drained" and word.deadline is not None and word.deadline <= wall and key not in back
    ]
    if back:
        overrides = said(overrides, back, Override(at=wall), director)
    return _without_connections(overrides, out, wall, director) if out else overrides


def finish(overrides: Overrides, idle: Iterable[ServerKey], wall: float, director: str) -> Overrides:
    """Drained servers of which no connection is left are disabled, unless they were to be kept."""
    done = [key for key in idle if (word := overrides.get(key)) and word.admin == "drained" and not word.keep]
    return _without_connections(overrides, done, wall, director)


def next_deadline(overrides: Overrides) -> float | None:
    """When `advance` will have something to do (wall clock)."""
    return min(
        (
            instant
            for word in overrides.values()
            for instant in (word.until, word.deadline if word.admin == "drained" else None)
            if instant is not None
        ),
        default=None,
    )


def is_idle(word: Override, kernel: Destination | None, counts: DestinationCounts) -> bool:
    """Whether a drained server has nothing left, in one and the same look at the kernel.

    Weight 0 must be there already, else new connections may still come. A persistence template brings its client back
    where the kernel keeps it: then it counts as well.
    """
    if kernel is None or kernel.weight:
        return False
    return left(word, counts) == 0


def left(word: Override, counts: DestinationCounts) -> int:
    """The connections that a drain waits for."""
    templates = 0 if word.persistent == "expire" else counts.persistent_connections
    return counts.active_connections + counts.inactive_connections + templates


def _without_connections(overrides: Overrides, keys: Iterable[ServerKey], wall: float, director: str) -> Overrides:
    """Each keeps who asked for it and when it comes back."""
    version = Version(_last(overrides) + 1, director)
    changed = dict(overrides)
    for key in keys:
        word = overrides[key]
        admin: AdminState = "drained" if word.keep else "disabled"
        changed[key] = structs.replace(word, admin=admin, deadline=None, at=wall, actor=HAAGENT, version=version)
    return changed if changed != overrides else overrides


def _last(overrides: Overrides) -> int:
    return max((word.version.counter for word in overrides.values()), default=0)


def _order(word: Override) -> tuple[object, ...]:
    numbers = tuple(-1.0 if each is None else float(each) for each in (word.weight, word.deadline, word.until))
    return (
        *(word.version.counter, word.version.director),
        *(word.at, word.admin, *numbers, word.keep, word.persistent, word.actor),
    )


# ------------------------------------------------------------------------------------------------------ what it changes


def operated(service: VirtualService, adopted: Adopted, overrides: Overrides) -> tuple[VirtualService, Adopted]:
    """The service as operators want it, and what a server that is not judged yet keeps; both go into `pool`.

    Drained is weight 0: the server stays in the table, gets nothing new, and does not count as one that could serve.
    Disabled is not there at all.
    """
    if not overrides or not any((service.name, server.name) in overrides for server in service.real_servers):
        return service, adopted
    servers = []
    found: dict[tuple[ServiceKey, DestinationKey], int] = {}
    for server in service.real_servers:
        word = overrides.get((service.name, server.name), AUTOMATIC)
        if word.admin == "disabled":
            continue
        weight = 0 if word.admin == "drained" else word.weight
        if weight is not None:
            key = service_key(service), destination_key(server.address, server.port)
            if key in adopted:
                found[key] = min(weight, adopted[key])  # 0 may be its predecessor's verdict
            server = structs.replace(server, weight=weight)
        servers.append(server)
    both = ChainMap(found, cast(dict[tuple[ServiceKey, DestinationKey], int], adopted)) if found else adopted
    return structs.replace(service, real_servers=tuple(servers)), both


def unknown(overrides: Overrides, services: Iterable[VirtualService]) -> tuple[str, ...]:
    """A sentence for each word about a server that is not configured. It is kept: the server may return."""
    known = {(service.name, server.name) for service in services for server in service.real_servers}
    return tuple(
        f"{word.actor} said {words(word)} of {service}/{server}, which the configuration does not have; "
        f"`haagent enable {service}/{server}` forgets it"
        for (service, server), word in sorted(overrides.items())
        if not word.is_automatic and (service, server) not in known
    )


def override_cause(word: Override) -> str:
    """What else was said, as a history line has it."""
    said = [f"by {word.actor}"]
    if word.deadline is not None and word.admin == "drained":
        said.append(f"until {_clock(word.deadline)} at the latest")
    if word.keep:
        said.append("kept in the table")
    if word.until is not None:
        said.append(f"enabled again at {_clock(word.until)}")
    return ", ".join(said)


def _clock(wall: float) -> str:
    try:
        return datetime.fromtimestamp(wall, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    except (ValueError, OverflowError, OSError):  # a year beyond all calendars, from a file or a peer
        return f"{wall:g} s after 1970"


def words(word: Override) -> str:
    """ "drained", "disabled", "enabled" or "weight 5"."""
    return word.admin if word.weight is None else f"weight {word.weight}"
