"""Which entries of the kernel's table are ours."""

from haagent.config.model import Config
from haagent.ipvs.plan import Owned
from haagent.ipvs.table import DestinationKey, ServiceKey, Table
from haagent.pool.desired import destination_key, service_key


def present(owned: Owned, table: Table) -> Owned:
    """What of `owned` the kernel still holds."""
    return Owned(
        frozenset(key for key in owned.services if key in table),
        frozenset((key, at) for key, at in owned.destinations if key in table and at in table[key].destinations),
    )


def owned_by(config: Config) -> Owned:
    """Everything in the kernel's table that the configuration speaks of."""
    services: set[ServiceKey] = set()
    destinations: set[tuple[ServiceKey, DestinationKey]] = set()
    for service in config.virtual_services:
        key = service_key(service)
        services.add(key)
        targets = [(server.address, server.port) for server in service.real_servers]
        if service.sorry_server:
            targets.append((service.sorry_server.address, service.sorry_server.port))
        destinations.update((key, destination_key(address, port)) for address, port in targets)
    return Owned(frozenset(services), frozenset(destinations))
