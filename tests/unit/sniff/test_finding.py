"""Addresses in words."""

import pytest

from haagent.sniff.finding import ip_text, listed, mac_text


def test_addresses() -> None:
    assert ip_text(bytes((192, 0, 2, 1))) == "192.0.2.1"
    assert ip_text(bytes.fromhex("20010db8" + 11 * "00" + "01")) == "2001:db8::1"
    assert mac_text(bytes((2, 0, 0, 0, 0, 255))) == "02:00:00:00:00:ff"


@pytest.mark.parametrize(("words", "text"), [(["a"], "a"), (["a", "b"], "a and b"), (["a", "b", "c"], "a, b and c")])
def test_listed(words: list[str], text: str) -> None:
    assert listed(words) == text
