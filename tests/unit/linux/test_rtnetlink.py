"""rtnetlink octets: what we ask, and what any octets that come in mean."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from haagent.linux.netlink import HEADER, Message, attribute, iterate_attributes, message, split_messages
from haagent.linux.rtnetlink import (
    IFA_F_NODAD,
    IFA_F_NOPREFIXROUTE,
    PROTOCOL,
    RTM_DELADDR,
    RTM_DELLINK,
    RTM_NEWADDR,
    RTM_NEWLINK,
    AddressGone,
    AddressHeard,
    LinkGone,
    LinkHeard,
    add_address,
    covers,
    delete_address,
    parse,
)

ADDRESS = (bytes((192, 0, 2, 100)), 24)


def one(octets: bytes) -> Message:
    (only,) = split_messages(octets)
    return only


def link(flags: int, *attributes: bytes, family: int = 0, kind: int = RTM_NEWLINK) -> Message:
    return one(message(kind, 0, struct.pack("=BxHiII", family, 1, 7, flags, 0) + b"".join(attributes)))


NAME = attribute(3, b"eth0\0")
MAC = attribute(1, b"\x02\0\0\0\0\x01")


def test_an_added_address_is_ours_when_it_is_heard() -> None:
    assert parse(one(add_address(7, ADDRESS, joins_connected_subnet=True))) == AddressHeard(
        7, ADDRESS, is_secondary=False, is_ours=True
    )


@pytest.mark.parametrize(("joins", "flags"), [(True, IFA_F_NOPREFIXROUTE), (False, 0)])
def test_only_an_address_in_a_connected_subnet_goes_without_prefix_route(joins: bool, flags: int) -> None:
    body = add_address(7, ADDRESS, joins_connected_subnet=joins)[HEADER.size + 8 :]
    found = dict(iterate_attributes(body))
    assert struct.unpack("=I", found[8]) == (flags,)
    assert found[11] == bytes((PROTOCOL,))
    assert found[2] == ADDRESS[0]


def test_a_deleted_address() -> None:
    assert parse(one(delete_address(7, ADDRESS))) == AddressGone(7, ADDRESS)


def test_an_address_without_our_tag_is_not_ours() -> None:
    body = struct.pack("=BBBBI", 2, 24, 1, 0, 7) + attribute(1, ADDRESS[0]) + attribute(11, b"\x02")
    assert parse(one(message(RTM_NEWADDR, 0, body))) == AddressHeard(7, ADDRESS, is_secondary=True, is_ours=False)


@pytest.mark.parametrize(("flags", "is_up"), [(0x41, True), (0x01, False), (0x40, False), (0, False)])
def test_up_is_administratively_up_and_running(flags: int, is_up: bool) -> None:
    assert parse(link(flags, NAME, MAC)) == LinkHeard(7, "eth0", is_up, b"\x02\0\0\0\0\x01", moved=False)


@pytest.mark.parametrize(("event", "moved"), [(0, False), (3, True), (4, True), (5, False)])
def test_a_bond_that_failed_over_moved_us(event: int, moved: bool) -> None:
    heard = parse(link(0x41, NAME, MAC, attribute(44, struct.pack("=I", event))))
    assert isinstance(heard, LinkHeard)
    assert heard.moved is moved


def test_a_bridge_that_lost_a_port_is_no_interface_that_went() -> None:
    assert parse(link(0, family=7, kind=RTM_DELLINK)) is None
    assert parse(link(0, kind=RTM_DELLINK)) == LinkGone(7)


def test_a_link_without_name_and_other_messages_say_nothing() -> None:
    assert parse(link(0x41)) is None
    assert parse(one(message(24, 0, bytes(12)))) is None
    assert parse(one(message(RTM_NEWADDR, 0, struct.pack("=BBBBI", 7, 64, 0, 0, 7)))) is None


@given(st.sampled_from([RTM_NEWLINK, RTM_DELLINK, RTM_NEWADDR, RTM_DELADDR]), st.binary(max_size=80))
def test_any_octets_parse_to_a_value(kind: int, body: bytes) -> None:
    heard = parse(Message(kind, 0, 0, message(kind, 0, body)))
    assert heard is None or isinstance(heard, LinkHeard | LinkGone | AddressHeard | AddressGone)


@given(st.sampled_from([RTM_NEWLINK, RTM_NEWADDR]), st.binary(max_size=12), st.binary(max_size=60))
def test_a_cut_header_parses_to_nothing(kind: int, head: bytes, rest: bytes) -> None:
    assert parse(Message(kind, 0, 0, (HEADER.pack(16, kind, 0, 0, 0) + head)[:20])) is None


@pytest.mark.parametrize(
    ("own", "other", "expected"),
    [
        ("192.0.2.1/24", "192.0.2.100/32", True),
        ("192.0.2.1/25", "192.0.2.200/24", False),
        ("0.0.0.1/0", "9.9.9.9/8", True),
    ],
)
def test_covers(own: str, other: str, expected: bool) -> None:
    def packed(text: str) -> tuple[bytes, int]:
        host, length = text.split("/")
        return bytes(int(octet) for octet in host.split(".")), int(length)

    assert covers(packed(own), packed(other)) is expected


# ------------------------------------------------------------------------------------------------------------- IPv6

ADDRESS6 = (bytes.fromhex("20010db8" + "00" * 11 + "64"), 64)


def body6(flags: int, *attributes: bytes) -> bytes:
    return (
        struct.pack("=BBBBI", 10, 64, 0, 0, 7)
        + attribute(1, ADDRESS6[0])
        + attribute(8, struct.pack("=I", flags))
        + b"".join(attributes)
    )


def test_an_added_ipv6_address_is_usable_at_once_and_no_source() -> None:
    found = dict(iterate_attributes(add_address(7, ADDRESS6, joins_connected_subnet=True)[HEADER.size + 8 :]))
    assert struct.unpack("=I", found[8]) == (IFA_F_NOPREFIXROUTE | IFA_F_NODAD,)
    assert struct.unpack("=IIII", found[6])[:2] == (0, 0xFFFFFFFF)  # deprecated from the start, valid for ever
    assert found[11] == bytes((PROTOCOL,))
    assert parse(one(add_address(7, ADDRESS6, joins_connected_subnet=True))) == AddressHeard(7, ADDRESS6, False, True)
    assert parse(one(delete_address(7, ADDRESS6))) == AddressGone(7, ADDRESS6)


@pytest.mark.parametrize(
    ("flags", "is_tentative", "is_duplicate"), [(0x80, False, False), (0x40, True, False), (0x48, False, True)]
)
def test_the_state_of_duplicate_address_detection(flags: int, is_tentative: bool, is_duplicate: bool) -> None:
    heard = parse(one(message(RTM_NEWADDR, 0, body6(flags))))
    assert heard == AddressHeard(7, ADDRESS6, False, False, is_tentative, is_duplicate)


def test_families_do_not_cover_each_other() -> None:
    assert covers((bytes(16), 0), ADDRESS6)
    assert not covers((bytes(4), 0), ADDRESS6)
    assert not covers((bytes(15) + b"\1", 64), ADDRESS6)
