"""Gratuitous ARP frames, octet by octet and against scapy."""

import errno
import socket

import pytest
from scapy.layers.l2 import ARP, Ether

from haagent.linux.announce import FRAME_LENGTH, Announcer, Frames, gratuitous_arp

MAC = bytes.fromhex("00005e00013f")


def test_the_reference_frame() -> None:
    assert gratuitous_arp(MAC, bytes((192, 0, 2, 110))).hex() == (
        "ffffffffffff00005e00013f0806000108000604000100005e00013fc000026effffffffffffc000026e"
    )


def test_scapy_reads_a_broadcast_request_for_our_own_address() -> None:
    frame = Ether(gratuitous_arp(MAC, bytes((192, 0, 2, 110))))
    assert (frame.dst, frame.src) == ("ff:ff:ff:ff:ff:ff", "00:00:5e:00:01:3f")
    assert (frame[ARP].op, frame[ARP].psrc, frame[ARP].pdst) == (1, "192.0.2.110", "192.0.2.110")
    assert frame[ARP].hwsrc == "00:00:5e:00:01:3f"


def test_frames_are_sent_whole_and_in_order() -> None:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    addresses = [bytes((192, 0, 2, host)) for host in range(5)]
    with theirs:
        theirs.setblocking(False)
        announcer = Announcer(ours)
        assert announcer.send(Frames(MAC, addresses)) == (5, 0)
        assert [theirs.recv(100) for _ in addresses] == [gratuitous_arp(MAC, each) for each in addresses]
        announcer.close()
    assert len(gratuitous_arp(MAC, addresses[0])) == FRAME_LENGTH


def test_a_refusal_is_an_errno_and_the_number_that_went_out() -> None:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    ours.setblocking(False)
    with ours, theirs:
        sent, stopped = Announcer(ours).send(Frames(MAC, [bytes(4)] * 5000))  # nobody reads: the queue fills
        assert 0 < sent < 5000
        assert stopped == errno.EAGAIN
        theirs.close()
        assert Announcer(ours).send(Frames(MAC, [bytes(4)])) == (0, errno.ECONNREFUSED)


@pytest.mark.parametrize("mac", [b"", bytes(16), bytes(20)])
def test_no_ethernet_nobody_to_tell(mac: bytes) -> None:
    assert Frames(mac, [bytes(4)]).count == 0
