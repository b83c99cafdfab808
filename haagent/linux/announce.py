"""Who has the address now, told to everybody on the segment (RFC 9568 section 6.4): gratuitous ARP (RFC 826) for IPv4,
an unsolicited neighbor advertisement (RFC 4861 section 7.2.6) for IPv6.

Frames are built when parameters are set. Sending a chunk of them is one system call (`sendmmsg`, which Python's socket
module does not have, so by ctypes): a takeover of hundreds of addresses spends its time in the kernel, not here.
"""

import ctypes
import errno
import socket
import struct
from collections.abc import Sequence

from haagent.vrrp.checksum import ones_sum

ETH_P_ARP, ETH_P_IPV6 = 0x0806, 0x86DD
_BROADCAST = b"\xff" * 6
_ARP_REQUEST_FOR_IPV4_ON_ETHERNET = bytes.fromhex("0001080006040001")
_ARP_REPLY_FOR_IPV4_ON_ETHERNET = bytes.fromhex("0001080006040002")
FRAME_LENGTH = 42  # of gratuitous ARP
NA_FRAME_LENGTH = 86
_ALL_NODES_MAC = bytes.fromhex("333300000001")
_ALL_NODES = bytes.fromhex("ff020000000000000000000000000001")
_ICMPV6, _NEIGHBOR_ADVERTISEMENT, _HOP_LIMIT = 58, 136, 255
_ROUTER, _OVERRIDE = 0x80, 0x20  # of the flags; S is clear: nobody asked
_TARGET_LINK_LAYER_ADDRESS = bytes((2, 1))  # option, its length in units of 8 octets


class _IoVec(ctypes.Structure):
    _fields_ = (("base", ctypes.c_void_p), ("length", ctypes.c_size_t))


class _MsgHdr(ctypes.Structure):
    _fields_ = (
        ("name", ctypes.c_void_p),
        ("namelen", ctypes.c_uint32),
        ("iov", ctypes.POINTER(_IoVec)),
        ("iovlen", ctypes.c_size_t),
        ("control", ctypes.c_void_p),
        ("controllen", ctypes.c_size_t),
        ("flags", ctypes.c_int),
    )


class _MMsgHdr(ctypes.Structure):
    _fields_ = (("header", _MsgHdr), ("length", ctypes.c_uint))


_sendmmsg = ctypes.CDLL(None, use_errno=True).sendmmsg
_sendmmsg.argtypes = (ctypes.c_int, ctypes.c_void_p, ctypes.c_uint, ctypes.c_int)
_sendmmsg.restype = ctypes.c_int


def gratuitous_arp(mac: bytes, address: bytes) -> bytes:
    """The 42 octets: a *request*, sender and target both the address, which every stack takes in (reference 7.1)."""
    return (
        _BROADCAST
        + mac
        + ETH_P_ARP.to_bytes(2, "big")
        + _ARP_REQUEST_FOR_IPV4_ON_ETHERNET
        + mac
        + address
        + _BROADCAST
        + address
    )


def gratuitous_reply(mac: bytes, address: bytes) -> bytes:
    """The same as a *reply*, for stacks that learn from nothing else. Its target hardware address is the sender's too
    (RFC 5944 section 4.6), without which Linux takes it for somebody else's answer."""
    return (
        _BROADCAST
        + mac
        + ETH_P_ARP.to_bytes(2, "big")
        + _ARP_REPLY_FOR_IPV4_ON_ETHERNET
        + mac
        + address
        + mac
        + address
    )


def unsolicited_na(mac: bytes, address: bytes, is_router: bool) -> bytes:
    """The 86 octets, from the address itself to all nodes. `is_router`: the kernel forwards IPv6 on the interface,
    which the flag R says (RFC 4861 section 4.4); a solicited answer of the kernel's says the same."""
    flags = _OVERRIDE | (_ROUTER if is_router else 0)
    body = bytes((flags, 0, 0, 0)) + address + _TARGET_LINK_LAYER_ADDRESS + mac
    length = 4 + len(body)
    pseudo_header = address + _ALL_NODES + struct.pack("!IxxxB", length, _ICMPV6)
    checksum = ~ones_sum(pseudo_header + bytes((_NEIGHBOR_ADVERTISEMENT, 0, 0, 0)) + body) & 0xFFFF
    return (
        _ALL_NODES_MAC
        + mac
        + ETH_P_IPV6.to_bytes(2, "big")
        + struct.pack("!IHBB", 6 << 28, length, _ICMPV6, _HOP_LIMIT)
        + address
        + _ALL_NODES
        + struct.pack("!BBH", _NEIGHBOR_ADVERTISEMENT, 0, checksum)
        + body
    )


def announcements(mac: bytes, address: bytes, is_router: bool, form: str) -> tuple[bytes, ...]:
    """`form` is RouterSettings.announce_form; neighbor advertisements have one."""
    if len(address) == 16:
        return (unsolicited_na(mac, address, is_router),)
    forms = {"request": (gratuitous_arp,), "reply": (gratuitous_reply,), "both": (gratuitous_arp, gratuitous_reply)}
    return tuple(encode(mac, address) for encode in forms[form])


class Frames:
    """Announcements of some addresses, ready for one sendmmsg. Never changed."""

    def __init__(self, mac: bytes, addresses: Sequence[bytes], is_router: bool = False, form: str = "request") -> None:
        if len(mac) != 6:  # no Ethernet: nobody there to tell
            addresses = ()
        frames = [frame for each in addresses for frame in announcements(mac, each, is_router, form)]
        self.count = len(frames)
        self._octets = ctypes.create_string_buffer(b"".join(frames))
        self._vectors = (_IoVec * self.count)()
        self._messages = (_MMsgHdr * self.count)()
        start = ctypes.addressof(self._octets)
        for place, frame in enumerate(frames):
            self._vectors[place].base = start
            self._vectors[place].length = len(frame)
            start += len(frame)
            self._messages[place].header.iov = ctypes.pointer(self._vectors[place])
            self._messages[place].header.iovlen = 1
        self.location = ctypes.addressof(self._messages)


class Announcer:
    """Sends frames on one interface."""

    def __init__(self, sock: socket.socket) -> None:
        self._socket = sock

    @classmethod
    def open(cls, index: int) -> "Announcer | OSError":
        """A packet socket that hears nothing (protocol 0), bound to the interface. A refusal is a value."""
        try:
            sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC, 0)
        except OSError as error:
            return error
        try:
            # socket.bind() wants a name; the index is what we know for certain
            name = socket.if_indextoname(index)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_PRIORITY, 6)
            sock.bind((name, 0))
        except OSError as error:
            sock.close()
            return error
        return cls(sock)

    def send(self, frames: Frames) -> tuple[int, int]:
        """(frames sent, errno of what stopped the rest or 0). Never waits: ENOBUFS, EAGAIN, ENETDOWN, ENXIO happen."""
        sent = 0
        while sent < frames.count:
            done: int = _sendmmsg(
                self._socket.fileno(),
                frames.location + sent * ctypes.sizeof(_MMsgHdr),
                frames.count - sent,
                socket.MSG_DONTWAIT,
            )
            if done <= 0:
                return sent, ctypes.get_errno() or errno.EIO
            sent += done
        return sent, 0

    def send_frame(self, frame: bytes) -> int:
        """One, whatever it is; errno, or 0."""
        try:
            self._socket.send(frame)
        except OSError as error:
            return error.errno or errno.EIO
        return 0

    def close(self) -> None:
        self._socket.close()
