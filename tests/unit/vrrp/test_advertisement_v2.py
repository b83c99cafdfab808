"""The version 2 codec against keepalived's and FRR's captured bytes, against scapy, and against any bytes at all."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scapy.layers.vrrp import VRRP

from haagent.vrrp.advertisement import Advertisement, ChecksumForm, Discard
from haagent.vrrp.advertisement_v2 import authentication, decode, encode, refusal
from haagent.vrrp.checksum import fill
from tests.frames import vectors

VIRTUAL = bytes((192, 0, 2, 100))
FRAMES = {
    name: bytes.fromhex(each["vrrp_hex"])
    for name, each in vectors("vrrp.json").items()
    if "v2_ipv4" in name and "vrrp_hex" in each
}


def advertisement(vrid: int, priority: int, interval: float, password: str = "", last: int = 100) -> Advertisement:
    addresses = (bytes((192, 0, 2, last)),)
    return Advertisement(vrid, priority, interval, addresses, ChecksumForm.RFC9568, 2, *authentication(password))


advertisements = st.builds(
    Advertisement,
    st.integers(1, 255),
    st.integers(0, 255),
    st.integers(1, 255).map(float),
    st.lists(st.binary(min_size=4, max_size=4), min_size=1, max_size=255).map(tuple),
    st.just(ChecksumForm.RFC9568),
    st.just(2),
    st.integers(0, 255),
    st.binary(min_size=8, max_size=8),
)


@pytest.mark.parametrize("name", FRAMES)
def test_encodes_the_captured_bytes(name: str) -> None:
    result = decode(FRAMES[name], 255)
    assert isinstance(result, Advertisement)
    assert result.version == 2
    assert encode(result) == FRAMES[name]


def test_frames_of_both_producers_and_all_types() -> None:
    heard = [decode(message, 255) for message in FRAMES.values()]
    assert sorted(each.auth_type for each in heard if isinstance(each, Advertisement)) == [0, 0, 0, 0, 1, 2]


@pytest.mark.parametrize(
    ("ours", "name"),
    [
        (advertisement(51, 100, 1.0), "v2_ipv4_noauth_prio100"),
        (advertisement(51, 0, 1.0), "v2_ipv4_noauth_prio0"),
        (advertisement(52, 100, 1.0, "s3cr3t", 101), "v2_ipv4_simple_password"),
    ],
)
def test_known_answers(ours: Advertisement, name: str) -> None:
    assert encode(ours) == FRAMES[name]


@given(advertisements)
def test_round_trip(ours: Advertisement) -> None:
    assert decode(encode(ours), 255) == ours


@given(st.binary(max_size=64), st.integers(0, 255), st.integers(0, 255))
def test_any_octets_give_a_declared_value(message: bytes, ttl: int, minimum_ttl: int) -> None:
    assert isinstance(decode(message, ttl, minimum_ttl), Advertisement | Discard)


@given(advertisements, st.integers(0, 7), st.integers(0, 7))
def test_a_flipped_bit_in_the_header_never_passes(ours: Advertisement, octet: int, bit: int) -> None:
    message = bytearray(encode(ours))
    message[octet] ^= 1 << bit
    assert isinstance(decode(bytes(message), 255), Discard)


@given(advertisements)
def test_scapy_reads_ours(ours: Advertisement) -> None:
    read = VRRP(encode(ours))
    assert (read.version, read.type, read.vrid, read.priority) == (2, 1, ours.vrid, ours.priority)
    assert (read.ipcount, read.authtype, read.adv) == (len(ours.addresses), ours.auth_type, ours.max_advertise_interval)
    assert (read.auth1.to_bytes(4, "big") + read.auth2.to_bytes(4, "big")) == ours.auth_data


def v2(head: str, *, addresses: str = "c0000264", data: str = "00" * 8) -> bytes:
    return fill(bytearray.fromhex(head + "0000" + addresses + data))


@pytest.mark.parametrize(
    ("message", "ttl", "wanted"),
    [
        (v2("213364010001"), 254, Discard.TTL),
        (b"", 255, Discard.LENGTH),
        (v2("213364010001")[:15], 255, Discard.LENGTH),
        (v2("313364010001"), 255, Discard.VERSION),
        (v2("223364010001"), 255, Discard.TYPE),
        (v2("213364020001"), 255, Discard.LENGTH),
        (v2("213364010001", data="00" * 16), 255, Discard.LENGTH),
        (v2("213364010001", data=""), 255, Discard.LENGTH),  # the authentication data are always there
        (v2("213364010001")[:-1] + b"\1", 255, Discard.CHECKSUM),  # and covered
        (v2("210064010001"), 255, Discard.VRID),
        (v2("213364000001", addresses=""), 255, Discard.COUNT),
        (v2("213364010000"), 255, Discard.INTERVAL),
    ],
)
def test_discards(message: bytes, ttl: int, wanted: Discard) -> None:
    assert decode(message, ttl) is wanted


@pytest.mark.parametrize(
    ("auth_type", "data", "password", "wanted"),
    [
        (0, b"", "", None),
        (0, b"ignored", "", None),  # RFC 3768 section 5.3.10: ignored on reception
        (1, b"s3cr3t", "s3cr3t", None),
        (1, b"12345678", "12345678", None),
        (1, b"s3cr3t", "S3cr3t", Discard.AUTH_FAILURE),
        (1, b"", "s3cr3t", Discard.AUTH_FAILURE),
        (0, b"", "s3cr3t", Discard.AUTH_TYPE_MISMATCH),
        (1, b"s3cr3t", "", Discard.AUTH_TYPE_MISMATCH),
        (2, b"", "", Discard.AUTH_TYPE_MISMATCH),  # the IP Authentication Header is known and not supported
        (3, b"", "", Discard.AUTH_TYPE),
        (255, b"", "s3cr3t", Discard.AUTH_TYPE),
    ],
)
def test_who_is_believed(auth_type: int, data: bytes, password: str, wanted: Discard | None) -> None:
    heard = Advertisement(51, 100, 1.0, (VIRTUAL,), ChecksumForm.RFC9568, 2, auth_type, data.ljust(8, b"\0"))
    assert refusal(heard, password) is wanted
