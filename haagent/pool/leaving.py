"""Two-phase removal: what a reload takes out of the configuration gets no new connection, and goes once it has none.
Pure.

A destination that leaves has weight 0 in the kernel until its last connection is closed or `removal_time` is over; a
service that leaves stands as long as one of its destinations does. A configuration that names it again ends it. Nobody
remembers it over a restart: the new director finds it as its predecessor's, and removes it.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from haagent.ipvs.plan import Owned
from haagent.ipvs.table import Counts, Destination, DestinationCounts, DestinationKey, Service, ServiceKey, Table

Instant = float
Entry = tuple[ServiceKey, DestinationKey]


@dataclass(frozen=True, slots=True)
class Leaving:
    """One destination on its way out."""

    name: str  # "service/server"
    service: Service  # the one that it was in, as it was
    destination: Destination  # weight 0
    until: Instant


AllLeaving = Mapping[Entry, Leaving]


def leave(
    before: Table,
    configured: Owned,
    times: Mapping[ServiceKey, float],
    names: Mapping[Entry, str],
    already: AllLeaving,
    now: Instant,
) -> dict[Entry, Leaving]:
    """After a reload. `before`: the table that was wanted; `configured`: what the new configuration speaks of; `times`
    and `names`: of the services and servers that were configured."""
    found = {entry: each for entry, each in already.items() if entry not in configured.destinations}
    for key, service in before.items():
        for at, destination in service.destinations.items():
            entry = key, at
            if entry in configured.destinations or entry in found or not times.get(key):
                continue
            until = now + times[key]
            found[entry] = Leaving(names.get(entry, ""), service, replace(destination, weight=0), until)
    return found


def with_leaving(wanted: Table, leaving: AllLeaving) -> Table:
    """The table with those that are on their way out."""
    if not leaving:
        return wanted
    table = dict(wanted)
    for (key, at), each in leaving.items():
        service = table.get(key) or replace(each.service, destinations={})
        table[key] = replace(service, destinations={at: each.destination, **service.destinations})
    return table


def idle(leaving: AllLeaving, table: Table, counts: Counts) -> Iterator[Entry]:
    """Whose last connection is closed, and that the kernel holds with weight 0, in one look. Persistence is no
    connection: a client that comes back is to get another server."""
    for key, at in leaving:
        if key in table and (found := table[key].destinations.get(at)) is not None and not found.weight:
            each = counts.get((key, at), DestinationCounts())
            if not each.active_connections and not each.inactive_connections:
                yield key, at
