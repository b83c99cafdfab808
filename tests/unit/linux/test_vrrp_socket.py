"""IP around the VRRP message: what we send is what we read, scapy agrees, and no octets raise."""

from hypothesis import given
from hypothesis import strategies as st
from scapy.layers.inet import IP

from haagent.linux.vrrp_socket import Datagram, packet, parse

SOURCE = bytes((192, 0, 2, 1))
GROUP = bytes((224, 0, 0, 18))


def test_a_sent_packet_reads_back() -> None:
    assert parse(packet(b"message!", SOURCE)) == Datagram(b"message!", 255, SOURCE, GROUP)


def test_scapy_reads_the_header() -> None:
    seen = IP(packet(b"message!", SOURCE))
    assert (seen.src, seen.dst, seen.ttl, seen.proto, seen.tos, seen.len) == (
        "192.0.2.1",
        "224.0.0.18",
        255,
        112,
        0xC0,
        28,
    )


def test_padding_behind_the_total_length_is_not_the_message() -> None:
    assert parse(packet(b"message!", SOURCE) + bytes(18)) == Datagram(b"message!", 255, SOURCE, GROUP)


def test_options_are_skipped() -> None:
    with_options = bytes(IP(src="192.0.2.1", dst="224.0.0.18", ttl=255, proto=112, options=b"\x94\x04\0\0")) + b""
    long = bytearray(with_options + b"message!")
    long[2:4] = len(long).to_bytes(2, "big")
    assert parse(bytes(long)) == Datagram(b"message!", 255, SOURCE, GROUP)


@given(st.binary(max_size=100))
def test_any_octets_parse_to_a_value(octets: bytes) -> None:
    seen = parse(octets)
    assert seen is None or (0 <= seen.ttl <= 255 and len(seen.source) == 4 and len(seen.payload) <= len(octets))
