"""The Internet checksum (RFC 1071) over a VRRP message, and the two pseudo-headers that may precede it."""

import struct

PROTOCOL_VRRP = 112
VALID = 0xFFFF  # the sum over everything, the checksum included


def ones_sum(data: bytes) -> int:
    """One's complement sum of 16-bit words; what we sum has whole words."""
    # 2**16 = 1 modulo 0xFFFF, so the number read as a whole has the same remainder as the sum of its words
    return int.from_bytes(data, "big") % 0xFFFF or (0xFFFF if any(data) else 0)


def fold(total: int) -> int:
    """Two sums added, back to 16 bits."""
    return total % 0xFFFF or (0xFFFF if total else 0)


def fill(message: bytearray, preceded_by: bytes = b"") -> bytes:
    """The message with its checksum, in octets 6 and 7, which are zero until now."""
    struct.pack_into("!H", message, 6, ~ones_sum(preceded_by + bytes(message)) & 0xFFFF)
    return bytes(message)


def pseudo_header(source: bytes, destination: bytes, length: int) -> bytes:
    """Of the addresses' family: RFC 5798 section 5.2.8 in its wide reading, or RFC 8200 section 8.1."""
    if len(source) == 4:
        return source + destination + struct.pack("!BBH", 0, PROTOCOL_VRRP, length)
    return source + destination + struct.pack("!IxxxB", length, PROTOCOL_VRRP)
