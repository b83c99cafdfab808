"""VRRP over IPv6, version 2, unicast peers, a second path: the codecs by themselves, and the speaker that hears all."""

from collections.abc import Callable
from dataclasses import replace
from ipaddress import ip_address
from random import Random

from haagent.linux.vrrp_socket import Datagram, parse_ipv6
from haagent.vrrp import advertisement_v2
from haagent.vrrp.advertisement import GROUPS, Advertisement, Discard, decode, encode
from haagent.vrrp.auth_hmac import AuthHmac, KeyFile
from haagent.vrrp.checksum import fill, pseudo_header
from haagent.vrrp.path import SecondPath
from haagent.vrrp.settings import Interface, RouterSettings
from haagent.vrrp.speaker import Speaker
from haagent.vrrp.trailer import signed
from tests.frames import ipv4_datagram, ipv6_datagram, vectors

OURS, PEER, FAR_OURS, FAR = (
    ip_address(each).packed for each in ("192.0.2.1", "192.0.2.2", "203.0.113.1", "203.0.113.2")
)
OURS6, PEER6, GLOBAL6 = (ip_address(each).packed for each in ("fe80::1", "fe80::2", "2001:db8::1"))
VIRTUAL, VIRTUAL6 = ip_address("192.0.2.100").packed, ip_address("2001:db8::64").packed
BASE = RouterSettings("r", "eth0", 51, 100, 1.0, ((VIRTUAL, 24),))
ROUTERS = (
    replace(BASE, name="v3", vrid=61, also_via=SecondPath("eth2", (FAR,))),
    replace(BASE, name="v2", vrid=51, version=2),
    replace(BASE, name="secret", vrid=52, version=2, password="s3cr3t"),
    replace(BASE, name="unicast", vrid=65, unicast_peers=(PEER,), minimum_ttl=254),
    replace(BASE, name="v6", vrid=64, virtual_addresses=((VIRTUAL6, 64),)),
    replace(BASE, name="v6 too", vrid=61, virtual_addresses=((GLOBAL6, 64),)),
    replace(BASE, name="signed", vrid=54, auth_hmac=AuthHmac((KeyFile(1, "key"),), 1, anti_replay="monotonic")),
)
KEY = bytes(range(32))
SIGNED = signed(encode(Advertisement(54, 90, 1.0, (VIRTUAL,)), PEER), PEER, GROUPS[4], 1, KEY, 1 << 40)
INTERFACES = (
    Interface("eth0", 2, True, bytes(6), ((OURS, 24), (OURS6, 64))),
    Interface("eth2", 3, True, bytes(6), ((FAR_OURS, 24),)),
)


def captured(family: str) -> tuple[bytes, ...]:
    frames = [each["frame_hex"] for each in vectors("vrrp.json").values() if "vrrp_hex" in each]
    if family == "0800":
        return tuple(ipv4_datagram(each).message for each in frames if each[24:28] == family)
    return tuple(ipv6_datagram(each).message for each in frames if each[24:28] == family)


def run_ipv6(octets: bytes, random: Random) -> None:
    result = decode(octets, random.choice((255, 255, 254)), PEER6, GROUPS[16])
    assert isinstance(result, Advertisement | Discard)
    if isinstance(result, Advertisement):
        assert result.addresses
        assert {len(each) for each in result.addresses} == {16}
        again = bytearray(encode(result, PEER6))
        again[4] |= octets[4] & 0xF0  # reserved: read and never said
        again[6:8] = octets[6:8]
        assert again == octets


def run_v2(octets: bytes, random: Random) -> None:
    message = repaired(octets, b"") if random.random() < 0.5 else octets
    result = advertisement_v2.decode(message, 255)
    assert isinstance(result, Advertisement | Discard)
    if isinstance(result, Advertisement):
        again = bytearray(advertisement_v2.encode(result))
        again[6:8] = message[6:8]  # zero has two forms
        assert again == message
        assert advertisement_v2.refusal(result, random.choice(("", "s3cr3t"))) in (*Discard, None)


def run_ancillary(octets: bytes, random: Random) -> None:
    cut = random.randrange(len(octets) + 1)
    level, kind = random.choice((41, 0)), random.choice((50, 52, 1))
    result = parse_ipv6(
        octets, PEER6, [(level, kind, octets[:cut]), (41, 52, octets[cut : cut + 4]), (41, 50, octets[:20])]
    )
    assert result is None or isinstance(result, Datagram)


def run_reception(octets: bytes, random: Random) -> None:
    """Every kind of router hears it from anybody, its checksum repaired half of the time, and goes on with its life."""
    speaker, now = Speaker(), 0.0
    speaker.set_interfaces(INTERFACES, now)
    speaker.set_routers(ROUTERS, now, {"key": KEY})
    for _ in range(random.randrange(1, 4)):
        source = random.choice((OURS, PEER, FAR, OURS6, PEER6, GLOBAL6))
        destination = random.choice((GROUPS[len(source)], OURS if len(source) == 4 else OURS6))
        pseudo = pseudo_header(source, destination, len(octets)) if len(source) == 16 else b""
        message = repaired(octets, pseudo) if random.random() < 0.5 else octets
        interface = random.choice(("eth0", "eth0", "eth2"))
        speaker.receive(interface, message, random.choice((255, 255, 254, 1)), source, destination, now)
        due = speaker.next_deadline()
        assert due is not None
        if random.random() < 0.5:
            now = max(now, due)
            speaker.pass_time(now)
    for router in ROUTERS:
        for priority in (speaker.effective_priority(router.name), 0):
            for each in speaker.utterance(router.name, priority, now):
                assert len(each.source) == len(each.destination) == router.octets


def repaired(message: bytes, pseudo: bytes) -> bytes:
    if len(message) < 8:
        return message
    return fill(bytearray(message[:6] + b"\0\0" + message[8:] + bytes(len(message) % 2)), pseudo)


Seeds = tuple[bytes, ...]
VRRP: dict[str, tuple[Seeds, Callable[[bytes, Random], None]]] = {
    "vrrp_ipv6": (captured("86dd"), run_ipv6),
    "vrrp_v2": (captured("0800"), run_v2),
    "vrrp_ancillary": ((bytes(20), b"\xff\0\0\0" + GROUPS[16] + bytes(8)), run_ancillary),
    "vrrp_reception": ((*captured("0800"), *captured("86dd"), SIGNED), run_reception),
}
