"""The trailer of a signed advertisement, against what keepalived 2.4.3 sent, and any octets whatsoever."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from haagent.vrrp.advertisement import Advertisement, Discard, decode
from haagent.vrrp.trailer import SIZE, TICKS, ahead, is_signed_by, read, sequence_at, signed, split

VECTORS = json.loads((Path(__file__).parents[2] / "vectors" / "vrrp-signed.json").read_text())


def fields(vector: dict[str, Any]) -> tuple[bytes, bytes, bytes, bytes]:
    payload, source, destination, key = (
        bytes.fromhex(vector[name]) for name in ("ip_payload", "source", "destination", "key")
    )
    return payload, source, destination, key


@pytest.mark.parametrize("vector", VECTORS, ids=lambda each: str(each["name"]))
def test_keepalived_is_believed_and_imitated_to_the_octet(vector: dict[str, Any]) -> None:
    payload, source, destination, key = fields(vector)
    message, trailer = split(payload, len(source))
    claim = read(trailer)
    assert (claim.type, claim.key_id, claim.reserved) == (1, 1, 0)
    assert abs(ahead(sequence_at(vector["captured_at"]), claim.sequence)) < TICKS  # they are times of day
    assert is_signed_by(message, source, trailer, key)
    if message[0] >> 4 == 3:
        heard = decode(message, 255, source, destination, trailer=trailer)
        assert isinstance(heard, Advertisement)
        assert (heard.vrid, heard.priority) == (51, 100)
    unsigned = message if len(source) == 4 else message[:6] + b"\xaa\xaa" + message[8:]  # that checksum is made anew
    assert signed(unsigned, source, destination, claim.key_id, key, claim.sequence) == payload


@pytest.mark.parametrize("vector", VECTORS, ids=lambda each: str(each["name"]))
def test_every_octet_but_the_checksum_is_covered(vector: dict[str, Any]) -> None:
    payload, source, _, key = fields(vector)
    for place in range(len(payload)):
        changed = bytearray(payload)
        changed[place] ^= 1
        message, trailer = bytes(changed[:-SIZE]), bytes(changed[-SIZE:])
        assert is_signed_by(message, source, trailer, key) is (place in (6, 7)), place
    message, trailer = payload[:-SIZE], payload[-SIZE:]
    assert not is_signed_by(message, source[:-1] + b"\x63", trailer, key)
    assert not is_signed_by(message, source, trailer, key[:-1] + b"\0")


def test_over_ipv6_the_checksum_covers_the_trailer() -> None:
    payload, source, destination, _ = fields(next(each for each in VECTORS if "ipv6" in each["name"]))
    message, trailer = split(payload, 16)
    assert decode(message, 255, source, destination) is Discard.CHECKSUM
    assert decode(message, 255, source, destination, trailer=trailer[:-1] + b"\0") is Discard.CHECKSUM


@pytest.mark.parametrize("octets", [4, 16])
@given(payload=st.binary(max_size=80))
def test_any_octets_are_split_in_two_or_left_whole(octets: int, payload: bytes) -> None:
    message, trailer = split(payload, octets)
    assert message + trailer == payload
    assert len(trailer) in (0, SIZE)
    if trailer:
        read(trailer)
        assert not is_signed_by(message, bytes(octets), trailer, bytes(32))


def test_sequences_are_ordered_over_the_wrap_of_2106() -> None:
    last, first = (1 << 64) - 1, 0
    assert ahead(first, last) == 1
    assert ahead(last, first) == -1
    assert ahead(sequence_at(4294967296.5), sequence_at(4294967295.5)) == TICKS
    assert sequence_at(100.0) < sequence_at(100.0 + 1 / 65536)
