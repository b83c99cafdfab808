"""Captured Ethernet frames of tests/vectors taken apart, the way a receiver has to: by the IP header's own lengths."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

VECTORS = Path(__file__).parent / "vectors"


@dataclass(frozen=True, slots=True)
class Datagram:
    """An IP datagram: what a raw socket of protocol 112 gives to `decode`."""

    message: bytes  # the IP payload, cut to the total length: Ethernet padding is gone
    ttl: int  # or hop limit
    source: bytes
    destination: bytes


def vectors(name: str) -> dict[str, dict[str, Any]]:
    """The vectors of one file by their names."""
    return {each["name"]: each for each in json.loads((VECTORS / name).read_text())["vectors"]}


def ipv4_datagram(frame_hex: str) -> Datagram:
    """An untagged Ethernet frame with an IPv4 header."""
    frame = bytes.fromhex(frame_hex)
    assert frame[12:14] == b"\x08\x00", "not IPv4"
    packet = frame[14:]
    header, total = (packet[0] & 0x0F) * 4, int.from_bytes(packet[2:4], "big")
    return Datagram(packet[header:total], packet[8], packet[12:16], packet[16:20])


def ipv6_datagram(frame_hex: str) -> Datagram:
    """An untagged Ethernet frame with an IPv6 header and no extension headers."""
    frame = bytes.fromhex(frame_hex)
    assert frame[12:14] == b"\x86\xdd", "not IPv6"
    packet = frame[14:]
    length = int.from_bytes(packet[4:6], "big")
    return Datagram(packet[40 : 40 + length], packet[7], packet[8:24], packet[24:40])
