"""Every version and family is read; what the production codec refuses is malformed here for the same reason."""

import json
import struct
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from haagent.sniff.spoken import Malformed, Spoken, read
from haagent.vrrp.advertisement import Advertisement, ChecksumForm, Discard, encode

SOURCE, GROUP = bytes((192, 0, 2, 1)), bytes((224, 0, 0, 18))
SOURCE_6, GROUP_6 = bytes.fromhex("fe80" + 12 * "00" + "0001"), bytes.fromhex("ff02" + 12 * "00" + "0012")
VIRTUAL = bytes((192, 0, 2, 100))
SIGNED = json.loads((Path(__file__).parents[2] / "vectors" / "vrrp-signed.json").read_text())
VIRTUAL_6 = bytes.fromhex("20010db8" + 11 * "00" + "64")


def checksum(data: bytes) -> int:
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def version_2(vrid: int = 51, interval: int = 1, authentication: int = 0, addresses: bytes = VIRTUAL) -> bytes:
    head = struct.pack("!BBBBBB", 0x21, vrid, 100, len(addresses) // 4, authentication, interval)
    rest = addresses + bytes(8)
    return head + struct.pack("!H", checksum(head + b"\0\0" + rest)) + rest


def ipv6(vrid: int = 51, centiseconds: int = 100, addresses: bytes = VIRTUAL_6) -> bytes:
    head = struct.pack("!BBBBH", 0x31, vrid, 100, len(addresses) // 16, centiseconds)
    pseudo = SOURCE_6 + GROUP_6 + struct.pack("!II", len(head) + 2 + len(addresses), 112)
    return head + struct.pack("!H", checksum(pseudo + head + b"\0\0" + addresses)) + addresses


@pytest.mark.parametrize("form", list(ChecksumForm))
def test_version_3_over_ipv4(form: ChecksumForm) -> None:
    message = encode(Advertisement(51, 200, 0.1, (VIRTUAL,), form), SOURCE)
    assert read(message, SOURCE, GROUP) == Spoken(3, 51, 200, 0.1, (VIRTUAL,), form.value)


def test_version_2() -> None:
    assert read(version_2(), SOURCE, GROUP) == Spoken(2, 51, 100, 1.0, (VIRTUAL,), "rfc3768")
    spoken = read(version_2(authentication=1), SOURCE, GROUP)
    assert isinstance(spoken, Spoken)
    assert spoken.authentication == 1


def test_ipv6() -> None:
    assert read(ipv6(), SOURCE_6, GROUP_6) == Spoken(3, 51, 100, 1.0, (VIRTUAL_6,), "pseudo_header")


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (b"", Discard.LENGTH),
        (b"\x21\x33", Discard.LENGTH),
        (version_2()[:-1], Discard.LENGTH),
        (b"\x22" + version_2()[1:], Discard.TYPE),
        (version_2()[:2] + b"\x65" + version_2()[3:], Discard.CHECKSUM),
        (version_2(vrid=0), Discard.VRID),
        (version_2(addresses=b""), Discard.COUNT),
        (version_2(interval=0), Discard.INTERVAL),
        (b"\x41" + version_2()[1:], Discard.VERSION),
    ],
)
def test_what_is_wrong_over_ipv4(message: bytes, reason: Discard) -> None:
    assert read(message, SOURCE, GROUP) == Malformed(reason, message[1] if len(message) > 1 else 0)


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (b"", Discard.LENGTH),
        (ipv6() + b"x", Discard.LENGTH),
        (b"\x21" + ipv6()[1:], Discard.VERSION),
        (b"\x32" + ipv6()[1:], Discard.TYPE),
        (ipv6()[:2] + b"\x65" + ipv6()[3:], Discard.CHECKSUM),
        (ipv6(vrid=0), Discard.VRID),
        (ipv6(addresses=b""), Discard.COUNT),
        (ipv6(centiseconds=0), Discard.INTERVAL),
    ],
)
def test_what_is_wrong_over_ipv6(message: bytes, reason: Discard) -> None:
    assert read(message, SOURCE_6, GROUP_6) == Malformed(reason, message[1] if len(message) > 1 else 0)


@given(st.binary(max_size=80), st.sampled_from([(SOURCE, GROUP), (SOURCE_6, GROUP_6)]))
def test_any_octets_give_a_value(message: bytes, ends: tuple[bytes, bytes]) -> None:
    assert isinstance(read(message, *ends), Spoken | Malformed)


@given(st.integers(0, 255), st.binary(min_size=6, max_size=60))
def test_octets_that_look_like_version_2_give_a_value(vrid: int, rest: bytes) -> None:
    assert isinstance(read(bytes((0x21, vrid)) + rest, SOURCE, GROUP), Spoken | Malformed)


@pytest.mark.parametrize("vector", SIGNED, ids=lambda each: str(each["name"]))
def test_a_signature_is_named_and_not_verified(vector: dict[str, Any]) -> None:
    payload, source, destination = (bytes.fromhex(vector[name]) for name in ("ip_payload", "source", "destination"))
    spoken = read(payload, source, destination)
    assert isinstance(spoken, Spoken)
    assert (spoken.vrid, spoken.priority, spoken.key_id) == (51, 100, 1)
    if len(source) == 4:  # over IPv6 the checksum covers it
        spoken = read(payload[:-1] + b"\0", source, destination)
        assert isinstance(spoken, Spoken)
        assert spoken.key_id == 1
    assert isinstance(read(payload[:-1], source, destination), Malformed)
