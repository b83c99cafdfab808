"""Gratuitous ARP and unsolicited neighbor advertisements, octet by octet and against scapy."""

import errno
import socket

import pytest
from scapy.layers.inet6 import ICMPv6ND_NA, ICMPv6NDOptDstLLAddr, IPv6
from scapy.layers.l2 import ARP, Ether

from haagent.linux.announce import (
    FRAME_LENGTH,
    NA_FRAME_LENGTH,
    Announcer,
    Frames,
    announcements,
    gratuitous_arp,
    gratuitous_reply,
    unsolicited_na,
)
from tests.frames import vectors

ADDRESS_IPV6 = bytes.fromhex("20010db8" + "00" * 11 + "64")
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


@pytest.mark.parametrize("name", ["garp_real_mac", "frr_garp_vmac", "frr_unsolicited_na_router_flag"])
def test_the_captured_frames(name: str) -> None:
    frame = bytes.fromhex(vectors("vrrp.json")[name]["frame_hex"])
    address = frame[22:38] if frame[12:14] == b"\x86\xdd" else frame[28:32]
    assert announcements(frame[6:12], address, True, "request") == (frame,)


def test_scapy_reads_a_reply_whose_target_is_its_sender() -> None:
    frame = Ether(gratuitous_reply(MAC, bytes((192, 0, 2, 110))))
    assert (frame.dst, frame.src) == ("ff:ff:ff:ff:ff:ff", "00:00:5e:00:01:3f")
    arp = frame[ARP]
    assert (arp.op, arp.psrc, arp.pdst) == (2, "192.0.2.110", "192.0.2.110")
    assert (arp.hwsrc, arp.hwdst) == ("00:00:5e:00:01:3f", "00:00:5e:00:01:3f")
    assert len(gratuitous_reply(MAC, bytes(4))) == FRAME_LENGTH


def test_both_forms_of_an_address_go_out_behind_each_other_and_ipv6_has_one() -> None:
    address = bytes((192, 0, 2, 110))
    assert announcements(MAC, address, False, "both") == (gratuitous_arp(MAC, address), gratuitous_reply(MAC, address))
    assert announcements(MAC, address, False, "reply") == (gratuitous_reply(MAC, address),)
    assert announcements(MAC, ADDRESS_IPV6, True, "both") == (unsolicited_na(MAC, ADDRESS_IPV6, True),)
    assert Frames(MAC, [address, address], form="both").count == 4
    assert Frames(MAC, [address, address]).count == 2


@pytest.mark.parametrize("is_router", [True, False])
def test_scapy_reads_an_unsolicited_advertisement(is_router: bool) -> None:
    frame = unsolicited_na(MAC, ADDRESS_IPV6, is_router)
    seen = Ether(frame)
    assert (seen.dst, seen[IPv6].dst, seen[IPv6].hlim) == ("33:33:00:00:00:01", "ff02::1", 255)
    assert (seen[IPv6].src, seen[ICMPv6ND_NA].tgt) == ("2001:db8::64", "2001:db8::64")
    na = seen[ICMPv6ND_NA]
    assert [is_router, 0, 1] == [na.R, na.S, na.O]
    assert seen[ICMPv6NDOptDstLLAddr].lladdr == "00:00:5e:00:01:3f"
    again = seen.copy()
    del again[ICMPv6ND_NA].cksum
    assert bytes(again) == frame
    assert len(frame) == NA_FRAME_LENGTH


def test_both_families_go_out_together() -> None:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    with ours, theirs:
        mixed = [bytes((192, 0, 2, 1)), ADDRESS_IPV6, bytes((192, 0, 2, 2))]
        assert Announcer(ours).send(Frames(MAC, mixed, is_router=True)) == (3, 0)
        assert [theirs.recv(100) for _ in mixed] == [
            frame for each in mixed for frame in announcements(MAC, each, True, "request")
        ]


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
