"""Packed IPv4 and IPv6 addresses: their text, and what the choice of a source asks of them."""

from ipaddress import IPv6Address


def dotted(address: bytes) -> str:
    """ "192.0.2.1", "2001:db8::1" (RFC 5952); "" for no address."""
    return str(IPv6Address(address)) if len(address) == 16 else ".".join(str(octet) for octet in address)


def is_link_local(address: bytes) -> bool:
    """fe80::/10; in IPv4 nobody needs to know."""
    return len(address) == 16 and address[0] == 0xFE and address[1] & 0xC0 == 0x80
