"""Texts of packed addresses, against the C library; link-local by its ten bits."""

import socket
from ipaddress import IPv6Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from haagent.vrrp.address import dotted, is_link_local


@given(st.binary(min_size=4, max_size=4))
def test_ipv4_as_the_c_library_says_it(address: bytes) -> None:
    assert dotted(address) == socket.inet_ntoa(address)


@given(st.binary(min_size=16, max_size=16))
def test_ipv6_reads_back(address: bytes) -> None:
    assert socket.inet_pton(socket.AF_INET6, dotted(address)) == address


def test_no_address_has_no_text() -> None:
    assert dotted(b"") == ""


@pytest.mark.parametrize(
    ("text", "expected"), [("fe80::1", True), ("febf::1", True), ("fec0::1", False), ("fd80::1", False)]
)
def test_link_local_is_fe80_with_ten_bits(text: str, expected: bool) -> None:
    assert is_link_local(IPv6Address(text).packed) is expected


def test_ipv4_is_never_link_local() -> None:
    assert not is_link_local(bytes((254, 128, 0, 1)))
