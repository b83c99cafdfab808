"""The IPVS table as values: what the kernel holds, and what it should hold, in the same shape.

Words and ranges are the kernel's (include/uapi/linux/ip_vs.h). Nothing here does I/O.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum


class Forwarding(IntEnum):
    """IP_VS_CONN_F_FWD_MASK values."""

    MASQUERADING = 0
    LOCAL = 1  # of a connection to the director itself; a destination keeps the method that it was given (measured)
    TUNNELING = 2
    DIRECT_ROUTING = 3
    BYPASS = 4


PROTOCOL_TCP, PROTOCOL_UDP, PROTOCOL_SCTP = 6, 17, 132

FLAG_PERSISTENT, FLAG_HASHED, FLAG_ONEPACKET = 0x1, 0x2, 0x4
FLAG_SCHED1, FLAG_SCHED2, FLAG_SCHED3 = 0x8, 0x10, 0x20  # sh and mh: fallback, port


@dataclass(frozen=True, slots=True, order=True)
class ServiceKey:
    """What names a service in the kernel. A firewall mark has protocol 0, no address and port 0."""

    protocol: int
    address: bytes  # packed, 4 or 16 octets; for a firewall mark none (IPv4) or 16 zero octets (IPv6)
    port: int
    firewall_mark: int = 0


@dataclass(frozen=True, slots=True, order=True)
class DestinationKey:
    """What names a destination within its service."""

    address: bytes  # packed
    port: int


@dataclass(frozen=True, slots=True)
class Destination:
    """The settable part of a destination."""

    forwarding: Forwarding
    weight: int
    upper_threshold: int = 0
    lower_threshold: int = 0
    tunnel_type: int = 0
    tunnel_port: int = 0
    tunnel_flags: int = 0


@dataclass(frozen=True, slots=True)
class Service:
    """The settable part of a service and its destinations."""

    scheduler: str
    flags: int = 0  # without FLAG_HASHED, which the kernel adds by itself
    persistence_timeout: int = 0  # seconds
    netmask: int = 0xFFFFFFFF  # clients that persist as one; IPv6: a prefix length
    persistence_engine: str = ""
    destinations: Mapping[DestinationKey, Destination] = field(default_factory=dict)


Table = Mapping[ServiceKey, Service]


@dataclass(frozen=True, slots=True)
class DestinationCounts:
    """What the kernel counts for one destination; gauges, and totals since it was added."""

    active_connections: int = 0
    inactive_connections: int = 0
    persistent_connections: int = 0
    connections: int = 0
    incoming_packets: int = 0
    outgoing_packets: int = 0
    incoming_bytes: int = 0
    outgoing_bytes: int = 0


Counts = Mapping[tuple[ServiceKey, DestinationKey], DestinationCounts]
