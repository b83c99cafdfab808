"""What directors tell each other: read as it was sealed, and nothing else is believed."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from haagent.core.hearing import Hearing, Source
from haagent.pool.operator import Override, Overrides, Version
from haagent.processes.peer_message import CHALLENGE_SIZE, Healths, Told, challenge, nonce_of, opened, sealed, tag

SECRET, THEIRS, OURS = b"0123456789abcdef", bytes(32), bytes(range(32))
WORDS: Overrides = {
    ("web", "rs1"): Override(admin="drained", deadline=99.5, actor="ann", version=Version(3, "d1")),
    ("mail", "rs2"): Override(weight=7, until=12.25, keep=True, persistent="expire"),
}
CALL = sealed("call", SECRET, THEIRS, "d1", OURS, WORDS)


def test_what_is_sealed_is_opened() -> None:
    told = opened("call", SECRET, THEIRS, CALL)
    assert isinstance(told, Told)
    assert (told.director, told.nonce, told.overrides) == ("d1", OURS, WORDS)


def test_what_is_made_of_the_real_servers_goes_along() -> None:
    healths: Healths = {("web", "rs1"): "up", ("web", "rs2"): "down", ("mail", "rs2"): "unknown"}
    told = opened("answer", SECRET, THEIRS, sealed("answer", SECRET, THEIRS, "d1", b"", {}, healths))
    assert isinstance(told, Told)
    assert told.healths == healths


def test_what_is_heard_of_the_virtual_routers_goes_along() -> None:
    source = Source(address="192.0.2.1", at=-3.5, refusal="version", others=("192.0.2.200",))
    heard = Hearing(router="web", state="backup", since=-9.0, at=0.0, priority=100, interval=1.0, sources=(source,))
    told = opened("answer", SECRET, THEIRS, sealed("answer", SECRET, THEIRS, "d1", b"", {}, {}, (heard,)))
    assert isinstance(told, Told)
    assert told.hearings == (heard,)
    never = structs.replace(heard, since=math.nan)
    refused = opened("answer", SECRET, THEIRS, sealed("answer", SECRET, THEIRS, "d1", b"", {}, {}, (never,)))
    assert refused == "it names a time that is none"


def test_another_secret_conversation_or_direction_is_not_believed() -> None:
    assert opened("call", SECRET + b"x", THEIRS, CALL) == "it has another secret"
    assert opened("call", SECRET, OURS, CALL) == "it has another secret"  # recorded, and said again
    assert opened("answer", SECRET, THEIRS, CALL) == "it has another secret"


@pytest.mark.parametrize("word", [Override(until=math.nan), Override(deadline=math.inf), Override(weight=70000)])
def test_values_that_make_no_sense_are_not_believed(word: Override) -> None:
    octets = sealed("call", SECRET, THEIRS, "d1", OURS, {("web", "rs1"): word})
    assert isinstance(opened("call", SECRET, THEIRS, octets), str)


@given(st.integers(0, len(CALL) - 1), st.integers(1, 255))
def test_a_changed_octet_is_not_believed(place: int, change: int) -> None:
    changed = bytearray(CALL)
    changed[place] ^= change
    assert isinstance(opened("call", SECRET, THEIRS, bytes(changed)), str)


@given(st.binary(max_size=300))
def test_any_octets_are_a_sentence(octets: bytes) -> None:
    assert isinstance(opened("call", SECRET, THEIRS, octets), str)


@given(st.binary(max_size=300))
def test_any_payload_with_the_right_tag_is_told_or_a_sentence(payload: bytes) -> None:
    assert isinstance(opened("call", SECRET, THEIRS, tag("call", SECRET, THEIRS, payload) + payload), Told | str)


def test_the_challenge() -> None:
    octets = challenge(OURS)
    assert len(octets) == CHALLENGE_SIZE
    assert nonce_of(octets) == OURS
    assert isinstance(nonce_of(b"SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u7\r\n"), str)
    assert isinstance(nonce_of(octets[:-1]), str)
