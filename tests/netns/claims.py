"""Who answers for an address on a segment, asked from a host of it: every MAC that comes back, by ARP or ND."""

import select
import socket
import time
from ipaddress import ip_address

from scapy.layers.inet6 import ICMPv6ND_NS, ICMPv6NDOptSrcLLAddr, IPv6
from scapy.layers.l2 import ARP, Ether

from tests.netns.segment import Host, inside

ETH_P_ALL = 0x0003


def claimants(host: Host, own: str, wanted: str, patience: float = 0.3) -> set[str]:
    """The MACs that answer within `patience` seconds; `own`: an address of `host`, of the family of `wanted`."""
    with inside(host.netns):
        sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
    with sock:
        sock.bind(("eth0", ETH_P_ALL))  # looked up in the socket's namespace
        mac = host.mac()
        sock.send(_question(mac, own, wanted))
        found: set[str] = set()
        until = time.monotonic() + patience
        while (left := until - time.monotonic()) > 0:
            if select.select([sock], [], [], left)[0]:
                answer = _answer(sock.recv(2048), ip_address(wanted).packed)
                if answer and answer != mac:
                    found.add(answer)
        return found


def _question(mac: str, own: str, wanted: str) -> bytes:
    address = ip_address(wanted)
    if address.version == 4:
        return bytes(Ether(src=mac, dst="ff:ff:ff:ff:ff:ff") / ARP(op=1, hwsrc=mac, psrc=own, pdst=wanted))
    low = address.packed[-3:]
    group = f"ff02::1:ff{low[0]:02x}:{low[1]:02x}{low[2]:02x}"
    ethernet = "33:33:ff:" + ":".join(f"{octet:02x}" for octet in low)
    return bytes(
        Ether(src=mac, dst=ethernet)
        / IPv6(src=own, dst=group, hlim=255)
        / ICMPv6ND_NS(tgt=wanted)
        / ICMPv6NDOptSrcLLAddr(lladdr=mac)
    )


def _answer(frame: bytes, wanted: bytes) -> str:
    """The MAC of a solicited answer for the address; "" for anything else."""
    kind = frame[12:14]
    if kind == b"\x08\x06" and frame[20:22] == b"\0\2" and frame[28:32] == wanted:
        return frame[22:28].hex(":")
    if kind == b"\x86\xdd" and len(frame) >= 86 and frame[54] == 136 and frame[58] & 0x40 and frame[62:78] == wanted:
        return frame[80:86].hex(":")
    return ""
