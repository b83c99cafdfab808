"""The VRRPv2 advertisement (RFC 3768 section 5, IPv4 alone), with the simple password of RFC 2338 section 5.3.6.2.

    octet 0        1        2        3        4        5        6        7        8
          0x21     VRID     priority count    auth     interval checksum          count addresses, authentication data
                                              type     (s)                                         (8 octets, always)

Kept for peers that speak nothing newer. A password in clear text keeps a misconfigured neighbour out, and nobody else.
Type 2 (IP Authentication Header) is recognised and refused.
"""

import struct

from haagent.vrrp.advertisement import TTL, Advertisement, ChecksumForm, Discard
from haagent.vrrp.checksum import VALID, fill, ones_sum

VERSION_AND_TYPE = 0x21
AUTH_NONE, AUTH_PASSWORD, AUTH_HEADER = 0, 1, 2
AUTH_LENGTH = 8

_HEADER = struct.Struct("!BBBBBBH")


def encode(advertisement: Advertisement) -> bytes:
    """The VRRP message to send; the checksum covers nothing but it."""
    message = bytearray(
        _HEADER.pack(
            VERSION_AND_TYPE,
            advertisement.vrid,
            advertisement.priority,
            len(advertisement.addresses),
            advertisement.auth_type,
            round(advertisement.max_advertise_interval) & 0xFF,
            0,
        )
    )
    for address in advertisement.addresses:
        message += address
    message += advertisement.auth_data.ljust(AUTH_LENGTH, b"\0")[:AUTH_LENGTH]
    return fill(message)


def decode(message: bytes, ttl: int, minimum_ttl: int = TTL) -> Advertisement | Discard:
    """Checks in the order of RFC 3768 section 7.1, up to those that need to know the virtual router."""
    if ttl < minimum_ttl:
        return Discard.TTL
    if len(message) < _HEADER.size:
        return Discard.LENGTH
    version_and_type, vrid, priority, count, auth_type, interval, _ = _HEADER.unpack_from(message)
    if version_and_type >> 4 != VERSION_AND_TYPE >> 4:
        return Discard.VERSION
    if version_and_type & 0x0F != VERSION_AND_TYPE & 0x0F:
        return Discard.TYPE
    end = _HEADER.size + 4 * count
    if len(message) != end + AUTH_LENGTH:
        return Discard.LENGTH
    if ones_sum(message) != VALID:
        return Discard.CHECKSUM
    if vrid == 0:
        return Discard.VRID
    if count == 0:
        return Discard.COUNT
    if interval == 0:
        return Discard.INTERVAL
    addresses = tuple(message[offset : offset + 4] for offset in range(_HEADER.size, end, 4))
    return Advertisement(vrid, priority, float(interval), addresses, ChecksumForm.RFC9568, 2, auth_type, message[end:])


def authentication(password: str) -> tuple[int, bytes]:
    """Type and data of our own advertisements; an empty password: none."""
    if not password:
        return AUTH_NONE, bytes(AUTH_LENGTH)
    return AUTH_PASSWORD, password.encode("ascii", "replace").ljust(AUTH_LENGTH, b"\0")[:AUTH_LENGTH]


def refusal(heard: Advertisement, password: str) -> Discard | None:
    """Whether a router with this password believes the sender. RFC 3768: without one, the data are ignored."""
    ours, data = authentication(password)
    if heard.auth_type not in (AUTH_NONE, AUTH_PASSWORD, AUTH_HEADER):
        return Discard.AUTH_TYPE
    if heard.auth_type != ours:
        return Discard.AUTH_TYPE_MISMATCH
    if ours == AUTH_PASSWORD and heard.auth_data != data:
        return Discard.AUTH_FAILURE
    return None
