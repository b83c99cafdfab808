"""What must change in the kernel to get from the observed IPVS table to the wanted one, and in which order.

Order: services are added, then settings changed, then pools grow (destinations added, weights raised), then pools
shrink (weights lowered, destinations removed), then services removed. So between the first and the last change no pool
is ever smaller than at the smaller of both ends.

Only what is ours is removed. A service or destination that is neither wanted nor `owned` belongs to somebody else and
stays, also when it sits in one of our services; an owned service that holds such destinations is emptied of ours and
kept for them.

Destinations are added in ascending order of their keys. The kernel puts a new destination at the *head* of the
service's list, and `mh` fills its table in the order of that list: two directors agree on every flow only if they added
the same destinations in the same order. Ascending order keeps that where servers with greater addresses join later. One
that was removed and comes back lands at the head on the director that saw it go; about 1 flow in 200 may then differ
between the two. We do not restore the order, for that would mean to remove destinations that serve.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from haagent.ipvs.table import Destination, DestinationKey, Forwarding, Service, ServiceKey, Table


@dataclass(frozen=True, slots=True)
class AddService:
    """A new service without destinations; those of `service` are added one by one."""

    key: ServiceKey
    service: Service


@dataclass(frozen=True, slots=True)
class SetService:
    """New settings of a service; its destinations and connections stay."""

    key: ServiceKey
    service: Service


@dataclass(frozen=True, slots=True)
class RemoveService:
    """A service with all its destinations."""

    key: ServiceKey


@dataclass(frozen=True, slots=True)
class AddDestination:
    service: ServiceKey
    key: DestinationKey
    destination: Destination


@dataclass(frozen=True, slots=True)
class SetDestination:
    """New settings of a destination, its forwarding method too; its connections stay."""

    service: ServiceKey
    key: DestinationKey
    destination: Destination


@dataclass(frozen=True, slots=True)
class RemoveDestination:
    service: ServiceKey
    key: DestinationKey


Change = AddService | SetService | RemoveService | AddDestination | SetDestination | RemoveDestination


@dataclass(frozen=True, slots=True)
class Owned:
    """What we may remove: what we once put there or adopted."""

    services: frozenset[ServiceKey] = frozenset()
    destinations: frozenset[tuple[ServiceKey, DestinationKey]] = frozenset()

    def with_table(self, table: Table) -> "Owned":
        """Also everything in `table`: what was wanted once is ours from then on."""
        return Owned(
            self.services | table.keys(),
            self.destinations.union((key, at) for key, service in table.items() for at in service.destinations),
        )

    def together_with(self, other: "Owned") -> "Owned":
        """Both. Where they are equal it keeps its own keys: sets compare those by identity, in no time."""
        if not other.services and not other.destinations:
            return self
        return Owned(self.services | other.services, self.destinations | other.destinations)

    def or_all_of(self, table: Table, *, is_exclusive: bool) -> "Owned":
        """What may be removed of `table`: everything, where the kernel's table is ours alone."""
        return Owned().with_table(table) if is_exclusive else self

    def without(self, other: "Owned") -> "Owned":
        return Owned(self.services - other.services, self.destinations - other.destinations)


def plan(observed: Table, wanted: Table, owned: Owned) -> list[Change]:
    """The changes that lead from `observed` to `wanted`, in the order in which they are safe."""
    added: list[Change] = []
    changed: list[Change] = []
    growing: list[Change] = []
    shrinking: list[Change] = []
    removed: list[Change] = []
    # Of thousands of services one has changed: where that very value is in force there is nothing to compare
    for key in sorted(key for key, service in wanted.items() if observed.get(key) is not service):
        service, found = wanted[key], observed.get(key)
        if found is None:
            added.append(AddService(key, service))
        elif settings_of(found) != settings_of(service):
            changed.append(SetService(key, service))
        present = found.destinations if found is not None else {}
        for at in sorted(service.destinations):
            destination, before = service.destinations[at], present.get(at)
            if before is None:
                growing.append(AddDestination(key, at, destination))
            elif not is_as_wanted(before, destination):
                direction = shrinking if destination.weight < before.weight else growing
                direction.append(SetDestination(key, at, destination))
        gone = [at for at in present if at not in service.destinations and (key, at) in owned.destinations]
        shrinking.extend(RemoveDestination(key, at) for at in sorted(gone))
    for key in sorted(key for key in observed if key not in wanted and key in owned.services):
        ours = [at for at in observed[key].destinations if (key, at) in owned.destinations]
        if len(ours) == len(observed[key].destinations):
            removed.append(RemoveService(key))
        else:
            shrinking.extend(RemoveDestination(key, at) for at in sorted(ours))
    return added + changed + growing + shrinking + removed


def apply(table: Table, changes: Iterable[Change]) -> Table:
    """The table after the changes, as the kernel would have it: a change that it refuses changes nothing."""
    services = dict(table)
    pools: dict[ServiceKey, dict[DestinationKey, Destination]] = {}  # of services that change

    def pool(key: ServiceKey) -> dict[DestinationKey, Destination]:
        if key not in pools:
            pools[key] = dict(services[key].destinations)
        return pools[key]

    for change in changes:
        match change:
            case AddService(key, service) if key not in services:
                services[key], pools[key] = service, {}
            case SetService(key, service) if key in services:
                pool(key)
                services[key] = service
            case RemoveService(key) if key in services:
                del services[key]
                pools.pop(key, None)
            case AddDestination(key, at, destination) if key in services and at not in pool(key):
                pool(key)[at] = destination
            case SetDestination(key, at, destination) if key in services and at in pool(key):
                pool(key)[at] = destination
            case RemoveDestination(key, at) if key in services:
                pool(key).pop(at, None)
            case _:
                pass  # EEXIST, ESRCH or ENOENT
    return {
        key: replace(service, destinations=pools[key]) if key in pools else service for key, service in services.items()
    }


def recognised(observed: Table, wanted: Table) -> Table:
    """The same table; a service that is as wanted is the wanted value itself, so that `plan` need not compare it."""
    return {
        key: wish if (wish := wanted.get(key)) is not None and wish is not found and wish == found else found
        for key, found in observed.items()
    }


def is_as_wanted(found: Destination, wanted: Destination) -> bool:
    """Whether there is nothing to set.

    A kernel that made LOCAL of the method where the address is the director's own would have it set at every audit, for
    nothing. Linux 6.1 reports what was asked for (measured); tolerating the other costs a line.
    """
    return found == wanted or (
        found.forwarding is Forwarding.LOCAL and replace(found, forwarding=wanted.forwarding) == wanted
    )


def settings_of(service: Service) -> tuple[str, int, int, int, str]:
    return (
        service.scheduler,
        service.flags,
        service.persistence_timeout,
        service.netmask,
        service.persistence_engine,
    )
