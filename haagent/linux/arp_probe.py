"""Who answers for an address on a segment: ARP probes (RFC 5227 §2.1.1) and their IPv6 form (RFC 4862 §5.4.2).

The sender is no address at all (0.0.0.0, ::), so nobody learns anything from the question. The answers come to a packet
socket, whatever this host's own addresses are: on the Active director the kernel itself would drop them. CAP_NET_RAW.
"""

import contextlib
import ctypes
import socket
import struct
from ipaddress import IPv4Address, IPv6Address

ETH_P_ARP, ETH_P_IPV6 = 0x0806, 0x86DD
_BROADCAST = b"\xff" * 6
_ARP = struct.Struct("!HHBBH6s4s6s4s")
_ICMPV6, _SOLICITATION, _ADVERTISEMENT = 58, 135, 136
_SIZE = 256  # of a frame, as far as it is read
MOST_FRAMES = 1024
_SO_ATTACH_FILTER = 26
_BPF = struct.Struct("=HBBI")  # code, steps if true, steps if false, operand
_ADVERTISEMENTS_ALONE = b"".join(
    _BPF.pack(*each)
    for each in (
        (0x30, 0, 0, 20),  # the next header
        (0x15, 0, 3, _ICMPV6),
        (0x30, 0, 0, 54),  # ICMPv6 type
        (0x15, 0, 1, _ADVERTISEMENT),
        (0x06, 0, 0, 0xFFFF),
        (0x06, 0, 0, 0),
    )
)

Answer = tuple[str, bytes]  # canonical address, MAC


class ArpProbe:
    """One interface. `ask`, wait, `answers`.

    A socket for each protocol, and not one for all of them: the kernel would copy every packet of a busy director to
    it, and the answers would not find room.
    """

    def __init__(self, interface: str, sockets: tuple[socket.socket, ...]) -> None:
        self.sockets = sockets
        self._interface, self._index = interface, socket.if_nametoindex(interface)
        self._mac: bytes = sockets[0].getsockname()[4]

    @classmethod
    def open(cls, interface: str) -> "ArpProbe | str":
        """Or a sentence: what is in the way."""
        sockets: list[socket.socket] = []
        try:
            for protocol, program in ((ETH_P_ARP, b""), (ETH_P_IPV6, _ADVERTISEMENTS_ALONE)):
                made = socket.socket(socket.AF_PACKET, socket.SOCK_RAW | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC, 0)
                sockets.append(made)
                if program:
                    _attach(made, program)
                made.bind((interface, protocol))
            probe = cls(interface, tuple(sockets))
        except PermissionError:
            sentence = "this director may not send ARP (CAP_NET_RAW)"
        except OSError as error:
            sentence = f"{interface}: {error.strerror}"
        else:
            if len(probe._mac) == 6:
                return probe
            sentence = f"{interface} is no Ethernet"
        for each in sockets:
            each.close()
        return sentence

    def is_there(self) -> bool:
        """Whether the interface that it was opened on still is; one that came again under the name is another one."""
        try:
            return socket.if_nametoindex(self._interface) == self._index
        except OSError:
            return False

    def ask(self, address: str) -> str:
        """One question; what was in the way, or nothing."""
        frame = solicitation(self._mac, address) if ":" in address else arp_request(self._mac, address)
        try:
            self.sockets[0].send(frame)
        except OSError as error:
            return str(error.strerror)
        return ""

    def answers(self, most: int = MOST_FRAMES) -> list[Answer]:
        """What was said since the last call, by others, about any address: of at most so many frames."""
        heard = []
        for each in self.sockets:
            with contextlib.suppress(OSError):  # BlockingIOError: no more; ENETDOWN: nothing
                for _ in range(most):
                    frame, sender = each.recvfrom(_SIZE)
                    if sender[2] != socket.PACKET_OUTGOING and (answer := decode(frame)):
                        heard.append(answer)
        return heard

    def close(self) -> None:
        for each in self.sockets:
            each.close()


def _attach(made: socket.socket, program: bytes) -> None:
    """A classic BPF program (linux/filter.h); the kernel copies it."""
    buffer = ctypes.create_string_buffer(program, len(program))
    made.setsockopt(
        socket.SOL_SOCKET, _SO_ATTACH_FILTER, struct.pack("@HP", len(program) // 8, ctypes.addressof(buffer))
    )


def arp_request(mac: bytes, address: str) -> bytes:
    arp = _ARP.pack(1, 0x0800, 6, 4, 1, mac, bytes(4), bytes(6), IPv4Address(address).packed)
    return _BROADCAST + mac + ETH_P_ARP.to_bytes(2, "big") + arp


def solicitation(mac: bytes, address: str) -> bytes:
    """A neighbour solicitation from :: to the solicited-node group (RFC 4861 §4.3)."""
    target = IPv6Address(address).packed
    group = bytes.fromhex("ff0200000000000000000001ff") + target[13:]
    source = bytes(16)
    message = struct.pack("!BBHI", _SOLICITATION, 0, 0, 0) + target
    pseudo = source + group + struct.pack("!II", len(message), _ICMPV6)
    message = message[:2] + checksum(pseudo + message).to_bytes(2, "big") + message[4:]
    header = struct.pack("!IHBB", 6 << 28, len(message), _ICMPV6, 255) + source + group
    return b"\x33\x33" + group[12:] + mac + ETH_P_IPV6.to_bytes(2, "big") + header + message


def checksum(octets: bytes) -> int:
    """RFC 1071."""
    total: int = sum(struct.unpack(f"!{len(octets) // 2}H", octets))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def decode(frame: bytes) -> Answer | None:
    """Who has which address, if the frame says so: an ARP packet of its owner, or a neighbour advertisement."""
    match int.from_bytes(frame[12:14], "big"):
        case 0x0806 if len(frame) >= 14 + _ARP.size:
            hardware, protocol, mac_length, length, _, mac, address, _, _ = _ARP.unpack_from(frame, 14)
            if (hardware, protocol, mac_length, length) != (1, 0x0800, 6, 4) or address == bytes(4):
                return None
            return str(IPv4Address(address)), mac
        case 0x86DD if len(frame) >= 78 and frame[20] == _ICMPV6 and frame[21] == 255 and frame[54] == _ADVERTISEMENT:
            return str(IPv6Address(frame[62:78])), frame[6:12]
    return None
