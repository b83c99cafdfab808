"""Keys of a virtual router that do not go together, each with the place that an operator would change."""

from pathlib import Path

import pytest

from haagent.config.load import check, load
from haagent.config.model import AlsoVia, Config

NAMES = '[director]\nnames = ["d1", "d2"]\n'


def router(
    *lines: str, name: str = "r", vrid: int = 1, interface: str = "eth0", addresses: str = "198.51.100.1"
) -> str:
    quoted = ", ".join(f'"{each}"' for each in addresses.split())
    head = f'[virtual_router.{name}]\ninterface = "{interface}"\nvrid = {vrid}\nvirtual_addresses = [{quoted}]\n'
    return head + "".join(f"{line}\n" for line in lines)


IPV6 = "2001:db8::64/64"
KEY = '{ id = 1, file = "/etc/haagent/vrrp.1" }'
WRONG = {
    "both families": (router(addresses="198.51.100.1 2001:db8::1"), "make two virtual routers, one for each family"),
    "the other family unadvertised": (
        router('unadvertised_addresses = ["198.51.100.1"]', addresses=IPV6),
        "198.51.100.1 is no IPv6 address as the first one is",
    ),
    "same vrid and family": (
        router(addresses=IPV6) + router(name="b", addresses="2001:db8::65"),
        "vrid 1 on eth0 is that of virtual_router.r already",
    ),
    "the second path of one is the first of another": (
        router(name="b", interface="eth1")
        + router('also_via = { interface = "eth1", peers = ["203.0.113.2"] }', addresses="198.51.100.2"),
        "vrid 1 on eth1 is that of virtual_router.b already",
    ),
    "too many for a packet": (
        router(addresses=" ".join(f"2001:db8::{number:x}" for number in range(1, 92))),
        "91 entries; at most 90 IPv6 addresses",
    ),
    "version 2 with IPv6": (router("version = 2", addresses=IPV6), "VRRPv2 has no IPv6"),
    "version 2 with a fraction": (router("version = 2", "advertisement_interval = 1.5"), "whole seconds"),
    "version 2 by its own interval": (router("version = 2", "advertisement_interval = 0.1"), "got 0.1"),
    "version 2 and a form": (router("version = 2", 'checksum = "pseudo_header"'), "has one form"),
    "version 4": (router("version = 4"), "an integer from 2 to 3"),
    "version 3 with a password": (router('password = "x"'), "a password needs version = 2"),
    "a long password": (router("version = 2", 'password = "123456789"'), "at most 8 ASCII characters"),
    "a TTL for multicast": (router("minimum_ttl = 254"), "multicast is always heard with 255 alone"),
    "a form of ARP that is none": (router('announce_form = "answer"'), "one of request, reply, both"),
    "a form of ARP for IPv6": (
        router('announce_form = "reply"', addresses=IPV6),
        "neighbor advertisements have one form",
    ),
    "a segment asked all the time": (router("announce_check = 0.5"), "expected 0 (never) or at least 5 seconds"),
    "a segment never asked, and less": (router("announce_check = -1"), "a number of seconds from 0 to 86400"),
    "a second path by the first": (
        router('also_via = { interface = "eth0", peers = ["198.51.100.2"] }'),
        "a second path needs another one",
    ),
    "a second path to nobody": (router('also_via = { interface = "eth1", peers = [] }'), "at least 1"),
    "a peer of the other family": (router('unicast_peers = ["2001:db8::2"]'), "2001:db8::2 is no IPv4 address"),
    "a peer by the second path of the other family": (
        router('also_via = { interface = "eth1", peers = ["192.0.2.2"] }', addresses=IPV6),
        "192.0.2.2 is no IPv6 address",
    ),
    "a virtual address as peer": (router('unicast_peers = ["198.51.100.1"]'), "a virtual address of this router"),
    "peers of two scopes": (
        router('unicast_peers = ["fe80::2", "2001:db8::2"]', addresses=IPV6),
        "one source cannot reach both",
    ),
    "an owner with a virtual MAC address": (
        router("priority = { d1 = 255, d2 = 100 }", "virtual_mac = true"),
        "does not go with priority 255",
    ),
    "no keys": (router("auth_hmac = { keys = [], active_key = 1 }"), "expected an array of tables, at least 1"),
    "a key twice": (router(f"auth_hmac = {{ keys = [{KEY}, {KEY}], active_key = 1 }}"), "there is a key 1 already"),
    "an unknown key": (
        router(f"auth_hmac = {{ keys = [{KEY}], active_key = 2 }}"),
        "virtual_router.r.auth_hmac.active_key: there is no key 2; the keys are 1",
    ),
    "a key beside the configuration": (
        router('auth_hmac = { keys = [{ id = 1, file = "key" }], active_key = 1 }'),
        "an absolute path",
    ),
    "no such mode": (router(f'auth_hmac = {{ keys = [{KEY}], active_key = 1, mode = "on" }}'), 'unknown mode "on"'),
    "a password beside a signature": (
        router("version = 2", 'password = "s3cr3t"', f"auth_hmac = {{ keys = [{KEY}], active_key = 1 }}"),
        "does not go with auth_hmac",
    ),
    "too many for a signed packet": (
        router(
            f"auth_hmac = {{ keys = [{KEY}], active_key = 1 }}",
            addresses=" ".join(f"2001:db8::{number:x}" for number in range(1, 91)),
        ),
        "90 entries; at most 88 IPv6 addresses",
    ),
    "a peer twice": (router('unicast_peers = ["192.0.2.2", "192.0.2.2"]'), "stands in the array twice"),
}


@pytest.mark.parametrize(("text", "sentence"), WRONG.values(), ids=WRONG.keys())
def test_wrong(tmp_path: Path, text: str, sentence: str) -> None:
    (tmp_path / "a.toml").write_text(NAMES + text)
    (error,) = check(tmp_path, None)
    assert sentence in str(error)


RIGHT = {
    "one vrid, both families": router() + router(name="b", addresses="fe80::64 2001:db8::64/64"),
    "a global address first": router(addresses=IPV6),  # RFC 9568 section 5.2.9 wants link-local; FRR and others do not
    "90 IPv6 addresses": router(addresses=" ".join(f"2001:db8::{number:x}" for number in range(1, 91))),
    "version 2": router("version = 2", "advertisement_interval = 2", 'password = "s3cr3t"'),
    "a segment never asked": router("announce_check = 0"),
    "no peers yet": router("unicast_peers = []"),
    "peers by director": router('unicast_peers = { d1 = ["192.0.2.2"], d2 = ["192.0.2.1"] }', "minimum_ttl = 254"),
    "peers by their link-local addresses": router('unicast_peers = ["fe80::2"]', addresses=IPV6),
    "a second path by director": router(
        'also_via = { interface = "eth1", peers = { d1 = ["203.0.113.2"], d2 = ["203.0.113.1"] } }'
    ),
    "signed": router(
        f'auth_hmac = {{ keys = [{KEY}, {{ id = 2, file = "/etc/haagent/vrrp.2" }}], active_key = 2,'
        ' mode = "receive_only", anti_replay = "monotonic", time_window = 5 }'
    ),
    "a virtual MAC address": router("virtual_mac = true"),
    "signed, version 2": router("version = 2", f"auth_hmac = {{ keys = [{KEY}], active_key = 1 }}"),
    "the second path of another family": router(name="b", interface="eth1", addresses=IPV6)
    + router('also_via = { interface = "eth1", peers = ["203.0.113.2"] }'),
}


@pytest.mark.parametrize("text", RIGHT.values(), ids=RIGHT.keys())
def test_right(tmp_path: Path, text: str) -> None:
    (tmp_path / "a.toml").write_text(NAMES + text)
    assert check(tmp_path, None) == []


def test_what_becomes_of_them(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text(
        NAMES
        + RIGHT["peers by director"]
        + RIGHT["a second path by director"]
        .replace("virtual_router.r", "virtual_router.s")
        .replace("vrid = 1", "vrid = 2")
        .replace("100.1", "100.3")
    )
    loaded = load(tmp_path, "d2")
    assert isinstance(loaded, Config)
    first, second = loaded.virtual_routers
    assert (first.version, first.unicast_peers, first.minimum_ttl, first.also_via) == (3, ("192.0.2.1",), 254, None)
    assert second.unicast_peers is None
    assert second.also_via == AlsoVia(interface="eth1", peers=("203.0.113.1",))
