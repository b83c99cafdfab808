"""Captured frames become the records that tshark says they are; files come back as they were written."""

import json
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scapy.layers.l2 import CookedLinux, Dot1Q, Ether
from scapy.utils import PcapNgWriter, PcapWriter

from haagent.sniff.capture import Frame, Writer, dissect, read
from haagent.sniff.records import ArpHeard, NeighbourHeard, SolicitationHeard, VrrpHeard
from haagent.sniff.spoken import Malformed, Spoken
from haagent.sniff.spoken import read as read_message

FOLDER = Path(__file__).parents[2] / "vectors"
VECTORS = {each["name"]: each for each in json.loads((FOLDER / "vrrp.json").read_text())["vectors"]}
NEGATIVE = {each["name"]: each for each in json.loads((FOLDER / "vrrp-negative.json").read_text())["vectors"]}
AH = "v2_ipv4_ah_hmac_md5_96"  # its IP protocol is 51


def frame(vector: dict[str, Any]) -> Frame:
    return Frame(10.5, bytes.fromhex(vector["frame_hex"]))


def spoken(heard: object) -> Spoken | Malformed:
    assert isinstance(heard, VrrpHeard)
    return read_message(heard.message, heard.source, heard.destination)


@pytest.mark.parametrize("name", [name for name in VECTORS if "vrid" in VECTORS[name]["tshark_decode"] and name != AH])
def test_advertisements_are_what_tshark_reads(name: str) -> None:
    vector = VECTORS[name]
    wanted, heard = vector["tshark_decode"], dissect(frame(vector))
    said = spoken(heard)
    assert isinstance(heard, VrrpHeard)
    assert isinstance(said, Spoken)
    assert heard.mac.hex(":") == vector["eth_src"]
    assert (said.version, said.vrid, said.priority) == tuple(
        int(wanted[key]) for key in ("vrrp.version", "vrid", "priority")
    )
    texts = wanted.get("ip_addr") or wanted["ipv6_addr"]
    assert said.addresses == tuple(ip_address(each).packed for each in texts.split(","))
    assert said.interval == pytest.approx(
        int(wanted["adver_int_s"]) if said.version == 2 else int(wanted["max_adver_int_cs"]) / 100
    )
    assert heard.ttl == 255


def test_an_authentication_header_hides_the_advertisement() -> None:
    assert dissect(frame(VECTORS[AH])) is None


def test_arp_and_nd() -> None:
    announcement = dissect(frame(VECTORS["garp_real_mac"]))
    assert isinstance(announcement, ArpHeard)
    assert announcement.sender == announcement.target
    request = dissect(frame(VECTORS["arp_request_for_vip"]))
    assert isinstance(request, ArpHeard)
    assert not request.is_reply
    reply = dissect(frame(VECTORS["arp_reply_vmac"]))
    assert isinstance(reply, ArpHeard)
    assert reply.is_reply
    assert reply.sender_mac[:5] == bytes.fromhex("00005e0001")
    assert isinstance(dissect(frame(VECTORS["ns_for_vip"])), SolicitationHeard)
    unsolicited = dissect(frame(VECTORS["frr_unsolicited_na_router_flag"]))
    assert isinstance(unsolicited, NeighbourHeard)
    assert not unsolicited.is_solicited
    solicited = dissect(frame(VECTORS["na_solicited_vmac"]))
    assert isinstance(solicited, NeighbourHeard)
    assert solicited.is_solicited
    assert solicited.mac[:5] == bytes.fromhex("00005e0002")


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("v3_bad_checksum", "CHECKSUM"),
        ("v3_version_4", "VERSION"),
        ("v3_type_2", "TYPE"),
        ("v3_truncated_address", "LENGTH"),
        ("v3_header_only_4_bytes", "LENGTH"),
        ("v3_count_2_but_1_address", "LENGTH"),
        ("v3_count_0", "COUNT"),
        ("v3_trailing_garbage_8", "LENGTH"),
    ],
)
def test_what_every_router_discards(name: str, reason: str) -> None:
    said = spoken(dissect(frame(NEGATIVE[name])))
    assert isinstance(said, Malformed)
    assert said.reason.name == reason


def test_arp_on_other_hardware_than_ethernet_is_none_of_ours() -> None:
    """scapy then gives the hardware addresses as octets, not as text."""
    other = bytes.fromhex("ffffffffffff0200000000020806f401080006040001020000000002c0000202000000000000c000026e")
    assert dissect(Frame(1.0, other)) is None


def test_padding_is_no_part_of_the_message() -> None:
    assert isinstance(spoken(dissect(frame(NEGATIVE["v3_ethernet_padded_60"]))), Spoken)


def test_a_ttl_is_reported_not_judged() -> None:
    heard = dissect(frame(NEGATIVE["v3_ttl_254"]))
    assert isinstance(heard, VrrpHeard)
    assert heard.ttl == 254


def test_a_file_comes_back(tmp_path: Path) -> None:
    path = tmp_path / "a.pcap"
    frames = [Frame(1700000000.25 + number, frame(VECTORS[name]).octets) for number, name in enumerate(VECTORS)]
    with Writer(path) as writer:
        for each in frames:
            writer.write(each)
    records = read(path)
    assert not isinstance(records, str)
    assert list(records) == [record for each in frames if (record := dissect(each)) is not None]


def test_other_files_of_other_programs(tmp_path: Path) -> None:
    """A VLAN tag, what tcpdump writes of the interface "any", and pcapng, Wireshark's own form."""
    packet = Ether(frame(VECTORS["v3_ipv4_no_pseudoheader"]).octets)
    tagged = Ether(src=packet.src, dst=packet.dst) / Dot1Q(vlan=7) / packet.payload
    cooked = (
        CookedLinux(src=bytes.fromhex(packet.src.replace(":", "")) + b"\0\0", lladdrlen=6, proto=0x0800)
        / packet.payload
    )
    macs = []
    for name, each, writer in (
        ("vlan.pcap", tagged, PcapWriter),
        ("any.pcap", cooked, PcapWriter),
        ("a.pcapng", packet, PcapNgWriter),
    ):
        out = writer(str(tmp_path / name))
        out.write(each)
        out.close()
        records = read(tmp_path / name)
        assert not isinstance(records, str)
        (record,) = records
        assert isinstance(record, VrrpHeard)
        assert isinstance(spoken(record), Spoken)
        macs.append(record.mac.hex(":"))
    assert macs == [packet.src] * 3


def test_what_is_no_capture_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"no capture at all, but long enough to have a header")
    assert read(tmp_path / "x") == f"{tmp_path}/x: this is no pcap file"
    assert read(tmp_path / "y") == f"{tmp_path}/y: No such file or directory"


@given(st.binary(max_size=120), st.sampled_from([b"", b"\x08\x06", b"\x08\x00", b"\x86\xdd", b"\x81\x00"]))
def test_any_octets_give_a_record_or_none(octets: bytes, ethertype: bytes) -> None:
    heard = dissect(Frame(0.0, bytes(12) + ethertype + octets))
    assert heard is None or isinstance(heard, VrrpHeard | ArpHeard | SolicitationHeard | NeighbourHeard)


@given(st.sampled_from(sorted(VECTORS)), st.integers(0, 120), st.integers(0, 255), st.integers(0, 40))
def test_a_damaged_frame_gives_a_record_or_none(name: str, place: int, octet: int, cut: int) -> None:
    octets = bytearray(frame(VECTORS[name]).octets)
    octets[place % len(octets)] = octet
    heard = dissect(Frame(0.0, bytes(octets[: len(octets) - cut])))
    if isinstance(heard, VrrpHeard):
        assert isinstance(spoken(heard), Spoken | Malformed)
