"""What a VRRP message says, whoever may want it: VRRPv2 (RFC 3768 section 5.1) and VRRPv3 (RFC 9568 section 5.1).

A director discards what it must not believe; somebody who looks for the cause of trouble wants to see it. So the TTL is
no reason here, and both versions and families are read. VRRPv3 over IPv4 is judged by the production codec itself; the
reasons are the production codec's for the others too.
"""

import struct
from dataclasses import dataclass, replace

from haagent.vrrp import advertisement as wire
from haagent.vrrp import trailer as signature
from haagent.vrrp.advertisement import Discard

TTL = wire.TTL
_HEADER = struct.Struct("!BBBBHH")
_AUTHENTICATION = 8  # octets after the addresses, VRRPv2 alone


@dataclass(frozen=True, slots=True)
class Spoken:
    """One well-formed advertisement."""

    version: int
    vrid: int
    priority: int
    interval: float  # seconds
    addresses: tuple[bytes, ...]
    form: str  # what the checksum covers: "rfc3768", "rfc9568" or "pseudo_header"; over IPv6 it is always the last
    authentication: int = 0  # VRRPv2: 1 is a password that anybody can read
    key_id: int = 0  # of the signature after it, which nobody here can verify; 0: it is not signed


@dataclass(frozen=True, slots=True)
class Malformed:
    """Nothing to believe in it; the VRID is where one would be, 0 where there is none."""

    reason: Discard
    vrid: int


def read(message: bytes, source: bytes, destination: bytes) -> Spoken | Malformed:
    """`source` and `destination` are packed, and tell the family."""
    vrid = message[1] if len(message) > 1 else 0
    message, trailer = signature.split(message, len(source))
    version = message[0] >> 4 if message else 0
    if version == 2 and len(source) == 4:
        spoken = _read_version_2(message)
    elif len(source) == 16:
        spoken = _read_ipv6(message, source, destination, trailer)
    else:
        heard = wire.decode(message, TTL, source, destination)
        if isinstance(heard, Discard):
            return Malformed(heard, vrid)
        interval, form = heard.max_advertise_interval, heard.checksum_form.value
        spoken = Spoken(3, heard.vrid, heard.priority, interval, heard.addresses, form)
    if isinstance(spoken, Discard):
        return Malformed(spoken, vrid)
    return replace(spoken, key_id=signature.read(trailer).key_id) if trailer else spoken


def _read_version_2(message: bytes) -> Spoken | Discard:
    if len(message) < _HEADER.size:
        return Discard.LENGTH
    version_and_type, vrid, priority, count, authentication_and_interval, _ = _HEADER.unpack_from(message)
    if version_and_type & 0x0F != 1:
        return Discard.TYPE
    end = _HEADER.size + 4 * count
    if len(message) != end + _AUTHENTICATION:
        return Discard.LENGTH
    if _ones_sum(message) != 0xFFFF:
        return Discard.CHECKSUM
    authentication, interval = divmod(authentication_and_interval, 256)
    if refused := _refused(vrid, count, interval):
        return refused
    addresses = tuple(message[offset : offset + 4] for offset in range(_HEADER.size, end, 4))
    return Spoken(2, vrid, priority, float(interval), addresses, "rfc3768", authentication)


def _read_ipv6(message: bytes, source: bytes, destination: bytes, trailer: bytes) -> Spoken | Discard:
    """RFC 9568 section 5.2.8: the pseudo-header of RFC 8200 section 8.1 is covered, and so is what follows."""
    if len(message) < _HEADER.size:
        return Discard.LENGTH
    version_and_type, vrid, priority, count, interval, _ = _HEADER.unpack_from(message)
    if version_and_type >> 4 != 3:
        return Discard.VERSION
    if version_and_type & 0x0F != 1:
        return Discard.TYPE
    if len(message) != _HEADER.size + 16 * count:
        return Discard.LENGTH
    whole = message + trailer
    pseudo_header = source + destination + struct.pack("!II", len(whole), wire.PROTOCOL_VRRP)
    if _ones_sum(pseudo_header + whole) != 0xFFFF:
        return Discard.CHECKSUM
    if refused := _refused(vrid, count, interval & 0x0FFF):
        return refused
    addresses = tuple(message[offset : offset + 16] for offset in range(_HEADER.size, len(message), 16))
    return Spoken(3, vrid, priority, (interval & 0x0FFF) / 100, addresses, "pseudo_header")


def _refused(vrid: int, count: int, interval: int) -> Discard | None:
    if vrid == 0:
        return Discard.VRID
    if count == 0:
        return Discard.COUNT
    return Discard.INTERVAL if interval == 0 else None


def _ones_sum(data: bytes) -> int:
    """RFC 1071."""
    if len(data) % 2:
        data += b"\0"
    return int.from_bytes(data, "big") % 0xFFFF or (0xFFFF if any(data) else 0)
