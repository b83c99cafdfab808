"""From services, verdicts and what was adopted to the wanted IPVS table. Pure: the same inputs give the same table.

A real server is in service while all its checks say so. One that no check has judged yet keeps the weight that was
found in the kernel (a restarted daemon moves no flow), or stays out (a new server is down until proven).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from haagent.config.model import ForwardingMethod, RealServer, VirtualService
from haagent.ipvs.table import (
    FLAG_SCHED1,
    FLAG_SCHED2,
    PROTOCOL_TCP,
    PROTOCOL_UDP,
    Destination,
    DestinationKey,
    Forwarding,
    Service,
    ServiceKey,
    Table,
)
from haagent.snapshot import HealthState

_PROTOCOLS = {"tcp": PROTOCOL_TCP, "udp": PROTOCOL_UDP}
_FORWARDING: dict[ForwardingMethod, Forwarding] = {
    "direct_routing": Forwarding.DIRECT_ROUTING,
    "masquerading": Forwarding.MASQUERADING,
    "tunneling": Forwarding.TUNNELING,
}
_FLAGS = {"fallback": FLAG_SCHED1, "port": FLAG_SCHED2}  # of sh and mh
SORRY_WEIGHT = 1

Adopted = Mapping[tuple[ServiceKey, DestinationKey], int]  # weights found in the kernel at start


@dataclass(frozen=True, slots=True)
class Pool:
    """One service's wanted kernel entry, and which of its real servers it serves with."""

    service: Service
    serving: frozenset[str] = field(default_factory=frozenset)  # names of real servers with a weight
    uses_sorry_server: bool = False


def packed(address: str) -> bytes:
    return bytes(int(octet) for octet in address.split("."))


def service_key(service: VirtualService) -> ServiceKey:
    return ServiceKey(_PROTOCOLS[service.protocol], packed(service.address), service.port)


def destination_key(address: str, port: int) -> DestinationKey:
    return DestinationKey(packed(address), port)


def pool(service: VirtualService, health: Callable[[RealServer], HealthState], adopted: Adopted) -> Pool:
    """What the kernel should hold for one service now."""
    key = service_key(service)
    destinations: dict[DestinationKey, Destination] = {}
    serving = set()
    for server in service.real_servers:
        target = destination_key(server.address, server.port)
        weight = _weight(server, health(server), adopted.get((key, target)))
        if weight:
            serving.add(server.name)
        if weight is None and service.when_down == "quiesce":
            weight = 0
        if weight is not None:
            destinations[target] = Destination(_FORWARDING[server.forwarding_method], weight)
    sorry = service.sorry_server
    uses_sorry_server = not serving and sorry is not None
    if sorry is not None and uses_sorry_server:
        destinations[destination_key(sorry.address, sorry.port)] = Destination(
            _FORWARDING[sorry.forwarding_method], SORRY_WEIGHT
        )
    flags = sum(_FLAGS[flag] for flag in service.scheduler_flags)
    return Pool(Service(service.scheduler, flags, destinations=destinations), frozenset(serving), uses_sorry_server)


def _weight(server: RealServer, health: HealthState, adopted: int | None) -> int | None:
    """None: out of service. A configured weight of 0 is in the table, and gets no new connection."""
    match health:
        case "up":
            return server.weight
        case "down":
            return None
        case "unknown":
            return adopted


def weights(table: Table) -> Adopted:
    """Every destination's weight in an observed table."""
    return {
        (service_key, destination_key): destination.weight
        for service_key, service in table.items()
        for destination_key, destination in service.destinations.items()
    }
