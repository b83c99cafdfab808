"""Which address a router advertises from, to whom, and the sentence where there is none."""

from ipaddress import ip_address

import pytest

from haagent.vrrp.path import choose, why_none
from haagent.vrrp.virtual_router import Path

Peers = tuple[bytes, ...] | None


def packed(*texts: str) -> tuple[bytes, ...]:
    return tuple(ip_address(each).packed for each in texts)


OWN4 = packed("192.0.2.1", "198.51.100.1")
OWN6 = packed("2001:db8::1", "fe80::1", "fe80::2")
GROUP4, GROUP6 = packed("224.0.0.18", "ff02::12")


@pytest.mark.parametrize(
    ("own", "octets", "peers", "source", "destinations"),
    [
        (OWN4, 4, None, "192.0.2.1", (GROUP4,)),
        (OWN4, 4, packed("192.0.2.2", "192.0.2.3"), "192.0.2.1", packed("192.0.2.2", "192.0.2.3")),
        (OWN6, 16, None, "fe80::1", (GROUP6,)),  # RFC 9568 section 5.1.2.1: link-local
        (OWN6, 16, packed("2001:db8::2"), "2001:db8::1", packed("2001:db8::2")),
        (OWN6, 16, packed("fe80::3"), "fe80::1", packed("fe80::3")),
    ],
)
def test_chosen(
    own: tuple[bytes, ...], octets: int, peers: Peers, source: str, destinations: tuple[bytes, ...]
) -> None:
    assert choose("eth0", own, octets, peers) == Path("eth0", ip_address(source).packed, destinations)


@pytest.mark.parametrize(
    ("own", "octets", "peers"),
    [((), 4, None), (OWN6[:1], 16, None), (OWN6[1:], 16, packed("2001:db8::2")), ((), 16, None)],
)
def test_none(own: tuple[bytes, ...], octets: int, peers: Peers) -> None:
    assert choose("eth0", own, octets, peers) is None


LINK_LOCAL, GLOBAL = ((ip_address(each).packed, 64) for each in ("fe80::1", "2001:db8::1"))


@pytest.mark.parametrize(
    ("octets", "peers", "tentative", "duplicate", "words"),
    [
        (4, None, (), (), "no IPv4 address of its own to advertise from: add one"),
        (16, None, (), (), "no IPv6 link-local address to advertise from: enable IPv6 there"),
        (16, None, (LINK_LOCAL,), (), "waiting for duplicate address detection of fe80::1 on eth0"),
        (16, None, (GLOBAL,), (), "no IPv6 link-local address"),
        (16, None, (), (LINK_LOCAL,), "fe80::1 on eth0 is a duplicate: another host of the link has it"),
        (16, packed("2001:db8::2"), (GLOBAL,), (), "waiting for duplicate address detection of 2001:db8::1"),
        (16, packed("2001:db8::2"), (LINK_LOCAL,), (), "no global IPv6 address of its own"),
        (16, packed("2001:db8::2"), (), (GLOBAL,), "2001:db8::1 on eth0 is a duplicate"),
    ],
)
def test_why(
    octets: int,
    peers: Peers,
    tentative: tuple[tuple[bytes, int], ...],
    duplicate: tuple[tuple[bytes, int], ...],
    words: str,
) -> None:
    assert words in why_none("eth0", octets, peers, tentative, duplicate)
