"""The frames from a virtual MAC address against captured ones, and the requests as our own parser sees them."""

import struct

import pytest

from haagent.linux import macvlan
from haagent.linux.netlink import HEADER, iterate_attributes, split_messages
from haagent.linux.rtnetlink import LinkHeard, parse
from haagent.vrrp.virtual_mac import virtual_mac
from tests.frames import vectors

CAPTURED = [
    each
    for each in vectors("vrrp.json").values()
    if each["eth_src"].startswith("00:00:5e") and each["eth_dst"] in ("01:00:5e:00:00:12", "33:33:00:00:00:12")
]


@pytest.mark.parametrize("vector", CAPTURED, ids=lambda each: str(each["name"]))
def test_the_captured_frames(vector: dict[str, str]) -> None:
    frame = bytes.fromhex(vector["frame_hex"])
    packet = bytearray(frame[14:])
    if packet[0] >> 4 == 4:
        destination = bytes(packet[16:20])
        packet[10:12] = b"\0\0"
    else:
        destination = bytes(packet[24:40])
    octets = len(destination)
    vrid = frame[14 + (20 if octets == 4 else 40) + 1]
    made = macvlan.multicast_frame(virtual_mac(octets, vrid), bytes(packet), destination)
    assert len(CAPTURED) == 5
    assert made == frame


def test_a_group_with_a_high_second_octet() -> None:
    """RFC 1112 section 6.4: 23 bits of the address."""
    frame = macvlan.multicast_frame(bytes(6), bytes(20), bytes((239, 255, 1, 2)))
    assert frame[:6].hex(":") == "01:00:5e:7f:01:02"
    assert frame[24:26] == b"\xff\xff"  # of nothing


def test_the_requests() -> None:
    (made,) = split_messages(macvlan.create("hav4-51-2", virtual_mac(4, 51), 2))
    heard = parse(made)
    assert isinstance(heard, LinkHeard)
    assert (heard.name, heard.mac, heard.is_up) == ("hav4-51-2", virtual_mac(4, 51), False)
    attributes = dict(iterate_attributes(made.octets[HEADER.size + 16 :]))
    assert attributes[5] == struct.pack("=I", 2)  # the interface below
    info = dict(iterate_attributes(attributes[18]))
    assert info[1] == b"macvlan"
    assert dict(iterate_attributes(info[2])) == {1: struct.pack("=I", 4)}  # MACVLAN_MODE_BRIDGE
    for up in (True, False):
        (change,) = split_messages(macvlan.set_up(7, up))
        assert struct.unpack_from("=iII", change.body, 4) == (7, int(up), 1)
    (gone,) = split_messages(macvlan.delete(7))
    assert (gone.type, struct.unpack_from("=i", gone.body, 4)) == (17, (7,))


def test_parameters() -> None:
    """What keeps a Backup mute, and the clients' packets welcome."""
    for_4, for_6 = macvlan.parameters("m", 4), macvlan.parameters("m", 16)
    assert for_4["net.ipv6.conf.m.disable_ipv6"] == "1"
    assert "net.ipv6.conf.m.disable_ipv6" not in for_6
    assert for_6["net.ipv6.conf.m.addr_gen_mode"] == "1"
    assert for_4["net.ipv4.conf.m.rp_filter"] == "2"
    assert macvlan.parameters_below("e")["net.ipv4.conf.e.arp_announce"] == "2"
