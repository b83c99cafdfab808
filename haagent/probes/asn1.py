"""The tag-length-value octets of X.690 (BER and DER), as far as LDAP and the dates of a certificate need them."""

import calendar
import re
from collections.abc import Iterator
from dataclasses import dataclass

SEQUENCE, INTEGER, OCTET_STRING, BOOLEAN, ENUMERATED = 0x30, 0x02, 0x04, 0x01, 0x0A
UTC_TIME, GENERALIZED_TIME = 0x17, 0x18


@dataclass(frozen=True, slots=True)
class Element:
    """One value; `tag` is the identifier octet."""

    tag: int
    content: bytes


@dataclass(frozen=True, slots=True)
class Malformed:
    """Not what X.690 says."""

    reason: str


def length_of(octets: bytes) -> int | Malformed | None:
    """Octets of the whole element at the start, its header included; None: not yet known."""
    if len(octets) < 2:
        return None
    if octets[0] & 0x1F == 0x1F:
        return Malformed("a tag of several octets")
    first = octets[1]
    if first < 0x80:
        return 2 + first
    count = first & 0x7F
    if not 1 <= count <= 4:
        return Malformed("a length without end or of more than 4 octets")
    if len(octets) < 2 + count:
        return None
    return 2 + count + int.from_bytes(octets[2 : 2 + count], "big")


def read(octets: bytes) -> tuple[Element, bytes] | Malformed:
    """The first element and what follows it."""
    length = length_of(octets)
    if isinstance(length, Malformed):
        return length
    if length is None or length > len(octets):
        return Malformed("cut off")
    header = 2 if octets[1] < 0x80 else 2 + (octets[1] & 0x7F)
    return Element(octets[0], octets[header:length]), octets[length:]


def elements(octets: bytes) -> Iterator[Element | Malformed]:
    """All elements in a row; the last may be Malformed."""
    while octets:
        one = read(octets)
        if isinstance(one, Malformed):
            yield one
            return
        element, octets = one
        yield element


def encode(tag: int, content: bytes) -> bytes:
    size = len(content)
    if size < 0x80:
        return bytes((tag, size)) + content
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes((tag, 0x80 | len(length))) + length + content


def integer(value: int, tag: int = INTEGER) -> bytes:
    return encode(tag, value.to_bytes(value.bit_length() // 8 + 1, "big", signed=True))


def not_after(certificate: bytes) -> float | None:
    """When a DER certificate ends, in seconds since the epoch (RFC 5280 §4.1.2.5); None: it cannot be read."""
    outer = read(certificate)
    if isinstance(outer, Malformed):
        return None
    to_be_signed = read(outer[0].content)
    if isinstance(to_be_signed, Malformed):
        return None
    fields = [each for each in elements(to_be_signed[0].content) if isinstance(each, Element)]
    if fields and fields[0].tag == 0xA0:  # version
        fields = fields[1:]
    if len(fields) < 4 or fields[3].tag != SEQUENCE:  # serialNumber, signature, issuer, validity
        return None
    times = [each for each in elements(fields[3].content) if isinstance(each, Element)]
    return instant(times[1]) if len(times) == 2 else None


def instant(time: Element) -> float | None:
    text = time.content
    if time.tag == UTC_TIME and re.fullmatch(rb"[0-9]{12}Z", text):
        text = (b"20" if text[:2] < b"50" else b"19") + text
    elif time.tag != GENERALIZED_TIME or not re.fullmatch(rb"[0-9]{14}Z", text):
        return None
    year, month, day = int(text[:4]), int(text[4:6]), int(text[6:8])
    if not 1 <= month <= 12 or year < 1:
        return None
    return float(calendar.timegm((year, month, 1, int(text[8:10]), int(text[10:12]), int(text[12:14])))) + 86400.0 * (
        day - 1
    )
