"""The 28 octets after a signed advertisement: keepalived's `auth_hmac` (draft-cassen-vrrp-auth-hmac, keepalived 2.4.2).

    octet 0    1       2           4             8                16
          1    key id  0, 0        seconds (UTC) 2^-16 s, counter HMAC-SHA256, its first 16 octets

The HMAC covers family, version, VRID and source address, the message with a checksum of zero, and the trailer with an
HMAC of zero; not the destination, so one signature does for all peers. Over IPv4 the checksum of the message does not
cover the trailer, over IPv6 it does (RFC 8200 section 8.1: the whole payload).
"""

import hmac
import struct
from dataclasses import dataclass

from haagent.vrrp.checksum import fill, pseudo_header

SIZE = 28
TYPE_SHA256 = 1
LEAST_KEY, MOST_KEY = 32, 64  # octets
TICKS = 1 << 32  # of the sequence in a second: 16 bits of fraction, 16 bits of counter

_TAG = 16
_HEAD = struct.Struct("!BBHQ")
_HEADER = 8  # octets of a VRRP message before its addresses
_AUTHENTICATION = 8  # octets after them, version 2 alone
_CHECKSUM = slice(6, 8)
_MASK = (1 << 64) - 1


@dataclass(frozen=True, slots=True)
class Trailer:
    """What a sender claims."""

    type: int
    key_id: int
    reserved: int
    sequence: int
    tag: bytes


def split(message: bytes, octets: int) -> tuple[bytes, bytes]:
    """The advertisement and the trailer, which is empty where the length says that there is none. `octets`: of an
    address. The length is unambiguous: what the header counts, and 28 more."""
    if len(message) < _HEADER:
        return message, b""
    end = _HEADER + octets * message[3] + (_AUTHENTICATION if message[0] >> 4 == 2 else 0)
    return (message[:end], message[end:]) if len(message) == end + SIZE else (message, b"")


def read(trailer: bytes) -> Trailer:
    """`trailer`: SIZE octets."""
    kind, key_id, reserved, sequence = _HEAD.unpack_from(trailer)
    return Trailer(kind, key_id, reserved, sequence, trailer[_HEAD.size :])


def signed(message: bytes, source: bytes, destination: bytes, key_id: int, key: bytes, sequence: int) -> bytes:
    """The advertisement with its trailer, and over IPv6 with the checksum over both."""
    trailer = _HEAD.pack(TYPE_SHA256, key_id, 0, sequence)
    trailer += tag(message, source, trailer, key)
    if len(source) == 4:
        return message + trailer
    whole = bytearray(message + trailer)
    whole[_CHECKSUM] = b"\0\0"
    return fill(whole, pseudo_header(source, destination, len(whole)))


def tag(message: bytes, source: bytes, head: bytes, key: bytes) -> bytes:
    """`head`: the trailer's first 12 octets."""
    family = 6 if len(source) == 16 else 4
    pseudo = bytes((family, message[0] >> 4, message[1], 0)) + source.ljust(16, b"\0")
    covered = b"".join((pseudo, message[:6], b"\0\0", message[8:], head, bytes(_TAG)))
    return hmac.digest(key, covered, "sha256")[:_TAG]


def is_signed_by(message: bytes, source: bytes, trailer: bytes, key: bytes) -> bool:
    """In constant time."""
    return hmac.compare_digest(trailer[_HEAD.size :], tag(message, source, trailer[: _HEAD.size], key))


def sequence_at(utc: float) -> int:
    """Of a time in seconds since 1970, with a counter of zero."""
    return int(utc * 65536) << 16 & _MASK


def ahead(sequence: int, other: int) -> int:
    """By how much `sequence` is after `other`, negative: before it (RFC 1982: the seconds wrap in 2106)."""
    difference = sequence - other & _MASK
    return difference - (1 << 64) if difference >> 63 else difference
