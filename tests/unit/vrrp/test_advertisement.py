"""The codec against keepalived's captured bytes, against scapy, and against any bytes at all."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scapy.layers.inet import IP
from scapy.layers.vrrp import VRRPv3

from haagent.vrrp.advertisement import (
    MULTICAST_GROUP,
    MULTICAST_GROUP_IPV6,
    Advertisement,
    ChecksumForm,
    Discard,
    decode,
    encode,
)
from tests.frames import ipv4_datagram, ipv6_datagram, vectors

VIRTUAL = bytes((192, 0, 2, 100))
V3_FRAMES = sorted(name for name, each in vectors("vrrp.json").items() if name.startswith("v3_ipv4"))

V3_IPV6_FRAMES = sorted(name for name, each in vectors("vrrp.json").items() if "v3_ipv6" in name and "vrrp_hex" in each)
LINK_LOCAL, GLOBAL = (bytes.fromhex(head + "00" * (14 - len(head) // 2) + "0064") for head in ("fe80", "20010db8"))

addresses = st.binary(min_size=4, max_size=4)
advertisements = st.builds(
    Advertisement,
    st.integers(1, 255),
    st.integers(0, 255),
    st.integers(1, 4095).map(lambda centiseconds: centiseconds / 100),
    st.lists(addresses, min_size=1, max_size=255).map(tuple),
    st.sampled_from(ChecksumForm),
)


@pytest.mark.parametrize("name", V3_FRAMES)
def test_encodes_the_captured_bytes(name: str) -> None:
    datagram = ipv4_datagram(vectors("vrrp.json")[name]["frame_hex"])
    result = decode(datagram.message, datagram.ttl, datagram.source, datagram.destination)
    assert isinstance(result, Advertisement)
    assert encode(result, datagram.source, datagram.destination) == datagram.message


def test_captured_frames_have_both_forms() -> None:
    assert len(V3_FRAMES) == 4


@pytest.mark.parametrize(
    ("advertisement", "wanted"),
    [
        (Advertisement(61, 100, 1.0, (VIRTUAL,), ChecksumForm.PSEUDO_HEADER), "313d640100640568c0000264"),
        (Advertisement(61, 0, 1.0, (VIRTUAL,), ChecksumForm.PSEUDO_HEADER), "313d000100646968c0000264"),
        (Advertisement(62, 100, 1.0, (VIRTUAL,), ChecksumForm.RFC9568), "313e64010064a7f7c0000264"),
    ],
)  # fmt: skip
def test_known_answers(advertisement: Advertisement, wanted: str) -> None:
    assert encode(advertisement, bytes((192, 0, 2, 1))).hex() == wanted


@given(advertisements, addresses, addresses)
def test_round_trip(advertisement: Advertisement, source: bytes, destination: bytes) -> None:
    result = decode(encode(advertisement, source, destination), 255, source, destination)
    assert isinstance(result, Advertisement)
    assert replace(result, checksum_form=advertisement.checksum_form) == advertisement
    if result.checksum_form is not advertisement.checksum_form:  # only where the pseudo-header adds nothing
        pseudo = source + destination + bytes((0, 112)) + (8 + 4 * len(advertisement.addresses)).to_bytes(2, "big")
        assert sum(int.from_bytes(pseudo[at : at + 2], "big") for at in range(0, 12, 2)) % 0xFFFF == 0


@pytest.mark.parametrize("name", V3_IPV6_FRAMES)
def test_encodes_the_captured_ipv6_bytes(name: str) -> None:
    datagram = ipv6_datagram(vectors("vrrp.json")[name]["frame_hex"])
    result = decode(datagram.message, datagram.ttl, datagram.source, datagram.destination)
    assert isinstance(result, Advertisement)
    assert result.checksum_form is ChecksumForm.RFC9568
    assert {len(address) for address in result.addresses} == {16}
    assert encode(result, datagram.source) == datagram.message


def test_ipv6_frames_of_both_producers() -> None:
    assert len(V3_IPV6_FRAMES) == 4


def test_over_ipv6_the_pseudo_header_is_a_must() -> None:
    """Whatever form is asked for; a message that sums up without it is refused."""
    source = bytes.fromhex("fe8000000000000000000000fffe0001")
    ours = Advertisement(64, 150, 1.0, (LINK_LOCAL, GLOBAL), ChecksumForm.PSEUDO_HEADER)
    assert encode(ours, source) == encode(replace(ours, checksum_form=ChecksumForm.RFC9568), source)
    bare = bytearray(encode(ours, source))
    bare[6:8] = b"\0\0"
    total = sum(int.from_bytes(bare[at : at + 2], "big") for at in range(0, len(bare), 2))
    bare[6:8] = (~(total % 0xFFFF) & 0xFFFF).to_bytes(2, "big")
    assert decode(bytes(bare), 255, source, MULTICAST_GROUP_IPV6) is Discard.CHECKSUM


@pytest.mark.parametrize(
    ("ttl", "minimum", "is_read"), [(255, 255, True), (254, 255, False), (64, 64, True), (1, 0, True)]
)
def test_a_router_with_unicast_peers_may_ask_for_less_than_255(ttl: int, minimum: int, is_read: bool) -> None:
    message = encode(Advertisement(61, 100, 1.0, (VIRTUAL,)), VIRTUAL)
    result = decode(message, ttl, VIRTUAL, MULTICAST_GROUP, minimum)
    assert isinstance(result, Advertisement) if is_read else result is Discard.TTL


@given(st.binary(max_size=64), st.integers(0, 255), st.binary(min_size=16, max_size=16))
def test_any_octets_over_ipv6_give_a_declared_value(message: bytes, ttl: int, source: bytes) -> None:
    assert isinstance(decode(message, ttl, source, MULTICAST_GROUP_IPV6), Advertisement | Discard)


@given(
    st.integers(1, 255),
    st.integers(0, 255),
    st.integers(1, 4095),
    st.lists(st.binary(min_size=16, max_size=16), min_size=1, max_size=255),
    st.binary(min_size=16, max_size=16),
)
def test_ipv6_round_trip(vrid: int, priority: int, interval: int, listed: list[bytes], source: bytes) -> None:
    advertisement = Advertisement(vrid, priority, interval / 100, tuple(listed))
    assert decode(encode(advertisement, source), 255, source, MULTICAST_GROUP_IPV6) == advertisement


@given(st.binary(max_size=64), st.integers(0, 255), addresses, addresses)
def test_any_octets_give_a_declared_value(message: bytes, ttl: int, source: bytes, destination: bytes) -> None:
    assert isinstance(decode(message, ttl, source, destination), Advertisement | Discard)


@given(advertisements, addresses, st.integers(0, 7), st.integers(0, 7))
def test_a_flipped_bit_in_the_header_never_passes(
    advertisement: Advertisement, source: bytes, octet: int, bit: int
) -> None:
    message = bytearray(encode(advertisement, source))
    message[octet] ^= 1 << bit
    result = decode(bytes(message), 255, source, MULTICAST_GROUP)
    if isinstance(result, Advertisement):  # the other form may match by chance: it must then be reported as such
        assert result.checksum_form is not advertisement.checksum_form


@given(advertisements, addresses)
def test_scapy_builds_the_same_octets(advertisement: Advertisement, source: bytes) -> None:
    """scapy computes the pseudo-header form, whatever RFC 9568 says."""
    ours = encode(replace(advertisement, checksum_form=ChecksumForm.PSEUDO_HEADER), source)
    built = IP(src=dotted(source), dst="224.0.0.18", ttl=255, proto=112) / VRRPv3(
        vrid=advertisement.vrid,
        priority=advertisement.priority,
        ipcount=len(advertisement.addresses),
        adv=round(advertisement.max_advertise_interval * 100),
        addrlist=[dotted(each) for each in advertisement.addresses],
    )
    assert bytes(built)[20:] == ours


@given(advertisements, addresses)
def test_scapy_reads_ours(advertisement: Advertisement, source: bytes) -> None:
    header = IP(src=dotted(source), dst="224.0.0.18", ttl=255, proto=112)
    read = IP(bytes(header / encode(advertisement, source)))[VRRPv3]
    assert (read.version, read.type, read.vrid, read.priority, read.res) == (
        3, 1, advertisement.vrid, advertisement.priority, 0,
    )  # fmt: skip
    assert read.adv == round(advertisement.max_advertise_interval * 100)
    assert read.addrlist == [dotted(each) for each in advertisement.addresses]


def test_a_checksum_that_is_zero() -> None:
    """The sum of the words is 0xFFFF before the checksum is put in: the field stays zero and is accepted."""
    message = encode(Advertisement(1, 1, 0.01, (bytes((0xCD, 0xFA, 0, 2)),)), bytes(4))
    assert message[6:8] == b"\0\0"
    assert isinstance(decode(message, 255, bytes(4), MULTICAST_GROUP), Advertisement)


@pytest.mark.parametrize(
    ("message", "ttl", "wanted"),
    [
        (b"", 254, Discard.TTL),
        (b"1234567", 255, Discard.LENGTH),
        (bytes.fromhex("213d640100640568c0000264"), 255, Discard.VERSION),
        (bytes.fromhex("323d640100640568c0000264"), 255, Discard.TYPE),
        (bytes.fromhex("313d640200640568c0000264"), 255, Discard.LENGTH),
        (bytes.fromhex("313d640100640569c0000264"), 255, Discard.CHECKSUM),
        (encode(Advertisement(0, 100, 1.0, (VIRTUAL,)), VIRTUAL), 255, Discard.VRID),
        (encode(Advertisement(61, 100, 1.0, ()), VIRTUAL), 255, Discard.COUNT),
        (encode(Advertisement(61, 100, 0.0, (VIRTUAL,)), VIRTUAL), 255, Discard.INTERVAL),
    ],
)
def test_discards(message: bytes, ttl: int, wanted: Discard) -> None:
    assert decode(message, ttl, bytes((192, 0, 2, 1)), MULTICAST_GROUP) is wanted


def dotted(address: bytes) -> str:
    return ".".join(str(octet) for octet in address)
