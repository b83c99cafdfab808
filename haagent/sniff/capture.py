"""Frames from an interface or a pcap file, to a pcap file, and as plain records: scapy's only home.

Decides nothing. Frames that say nothing of VRRP, ARP or ND, or nothing that can be read, give no record.
"""

import select
import time
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from scapy.config import conf
from scapy.error import Scapy_Exception
from scapy.layers.inet import IP
from scapy.layers.inet6 import (
    ICMPv6ND_NA,
    ICMPv6ND_NS,
    ICMPv6NDOptDstLLAddr,
    ICMPv6NDOptSrcLLAddr,
    IPv6,
)
from scapy.layers.l2 import ARP, CookedLinux, Ether
from scapy.packet import Packet
from scapy.utils import PcapReader, RawPcapWriter

from haagent.sniff.records import ArpHeard, NeighbourHeard, Record, SolicitationHeard, VrrpHeard

FILTER = "arp or ip proto 112 or ip6 proto 112 or icmp6"
_ETHERNET_HEADER = 14
_VRRP = 112
_HOP_LIMIT_OF_ND = 255  # RFC 4861 section 7.1: what has another came through a router
_ARP_REQUEST, _ARP_REPLY = 1, 2


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame with its link type (pcap's LINKTYPE_ value)."""

    at: float  # wall clock, by the kernel's stamp
    octets: bytes
    link_type: int = 1


class Live:
    """An open interface. Nothing is sent."""

    def __init__(self, socket: Any) -> None:
        self._socket = socket

    @classmethod
    def open(cls, interface: str) -> "Live | str":
        """A sentence where that is not possible."""
        try:
            try:
                return cls(conf.L2listen(iface=interface, filter=FILTER))
            except Scapy_Exception:  # no libpcap to compile the filter: everything comes, `dissect` picks
                return cls(conf.L2listen(iface=interface))
        except ValueError:
            return f"{interface}: there is no such interface"
        except PermissionError:
            return "needs CAP_NET_RAW to listen: run as root"
        except OSError as error:
            return f"{interface}: {error.strerror or error}"

    def frames(self, timeout: float) -> Iterator[Frame]:
        """What is there, or comes within `timeout` seconds; raises OSError when the interface goes away."""
        readable, _, _ = select.select([self._socket], [], [], timeout)
        if readable:
            _, octets, at = self._socket.recv_raw()
            if octets:
                yield Frame(at or time.time(), octets)

    def close(self) -> None:
        self._socket.close()


class Writer:
    """A pcap file with nanoseconds; every frame is on disk at once. Raises OSError."""

    def __init__(self, path: Path) -> None:
        self._writer = RawPcapWriter(str(path), linktype=1, sync=True, nano=True)
        self._writer.write_header(None)

    def write(self, frame: Frame) -> None:
        seconds = int(frame.at)
        self._writer.write_packet(frame.octets, sec=seconds, usec=int((frame.at - seconds) * 1_000_000_000))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self._writer.close()


def read(path: Path) -> Iterator[Record] | str:
    """The records of a pcap or pcapng file, or a sentence where it is none."""
    try:
        reader = PcapReader(str(path))
    except OSError as error:
        return f"{path}: {error.strerror or error}"
    except Scapy_Exception:
        return f"{path}: this is no pcap file"
    return (record for packet in reader if (record := _record(packet, float(packet.time))) is not None)


def dissect(frame: Frame) -> Record | None:
    """Ethernet alone: what an interface gives."""
    return _record(Ether(frame.octets), frame.at) if len(frame.octets) >= _ETHERNET_HEADER else None


def _record(packet: Packet, at: float) -> Record | None:
    if IP in packet:
        return _vrrp(packet, packet[IP], at)
    if IPv6 in packet:
        return _of_ipv6(packet, packet[IPv6], at)
    if ARP in packet:
        return _arp(packet[ARP], at)
    return None


def _vrrp(packet: Packet, ip: Packet, at: float) -> VrrpHeard | None:
    """`original` are the octets as they came: what scapy would build anew, it might correct."""
    if ip.proto != _VRRP or ip.frag or ip.flags.MF or ip.ihl is None or ip.len is None:
        return None
    message = bytes(ip.original)[4 * ip.ihl : ip.len]
    return VrrpHeard(at, _mac_of(packet), _packed(ip.src), _packed(ip.dst), ip.ttl, message)


def _of_ipv6(packet: Packet, ip: Packet, at: float) -> Record | None:
    mac, source = _mac_of(packet), _packed(ip.src)
    if ip.nh == _VRRP:
        message = bytes(ip.original)[40 : 40 + (ip.plen or 0)]
        return VrrpHeard(at, mac, source, _packed(ip.dst), ip.hlim, message)
    if ip.hlim != _HOP_LIMIT_OF_ND:
        return None
    if ICMPv6ND_NS in packet:
        target = _packed(packet[ICMPv6ND_NS].tgt)
        return SolicitationHeard(at, _option(packet, ICMPv6NDOptSrcLLAddr, mac), source, target)
    if ICMPv6ND_NA in packet:
        heard = packet[ICMPv6ND_NA]
        target = _packed(heard.tgt)
        mac = _option(packet, ICMPv6NDOptDstLLAddr, mac)
        return NeighbourHeard(at, mac, target, bool(heard.S), bool(heard.O))
    return None


def _arp(arp: Packet, at: float) -> ArpHeard | None:
    if (arp.hwtype, arp.hwlen, arp.plen, arp.ptype) != (1, 6, 4, 0x0800) or arp.op not in (_ARP_REQUEST, _ARP_REPLY):
        return None
    return ArpHeard(
        at,
        arp.op == _ARP_REPLY,
        _packed_mac(arp.hwsrc),
        _packed(arp.psrc),
        _packed_mac(arp.hwdst),
        _packed(arp.pdst),
    )


def _mac_of(packet: Packet) -> bytes:
    """Of the frame's sender; what tcpdump wrote of "any" interface keeps it too."""
    if isinstance(packet, Ether):
        return _packed_mac(packet.src)
    if isinstance(packet, CookedLinux) and packet.lladdrlen == 6:
        return bytes(packet.src)[:6]
    return bytes(6)


def _option(packet: Packet, kind: type[Packet], default: bytes) -> bytes:
    return _packed_mac(packet[kind].lladdr) if kind in packet else default


def _packed(text: str) -> bytes:
    return ip_address(text).packed


def _packed_mac(text: str) -> bytes:
    return bytes.fromhex(text.replace(":", ""))
