"""HAAGENT-MIB: which object shows which field of the snapshot. The numbers are those of `mibs/HAAGENT-MIB.txt`.

Rows are indexed by name, so they keep their identity over reloads. Values that a manager would refuse are made to
fit here: strings are cut to 255 octets, gauges stick at their maximum, counters wrap (RFC 2578 §7.1).
"""

from collections.abc import Callable, Sequence
from ipaddress import ip_address
from operator import attrgetter
from typing import Any, Final
from zlib import crc32

from haagent.agentx.varbind import Content, Kind, Oid, Varbind
from haagent.mib.tree import SCALAR, Column, Tree
from haagent.snapshot import (
    AgreementState,
    RealServerStatus,
    RouterState,
    RouterStatus,
    ServiceState,
    ServiceStatus,
    Snapshot,
)

ROOT: Final[Oid] = (1, 3, 6, 1, 4, 1, 8072, 9999, 9999, 112)  # docs/decisions/0003-mib-root.md
OBJECTS: Final[Oid] = (*ROOT, 1)
DIRECTOR: Final[Oid] = (*OBJECTS, 1)
ROUTER_ENTRY: Final[Oid] = (*OBJECTS, 2, 1)
SERVICE_ENTRY: Final[Oid] = (*OBJECTS, 3, 1)
REAL_SERVER_ENTRY: Final[Oid] = (*OBJECTS, 4, 1)
ROUTER_STATE_CHANGE: Final[Oid] = (*ROOT, 0, 1)
SERVICE_STATE_CHANGE: Final[Oid] = (*ROOT, 0, 2)
ROUTER_AGREEMENT_CHANGE: Final[Oid] = (*ROOT, 0, 3)
SNMP_TRAP_OID: Final[Oid] = (1, 3, 6, 1, 6, 3, 1, 1, 4, 1, 0)

STRING_LIMIT: Final = 255
NAME_LIMIT: Final = 56  # two names, a length and the column's identifier must fit 128 sub-identifiers

ROUTER_STATES: Final = {"initialize": 1, "backup": 2, "active": 3}
SERVICE_STATES: Final = {"serving": 1, "sorry": 2, "empty": 3, "frozen": 4, "standby": 5}
AGREEMENTS: Final = {"unknown": 1, "agreed": 2, "split": 3, "one_way": 4, "stranger": 5, "contested": 6}
HEALTHS: Final = {"unknown": 1, "up": 2, "down": 3}
ADMINS: Final = {"enabled": 1, "drained": 2, "disabled": 3}
PROTOCOLS: Final = {"tcp": 2, "udp": 3, "sctp": 4}
FORWARDING_METHODS: Final = {"direct_routing": 2, "tunneling": 3, "masquerading": 4}
OTHER: Final = 1
NOT_PRESENT: Final = -1  # haagentRealServerWeight

Getter = Callable[[Any], Any]
Field = tuple[int, Kind, Callable[[Any], Content]]  # sub-identifier, syntax, value of a row


def display(text: str) -> bytes:
    """DisplayString (RFC 2579): NVT ASCII, at most 255 octets."""
    return text.encode("ascii", "backslashreplace")[:STRING_LIMIT]


def index_name(name: str) -> bytes:
    """A name as an index of 1..56 octets. A longer one is cut and told apart by a checksum."""
    text = name.encode("ascii", "backslashreplace") or b"-"
    return text if len(text) <= NAME_LIMIT else text[: NAME_LIMIT - 9] + b"~%08x" % crc32(text)


def inet_address(text: str) -> tuple[int, bytes]:
    """InetAddressType and InetAddress (RFC 4001): unknown(0) and no octets where there is no address."""
    try:
        address = ip_address(text)
    except ValueError:
        return 0, b""
    return (1 if address.version == 4 else 2), address.packed


def _ticks(seconds: float) -> int:
    return int(min(max(seconds, 0.0), 1e12) * 100) & 0xFFFFFFFF


def _string(number: int, get: Getter) -> Field:
    return number, Kind.OCTET_STRING, lambda row: display(get(row))


def _integer(number: int, get: Getter) -> Field:
    return number, Kind.INTEGER, lambda row: min(max(int(get(row)), -(1 << 31)), (1 << 31) - 1)


def _choice(number: int, get: Getter, numbers: dict[str, int]) -> Field:
    return number, Kind.INTEGER, lambda row: numbers.get(get(row), OTHER)


def _truth(number: int, get: Getter) -> Field:
    return number, Kind.INTEGER, lambda row: 1 if get(row) else 2


def _gauge(number: int, get: Getter) -> Field:
    return number, Kind.GAUGE32, lambda row: min(max(int(get(row)), 0), 0xFFFFFFFF)


def _counter32(number: int, get: Getter) -> Field:
    return number, Kind.COUNTER32, lambda row: get(row) & 0xFFFFFFFF


def _counter64(number: int, get: Getter) -> Field:
    return number, Kind.COUNTER64, lambda row: get(row) & 0xFFFFFFFFFFFFFFFF


def _address(number: int, get: Getter) -> tuple[Field, Field]:
    """A pair of columns: the type, then the address."""
    return (
        (number, Kind.INTEGER, lambda row: inet_address(get(row))[0]),
        (number + 1, Kind.OCTET_STRING, lambda row: inet_address(get(row))[1]),
    )


def _time(number: int, get: Getter, at: float) -> Field:
    return number, Kind.TIME_TICKS, lambda row: _ticks(at - get(row))


def _director_fields(at: float) -> tuple[Field, ...]:
    def real_servers(snapshot: Snapshot) -> int:
        return sum(not server.sorry for service in snapshot.services for server in service.real_servers)

    return (
        _string(1, attrgetter("director")),
        _string(2, attrgetter("version")),
        _time(3, attrgetter("started_at"), at),
        _gauge(4, lambda snapshot: len(snapshot.routers)),
        _gauge(5, lambda snapshot: sum(router.state == "active" for router in snapshot.routers)),
        _gauge(6, lambda snapshot: len(snapshot.services)),
        _gauge(7, real_servers),
        _gauge(8, lambda snapshot: sum(service.in_service for service in snapshot.services)),
        _gauge(9, lambda snapshot: len(snapshot.problems)),
        _string(10, lambda snapshot: snapshot.problems[0] if snapshot.problems else ""),
        _counter32(11, attrgetter("table_repairs")),
        _counter32(12, attrgetter("table_drifts")),
        _gauge(13, lambda snapshot: len(snapshot.table_left)),
        _gauge(14, lambda snapshot: len(snapshot.table_foreign)),
    )


def _router_fields(at: float) -> tuple[Field, ...]:
    return (
        _string(2, attrgetter("interface")),
        _integer(3, attrgetter("ifindex")),
        _integer(4, attrgetter("vrid")),
        _choice(5, attrgetter("state"), ROUTER_STATES),
        _string(6, attrgetter("reason")),
        _gauge(7, attrgetter("priority")),
        _gauge(8, attrgetter("effective_priority")),
        *_address(9, attrgetter("primary_address")),
        *_address(11, attrgetter("active_address")),
        _gauge(13, lambda router: round(router.advertisement_interval * 100)),
        _truth(14, attrgetter("preempt")),
        _time(15, attrgetter("since"), at),
        _gauge(16, lambda router: len(router.virtual_addresses)),
        _counter32(17, attrgetter("counters.active_transitions")),
        _counter64(18, attrgetter("counters.advertisements_sent")),
        _counter64(19, attrgetter("counters.advertisements_received")),
        _counter64(20, attrgetter("counters.priority_zero_sent")),
        _counter64(21, attrgetter("counters.priority_zero_received")),
        _counter64(22, attrgetter("counters.announcements_sent")),
        _counter64(23, lambda router: sum(router.counters.discarded.values())),
        _counter64(24, attrgetter("counters.interval_mismatches")),
        _counter64(25, attrgetter("counters.address_list_mismatches")),
        _counter32(26, attrgetter("counters.address_repairs")),
        _choice(28, lambda router: router.agreement.state if router.agreement else "unknown", AGREEMENTS),
        _string(29, lambda router: "; ".join(router.agreement.evidence) if router.agreement else ""),
    )


def _service_fields(at: float) -> tuple[Field, ...]:
    return (
        *_address(2, attrgetter("address")),
        _gauge(4, attrgetter("port")),
        _choice(5, attrgetter("protocol"), PROTOCOLS),
        _string(6, attrgetter("scheduler")),
        _choice(7, attrgetter("forwarding_method"), FORWARDING_METHODS),
        _choice(8, attrgetter("state"), SERVICE_STATES),
        _gauge(9, lambda service: sum(not server.sorry for server in service.real_servers)),
        _gauge(10, attrgetter("in_service")),
        _time(11, attrgetter("since"), at),
        _string(12, attrgetter("reason")),
        _gauge(13, attrgetter("firewall_mark")),
        _gauge(14, attrgetter("persistence_timeout")),
        _gauge(15, attrgetter("tier")),
        _gauge(16, attrgetter("healthy")),
        _gauge(17, attrgetter("live_weight")),
        _gauge(18, attrgetter("quorum")),
        _truth(19, attrgetter("has_quorum")),
    )


def _real_server_fields(at: float) -> tuple[Field, ...]:
    return (
        *_address(2, attrgetter("address")),
        _gauge(4, attrgetter("port")),
        _choice(5, attrgetter("forwarding_method"), FORWARDING_METHODS),
        _truth(6, attrgetter("sorry")),
        _choice(7, attrgetter("health"), HEALTHS),
        _choice(8, attrgetter("admin"), ADMINS),
        _string(9, attrgetter("reason")),
        _integer(10, attrgetter("configured_weight")),
        _integer(11, lambda server: NOT_PRESENT if server.weight is None else server.weight),
        _gauge(12, attrgetter("active_connections")),
        _gauge(13, attrgetter("inactive_connections")),
        _counter64(14, attrgetter("connections")),
        _counter64(15, attrgetter("incoming_packets")),
        _counter64(16, attrgetter("outgoing_packets")),
        _counter64(17, attrgetter("incoming_bytes")),
        _counter64(18, attrgetter("outgoing_bytes")),
        _time(19, attrgetter("since"), at),
        _gauge(20, attrgetter("tier")),
        _gauge(21, attrgetter("persistent_connections")),
        _gauge(22, attrgetter("upper_threshold")),
        _gauge(23, attrgetter("lower_threshold")),
    )


def _columns(entry: Oid, fields: Sequence[Field], suffixes: Sequence[Oid], rows: Sequence[Any]) -> list[Column]:
    return [Column((*entry, number), kind, content, suffixes, rows) for number, kind, content in fields]


def _table(entry: Oid, fields: Sequence[Field], rows: dict[Oid, Any]) -> list[Column]:
    suffixes = sorted(rows)
    return _columns(entry, fields, suffixes, [rows[suffix] for suffix in suffixes])


def build(snapshot: Snapshot) -> Tree:
    """Everything that a manager can read. Durations count up to the instant at which the snapshot was taken."""
    at = snapshot.at
    routers: dict[Oid, RouterStatus] = {tuple(index_name(router.name)): router for router in snapshot.routers}
    services: dict[Oid, ServiceStatus] = {tuple(index_name(service.name)): service for service in snapshot.services}
    real_servers: dict[Oid, RealServerStatus] = {}
    for name, service in services.items():
        of_service = (len(name), *name)
        for server in service.real_servers:
            real_servers[of_service + tuple(index_name(server.name))] = server
    return Tree(
        _columns(DIRECTOR, _director_fields(at), SCALAR, (snapshot,))
        + _table(ROUTER_ENTRY, _router_fields(at), routers)
        + _table(SERVICE_ENTRY, _service_fields(at), services)
        + _table(REAL_SERVER_ENTRY, _real_server_fields(at), real_servers)
    )


def router_state_change(
    *, director: str, name: str, interface: str, vrid: int, state: RouterState, previous: RouterState, reason: str
) -> tuple[Varbind, ...]:
    """haagentRouterStateChange. No Counter64 among its objects, so SNMPv1 sinks get it too (RFC 3584 §3.1)."""

    def of_router(column: int) -> Oid:
        return (*ROUTER_ENTRY, column, *index_name(name))

    return (
        Varbind(SNMP_TRAP_OID, Kind.OBJECT_IDENTIFIER, ROUTER_STATE_CHANGE),
        Varbind((*DIRECTOR, 1, 0), Kind.OCTET_STRING, display(director)),
        Varbind(of_router(2), Kind.OCTET_STRING, display(interface)),
        Varbind(of_router(4), Kind.INTEGER, vrid),
        Varbind(of_router(5), Kind.INTEGER, ROUTER_STATES[state]),
        Varbind(of_router(27), Kind.INTEGER, ROUTER_STATES[previous]),
        Varbind(of_router(6), Kind.OCTET_STRING, display(reason)),
    )


def router_agreement_change(
    *,
    director: str,
    name: str,
    interface: str,
    vrid: int,
    router_state: RouterState,
    state: AgreementState,
    previous: AgreementState,
    evidence: str,
) -> tuple[Varbind, ...]:
    """haagentRouterAgreementChange."""

    def of_router(column: int) -> Oid:
        return (*ROUTER_ENTRY, column, *index_name(name))

    return (
        Varbind(SNMP_TRAP_OID, Kind.OBJECT_IDENTIFIER, ROUTER_AGREEMENT_CHANGE),
        Varbind((*DIRECTOR, 1, 0), Kind.OCTET_STRING, display(director)),
        Varbind(of_router(2), Kind.OCTET_STRING, display(interface)),
        Varbind(of_router(4), Kind.INTEGER, vrid),
        Varbind(of_router(5), Kind.INTEGER, ROUTER_STATES[router_state]),
        Varbind(of_router(28), Kind.INTEGER, AGREEMENTS[state]),
        Varbind(of_router(30), Kind.INTEGER, AGREEMENTS[previous]),
        Varbind(of_router(29), Kind.OCTET_STRING, display(evidence)),
    )


def service_state_change(
    *, director: str, name: str, state: ServiceState, previous: ServiceState, reason: str
) -> tuple[Varbind, ...]:
    """haagentServiceStateChange."""

    def of_service(column: int) -> Oid:
        return (*SERVICE_ENTRY, column, *index_name(name))

    return (
        Varbind(SNMP_TRAP_OID, Kind.OBJECT_IDENTIFIER, SERVICE_STATE_CHANGE),
        Varbind((*DIRECTOR, 1, 0), Kind.OCTET_STRING, display(director)),
        Varbind(of_service(8), Kind.INTEGER, SERVICE_STATES[state]),
        Varbind(of_service(20), Kind.INTEGER, SERVICE_STATES[previous]),
        Varbind(of_service(12), Kind.OCTET_STRING, display(reason)),
    )
