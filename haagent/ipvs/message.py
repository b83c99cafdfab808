"""Generic netlink bytes of each change of the IPVS table and of each question to it, and the answers back as values.

Layout: include/uapi/linux/ip_vs.h (IPVS_CMD_*, IPVS_SVC_ATTR_*, IPVS_DEST_ATTR_*, IPVS_STATS_ATTR_*), family "IPVS"
version 1. Integers are in host order, ports, addresses and IPv4 netmasks in network order. Requests are byte for byte
those of ipvsadm 1.31 behind the netlink header. Every function that encodes gives a complete netlink message with
sequence 0, which the socket fills in; every function that decodes takes one and is total: octets that make no sense are
`Malformed`.

The family follows from the length of an address: 4 octets IPv4, 16 IPv6. A firewall mark has no address; an IPv6 mark
is told apart by 16 zero octets.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum
from functools import lru_cache
from typing import Literal

from haagent.ipvs.daemon import DaemonChange, StartDaemon, StopDaemon, SyncDaemon, SyncRole
from haagent.ipvs.layout import Layout, learn
from haagent.ipvs.plan import (
    AddDestination,
    AddService,
    Change,
    RemoveDestination,
    RemoveService,
    SetDestination,
    SetService,
)
from haagent.ipvs.table import (
    FLAG_HASHED,
    Destination,
    DestinationCounts,
    DestinationKey,
    Forwarding,
    Service,
    ServiceKey,
)

FAMILY_NAME = b"IPVS\0"
VERSION = 1
GENL_ID_CTRL, CTRL_CMD_GETFAMILY, CTRL_ATTR_FAMILY_ID, CTRL_ATTR_FAMILY_NAME = 0x10, 3, 1, 2


class Command(IntEnum):
    """IPVS_CMD_*; an answer comes as the NEW or SET that would make what it tells."""

    NEW_SERVICE, SET_SERVICE, DEL_SERVICE, GET_SERVICE = 1, 2, 3, 4
    NEW_DEST, SET_DEST, DEL_DEST, GET_DEST = 5, 6, 7, 8
    NEW_DAEMON, DEL_DAEMON, GET_DAEMON = 9, 10, 11
    SET_CONFIG, GET_CONFIG, SET_INFO, GET_INFO = 12, 13, 14, 15


CMD_ATTR_SERVICE, CMD_ATTR_DEST, CMD_ATTR_DAEMON = 1, 2, 3
CMD_ATTR_TIMEOUT_TCP, CMD_ATTR_TIMEOUT_TCP_FIN, CMD_ATTR_TIMEOUT_UDP = 4, 5, 6
INFO_ATTR_VERSION, INFO_ATTR_CONN_TAB_SIZE = 1, 2

SVC_AF, SVC_PROTOCOL, SVC_ADDR, SVC_PORT, SVC_FWMARK = 1, 2, 3, 4, 5
SVC_SCHED_NAME, SVC_FLAGS, SVC_TIMEOUT, SVC_NETMASK, SVC_PE_NAME = 6, 7, 8, 9, 11

DEST_ADDR, DEST_PORT, DEST_FWD_METHOD, DEST_WEIGHT, DEST_U_THRESH, DEST_L_THRESH = 1, 2, 3, 4, 5, 6
DEST_ACTIVE_CONNS, DEST_INACT_CONNS, DEST_PERSIST_CONNS, DEST_STATS, DEST_ADDR_FAMILY, DEST_STATS64 = (
    7,
    8,
    9,
    10,
    11,
    12,
)
DEST_TUN_TYPE, DEST_TUN_PORT, DEST_TUN_FLAGS = 13, 14, 15

DAEMON_STATE, DAEMON_IFN, DAEMON_SYNC_ID, DAEMON_MAXLEN = 1, 2, 3, 4
DAEMON_GROUP, DAEMON_GROUP6, DAEMON_PORT, DAEMON_TTL = 5, 6, 7, 8

STATS_CONNS, STATS_INPKTS, STATS_OUTPKTS, STATS_INBYTES, STATS_OUTBYTES = 1, 2, 3, 4, 5

AF_INET, AF_INET6 = 2, 10  # the kernel's numbers, as in its messages
IPV6_MARK = bytes(16)
NLM_F_REQUEST, NLA_F_NESTED, NLA_TYPE_MASK = 0x1, 0x8000, 0x3FFF
SCHED_NAME_OCTETS = 15  # without the NUL

_HEADER = struct.Struct("=IHHIIBBH")  # nlmsghdr and genlmsghdr
_ATTRIBUTE = struct.Struct("=HH")
_HOST_ORDER: Literal["little", "big"] = "little" if struct.pack("=H", 1)[0] else "big"
# A nested DEST, all of fixed length: family, address, port, method, weight, tunnel type, port and flags, limits.
_DESTINATION = struct.Struct("=HH HHHxx HH16s HH2sxx HHI HHI HHBxxx HH2sxx HHHxx HHI HHI")


@dataclass(frozen=True, slots=True)
class Malformed:
    """An answer that we cannot read; a bug or a kernel that is not one."""

    reason: str


@dataclass(frozen=True, slots=True)
class ServiceSeen:
    """A service of the kernel's, without its destinations."""

    key: ServiceKey
    service: Service


@dataclass(frozen=True, slots=True)
class DestinationSeen:
    """A destination of the service that was asked about."""

    key: DestinationKey
    destination: Destination
    counts: DestinationCounts


@dataclass(frozen=True, slots=True)
class Info:
    version: int  # 0x010201 is 1.2.1
    connection_table_size: int  # buckets


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Idle times of connections, seconds."""

    tcp: int
    tcp_fin: int
    udp: int


@dataclass(frozen=True, slots=True)
class DaemonSeen:
    """A running connection sync daemon."""

    role: SyncRole
    daemon: SyncDaemon


Reply = ServiceSeen | DestinationSeen | DaemonSeen | Info | Timeouts | Malformed


# ------------------------------------------------------------------------------------------------------------ encode


def encode(change: Change, family: int) -> bytes:
    """The request that makes `change`. `family` is the number of the generic netlink family.

    Raises ValueError for a value that does not fit the wire: a scheduler's name over 15 octets, a negative weight.
    """
    try:
        match change:
            case AddDestination(service, key, destination):
                return _destination_message(family, Command.NEW_DEST, service, key, destination)
            case SetDestination(service, key, destination):
                return _destination_message(family, Command.SET_DEST, service, key, destination)
            case RemoveDestination(service, key):
                return _destination_message(family, Command.DEL_DEST, service, key, _ANY_DESTINATION)
            case AddService(service_key, settings):
                return _message(family, Command.NEW_SERVICE, _service(service_key, settings))
            case SetService(service_key, settings):
                return _message(family, Command.SET_SERVICE, _service(service_key, settings))
            case RemoveService(service_key):
                return _message(family, Command.DEL_SERVICE, _service_key(service_key))
    except (struct.error, OverflowError) as error:
        raise ValueError(f"{change}: {error}") from error


def encode_get_family() -> bytes:
    """Asks the controller for the number of the IPVS family."""
    return _message(GENL_ID_CTRL, CTRL_CMD_GETFAMILY, _attribute(CTRL_ATTR_FAMILY_NAME, FAMILY_NAME))


def encode_get_services(family: int) -> bytes:
    """For a dump of all services."""
    return _message(family, Command.GET_SERVICE)


def encode_get_destinations(family: int, service: ServiceKey) -> bytes:
    """For a dump of the destinations of one service; empty where there is no such service."""
    return _message(family, Command.GET_DEST, _service_key(service))


def encode_get_info(family: int) -> bytes:
    return _message(family, Command.GET_INFO)


def encode_get_daemons(family: int) -> bytes:
    """For a dump of the running connection sync daemons."""
    return _message(family, Command.GET_DAEMON)


def encode_daemon(change: DaemonChange, family: int) -> bytes:
    """The request that makes `change`. Raises ValueError for a value that does not fit the wire."""
    match change:
        case StopDaemon(role):  # the kernel reads the role alone; the rest is as ipvsadm sends it
            return _message(family, Command.DEL_DAEMON, _daemon(role, SyncDaemon("")))
        case StartDaemon(role, daemon):
            try:
                return _message(family, Command.NEW_DAEMON, _daemon(role, daemon))
            except struct.error as error:
                raise ValueError(f"{change}: {error}") from error


def _daemon(role: SyncRole, daemon: SyncDaemon) -> bytes:
    """Without what is left to the kernel."""
    parts = [
        _attribute(DAEMON_STATE, struct.pack("=I", role)),
        _attribute(DAEMON_IFN, daemon.interface.encode() + b"\0"),
        _attribute(DAEMON_SYNC_ID, struct.pack("=I", daemon.sync_id)),
    ]
    if daemon.maxlen:
        parts.append(_attribute(DAEMON_MAXLEN, struct.pack("=H", daemon.maxlen)))
    if daemon.group:
        parts.append(_attribute(DAEMON_GROUP6 if len(daemon.group) == 16 else DAEMON_GROUP, daemon.group))
    if daemon.port:
        parts.append(_attribute(DAEMON_PORT, struct.pack("=H", daemon.port)))
    if daemon.ttl:
        parts.append(_attribute(DAEMON_TTL, struct.pack("=B", daemon.ttl)))
    return _attribute(CMD_ATTR_DAEMON | NLA_F_NESTED, b"".join(parts))


def encode_get_timeouts(family: int) -> bytes:
    return _message(family, Command.GET_CONFIG)


def encode_set_timeouts(family: int, timeouts: Timeouts) -> bytes:
    pairs = (
        (CMD_ATTR_TIMEOUT_TCP, timeouts.tcp),
        (CMD_ATTR_TIMEOUT_TCP_FIN, timeouts.tcp_fin),
        (CMD_ATTR_TIMEOUT_UDP, timeouts.udp),
    )
    return _message(
        family, Command.SET_CONFIG, b"".join(_attribute(type_, struct.pack("=I", value)) for type_, value in pairs)
    )


def _message(family: int, command: int, attributes: bytes = b"") -> bytes:
    length = _HEADER.size + len(attributes)
    return _HEADER.pack(length, family, NLM_F_REQUEST, 0, 0, command, VERSION, 0) + attributes


def _attribute(type_: int, payload: bytes) -> bytes:
    length = _ATTRIBUTE.size + len(payload)
    return _ATTRIBUTE.pack(length, type_) + payload + bytes(-length & 3)


def _family(address: bytes) -> int:
    return AF_INET6 if len(address) == 16 else AF_INET


def _service(key: ServiceKey, service: Service) -> bytes:
    family = _family(key.address)
    scheduler = service.scheduler.encode()
    if len(scheduler) > SCHED_NAME_OCTETS:
        raise ValueError(f"scheduler {service.scheduler!r}: longer than {SCHED_NAME_OCTETS} octets")
    parts = [_attribute(SVC_AF, struct.pack("=H", family))]
    if key.firewall_mark:
        parts.append(_attribute(SVC_FWMARK, struct.pack("=I", key.firewall_mark)))
    else:
        parts.append(_attribute(SVC_PROTOCOL, struct.pack("=H", key.protocol)))
        parts.append(_attribute(SVC_ADDR, key.address.ljust(16, b"\0")))
        parts.append(_attribute(SVC_PORT, struct.pack(">H", key.port)))
    parts.append(_attribute(SVC_SCHED_NAME, scheduler + b"\0"))
    if service.persistence_engine:
        parts.append(_attribute(SVC_PE_NAME, service.persistence_engine.encode() + b"\0"))
    parts.append(_attribute(SVC_FLAGS, struct.pack("=II", service.flags, 0xFFFFFFFF)))
    parts.append(_attribute(SVC_TIMEOUT, struct.pack("=I", service.persistence_timeout)))
    # IPv4: a mask in network order; IPv6: the length of a prefix in host order.
    parts.append(_attribute(SVC_NETMASK, struct.pack(">I" if family == AF_INET else "=I", service.netmask)))
    return _attribute(CMD_ATTR_SERVICE | NLA_F_NESTED, b"".join(parts))


@lru_cache(maxsize=256)  # thousands of destinations follow each other in the same service
def _service_key(key: ServiceKey) -> bytes:
    return _service(key, Service("", netmask=0xFFFFFFFF if _family(key.address) == AF_INET else 128))


_ANY_DESTINATION = Destination(Forwarding.DIRECT_ROUTING, 1)  # the kernel reads only the key of one to be removed


def _destination_message(
    family: int, command: int, service: ServiceKey, key: DestinationKey, destination: Destination
) -> bytes:
    service_octets = _service_key(service)
    return (
        _HEADER.pack(
            *(_HEADER.size + len(service_octets) + _DESTINATION.size, family, NLM_F_REQUEST, 0, 0),
            *(command, VERSION, 0),
        )
        + service_octets
        + _DESTINATION.pack(
            *(_DESTINATION.size, CMD_ATTR_DEST | NLA_F_NESTED),
            *(6, DEST_ADDR_FAMILY, _family(key.address)),
            *(20, DEST_ADDR, key.address),
            *(6, DEST_PORT, key.port.to_bytes(2, "big")),
            *(8, DEST_FWD_METHOD, destination.forwarding),
            *(8, DEST_WEIGHT, destination.weight),
            *(5, DEST_TUN_TYPE, destination.tunnel_type),
            *(6, DEST_TUN_PORT, destination.tunnel_port.to_bytes(2, "big")),
            *(6, DEST_TUN_FLAGS, destination.tunnel_flags),
            *(8, DEST_U_THRESH, destination.upper_threshold),
            *(8, DEST_L_THRESH, destination.lower_threshold),
        )
    )


# ------------------------------------------------------------------------------------------------------------ decode


def decode(octets: bytes) -> Reply:
    """What a message of the IPVS family says."""
    if len(octets) < _HEADER.size:
        return Malformed("shorter than its headers")
    command = octets[16]
    if command == _NEW_DEST:
        return _decode_destination(octets)
    attributes = dict(_attributes(octets, _HEADER.size))
    match command:
        case Command.NEW_SERVICE:
            return _decode_service(dict(_attributes(attributes.get(CMD_ATTR_SERVICE, b""))))
        case Command.NEW_DAEMON:
            return _decode_daemon(dict(_attributes(attributes.get(CMD_ATTR_DAEMON, b""))))
        case Command.SET_CONFIG:
            return Timeouts(
                _int(attributes.get(CMD_ATTR_TIMEOUT_TCP)),
                _int(attributes.get(CMD_ATTR_TIMEOUT_TCP_FIN)),
                _int(attributes.get(CMD_ATTR_TIMEOUT_UDP)),
            )
        case Command.SET_INFO:
            return Info(_int(attributes.get(INFO_ATTR_VERSION)), _int(attributes.get(INFO_ATTR_CONN_TAB_SIZE)))
        case _:
            return Malformed(f"command {command}")


def decode_family(octets: bytes) -> int | Malformed:
    """The number of the IPVS family in the controller's answer."""
    found = dict(_attributes(octets, _HEADER.size)).get(CTRL_ATTR_FAMILY_ID)
    return _int(found) if found is not None and len(found) == 2 else Malformed("no family id")


def _attributes(octets: bytes, offset: int = 0) -> Iterator[tuple[int, bytes]]:
    """Type and payload of each attribute; ends at the first malformed one."""
    end = len(octets)
    while end - offset >= 4:
        length, type_ = _ATTRIBUTE.unpack_from(octets, offset)
        if length < 4 or offset + length > end:
            return
        yield type_ & NLA_TYPE_MASK, octets[offset + 4 : offset + length]
        offset += (length + 3) & ~3


def _int(payload: bytes | None) -> int:
    """An unsigned integer of whatever width the kernel chose; 0 where it is missing."""
    return int.from_bytes(payload[:8], _HOST_ORDER) if payload else 0


def _text(payload: bytes | None) -> str:
    return (payload or b"").split(b"\0", 1)[0].decode(errors="replace")


def _address(family: int, payload: bytes | None) -> bytes | None:
    if payload is None or len(payload) != 16 or family not in (AF_INET, AF_INET6):
        return None
    return payload[:4] if family == AF_INET else payload


def _decode_service(found: dict[int, bytes]) -> ServiceSeen | Malformed:
    family = _int(found.get(SVC_AF))
    mark = _int(found.get(SVC_FWMARK))
    if family not in (AF_INET, AF_INET6):
        return Malformed(f"service of address family {family}")
    if mark:
        key = ServiceKey(0, b"" if family == AF_INET else IPV6_MARK, 0, mark)
    else:
        address = _address(family, found.get(SVC_ADDR))
        if address is None or len(found.get(SVC_PORT, b"")) != 2:
            return Malformed("service without a key")
        key = ServiceKey(_int(found.get(SVC_PROTOCOL)), address, int.from_bytes(found[SVC_PORT], "big"))
    netmask = found.get(SVC_NETMASK, b"")
    return ServiceSeen(
        key,
        Service(
            scheduler=_text(found.get(SVC_SCHED_NAME)),
            flags=_int(found.get(SVC_FLAGS, b"")[:4]) & ~FLAG_HASHED,  # behind them: the mask
            persistence_timeout=_int(found.get(SVC_TIMEOUT)),
            netmask=int.from_bytes(netmask[:4], "big") if family == AF_INET else _int(netmask[:4]),
            persistence_engine=_text(found.get(SVC_PE_NAME)),
        ),
    )


def _decode_daemon(found: dict[int, bytes]) -> DaemonSeen | Malformed:
    role = _int(found.get(DAEMON_STATE))
    if role not in (SyncRole.SENDER, SyncRole.RECEIVER):
        return Malformed(f"sync daemon of state {role}")
    group = found.get(DAEMON_GROUP6) or found.get(DAEMON_GROUP, b"")
    if len(group) not in (0, 4, 16):
        return Malformed(f"sync daemon with a group of {len(group)} octets")
    return DaemonSeen(
        SyncRole(role),
        SyncDaemon(
            interface=_text(found.get(DAEMON_IFN)),
            sync_id=_int(found.get(DAEMON_SYNC_ID)),
            maxlen=_int(found.get(DAEMON_MAXLEN)),
            port=_int(found.get(DAEMON_PORT)),  # in host order, other than every port beside it
            ttl=_int(found.get(DAEMON_TTL)),
            group=group,
        ),
    )


def _decode_destination(octets: bytes) -> DestinationSeen | Malformed:
    """By the layout that an earlier one had, where this one has it too: a tenth of the time."""
    layout = _layouts.get(len(octets))
    fields = layout.read(octets) if layout is not None else None
    if fields is None:
        if layout is None and (learned := learn(octets, _HEADER.size, _DESTINATION_NESTS, _DESTINATION_FIELDS)):
            if len(_layouts) == LAYOUTS:
                _layouts.clear()
            _layouts[len(octets)] = learned
        return _read_destination(dict(_attributes(dict(_attributes(octets, _HEADER.size)).get(CMD_ATTR_DEST, b""))))
    family, address, port, method = fields[:4]
    host = _address(family or AF_INET, address)
    if host is None:
        return Malformed("destination without a key")
    if method > Forwarding.BYPASS:
        return Malformed(f"forwarding method {method}")
    return DestinationSeen(
        DestinationKey(host, int.from_bytes(port, "big")), _destination(*fields[3:10]), DestinationCounts(*fields[10:])
    )


_NEW_DEST = int(Command.NEW_DEST)
LAYOUTS = 16  # that are remembered: there is one in practice, and two while a kernel knows tunnels of two kinds
_layouts: dict[int, Layout] = {}  # by the message's length
_DESTINATION_NESTS = frozenset({(CMD_ATTR_DEST,), (CMD_ATTR_DEST, DEST_STATS64)})
_DESTINATION_FIELDS = (
    ((CMD_ATTR_DEST, DEST_ADDR_FAMILY), "H"),
    ((CMD_ATTR_DEST, DEST_ADDR), "16s"),
    ((CMD_ATTR_DEST, DEST_PORT), "2s"),
    ((CMD_ATTR_DEST, DEST_FWD_METHOD), "I"),
    ((CMD_ATTR_DEST, DEST_WEIGHT), "I"),
    ((CMD_ATTR_DEST, DEST_U_THRESH), "I"),
    ((CMD_ATTR_DEST, DEST_L_THRESH), "I"),
    ((CMD_ATTR_DEST, DEST_TUN_TYPE), "B"),
    ((CMD_ATTR_DEST, DEST_TUN_PORT), "2s"),
    ((CMD_ATTR_DEST, DEST_TUN_FLAGS), "H"),
    ((CMD_ATTR_DEST, DEST_ACTIVE_CONNS), "I"),
    ((CMD_ATTR_DEST, DEST_INACT_CONNS), "I"),
    ((CMD_ATTR_DEST, DEST_PERSIST_CONNS), "I"),
    ((CMD_ATTR_DEST, DEST_STATS64, STATS_CONNS), "Q"),
    ((CMD_ATTR_DEST, DEST_STATS64, STATS_INPKTS), "Q"),
    ((CMD_ATTR_DEST, DEST_STATS64, STATS_OUTPKTS), "Q"),
    ((CMD_ATTR_DEST, DEST_STATS64, STATS_INBYTES), "Q"),
    ((CMD_ATTR_DEST, DEST_STATS64, STATS_OUTBYTES), "Q"),
)


@lru_cache(maxsize=1024)  # thousands are set alike
def _destination(
    method: int, weight: int, upper: int, lower: int, tunnel_type: int, tunnel_port: bytes, tunnel_flags: int
) -> Destination:
    return Destination(
        Forwarding(method), weight, upper, lower, tunnel_type, int.from_bytes(tunnel_port, "big"), tunnel_flags
    )


def _read_destination(found: dict[int, bytes]) -> DestinationSeen | Malformed:
    family = _int(found.get(DEST_ADDR_FAMILY)) or AF_INET
    address = _address(family, found.get(DEST_ADDR))
    port = found.get(DEST_PORT, b"")
    if address is None or len(port) != 2:
        return Malformed("destination without a key")
    method = _int(found.get(DEST_FWD_METHOD))
    if method > Forwarding.BYPASS:
        return Malformed(f"forwarding method {method}")
    stats = found.get(DEST_STATS64) or found.get(DEST_STATS, b"")
    counted = dict(_attributes(stats))
    return DestinationSeen(
        DestinationKey(address, int.from_bytes(port, "big")),
        Destination(
            Forwarding(method),
            weight=_int(found.get(DEST_WEIGHT)),
            upper_threshold=_int(found.get(DEST_U_THRESH)),
            lower_threshold=_int(found.get(DEST_L_THRESH)),
            tunnel_type=_int(found.get(DEST_TUN_TYPE)),
            tunnel_port=int.from_bytes(found.get(DEST_TUN_PORT, b"")[:2], "big"),
            tunnel_flags=_int(found.get(DEST_TUN_FLAGS)),
        ),
        DestinationCounts(
            active_connections=_int(found.get(DEST_ACTIVE_CONNS)),
            inactive_connections=_int(found.get(DEST_INACT_CONNS)),
            persistent_connections=_int(found.get(DEST_PERSIST_CONNS)),
            connections=_int(counted.get(STATS_CONNS)),
            incoming_packets=_int(counted.get(STATS_INPKTS)),
            outgoing_packets=_int(counted.get(STATS_OUTPKTS)),
            incoming_bytes=_int(counted.get(STATS_INBYTES)),
            outgoing_bytes=_int(counted.get(STATS_OUTBYTES)),
        ),
    )
