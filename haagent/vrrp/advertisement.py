"""The VRRPv3 advertisement over IPv4 and IPv6: encode, decode, and the receive checks of RFC 9568 section 7.1.

    octet 0        1        2        3        4        5        6        7        8
          0x31     VRID     priority count    0|interval (cs)   checksum          count addresses of 4 or 16 octets

The family is that of the IP header. Over IPv6 the checksum includes the pseudo-header. Over IPv4 two checksums are in
the field. RFC 9568 section 5.2.8: the message alone. keepalived and FRR by default: preceded by a pseudo-header
(source, destination, 0, 112, length). Both are accepted and told apart. Version 2 is in `advertisement_v2.py`.
"""

import struct
from dataclasses import dataclass
from enum import Enum, auto
from functools import lru_cache

from haagent.vrrp.checksum import PROTOCOL_VRRP as PROTOCOL_VRRP
from haagent.vrrp.checksum import VALID, fill, fold, ones_sum, pseudo_header

VERSION_AND_TYPE = 0x31  # version 3, type 1 (ADVERTISEMENT, the only one)
MULTICAST_GROUP = bytes((224, 0, 0, 18))
MULTICAST_GROUP_IPV6 = bytes.fromhex("ff020000000000000000000000000012")
GROUPS = {4: MULTICAST_GROUP, 16: MULTICAST_GROUP_IPV6}  # by the octets of an address of the family
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
    INTERVAL = auto()  # erratum 8301: an interval of zero; VRRPv2: one that is not ours
    VRID = auto()  # not configured on the interface; decided by the speaker
    OWN = auto()  # our own address as source: looped back, or somebody else's duplicate
    AUTH_TYPE = auto()  # VRRPv2: a type that nobody defined
    AUTH_TYPE_MISMATCH = auto()  # VRRPv2: not the configured one
    AUTH_FAILURE = auto()  # VRRPv2: another password
    DESTINATION = auto()  # multicast at a router with unicast peers, or the other way round
    SOURCE = auto()  # unicast from somebody who is no peer
    SIGNATURE_MISSING = auto()  # auth_hmac, enforced: no trailer
    SIGNATURE_TYPE = auto()  # a trailer of another scheme
    SIGNATURE_KEY = auto()  # a key id that we do not have
    SIGNATURE_WRONG = auto()  # made with another key, or for other octets
    SIGNATURE_STALE = auto()  # its time and our clock are too far apart
    SIGNATURE_REPLAYED = auto()  # no newer than one that was accepted


@dataclass(frozen=True, slots=True)
class Advertisement:
    """One advertisement, units already ours."""

    vrid: int
    priority: int
    max_advertise_interval: float  # seconds
    addresses: tuple[bytes, ...]  # packed, of one family
    checksum_form: ChecksumForm = ChecksumForm.RFC9568
    version: int = 3
    auth_type: int = 0  # version 2 alone
    auth_data: bytes = b""  # version 2 alone: 8 octets


def encode(advertisement: Advertisement, source: bytes, destination: bytes = b"") -> bytes:
    """The VRRP message to send from `source` (packed) to `destination` (default: the family's group).

    Over IPv4 its checksum form is the advertisement's.
    """
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
    if len(source) == 4 and advertisement.checksum_form is ChecksumForm.RFC9568:
        return fill(message)
    return fill(message, pseudo_header(source, destination or GROUPS[len(source)], len(message)))


@lru_cache(maxsize=512)  # a peer says the same thing ten times a second, and 255 routers may have one each
def decode(
    message: bytes, ttl: int, source: bytes, destination: bytes, minimum_ttl: int = TTL, trailer: bytes = b""
) -> Advertisement | Discard:
    """Checks in the order of RFC 9568 section 7.1. `message` is the IP payload, cut to the IP total length, and without
    the `trailer` of a signed advertisement, which the checksum covers over IPv6.

    Octets after the address list are refused (RFC 9568: the length must fit); Ethernet padding never gets here.
    """
    if ttl < minimum_ttl:
        return Discard.TTL
    if len(message) < _HEADER.size:
        return Discard.LENGTH
    version_and_type, vrid, priority, count, interval, _ = _HEADER.unpack_from(message)
    if version_and_type >> 4 != VERSION_AND_TYPE >> 4:
        return Discard.VERSION
    if version_and_type & 0x0F != VERSION_AND_TYPE & 0x0F:
        return Discard.TYPE
    size = len(source)
    if len(message) != _HEADER.size + size * count:
        return Discard.LENGTH
    form = _checksum_form(message if len(source) == 4 else message + trailer, source, destination)
    if form is None:
        return Discard.CHECKSUM
    if vrid == 0:
        return Discard.VRID
    if count == 0:
        return Discard.COUNT
    if interval & 0x0FFF == 0:  # the high nibble is reserved and ignored on receipt (section 5.2.6)
        return Discard.INTERVAL
    addresses = tuple(message[offset : offset + size] for offset in range(_HEADER.size, len(message), size))
    return Advertisement(vrid, priority, (interval & 0x0FFF) / _CENTISECONDS, addresses, form)


def _checksum_form(message: bytes, source: bytes, destination: bytes) -> ChecksumForm | None:
    """Over IPv6 there is one form, that of RFC 9568, and it has the pseudo-header."""
    total = ones_sum(message)
    is_ipv4 = len(source) == 4
    if is_ipv4 and total == VALID:
        return ChecksumForm.RFC9568
    if fold(total + ones_sum(pseudo_header(source, destination, len(message)))) == VALID:
        return ChecksumForm.PSEUDO_HEADER if is_ipv4 else ChecksumForm.RFC9568
    return None
