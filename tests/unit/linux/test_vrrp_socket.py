"""IP around the VRRP message: what we send is what we read, scapy agrees, and no octets raise."""

import socket
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scapy.layers.inet import IP
from scapy.layers.inet6 import IPv6

from haagent.linux.vrrp_socket import Datagram, packet, parse, parse_ipv6
from haagent.vrrp.advertisement import MULTICAST_GROUP_IPV6

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


LINK_LOCAL = bytes.fromhex("fe8000000000000000000000fffe0001")
HOP_LIMIT = (socket.IPPROTO_IPV6, socket.IPV6_HOPLIMIT, struct.pack("=i", 255))
PACKET_INFO = (socket.IPPROTO_IPV6, socket.IPV6_PKTINFO, MULTICAST_GROUP_IPV6 + struct.pack("=i", 2))


def test_scapy_reads_the_ipv6_header() -> None:
    seen = IPv6(packet(b"message!", LINK_LOCAL))
    assert (seen.src, seen.dst, seen.hlim, seen.nh, seen.tc, seen.plen) == (
        "fe80::fffe:1", "ff02::12", 255, 112, 0xC0, 8,
    )  # fmt: skip


def test_a_unicast_packet_goes_to_its_peer() -> None:
    peer = bytes((192, 0, 2, 2))
    assert parse(packet(b"message!", SOURCE, peer)) == Datagram(b"message!", 255, SOURCE, peer)


def test_an_ipv6_datagram_is_what_the_kernel_says_beside_it() -> None:
    seen = parse_ipv6(b"message!", LINK_LOCAL, [(socket.SOL_SOCKET, 1, b""), HOP_LIMIT, PACKET_INFO])
    assert seen == Datagram(b"message!", 255, LINK_LOCAL, MULTICAST_GROUP_IPV6)


@pytest.mark.parametrize("said", [[], [HOP_LIMIT], [PACKET_INFO], [(*HOP_LIMIT[:2], b"\1"), PACKET_INFO]])
def test_without_hop_limit_or_destination_there_is_no_datagram(said: list[tuple[int, int, bytes]]) -> None:
    assert parse_ipv6(b"message!", LINK_LOCAL, said) is None
