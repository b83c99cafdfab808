"""RFC 1071 against a plain sum of words."""

from hypothesis import given
from hypothesis import strategies as st

from haagent.vrrp.checksum import VALID, fill, fold, ones_sum, pseudo_header

words = st.lists(st.integers(0, 0xFFFF), max_size=600)


def octets(numbers: list[int]) -> bytes:
    return b"".join(number.to_bytes(2, "big") for number in numbers)


def plain(numbers: list[int]) -> int:
    total = sum(numbers)
    while total > 0xFFFF:
        total = (total & 0xFFFF) + (total >> 16)
    return total


@given(words)
def test_the_sum_of_the_words(numbers: list[int]) -> None:
    assert ones_sum(octets(numbers)) == plain(numbers)


@given(words, words)
def test_two_sums_added_are_the_sum_of_both(one: list[int], other: list[int]) -> None:
    assert fold(ones_sum(octets(one)) + ones_sum(octets(other))) == plain(one + other)


@given(st.binary(min_size=8, max_size=8), words)
def test_what_was_filled_in_is_valid(head: bytes, before: list[int]) -> None:
    message = fill(bytearray(head[:6] + b"\0\0"), octets(before))
    assert ones_sum(octets(before) + message) in (VALID, 0)  # 0: nothing but zeros, where 0xFFFF is the checksum


def test_the_pseudo_header_is_that_of_the_family() -> None:
    source, destination = bytes((192, 0, 2, 1)), bytes((224, 0, 0, 18))
    assert pseudo_header(source, destination, 12).hex() == "c0000201e00000120070000c"
    assert pseudo_header(bytes(15) + b"\1", bytes(16), 40).hex() == "00" * 15 + "01" + "00" * 16 + "0000002800000070"
