"""The questions as scapy reads them, the answers as scapy writes them, and anything else."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from haagent.linux.arp_probe import ArpProbe, arp_request, decode, solicitation

scapy = pytest.importorskip("scapy.all")
MAC = bytes.fromhex("020000000001")
OTHER = "02:00:00:00:00:11"


def test_an_arp_probe_names_no_sender_address():
    frame = scapy.Ether(arp_request(MAC, "198.51.100.100"))
    assert (frame.dst, frame.src) == ("ff:ff:ff:ff:ff:ff", "02:00:00:00:00:01")
    arp = frame[scapy.ARP]
    assert (arp.op, arp.psrc, arp.pdst, arp.hwsrc) == (1, "0.0.0.0", "198.51.100.100", "02:00:00:00:00:01")


def test_a_solicitation_comes_from_nobody_and_its_checksum_is_right():
    octets = solicitation(MAC, "2001:db8::12:3456")
    frame = scapy.Ether(octets)
    assert frame.dst == "33:33:ff:12:34:56"
    assert (frame[scapy.IPv6].src, frame[scapy.IPv6].dst, frame[scapy.IPv6].hlim) == ("::", "ff02::1:ff12:3456", 255)
    assert frame[scapy.ICMPv6ND_NS].tgt == "2001:db8::12:3456"
    del frame[scapy.ICMPv6ND_NS].cksum
    assert bytes(frame) == octets


def test_answers():
    reply = scapy.Ether(src=OTHER) / scapy.ARP(op=2, psrc="198.51.100.100", hwsrc=OTHER, pdst="0.0.0.0")
    assert decode(bytes(reply)) == ("198.51.100.100", bytes.fromhex("020000000011"))
    advertised = scapy.ICMPv6ND_NA(tgt="2001:db8::1", O=1)
    advertisement = scapy.Ether(src=OTHER) / scapy.IPv6(src="2001:db8::1", dst="ff02::1", hlim=255) / advertised
    assert decode(bytes(advertisement)) == ("2001:db8::1", bytes.fromhex("020000000011"))
    forged = scapy.Ether(src=OTHER) / scapy.IPv6(src="2001:db8::1", dst="ff02::1", hlim=64) / advertised
    assert decode(bytes(forged)) is None  # RFC 4861 section 7.1.2: it came through a router


def test_our_own_question_is_no_answer():
    assert decode(arp_request(MAC, "198.51.100.100")) is None
    assert decode(solicitation(MAC, "2001:db8::1")) is None


@given(st.binary(max_size=120), st.sampled_from([b"\x08\x06", b"\x86\xdd", b""]))
def test_any_frame_is_an_answer_or_none(octets, kind):
    found = decode(octets[:12] + kind + octets[12:])
    assert found is None or (isinstance(found[0], str) and len(found[1]) == 6)


def test_an_interface_that_is_not_there_is_a_sentence():
    assert isinstance(ArpProbe.open("no-such-if"), str)
