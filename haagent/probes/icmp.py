"""The ICMP check: an echo request is answered (RFC 792, RFC 4443 §4).

Over a ping socket where net.ipv4.ping_group_range admits us, else over a raw one, which needs CAP_NET_RAW. The kernel
gives a ping socket its identifier and brings its own replies alone; a raw socket brings every ICMP message of the peer.
"""

import os
import socket
import struct

from haagent.config.checks import IcmpCheck
from haagent.health.probe import ProbeResult
from haagent.probes.exchange import Conversation, Way, way_of
from haagent.probes.one_reply import OneReply

ECHO_REQUEST, ECHO_REPLY = 8, 0
ECHO_REQUEST_6, ECHO_REPLY_6 = 128, 129


def checksum(octets: bytes) -> int:
    """RFC 1071."""
    padded = octets + b"\0" * (len(octets) % 2)
    total: int = sum(struct.unpack(f"!{len(padded) // 2}H", padded))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def request(is_ipv6: bool, identifier: int, sequence: int, payload: bytes) -> bytes:
    """The kernel fills in the checksum of ICMPv6, and of a ping socket."""
    kind = ECHO_REQUEST_6 if is_ipv6 else ECHO_REQUEST
    sum_of = 0 if is_ipv6 else checksum(struct.pack("!BBHHH", kind, 0, 0, identifier, sequence) + payload)
    return struct.pack("!BBHHH", kind, 0, sum_of, identifier, sequence) + payload


def conversation(check: IcmpCheck, address: str) -> Conversation:
    is_ipv6 = ":" in address
    is_raw = kind_of(is_ipv6) is socket.SOCK_RAW
    identifier = int.from_bytes(os.urandom(2), "big")
    payload = (os.urandom(8) + bytes(range(256)) * 6)[: check.size] if check.size else b""

    def judge(message: bytes) -> ProbeResult | None:
        if is_raw and not is_ipv6:  # a raw IPv4 socket brings the header too
            message = message[(message[0] & 0x0F) * 4 :] if message else b""
        if len(message) < 8 or message[0] != (ECHO_REPLY_6 if is_ipv6 else ECHO_REPLY):
            return None
        its, sequence = struct.unpack("!HH", message[4:8])
        if (is_raw and its != identifier) or sequence != 1:
            return None
        if message[8:] != payload:
            return ProbeResult(False, "the echo reply does not repeat what was sent")
        return ProbeResult(True, "echo reply")

    return OneReply(request(is_ipv6, identifier, 1, payload), judge)


KINDS: dict[bool, socket.SocketKind] = {}  # by is_ipv6; what this process may open does not change


def kind_of(is_ipv6: bool) -> socket.SocketKind:
    """The kind of socket that this process may open; a ping socket where neither: its error is the sentence."""
    if is_ipv6 not in KINDS:
        family = socket.AF_INET6 if is_ipv6 else socket.AF_INET
        for kind in (socket.SOCK_DGRAM, socket.SOCK_RAW):
            try:
                socket.socket(family, kind, protocol(is_ipv6)).close()
            except PermissionError:
                continue
            except OSError:  # no descriptor now: the exchange will say so
                return socket.SOCK_DGRAM
            KINDS[is_ipv6] = kind
            break
        else:
            return socket.SOCK_DGRAM
    return KINDS[is_ipv6]


def protocol(is_ipv6: bool) -> int:
    return socket.IPPROTO_ICMPV6 if is_ipv6 else socket.IPPROTO_ICMP


def way(check: IcmpCheck, address: str) -> Way:
    is_ipv6 = ":" in address
    return way_of(check, kind_of(is_ipv6), protocol(is_ipv6))
