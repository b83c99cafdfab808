"""Who answers for an address on a segment: ARP probes (RFC 5227 §2.1.1) and their IPv6 form (RFC 4862 §5.4.2).

The sender is no address at all (0.0.0.0, ::), so nobody learns anything from the question. The answers come to a packet
socket, whatever this host's own addresses are: on the Active director the kernel itself would drop them. CAP_NET_RAW.
"""

import contextlib
import socket
import struct
from ipaddress import IPv4Address, IPv6Address

ETH_P_ARP, ETH_P_IPV6 = 0x0806, 0x86DD
ETH_P_ALL = 0x0003
_BROADCAST = b"\xff" * 6
_ARP = struct.Struct("!HHBBH6s4s6s4s")
_ICMPV6, _SOLICITATION, _ADVERTISEMENT = 58, 135, 136
_SIZE = 256  # of a frame, as far as it is read

Answer = tuple[str, bytes]  # canonical address, MAC


class ArpProbe:
    """One interface. `ask`, wait, `answers`."""

    def __init__(self, made: socket.socket) -> None:
        self._socket = made
        self._mac: bytes = made.getsockname()[4]

    @classmethod
    def open(cls, interface: str) -> "ArpProbe | str":
        """Or a sentence: what is in the way."""
        try:
            kind = socket.SOCK_RAW | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC
            made = socket.socket(socket.AF_PACKET, kind, 0)
        except PermissionError:
            return "this director may not send ARP (CAP_NET_RAW)"
        except OSError as error:
            return f"no packet socket: {error.strerror}"
        try:
            made.bind((interface, ETH_P_ALL))
            probe = cls(made)
        except OSError as error:
            made.close()
            return f"{interface}: {error.strerror}"
        if len(probe._mac) != 6:
            made.close()
            return f"{interface} is no Ethernet"
        return probe

    def ask(self, address: str) -> str:
        """One question; what was in the way, or nothing."""
        frame = solicitation(self._mac, address) if ":" in address else arp_request(self._mac, address)
        try:
            self._socket.send(frame)
        except OSError as error:
            return str(error.strerror)
        return ""

    def answers(self) -> list[Answer]:
        """Everything that was said since the last call, by others, about any address."""
        heard = []
        with contextlib.suppress(OSError):  # BlockingIOError: no more; ENETDOWN: nothing
            while True:
                frame, sender = self._socket.recvfrom(_SIZE)
                if sender[2] != socket.PACKET_OUTGOING and (answer := decode(frame)):
                    heard.append(answer)
        return heard

    def close(self) -> None:
        self._socket.close()


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
