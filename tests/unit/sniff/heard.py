"""Records as the segment would give them."""

import socket

from haagent.sniff.records import ArpHeard, VrrpHeard
from haagent.vrrp.advertisement import MULTICAST_GROUP, Advertisement, ChecksumForm, encode

ALL = b"\xff" * 6


def mac(number: int) -> bytes:
    return bytes((2, 0, 0, 0, 0, number))


def ip(text: str) -> bytes:
    return socket.inet_aton(text)


def advertisement(
    at: float,
    host: int,
    priority: int = 100,
    *,
    vrid: int = 51,
    interval: float = 1.0,
    addresses: tuple[str, ...] = ("192.0.2.100",),
    form: ChecksumForm = ChecksumForm.RFC9568,
    ttl: int = 255,
) -> VrrpHeard:
    source = ip(f"192.0.2.{host}")
    said = Advertisement(vrid, priority, interval, tuple(ip(each) for each in addresses), form)
    return VrrpHeard(at, mac(host), source, MULTICAST_GROUP, ttl, encode(said, source))


def announcement(at: float, host: int, address: str = "192.0.2.100") -> ArpHeard:
    return ArpHeard(at, False, mac(host), ip(address), bytes(6), ip(address))


def question(at: float, host: int, address: str = "192.0.2.100") -> ArpHeard:
    return ArpHeard(at, False, mac(host), ip(f"192.0.2.{host}"), bytes(6), ip(address))


def answer(at: float, host: int, asker: int, address: str = "192.0.2.100") -> ArpHeard:
    return ArpHeard(at, True, mac(host), ip(address), mac(asker), ip(f"192.0.2.{asker}"))


def probe(at: float, host: int, address: str = "192.0.2.100") -> ArpHeard:
    return ArpHeard(at, False, mac(host), bytes(4), bytes(6), ip(address))
