"""haagent.ipvs.layout: what is learned from one message is read from others that look alike, and from no others."""

import struct

from hypothesis import given
from hypothesis import strategies as st

from haagent.ipvs.layout import learn

NESTS = frozenset({(2,)})
FIELDS = (((2, 5), "I"), ((2, 1), "2s"), ((3,), "B"))


def attribute(type_: int, payload: bytes) -> bytes:
    return struct.pack("=HH", 4 + len(payload), type_) + payload + bytes(-len(payload) & 3)


def build(number: int, name: bytes, small: int, pads: int = 0) -> bytes:
    nest = (
        b"".join(attribute(9, b"") for _ in range(pads)) + attribute(1, name) + attribute(5, struct.pack("=I", number))
    )
    return b"HEAD" + attribute(2 | 0x8000, nest) + attribute(3, bytes([small]))


@given(st.integers(0, 2**32 - 1), st.binary(min_size=2, max_size=2), st.integers(0, 255), st.integers(0, 3))
def test_fields_come_in_the_order_that_was_asked_for(number: int, name: bytes, small: int, pads: int) -> None:
    layout = learn(build(7, b"ab", 1, pads), 4, NESTS, FIELDS)
    assert layout is not None
    assert layout.read(build(number, name, small, pads)) == (number, name, small)


def test_another_kind_of_message_is_not_read() -> None:
    layout = learn(build(7, b"ab", 1), 4, NESTS, FIELDS)
    assert layout is not None
    like = build(8, b"cd", 2)
    assert layout.read(b"----" + like[4:]) == (8, b"cd", 2)  # what lies before the attributes does not count
    assert layout.read(like + b"\0") is None
    assert layout.read(like[:-1]) is None
    for place in (4, 6, 8, 10):  # a length, a type, without and within the nest
        other = bytearray(like)
        other[place] ^= 1
        assert layout.read(bytes(other)) is None


def test_nothing_is_learned_where_a_field_is_missing_or_longer_or_a_nest_comes_twice() -> None:
    whole = build(7, b"ab", 1)
    assert learn(whole, 4, NESTS, (*FIELDS, ((4,), "B"))) is None
    assert learn(build(7, b"abc", 1), 4, NESTS, FIELDS) is None
    assert learn(whole + attribute(2, b""), 4, NESTS, FIELDS) is None
    assert learn(whole[:-4], 4, NESTS, FIELDS) is None


@given(st.binary(max_size=80))
def test_any_octets_are_learned_or_not(octets: bytes) -> None:
    layout = learn(octets, 4, NESTS, FIELDS)
    assert layout is None or layout.read(octets) is not None
