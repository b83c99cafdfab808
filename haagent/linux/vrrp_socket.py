"""Raw sockets of IP protocol 112, a pair for each interface and family (RFC 9568 section 5.1, ip(7), ipv6(7), raw(7)).

The receiver is bound to its interface and joined there alone. Over IPv4 it delivers the IP header, from which TTL,
source, destination and the true length are read; over IPv6 these come beside the message. The sender writes its own IP
header, so the source is the one that was chosen, whatever the routing table thinks, and nothing has to be bound again
when addresses come and go (what other programs use IP_FREEBIND for); it hears nothing. It asks for errors (IP_RECVERR):
without that the kernel reports a packet that a full queue dropped as sent (raw(7), "Error handling"). No ICMP error of
a unicast peer gets there: they go to sockets of protocol 112, and that is the receiver.
"""

import socket
import struct
from dataclasses import dataclass

from haagent.vrrp.advertisement import GROUPS, MULTICAST_GROUP, MULTICAST_GROUP_IPV6, PROTOCOL_VRRP, TTL

_IP_MULTICAST_ALL, _IPV6_MULTICAST_ALL = 49, 29
_IPV6_HDRINCL = 36
_IP_RECVERR, _IPV6_RECVERR = 11, 25
_INTERNETWORK_CONTROL = 0xC0  # TOS and traffic class, as keepalived and FRR send
_PRIORITY_CONTROL = 7  # TC_PRIO_CONTROL
_SO_RCVBUFFORCE = 33
_RECEIVE_BUFFER = 1 << 20  # a stall of seconds must find every advertisement when it ends
_DATAGRAM = 8192  # 8 octets of VRRP and 255 IPv6 addresses are 4,088; a longer one is cut, and refused
_ANCILLARY = 256
_MREQN = struct.Struct("=4s4si")
_MREQ6 = struct.Struct("=16si")
_PACKET_INFO = struct.Struct("=16si")
_IP_HEADER = struct.Struct("!BBHHHBBH4s4s")
_IPV6_HEADER = struct.Struct("!IHBB16s16s")


@dataclass(frozen=True, slots=True)
class Datagram:
    payload: bytes  # the VRRP message
    ttl: int  # or hop limit
    source: bytes  # packed
    destination: bytes


def parse(octets: bytes) -> Datagram | None:
    """An IPv4 packet as a raw socket delivers it; None: no IPv4 packet, which the kernel does not let through."""
    if len(octets) < _IP_HEADER.size:
        return None
    first, _, total, _, _, ttl, _, _, source, destination = _IP_HEADER.unpack_from(octets)
    header = (first & 0x0F) * 4
    if first >> 4 != 4 or header < _IP_HEADER.size or total < header:
        return None
    return Datagram(octets[header:total], ttl, source, destination)


def parse_ipv6(payload: bytes, source: bytes, ancillary: list[tuple[int, int, bytes]]) -> Datagram | None:
    """An IPv6 payload with what the kernel says of its header; None: it did not say it all."""
    hop_limit = destination = None
    for level, kind, value in ancillary:
        if level != socket.IPPROTO_IPV6:
            continue
        if kind == socket.IPV6_HOPLIMIT and len(value) == 4:
            (hop_limit,) = struct.unpack("=i", value)
        elif kind == socket.IPV6_PKTINFO and len(value) == _PACKET_INFO.size:
            destination, _ = _PACKET_INFO.unpack(value)
    if hop_limit is None or destination is None:
        return None
    return Datagram(payload, hop_limit, source, destination)


def packet(message: bytes, source: bytes, destination: bytes = b"") -> bytes:
    """The IP packet to send (default: to the family's group); over IPv4 the kernel fills in identification and
    checksum."""
    destination = destination or GROUPS[len(source)]
    if len(source) == 16:
        first = 6 << 28 | _INTERNETWORK_CONTROL << 20
        return _IPV6_HEADER.pack(first, len(message), PROTOCOL_VRRP, TTL, source, destination) + message
    header = _IP_HEADER.pack(
        0x45,
        _INTERNETWORK_CONTROL,
        _IP_HEADER.size + len(message),
        0,
        0,
        TTL,
        PROTOCOL_VRRP,
        0,
        source,
        destination,
    )
    return header + message


class VrrpSocket:
    """Both directions of one family on one interface."""

    def __init__(self, receiver: socket.socket, sender: socket.socket, index: int) -> None:
        self._receiver = receiver
        self._sender = sender
        self._index = index
        self._is_ipv6 = receiver.family == socket.AF_INET6

    @classmethod
    def open(cls, index: int, octets: int = 4) -> "VrrpSocket | OSError":
        """`octets`: of an address, 4 or 16. A refusal is a value: ENODEV when the interface just went, EPERM without
        CAP_NET_RAW, EAFNOSUPPORT where IPv6 is switched off."""
        family = socket.AF_INET if octets == 4 else socket.AF_INET6
        opened: list[socket.socket] = []
        try:
            name = socket.if_indextoname(index).encode()
            for protocol in (PROTOCOL_VRRP, socket.IPPROTO_RAW):  # IPPROTO_RAW: header included, receives nothing
                sock = socket.socket(family, socket.SOCK_RAW | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC, protocol)
                opened.append(sock)
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, name)
            receiver, sender = opened
            (_set_up_ipv4 if octets == 4 else _set_up_ipv6)(receiver, sender, index)
            _widen(receiver)
            sender.setsockopt(socket.SOL_SOCKET, socket.SO_PRIORITY, _PRIORITY_CONTROL)
        except OSError as error:
            for sock in opened:
                sock.close()
            return error
        return cls(receiver, sender, index)

    def fileno(self) -> int:
        """Of the receiver: readable when datagrams wait."""
        return self._receiver.fileno()

    def receive(self) -> Datagram | None:
        """The next datagram that waits; None: no more, or the interface is gone."""
        while True:
            try:
                datagram = self._receive_ipv6() if self._is_ipv6 else parse(self._receiver.recv(_DATAGRAM))
            except OSError:  # EAGAIN: none left; ENETDOWN is told once when the interface goes, the monitor says it too
                return None
            if datagram is not None:
                return datagram

    def _receive_ipv6(self) -> Datagram | None:
        payload, ancillary, _, sender = self._receiver.recvmsg(_DATAGRAM, _ANCILLARY)
        return parse_ipv6(payload, socket.inet_pton(socket.AF_INET6, sender[0].partition("%")[0]), ancillary)

    def send(self, octets: bytes, destination: bytes = b"") -> int:
        """One packet (default: to the family's group); errno, or 0. Never waits: ENOBUFS, ENETDOWN and ENXIO happen,
        the next one is due soon."""
        try:
            if self._is_ipv6:
                text = socket.inet_ntop(socket.AF_INET6, destination or MULTICAST_GROUP_IPV6)
                self._sender.sendto(octets, (text, 0, 0, self._index))
            else:
                self._sender.sendto(octets, (socket.inet_ntoa(destination or MULTICAST_GROUP), 0))
        except OSError as error:
            return error.errno or 1
        return 0

    def close(self) -> None:
        self._receiver.close()
        self._sender.close()


def _set_up_ipv4(receiver: socket.socket, sender: socket.socket, index: int) -> None:
    receiver.setsockopt(socket.IPPROTO_IP, _IP_MULTICAST_ALL, 0)
    receiver.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, _MREQN.pack(MULTICAST_GROUP, bytes(4), index))
    sender.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, _MREQN.pack(bytes(4), bytes(4), index))
    sender.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_LOOP, 0)
    sender.setsockopt(socket.IPPROTO_IP, _IP_RECVERR, 1)


def _set_up_ipv6(receiver: socket.socket, sender: socket.socket, index: int) -> None:
    receiver.setsockopt(socket.IPPROTO_IPV6, _IPV6_MULTICAST_ALL, 0)
    receiver.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP, _MREQ6.pack(MULTICAST_GROUP_IPV6, index))
    receiver.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVHOPLIMIT, 1)
    receiver.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO, 1)
    sender.setsockopt(socket.IPPROTO_IPV6, _IPV6_HDRINCL, 1)
    sender.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_IF, index)
    sender.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_LOOP, 0)
    sender.setsockopt(socket.IPPROTO_IPV6, _IPV6_RECVERR, 1)


def _widen(receiver: socket.socket) -> None:
    """Beyond net.core.rmem_max where we may, up to it where not."""
    try:
        receiver.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, _RECEIVE_BUFFER)
    except OSError:
        receiver.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER)
