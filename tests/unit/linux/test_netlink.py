"""haagent.linux.netlink: framing is total on garbage; the socket against a real rtnetlink in namespaces of its own."""

import ctypes
import errno
import os
import socket
import struct
import threading
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from haagent.linux.netlink import (
    BATCH_MESSAGES,
    HEADER,
    NLM_F_ACK_TLVS,
    NLM_F_CAPPED,
    NLM_F_CREATE,
    NLM_F_EXCL,
    NLMSG_DONE,
    NLMSG_ERROR,
    NLMSGERR_ATTR_MSG,
    Message,
    NetlinkError,
    NetlinkFailure,
    NetlinkSocket,
    attribute,
    decode_error,
    iterate_attributes,
    message,
    nested,
    split_messages,
)

CLONE_NEWNET = 0x40000000
RTM_NEWADDR, RTM_DELADDR, RTM_GETADDR, RTM_NEWLINK, RTM_GETLINK = 20, 21, 22, 16, 18
IFA_LOCAL, IFA_ADDRESS = 2, 1


@given(st.binary(max_size=200))
def test_any_octets_split_into_messages_that_lie_within_them(octets: bytes) -> None:
    parts = list(split_messages(octets))
    assert all(len(part.octets) >= HEADER.size and part.octets in octets for part in parts)


@given(st.binary(max_size=200))
def test_any_octets_iterate_as_attributes_that_lie_within_them(octets: bytes) -> None:
    assert all(0 <= type_ <= 0x3FFF and payload in octets for type_, payload in iterate_attributes(octets))


@given(st.lists(st.tuples(st.integers(0, 0x3FFF), st.binary(max_size=40))))
def test_attributes_come_back_as_they_went(pairs: list[tuple[int, bytes]]) -> None:
    octets = b"".join(attribute(type_, payload) for type_, payload in pairs)
    assert len(octets) % 4 == 0
    assert list(iterate_attributes(octets)) == pairs


def test_a_nested_attribute_carries_its_flag_and_loses_it_on_the_way_back() -> None:
    octets = nested(7, attribute(1, b"a"), attribute(2, b"bc"))
    assert octets[2:4] == struct.pack("=H", 0x8007)
    ((type_, inner),) = iterate_attributes(octets)
    assert (type_, list(iterate_attributes(inner))) == (7, [(1, b"a"), (2, b"bc")])


@given(
    st.sampled_from([NLMSG_ERROR, NLMSG_DONE]),
    st.sampled_from([0, NLM_F_CAPPED, NLM_F_ACK_TLVS, NLM_F_CAPPED | NLM_F_ACK_TLVS]),
    st.binary(max_size=120),
)
def test_any_body_of_an_error_is_an_error_value(type_: int, flags: int, body: bytes) -> None:
    decoded = decode_error(Message(type_, flags, 1, HEADER.pack(HEADER.size + len(body), type_, flags, 1, 0) + body))
    assert isinstance(decoded, NetlinkError)
    assert decoded.errno >= 0


def test_the_kernels_words_are_found_behind_a_capped_request() -> None:
    echoed = HEADER.pack(100, 20, 5, 1, 0)
    body = struct.pack("=i", -errno.EINVAL) + echoed + attribute(NLMSGERR_ATTR_MSG, b"too bad\0")
    flags = NLM_F_CAPPED | NLM_F_ACK_TLVS
    octets = HEADER.pack(HEADER.size + len(body), NLMSG_ERROR, flags, 1, 0) + body
    assert decode_error(Message(NLMSG_ERROR, flags, 1, octets)) == NetlinkError(errno.EINVAL, "too bad")


def test_the_kernels_words_are_found_behind_a_whole_request() -> None:
    echoed = HEADER.pack(20, 20, 5, 1, 0) + b"body"
    body = struct.pack("=i", -errno.EINVAL) + echoed + attribute(NLMSGERR_ATTR_MSG, b"too bad\0")
    octets = HEADER.pack(HEADER.size + len(body), NLMSG_ERROR, NLM_F_ACK_TLVS, 1, 0) + body
    assert decode_error(Message(NLMSG_ERROR, NLM_F_ACK_TLVS, 1, octets)) == NetlinkError(errno.EINVAL, "too bad")


def test_an_unknown_protocol_is_a_failure_not_an_exception() -> None:
    assert isinstance(NetlinkSocket.open(31), NetlinkFailure)


def in_namespace(body: Callable[[NetlinkSocket], None]) -> None:
    """Runs `body` in a thread of its own in a new network namespace: the namespace goes away with it."""
    failures: list[BaseException] = []

    def run() -> None:
        try:
            if ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWNET) != 0:
                raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
            sock = NetlinkSocket.open(socket.NETLINK_ROUTE)
            assert isinstance(sock, NetlinkSocket)
            try:
                body(sock)
            finally:
                sock.close()
        except BaseException as failure:  # noqa: BLE001 - handed to the test
            failures.append(failure)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    if failures:
        raise failures[0]


def address_change(type_: int, flags: int, number: int) -> bytes:
    packed = (0xC6336400 + number).to_bytes(4, "big")  # 198.51.100.0 and on
    body = struct.pack("=BBBBI", socket.AF_INET, 32, 0, 0, 1) + attribute(IFA_LOCAL, packed)
    return message(type_, flags, body + attribute(IFA_ADDRESS, packed))


def addresses(sock: NetlinkSocket) -> int:
    replies = sock.dump(message(RTM_GETADDR, 0, struct.pack("=BBBBI", socket.AF_INET, 0, 0, 0, 0)))
    assert isinstance(replies, list)
    return len(replies)


@pytest.mark.root
def test_a_batch_of_changes_is_done_in_order_and_each_failure_is_told() -> None:
    def body(sock: NetlinkSocket) -> None:
        count = 3 * BATCH_MESSAGES + 5
        batch = [address_change(RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, number) for number in range(count)]
        batch.insert(300, batch[7])
        batch.append(address_change(RTM_DELADDR, 0, 60000))
        results = sock.request(batch)
        assert [(index, code) for index, code in enumerate(results) if code] == [
            (300, errno.EEXIST),
            (count + 1, errno.EADDRNOTAVAIL),
        ]
        assert addresses(sock) == count
        assert sock.request([address_change(RTM_DELADDR, 0, number) for number in range(count)]) == [0] * count
        assert addresses(sock) == 0

    in_namespace(body)


@pytest.mark.root
def test_every_message_of_a_batch_may_fail() -> None:
    def body(sock: NetlinkSocket) -> None:
        batch = [address_change(RTM_DELADDR, 0, number) for number in range(2 * BATCH_MESSAGES)]
        assert sock.request(batch) == [errno.EADDRNOTAVAIL] * len(batch)
        assert sock.request([]) == []

    in_namespace(body)


@pytest.mark.root
def test_replies_that_do_not_fit_the_buffer_leave_requests_unknown_and_the_socket_usable() -> None:
    def body(sock: NetlinkSocket) -> None:
        with socket.fromfd(sock.fileno(), socket.AF_NETLINK, socket.SOCK_RAW) as same:
            same.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        batch = [address_change(RTM_DELADDR, 0, number) for number in range(100)]
        results = sock.request(batch)
        assert set(results) <= {errno.EADDRNOTAVAIL, errno.ENOBUFS}
        assert errno.ENOBUFS in results
        assert sock.request([address_change(RTM_NEWADDR, NLM_F_CREATE, 1)]) == [0]

    in_namespace(body)


@pytest.mark.root
def test_a_query_gives_one_object_or_the_kernels_refusal() -> None:
    def body(sock: NetlinkSocket) -> None:
        found = sock.query(message(RTM_GETLINK, 0, struct.pack("=BxHiII", 0, 0, 1, 0, 0)))
        assert isinstance(found, bytes)
        assert HEADER.unpack_from(found)[1] == RTM_NEWLINK
        missing = sock.query(message(RTM_GETLINK, 0, struct.pack("=BxHiII", 0, 0, 999, 0, 0)))
        assert isinstance(missing, NetlinkFailure)
        assert missing.errno == errno.ENODEV

    in_namespace(body)


@pytest.mark.root
def test_events_are_received_without_waiting_and_their_loss_is_told() -> None:
    def body(sock: NetlinkSocket) -> None:
        monitor = NetlinkSocket.open(socket.NETLINK_ROUTE, groups=0x10)  # RTMGRP_IPV4_IFADDR
        assert isinstance(monitor, NetlinkSocket)
        assert monitor.receive() == []
        sock.request([address_change(RTM_NEWADDR, NLM_F_CREATE, number) for number in range(3)])
        events = monitor.receive()
        assert isinstance(events, list)
        assert [event.type for event in events] == [RTM_NEWADDR] * 3
        with socket.fromfd(monitor.fileno(), socket.AF_NETLINK, socket.SOCK_RAW) as same:
            same.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        sock.request([address_change(RTM_NEWADDR, NLM_F_CREATE, number) for number in range(3, 200)])
        lost = monitor.receive()
        assert isinstance(lost, NetlinkFailure)
        assert lost.errno == errno.ENOBUFS
        assert isinstance(monitor.receive(), list)
        monitor.close()

    in_namespace(body)
