"""What somebody else did to the kernel's table: the table as we left it, against the table as an audit finds it. Pure.

`believed` is what we know that we applied, so every difference is another's work. An entry that was set is told beside
one that came or went; a service that came or went is one difference, whatever it holds.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Literal

from haagent.ipvs.plan import AddService, Change, Owned, RemoveService, SetService, is_as_wanted, settings_of
from haagent.ipvs.table import Destination, DestinationKey, Service, ServiceKey, Table
from haagent.ipvs.words import destination_name, destination_text, service_name, service_text

Target = tuple[ServiceKey, DestinationKey | None]  # an entry; None: the service itself
ABSENT = "absent"


@dataclass(frozen=True, slots=True)
class Policy:
    """What becomes of others' work."""

    heals: bool = True  # False: it is told and left, until we want something else of that very entry
    is_exclusive: bool = False  # nothing but ours may be in the table
    generation: int = 0  # a new configuration is applied whole


@dataclass(frozen=True, slots=True)
class Drift:
    """One entry that somebody else added, set or removed."""

    target: Target
    before: str  # in words
    after: str

    @property
    def name(self) -> str:
        key, at = self.target
        return service_name(key) if at is None else destination_name(key, at)

    @property
    def verb(self) -> Literal["added", "removed", "changed"]:
        return "added" if self.before == ABSENT else "removed" if self.after == ABSENT else "changed"


def drifts(believed: Table, observed: Table) -> tuple[Drift, ...]:
    """In the order of the keys."""
    found: list[Drift] = []
    for key in sorted(believed.keys() | observed.keys()):
        before, after = believed.get(key), observed.get(key)
        if before is None or after is None:
            found.append(Drift((key, None), _whole(before), _whole(after)))
            continue
        if settings_of(before) != settings_of(after):
            found.append(Drift((key, None), service_text(before), service_text(after)))
        if before.destinations == after.destinations:
            continue
        for at in sorted(before.destinations.keys() | after.destinations.keys()):
            one, other = before.destinations.get(at), after.destinations.get(at)
            if one is None or other is None or not is_as_wanted(other, one):
                found.append(Drift((key, at), _words(one), _words(other)))
    return tuple(found)


def _whole(service: Service | None) -> str:
    if service is None:
        return ABSENT
    count = len(service.destinations)
    return f"{service_text(service)} with {count} {'real server' if count == 1 else 'real servers'}"


def _words(destination: Destination | None) -> str:
    return ABSENT if destination is None else destination_text(destination)


def foreign(observed: Table, wanted: Table, owned: Owned) -> tuple[Target, ...]:
    """What is neither wanted nor ours: whole services, and destinations in services that are."""
    found: list[Target] = []
    for key, service in observed.items():
        if key not in wanted and key not in owned.services:
            found.append((key, None))
            continue
        ours = wanted[key].destinations if key in wanted else {}
        found.extend((key, at) for at in service.destinations if at not in ours and (key, at) not in owned.destinations)
    return tuple(sorted(found, key=_order))


def _order(target: Target) -> tuple[ServiceKey, DestinationKey]:
    key, at = target
    return key, at or DestinationKey(b"", 0)


def target_name(target: Target) -> str:
    key, at = target
    return service_name(key) if at is None else destination_name(key, at)


def want_of(wanted: Table, target: Target) -> Service | Destination | None:
    """What is wanted of one entry. A service without its destinations, which are entries of their own."""
    key, at = target
    service = wanted.get(key)
    if service is None:
        return None
    return replace(service, destinations={}) if at is None else service.destinations.get(at)


Spared = Mapping[Target, Service | Destination | None]  # what was wanted of an entry when somebody else changed it


def without_spared(changes: Iterable[Change], spared: Spared, wanted: Table, observed: Table) -> list[Change]:
    """The changes but for those that would undo what is only to be told. One that we want for a new reason is made."""
    if not spared:
        return list(changes)
    kept = []
    for change in changes:
        target = target_of(change)
        service = (target[0], None)
        is_of_absent = target[1] is not None and target[0] not in observed and _stands(service, spared, wanted)
        if not is_of_absent and not _stands(target, spared, wanted):
            kept.append(change)
    return kept


def _stands(target: Target, spared: Spared, wanted: Table) -> bool:
    return target in spared and spared[target] == want_of(wanted, target)


def target_of(change: Change) -> Target:
    match change:
        case AddService(key=key) | SetService(key=key) | RemoveService(key=key):
            return key, None
        case _:
            return change.service, change.key
