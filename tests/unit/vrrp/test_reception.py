"""Every check that needs to know the virtual router, each with what passes beside what does not."""

from dataclasses import replace
from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from haagent.vrrp import advertisement_v2
from haagent.vrrp.advertisement import GROUPS, Advertisement, ChecksumForm, Discard, encode
from haagent.vrrp.path import SecondPath
from haagent.vrrp.reception import complaint, read
from haagent.vrrp.settings import RouterSettings

OURS, PEER, STRANGER = (bytes((192, 0, 2, last)) for last in (1, 2, 9))
VIRTUAL, GROUP = bytes((192, 0, 2, 100)), GROUPS[4]
WEB = RouterSettings("web", "eth0", 51, 100, 1.0, ((VIRTUAL, 24),))
UNICAST = replace(WEB, unicast_peers=(PEER,))
BOTH = replace(WEB, also_via=SecondPath("eth2", (PEER,)))
OLD = replace(WEB, version=2)
SECRET = replace(OLD, password="s3cr3t")
V6 = [ip_address(each).packed for each in ("fe80::1", "fe80::2", "2001:db8::64")]
WEB6 = replace(WEB, virtual_addresses=((V6[2], 64),))


def v3(destination: bytes = GROUP, source: bytes = PEER) -> bytes:
    return encode(Advertisement(51, 100, 1.0, (VIRTUAL,)), source, destination)


def v2(
    password: str = "", interval: float = 1.0, addresses: tuple[bytes, ...] = (VIRTUAL,), auth_type: int | None = None
) -> bytes:
    own, data = advertisement_v2.authentication(password)
    return advertisement_v2.encode(
        Advertisement(
            51, 100, interval, addresses, ChecksumForm.RFC9568, 2, own if auth_type is None else auth_type, data
        )
    )


READ = (
    (WEB, "eth0", v3(), 255, PEER, GROUP),
    (UNICAST, "eth0", v3(OURS), 255, PEER, OURS),
    (UNICAST, "eth0", v3(OURS), 1, PEER, OURS),  # no router lowers it on a link, but one may be between
    (replace(UNICAST, minimum_ttl=254), "eth0", v3(OURS), 254, PEER, OURS),
    (BOTH, "eth0", v3(), 255, PEER, GROUP),
    (BOTH, "eth2", v3(OURS), 64, PEER, OURS),
    (OLD, "eth0", v2(), 255, PEER, GROUP),
    (OLD, "eth0", v2(addresses=(STRANGER, VIRTUAL)), 255, PEER, GROUP),  # RFC 3768: MAY be checked
    (SECRET, "eth0", v2("s3cr3t"), 255, PEER, GROUP),
    (replace(SECRET, unicast_peers=(PEER,)), "eth0", v2("s3cr3t"), 64, PEER, OURS),
)

REFUSED = (
    (None, "eth0", v3(), 255, PEER, GROUP, Discard.VRID),
    (None, "eth0", v3(), 254, PEER, GROUP, Discard.TTL),
    (WEB, "eth0", v3(), 254, PEER, GROUP, Discard.TTL),
    (WEB, "eth0", v3(source=OURS), 255, OURS, GROUP, Discard.OWN),
    (WEB, "eth0", v3(OURS), 255, PEER, OURS, Discard.DESTINATION),
    (WEB, "eth0", v3(OURS), 254, PEER, OURS, Discard.TTL),  # unicast does not get around the TTL
    (UNICAST, "eth0", v3(), 255, PEER, GROUP, Discard.DESTINATION),
    (UNICAST, "eth0", v3(OURS, STRANGER), 255, STRANGER, OURS, Discard.SOURCE),
    (replace(UNICAST, minimum_ttl=254), "eth0", v3(OURS), 253, PEER, OURS, Discard.TTL),
    (replace(WEB, unicast_peers=()), "eth0", v3(OURS), 255, PEER, OURS, Discard.SOURCE),
    (BOTH, "eth2", v3(), 255, PEER, GROUP, Discard.DESTINATION),
    (BOTH, "eth2", v3(OURS, STRANGER), 255, STRANGER, OURS, Discard.SOURCE),
    (WEB, "eth0", v2(), 255, PEER, GROUP, Discard.VERSION),
    (OLD, "eth0", v3(), 255, PEER, GROUP, Discard.VERSION),
    (OLD, "eth0", v2(interval=2.0), 255, PEER, GROUP, Discard.INTERVAL),
    (OLD, "eth0", v2("s3cr3t"), 255, PEER, GROUP, Discard.AUTH_TYPE_MISMATCH),
    (OLD, "eth0", v2(auth_type=2), 255, PEER, GROUP, Discard.AUTH_TYPE_MISMATCH),
    (OLD, "eth0", v2(auth_type=9), 255, PEER, GROUP, Discard.AUTH_TYPE),
    (SECRET, "eth0", v2(), 255, PEER, GROUP, Discard.AUTH_TYPE_MISMATCH),
    (SECRET, "eth0", v2("S3cr3t"), 255, PEER, GROUP, Discard.AUTH_FAILURE),
    (WEB6, "eth0", encode(Advertisement(51, 100, 1.0, (V6[2],)), V6[1]), 254, V6[1], GROUPS[16], Discard.TTL),
    (WEB6, "eth0", encode(Advertisement(51, 100, 1.0, (V6[2],)), V6[1]), 255, V6[1], V6[0], Discard.CHECKSUM),
)  # fmt: skip


@pytest.mark.parametrize(("settings", "interface", "message", "ttl", "source", "destination"), READ)
def test_read(
    settings: RouterSettings, interface: str, message: bytes, ttl: int, source: bytes, destination: bytes
) -> None:
    assert isinstance(read(settings, OURS, interface, message, ttl, source, destination), Advertisement)


@pytest.mark.parametrize(("settings", "interface", "message", "ttl", "source", "destination", "reason"), REFUSED)
def test_refused(
    settings: RouterSettings | None,
    interface: str,
    message: bytes,
    ttl: int,
    source: bytes,
    destination: bytes,
    reason: Discard,
) -> None:
    assert read(settings, OURS, interface, message, ttl, source, destination) is reason


def test_ipv6() -> None:
    heard = read(WEB6, V6[0], "eth0", encode(Advertisement(51, 100, 1.0, (V6[2],)), V6[1]), 255, V6[1], GROUPS[16])
    assert heard == Advertisement(51, 100, 1.0, (V6[2],))


@given(
    st.sampled_from([None, WEB, UNICAST, BOTH, OLD, SECRET, WEB6]),
    st.binary(max_size=64) | st.sampled_from([v3(), v2(), v2("s3cr3t")]),
    st.integers(0, 255),
    st.sampled_from([OURS, PEER, STRANGER, *V6]),
    st.booleans(),
)
def test_any_octets_give_a_declared_value(
    settings: RouterSettings | None, message: bytes, ttl: int, source: bytes, is_group: bool
) -> None:
    destination = GROUPS[len(source)] if is_group else source
    result = read(settings, OURS, "eth0", message, ttl, source, destination)
    assert isinstance(result, Advertisement | Discard)
    if isinstance(result, Discard) and message:
        assert isinstance(complaint(result, settings or WEB, message.ljust(16), source), str)


@pytest.mark.parametrize(
    ("reason", "settings", "message", "words"),
    [
        (Discard.VERSION, WEB, v2(), "192.0.2.2 speaks VRRPv2, we VRRPv3"),
        (Discard.VERSION, OLD, v3(), "192.0.2.2 speaks VRRPv3, we VRRPv2"),
        (Discard.VERSION, WEB, b"\x41\x33", ""),
        (
            Discard.INTERVAL,
            OLD,
            v2(interval=3.0),
            "192.0.2.2 advertises every 3 s, we every 1 s: VRRPv2 routers must agree",
        ),
        (Discard.INTERVAL, WEB, v3(), ""),
        (Discard.AUTH_TYPE_MISMATCH, OLD, v2("x"), "uses authentication type 1, we type 0"),
        (Discard.AUTH_FAILURE, SECRET, v2("x"), "192.0.2.2 has another password"),
        (Discard.SOURCE, UNICAST, v3(), "is none of our unicast peers"),
        (Discard.TTL, WEB, v3(), ""),
        (Discard.CHECKSUM, WEB, v3(), ""),
    ],
)
def test_what_a_configuration_can_cure_is_said(
    reason: Discard, settings: RouterSettings, message: bytes, words: str
) -> None:
    said = complaint(reason, settings, message, PEER)
    assert words in said
    assert bool(said) == bool(words)


def test_the_password_is_never_said() -> None:
    assert "s3cr3t" not in complaint(Discard.AUTH_FAILURE, SECRET, v2("other"), PEER)
