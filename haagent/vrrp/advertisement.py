"""The VRRPv3 advertisement over IPv4: encode, decode, and the receive checks of RFC 9568 section 7.1.

    octet 0        1        2        3        4        5        6        7        8
          0x31     VRID     priority count    0|interval (cs)   checksum          count addresses of 4 octets

Two checksums are in the field. RFC 9568 section 5.2.8: the message alone. keepalived and FRR by default: preceded by a
pseudo-header (source, destination, 0, 112, length). Both are accepted and told apart.
"""

import struct
from dataclasses import dataclass
from enum import Enum, auto

VERSION_AND_TYPE = 0x31  # version 3, type 1 (ADVERTISEMENT, the only one)
PROTOCOL_VRRP = 112
MULTICAST_GROUP = bytes((224, 0, 0, 18))
TTL = 255  # a remote sender cannot forge it: every router on the way lowers it

PRIORITY_RELEASE = 0  # the Active router is letting go
PRIORITY_OWNER = 255  # the virtual addresses are the router's own

_HEADER = struct.Struct("!BBBBHH")
_CENTISECONDS = 100


class ChecksumForm(Enum):
    """What the checksum covers."""

    RFC9568 = "rfc9568"
    PSEUDO_HEADER = "pseudo_header"


class Discard(Enum):
    """Why a datagram was dropped (RFC 9568 section 7.1); each name is also a counter."""

    TTL = auto()
    LENGTH = auto()
    VERSION = auto()
    TYPE = auto()
    CHECKSUM = auto()
    COUNT = auto()  # erratum 8299: an empty address list
    INTERVAL = auto()  # erratum 8301: an interval of zero
    VRID = auto()  # not configured on the interface; decided by the speaker
    OWN = auto()  # our own address as source: looped back, or somebody else's duplicate


@dataclass(frozen=True, slots=True)
class Advertisement:
    """One advertisement, units already ours."""

    vrid: int
    priority: int
    max_advertise_interval: float  # seconds
    addresses: tuple[bytes, ...]  # packed
    checksum_form: ChecksumForm = ChecksumForm.RFC9568


def encode(advertisement: Advertisement, source: bytes, destination: bytes = MULTICAST_GROUP) -> bytes:
    """The VRRP message to send from `source` (packed): its checksum form is the advertisement's."""
    message = bytearray(
        _HEADER.pack(
            VERSION_AND_TYPE,
            advertisement.vrid,
            advertisement.priority,
            len(advertisement.addresses),
            round(advertisement.max_advertise_interval * _CENTISECONDS) & 0x0FFF,
            0,
        )
    )
    for address in advertisement.addresses:
        message += address
    covered = bytes(message)
    if advertisement.checksum_form is ChecksumForm.PSEUDO_HEADER:
        covered = _pseudo_header(source, destination, len(message)) + covered
    struct.pack_into("!H", message, 6, ~_ones_sum(covered) & 0xFFFF)
    return bytes(message)


def decode(message: bytes, ttl: int, source: bytes, destination: bytes) -> Advertisement | Discard:
    """Checks in the order of RFC 9568 section 7.1. `message` is the IP payload, cut to the IP total length.

    Octets after the address list are refused (RFC 9568: the length must fit); Ethernet padding never gets here.
    """
    if ttl != TTL:
        return Discard.TTL
    if len(message) < _HEADER.size:
        return Discard.LENGTH
    version_and_type, vrid, priority, count, interval, _ = _HEADER.unpack_from(message)
    if version_and_type >> 4 != VERSION_AND_TYPE >> 4:
        return Discard.VERSION
    if version_and_type & 0x0F != VERSION_AND_TYPE & 0x0F:
        return Discard.TYPE
    if len(message) != _HEADER.size + 4 * count:
        return Discard.LENGTH
    form = _checksum_form(message, source, destination)
    if form is None:
        return Discard.CHECKSUM
    if vrid == 0:
        return Discard.VRID
    if count == 0:
        return Discard.COUNT
    if interval & 0x0FFF == 0:  # the high nibble is reserved and ignored on receipt (section 5.2.6)
        return Discard.INTERVAL
    addresses = tuple(message[offset : offset + 4] for offset in range(_HEADER.size, len(message), 4))
    return Advertisement(vrid, priority, (interval & 0x0FFF) / _CENTISECONDS, addresses, form)


def _checksum_form(message: bytes, source: bytes, destination: bytes) -> ChecksumForm | None:
    total = _ones_sum(message)
    if total == 0xFFFF:
        return ChecksumForm.RFC9568
    if _fold(total + _ones_sum(_pseudo_header(source, destination, len(message)))) == 0xFFFF:
        return ChecksumForm.PSEUDO_HEADER
    return None


def _pseudo_header(source: bytes, destination: bytes, length: int) -> bytes:
    return source + destination + struct.pack("!BBH", 0, PROTOCOL_VRRP, length)


def _ones_sum(data: bytes) -> int:
    """One's complement sum of 16-bit words (RFC 1071); what we sum has whole words."""
    # 2**16 = 1 modulo 0xFFFF, so the number read as a whole has the same remainder as the sum of its words
    return int.from_bytes(data, "big") % 0xFFFF or (0xFFFF if any(data) else 0)


def _fold(total: int) -> int:
    return total % 0xFFFF or (0xFFFF if total else 0)
