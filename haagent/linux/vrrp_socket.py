"""Raw sockets of IP protocol 112, one pair for each interface (RFC 9568 section 5.1, ip(7), raw(7)).

The receiver is bound to its interface and joined there alone; it delivers the IP header, from which TTL, source,
destination and the true length are read. The sender writes its own IP header, so the source is the primary address
whatever the routing table thinks; it hears nothing.
"""

import socket
import struct
from dataclasses import dataclass

from haagent.vrrp.advertisement import MULTICAST_GROUP, PROTOCOL_VRRP, TTL

_IP_MULTICAST_ALL = 49
_INTERNETWORK_CONTROL = 0xC0  # TOS, as keepalived and FRR send
_PRIORITY_CONTROL = 7  # TC_PRIO_CONTROL
_SO_RCVBUFFORCE = 33
_RECEIVE_BUFFER = 1 << 20  # a stall of seconds must find every advertisement when it ends
_DATAGRAM = 2048  # 60 octets of IP header, 8 of VRRP and 255 addresses are 1,088; a longer one is cut, and refused
_MREQN = struct.Struct("=4s4si")
_IP_HEADER = struct.Struct("!BBHHHBBH4s4s")
_DESTINATION = (socket.inet_ntoa(MULTICAST_GROUP), 0)


@dataclass(frozen=True, slots=True)
class Datagram:
    payload: bytes  # the VRRP message
    ttl: int
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


def packet(message: bytes, source: bytes) -> bytes:
    """The IP packet to send; the kernel fills in identification and checksum."""
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
        MULTICAST_GROUP,
    )
    return header + message


class VrrpSocket:
    """Both directions on one interface."""

    def __init__(self, receiver: socket.socket, sender: socket.socket) -> None:
        self._receiver = receiver
        self._sender = sender

    @classmethod
    def open(cls, index: int) -> "VrrpSocket | OSError":
        """A refusal is a value: ENODEV when the interface just went, EPERM without CAP_NET_RAW."""
        opened: list[socket.socket] = []
        try:
            name = socket.if_indextoname(index).encode()
            for protocol in (PROTOCOL_VRRP, socket.IPPROTO_RAW):  # IPPROTO_RAW: header included, receives nothing
                sock = socket.socket(
                    socket.AF_INET, socket.SOCK_RAW | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC, protocol
                )
                opened.append(sock)
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, name)
            receiver, sender = opened
            receiver.setsockopt(socket.IPPROTO_IP, _IP_MULTICAST_ALL, 0)
            receiver.setsockopt(
                socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, _MREQN.pack(MULTICAST_GROUP, bytes(4), index)
            )
            _widen(receiver)
            sender.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, _MREQN.pack(bytes(4), bytes(4), index))
            sender.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_LOOP, 0)
            sender.setsockopt(socket.SOL_SOCKET, socket.SO_PRIORITY, _PRIORITY_CONTROL)
        except OSError as error:
            for sock in opened:
                sock.close()
            return error
        return cls(receiver, sender)

    def fileno(self) -> int:
        """Of the receiver: readable when datagrams wait."""
        return self._receiver.fileno()

    def receive(self) -> Datagram | None:
        """The next datagram that waits; None: no more, or the interface is gone."""
        while True:
            try:
                octets = self._receiver.recv(_DATAGRAM)
            except OSError:  # EAGAIN: none left; ENETDOWN is told once when the interface goes, the monitor says it too
                return None
            datagram = parse(octets)
            if datagram is not None:
                return datagram

    def send(self, octets: bytes) -> int:
        """One packet; errno, or 0. Never waits: ENOBUFS, ENETDOWN and ENXIO happen, the next one is due soon."""
        try:
            self._sender.sendto(octets, _DESTINATION)
        except OSError as error:
            return error.errno or 1
        return 0

    def close(self) -> None:
        self._receiver.close()
        self._sender.close()


def _widen(receiver: socket.socket) -> None:
    """Beyond net.core.rmem_max where we may, up to it where not."""
    try:
        receiver.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, _RECEIVE_BUFFER)
    except OSError:
        receiver.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER)
