"""The bytes of rtnetlink for interfaces and addresses: what the vrrp process asks the kernel and hears from it.

Layouts: include/uapi/linux/rtnetlink.h, if_link.h, if_addr.h. Only octets here, no socket. Anything malformed that
comes in gives None, never an exception.
"""

import struct
from dataclasses import dataclass

from haagent.linux.netlink import HEADER, NLM_F_CREATE, NLM_F_EXCL, Message, attribute, iterate_attributes, message
from haagent.vrrp.virtual_router import Address

NETLINK_ROUTE = 0
RTM_NEWLINK, RTM_DELLINK, RTM_GETLINK = 16, 17, 18
RTM_NEWADDR, RTM_DELADDR, RTM_GETADDR = 20, 21, 22
RTMGRP_LINK, RTMGRP_IPV4_IFADDR, RTMGRP_IPV6_IFADDR = 0x1, 0x10, 0x100

IFF_UP, IFF_RUNNING = 0x1, 0x40
IFA_F_SECONDARY, IFA_F_NODAD, IFA_F_DADFAILED, IFA_F_TENTATIVE, IFA_F_NOPREFIXROUTE = 0x01, 0x02, 0x08, 0x40, 0x200

PROTOCOL = 112
"""IFA_PROTO of every address that we add (kernel 5.18 and newer): VRRP's own number, free in rt_addrprotos."""

_AF_INET, _AF_INET6 = 2, 10
_OCTETS = {_AF_INET: 4, _AF_INET6: 16}
_FAMILIES = {4: _AF_INET, 16: _AF_INET6}
_IFINFOMSG = struct.Struct("=BxHiII")
_IFADDRMSG = struct.Struct("=BBBBI")
_U32 = struct.Struct("=I")
_IFLA_ADDRESS, _IFLA_IFNAME, _IFLA_EVENT = 1, 3, 44
_IFA_ADDRESS, _IFA_LOCAL, _IFA_CACHEINFO, _IFA_FLAGS, _IFA_PROTO = 1, 2, 6, 8, 11
_FOR_EVER = 0xFFFFFFFF
_NEVER_A_SOURCE = struct.pack("=IIII", 0, _FOR_EVER, 0, 0)  # struct ifa_cacheinfo: preferred 0 s, valid for ever
_EVENTS_THAT_MOVE_US = frozenset((3, 4))  # IFLA_EVENT_BONDING_FAILOVER, IFLA_EVENT_NOTIFY_PEERS


@dataclass(frozen=True, slots=True)
class LinkHeard:
    """A network interface is there, or has changed."""

    index: int
    name: str
    is_up: bool  # IFF_UP and IFF_RUNNING: administratively up, and with carrier
    mac: bytes
    moved: bool  # a bond failed over or somebody asks us to announce: the segment should hear us again


@dataclass(frozen=True, slots=True)
class LinkGone:
    index: int


@dataclass(frozen=True, slots=True)
class AddressHeard:
    """An address is on an interface."""

    index: int
    address: Address
    is_secondary: bool
    is_ours: bool  # carries PROTOCOL
    is_tentative: bool = False  # IPv6: duplicate address detection is not over
    is_duplicate: bool = False  # IPv6: it is over, and another host has it


@dataclass(frozen=True, slots=True)
class AddressGone:
    index: int
    address: Address


Heard = LinkHeard | LinkGone | AddressHeard | AddressGone


def add_address(index: int, address: Address, joins_connected_subnet: bool) -> bytes:
    """RTM_NEWADDR. `joins_connected_subnet`: a real address of the interface covers it.

    Then it gets no prefix route of its own: with the real address's mask it becomes a secondary and has none anyway,
    with a longer one it would take over part of the real address's route. In a subnet of its own it does get the
    route, for nothing else leads there.

    Over IPv6 it is usable at once, without duplicate address detection (RFC 9568 section 8.2.2: the previous Active
    router may still answer), and deprecated, so that nothing that this host starts comes from it.
    """
    octets, prefix_length = address
    flags = IFA_F_NOPREFIXROUTE if joins_connected_subnet else 0
    body = _IFADDRMSG.pack(_FAMILIES[len(octets)], prefix_length, 0, 0, index)
    body += attribute(_IFA_LOCAL, octets) + attribute(_IFA_ADDRESS, octets)
    if len(octets) == 16:
        flags |= IFA_F_NODAD
        body += attribute(_IFA_CACHEINFO, _NEVER_A_SOURCE)
    body += attribute(_IFA_FLAGS, _U32.pack(flags)) + attribute(_IFA_PROTO, bytes((PROTOCOL,)))
    return message(RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, body)


def delete_address(index: int, address: Address) -> bytes:
    octets, prefix_length = address
    return message(
        RTM_DELADDR,
        0,
        _IFADDRMSG.pack(_FAMILIES[len(octets)], prefix_length, 0, 0, index)
        + attribute(_IFA_LOCAL, octets)
        + attribute(_IFA_ADDRESS, octets),
    )


def get_links() -> bytes:
    return message(RTM_GETLINK, 0, _IFINFOMSG.pack(0, 0, 0, 0, 0))


def get_addresses() -> bytes:
    """Of both families (AF_UNSPEC)."""
    return message(RTM_GETADDR, 0, _IFADDRMSG.pack(0, 0, 0, 0, 0))


def covers(own: Address, other: Address) -> bool:
    """Whether `other` lies in the subnet of `own`."""
    if len(own[0]) != len(other[0]):
        return False
    shift = 8 * len(own[0]) - own[1]
    return int.from_bytes(own[0], "big") >> shift == int.from_bytes(other[0], "big") >> shift


def parse(heard: Message) -> Heard | None:
    """What a message says; None: nothing that concerns us, or malformed."""
    if heard.type in (RTM_NEWADDR, RTM_DELADDR):
        return _parse_address(heard)
    if heard.type in (RTM_NEWLINK, RTM_DELLINK):
        return _parse_link(heard)
    return None


def _parse_address(heard: Message) -> AddressHeard | AddressGone | None:
    octets = heard.octets
    if len(octets) < HEADER.size + _IFADDRMSG.size:
        return None
    family, prefix_length, flags, _, index = _IFADDRMSG.unpack_from(octets, HEADER.size)
    size = _OCTETS.get(family)
    if size is None or prefix_length > 8 * size:
        return None
    found = dict(iterate_attributes(octets[HEADER.size + _IFADDRMSG.size :]))
    local = found.get(_IFA_LOCAL, found.get(_IFA_ADDRESS, b""))
    if len(local) != size:
        return None
    wide = found.get(_IFA_FLAGS, b"")
    if len(wide) == 4:  # the header has eight bits of them
        (flags,) = _U32.unpack(wide)
    if heard.type == RTM_DELADDR:
        return AddressGone(index, (local, prefix_length))
    is_ours = found.get(_IFA_PROTO) == bytes((PROTOCOL,))
    if family == _AF_INET:
        return AddressHeard(index, (local, prefix_length), bool(flags & IFA_F_SECONDARY), is_ours)
    is_duplicate = bool(flags & IFA_F_DADFAILED)  # such an address stays tentative
    is_tentative = bool(flags & IFA_F_TENTATIVE) and not is_duplicate
    return AddressHeard(index, (local, prefix_length), False, is_ours, is_tentative, is_duplicate)


def _parse_link(heard: Message) -> LinkHeard | LinkGone | None:
    octets = heard.octets
    if len(octets) < HEADER.size + _IFINFOMSG.size:
        return None
    family, _, index, flags, _ = _IFINFOMSG.unpack_from(octets, HEADER.size)
    if family != 0:  # AF_BRIDGE: a port's state, with a RTM_DELLINK when it leaves the bridge
        return None
    if heard.type == RTM_DELLINK:
        return LinkGone(index)
    found = dict(iterate_attributes(octets[HEADER.size + _IFINFOMSG.size :]))
    name = found.get(_IFLA_IFNAME, b"").rstrip(b"\0").decode(errors="replace")
    if not name:
        return None
    event = found.get(_IFLA_EVENT, b"")
    return LinkHeard(
        index,
        name,
        flags & IFF_UP != 0 and flags & IFF_RUNNING != 0,
        found.get(_IFLA_ADDRESS, b""),
        len(event) == 4 and _U32.unpack(event)[0] in _EVENTS_THAT_MOVE_US,
    )
