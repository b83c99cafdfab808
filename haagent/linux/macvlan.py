"""The interface with a virtual MAC address: the bytes that make it, take it up, down and away, and its parameters.

A macvlan in mode "bridge" (include/uapi/linux/if_link.h). In mode "private" the kernel gives a multicast frame from
outside that has the MAC address of one of its macvlans to that one alone: two directors that are both Active, with
this very address, would never hear each other. While it is down, which it is on a Backup, nothing comes from it and
nothing goes to it, and the frames of the Active router reach the interface below.
"""

import struct

from haagent.linux.netlink import NLM_F_CREATE, NLM_F_EXCL, attribute, message, nested
from haagent.linux.rtnetlink import IFF_UP, RTM_DELLINK, RTM_NEWLINK

_IFINFOMSG = struct.Struct("=BxHiII")
_U32 = struct.Struct("=I")
_IFLA_ADDRESS, _IFLA_IFNAME, _IFLA_LINK, _IFLA_LINKINFO = 1, 3, 5, 18
_IFLA_INFO_KIND, _IFLA_INFO_DATA, _IFLA_MACVLAN_MODE = 1, 2, 1
_MODE_BRIDGE = 4

_ETHERTYPES = {4: b"\x08\x00", 16: b"\x86\xdd"}


def create(name: str, mac: bytes, parent: int) -> bytes:
    """Down, as every new interface is."""
    body = _IFINFOMSG.pack(0, 0, 0, 0, 0)
    body += attribute(_IFLA_IFNAME, name.encode() + b"\0") + attribute(_IFLA_ADDRESS, mac)
    body += attribute(_IFLA_LINK, _U32.pack(parent))
    body += nested(
        _IFLA_LINKINFO,
        attribute(_IFLA_INFO_KIND, b"macvlan"),
        nested(_IFLA_INFO_DATA, attribute(_IFLA_MACVLAN_MODE, _U32.pack(_MODE_BRIDGE))),
    )
    return message(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, body)


def set_up(index: int, up: bool) -> bytes:
    return message(RTM_NEWLINK, 0, _IFINFOMSG.pack(0, 0, index, IFF_UP if up else 0, IFF_UP))


def delete(index: int) -> bytes:
    return message(RTM_DELLINK, 0, _IFINFOMSG.pack(0, 0, index, 0, 0))


def parameters(name: str, octets: int) -> dict[str, str]:
    """Of the macvlan, before it is up for the first time.

    It answers ARP for what is on it alone. Clients' packets come in here and answers go out by the interface below,
    which a strict rp_filter would refuse; 2 (loose) outvotes a 1 for all interfaces. Nothing is made up by the kernel:
    no link-local address from the virtual MAC (RFC 9568 section 8.2.2), no solicitations, no detection of duplicates.
    """
    values = {
        f"net.ipv4.conf.{name}.arp_ignore": "1",
        f"net.ipv4.conf.{name}.arp_filter": "0",
        f"net.ipv4.conf.{name}.rp_filter": "2",
        f"net.ipv4.conf.{name}.promote_secondaries": "1",
    }
    if octets == 4:
        return values | {f"net.ipv6.conf.{name}.disable_ipv6": "1"}
    return values | {
        f"net.ipv6.conf.{name}.{each}": value
        for each, value in (
            ("addr_gen_mode", "1"),  # none
            ("accept_ra", "0"),
            ("autoconf", "0"),
            ("accept_dad", "0"),
            ("dad_transmits", "0"),
            ("router_solicitations", "0"),
        )
    }


def parameters_below(name: str) -> dict[str, str]:
    """Of the interface below: it must not answer ARP for what is on the macvlan, nor ask in its name, for with its own
    MAC address it would undo what the virtual one is for."""
    return {f"net.ipv4.conf.{name}.arp_ignore": "1", f"net.ipv4.conf.{name}.arp_announce": "2"}


def inherited(name: str, below: str) -> dict[str, str]:
    """Parameter of the macvlan -> that of the interface below, whose value it gets."""
    return {
        f"net.{family}.conf.{name}.forwarding": f"net.{family}.conf.{below}.forwarding" for family in ("ipv4", "ipv6")
    }


def multicast_frame(mac: bytes, octets: bytes, destination: bytes) -> bytes:
    """An IP packet to a multicast group from `mac`; over IPv4 with the header checksum, which otherwise the kernel
    makes (RFC 1112 section 6.4, RFC 2464 section 7)."""
    if len(destination) == 16:
        return b"\x33\x33" + destination[12:] + mac + _ETHERTYPES[16] + octets
    group = b"\x01\x00\x5e" + bytes((destination[1] & 0x7F,)) + destination[2:]
    return group + mac + _ETHERTYPES[4] + with_header_checksum(octets)


def with_header_checksum(octets: bytes) -> bytes:
    """An IPv4 packet without options whose header checksum is zero until now."""
    total: int = sum(struct.unpack_from("!10H", octets))
    total = (total & 0xFFFF) + (total >> 16)
    total = (total & 0xFFFF) + (total >> 16)
    return octets[:10] + (~total & 0xFFFF).to_bytes(2, "big") + octets[12:]
