"""From services, verdicts and what was adopted to the wanted IPVS table. Pure: the same inputs give the same table.

A real server is healthy while all its checks say so. One that no check has judged yet keeps the weight that was found
in the kernel (a restarted daemon moves no flow), or stays out (a new server is down until proven). Of the healthy, the
lowest tier serves; with too few healthy those that served last are kept (freeze.py); below the quorum the sorry server
takes their place. What must be remembered between two computations is `Memory`, an input like the others.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from ipaddress import IPv6Address

from haagent.config.model import ForwardingMethod, RealServer, SorryServer, Tunnel, VirtualService
from haagent.ipvs.table import (
    FLAG_ONEPACKET,
    FLAG_PERSISTENT,
    FLAG_SCHED1,
    FLAG_SCHED2,
    PROTOCOL_SCTP,
    PROTOCOL_TCP,
    PROTOCOL_UDP,
    Destination,
    DestinationKey,
    Forwarding,
    Service,
    ServiceKey,
    Table,
)
from haagent.pool.freeze import freeze
from haagent.pool.quorum import has_quorum
from haagent.pool.tiers import NO_TIER, serving_tier
from haagent.snapshot import HealthState

_PROTOCOLS = {"tcp": PROTOCOL_TCP, "udp": PROTOCOL_UDP, "sctp": PROTOCOL_SCTP}
_FORWARDING: dict[ForwardingMethod, Forwarding] = {
    "direct_routing": Forwarding.DIRECT_ROUTING,
    "masquerading": Forwarding.MASQUERADING,
    "tunneling": Forwarding.TUNNELING,
}
_FLAGS = {"fallback": FLAG_SCHED1, "port": FLAG_SCHED2}  # of sh and mh
_TUNNEL_TYPES = {"ipip": 0, "gue": 1, "gre": 2}  # IP_VS_CONN_F_TUNNEL_TYPE_*
_TUNNEL_FLAGS = {"none": 0, "checksum": 1, "remote_checksum": 2}  # IP_VS_TUNNEL_ENCAP_FLAG_*
_NO_MARK_ADDRESS = {"ipv4": b"", "ipv6": bytes(16)}
SORRY_WEIGHT = 1

Adopted = Mapping[tuple[ServiceKey, DestinationKey], int]  # weights found in the kernel at start


@dataclass(frozen=True, slots=True)
class Memory:
    """What one computation hands to the next."""

    had_quorum: bool = False
    last_good: frozenset[str] = frozenset()  # who served when enough of the pool was healthy


@dataclass(frozen=True, slots=True)
class Pool:
    """One service's wanted kernel entry, and how it came to be."""

    service: Service
    serving: frozenset[str] = field(default_factory=frozenset)  # names of real servers with a weight
    uses_sorry_server: bool = False
    tier: int = NO_TIER  # the one that serves, by health
    healthy: int = 0  # of the real servers that are configured to serve, in all tiers ...
    total: int = 0  # ... which are so many
    live_weight: int = 0  # of the healthy in the serving tier
    has_quorum: bool = False
    is_frozen: bool = False  # some serve only because they served before
    memory: Memory = Memory()


@lru_cache(maxsize=65536)  # every verdict asks again for the addresses of its pool
def packed(address: str) -> bytes:
    """4 or 16 octets."""
    if ":" in address:
        return IPv6Address(address).packed
    return bytes(int(octet) for octet in address.split("."))


def service_key(service: VirtualService) -> ServiceKey:
    if service.firewall_mark:
        return ServiceKey(0, _NO_MARK_ADDRESS[service.family], 0, service.firewall_mark)
    return ServiceKey(_PROTOCOLS[service.protocol], packed(service.address), service.port)


def destination_key(address: str, port: int) -> DestinationKey:
    return DestinationKey(packed(address), port)


def pool(
    service: VirtualService,
    health: Callable[[RealServer], HealthState],
    adopted: Adopted,
    memory: Memory | None = None,
) -> Pool:
    """What the kernel should hold for one service now. `memory`: the previous answer's; None: there was none."""
    key = service_key(service)
    live: dict[str, int] = {}
    for server in service.real_servers:
        weight = _weight(server, health(server), adopted, key)
        if weight is not None:
            live[server.name] = weight
    tier = serving_tier(service.real_servers, live)
    by_health = {server.name for server in service.real_servers if server.tier == tier and live.get(server.name)}
    live_weight = sum(live[name] for name in by_health)
    if memory is None:  # we start: what the kernel was found to serve with was good enough for our predecessor
        memory = Memory(had_quorum=bool(by_health), last_good=frozenset(by_health))
    reached = has_quorum(live_weight, service.quorum, service.quorum_hysteresis, had=memory.had_quorum)
    counted = [server.name for server in service.real_servers if server.weight]
    healthy = sum(1 for name in counted if live.get(name))
    frozen = freeze(service.minimum_healthy_fraction, healthy, len(counted), by_health, memory.last_good)
    kept = frozen.kept.intersection(counted)
    uses_sorry_server = service.sorry_server is not None and not reached and not kept
    serving = frozenset() if uses_sorry_server else by_health | kept
    destinations: dict[DestinationKey, Destination] = {}
    for server in service.real_servers:
        weight = None
        if server.name in serving:
            weight = live.get(server.name) or server.weight
        elif service.when_down == "quiesce" or live.get(server.name) == 0:
            weight = 0
        if weight is not None:
            destinations[destination_key(server.address, server.port)] = destination_of(server, weight)
    if uses_sorry_server and (sorry := service.sorry_server) is not None:
        destinations[destination_key(sorry.address, sorry.port)] = destination_of(sorry, SORRY_WEIGHT)
    return Pool(
        service=_service(service, destinations),
        serving=frozenset(serving),
        uses_sorry_server=uses_sorry_server,
        tier=tier,
        healthy=healthy,
        total=len(counted),
        live_weight=live_weight,
        has_quorum=reached,
        is_frozen=bool(kept),
        memory=Memory(reached, frozen.last_good),
    )


def _weight(server: RealServer, health: HealthState, adopted: Adopted, key: ServiceKey) -> int | None:
    """None: out of service. A configured weight of 0 is in the table, and gets no new connection."""
    match health:
        case "up":
            return server.weight
        case "down":
            return None
        case "unknown":
            return adopted.get((key, destination_key(server.address, server.port)))


def _service(service: VirtualService, destinations: Mapping[DestinationKey, Destination]) -> Service:
    flags = sum(_FLAGS[flag] for flag in service.scheduler_flags)
    if service.one_packet:
        flags |= FLAG_ONEPACKET
    whole = 128 if service.family == "ipv6" else 32
    prefix = whole
    if service.persistence_timeout:
        flags |= FLAG_PERSISTENT
        prefix = service.persistence_prefix
    netmask = prefix if whole == 128 else (0xFFFFFFFF << (32 - prefix)) & 0xFFFFFFFF
    return Service(
        service.scheduler,
        flags,
        service.persistence_timeout,
        netmask,
        service.persistence_engine,
        destinations=destinations,
    )


def destination_of(server: RealServer | SorryServer, weight: int) -> Destination:
    """The kernel's entry for it."""
    tunnel = server.tunnel or Tunnel()
    upper, lower = (server.upper_threshold, server.lower_threshold) if isinstance(server, RealServer) else (0, 0)
    return Destination(
        _FORWARDING[server.forwarding_method],
        weight,
        upper_threshold=upper,
        lower_threshold=lower,
        tunnel_type=_TUNNEL_TYPES[tunnel.type],
        tunnel_port=tunnel.port,
        tunnel_flags=_TUNNEL_FLAGS[tunnel.checksum],
    )


def weights(table: Table) -> Adopted:
    """Every destination's weight in an observed table."""
    return {
        (service_key, destination_key): destination.weight
        for service_key, service in table.items()
        for destination_key, destination in service.destinations.items()
    }
