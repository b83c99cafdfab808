"""A takeover and its way back are no conflict; speaking in turns is."""

import pytest

from haagent.sniff.alternation import Alternation


@pytest.mark.parametrize(
    ("spoken", "alternates"),
    [
        ("aaaa", False),
        ("aabb", False),
        ("aabbaa", False),
        ("aba", False),
        ("abab", True),
        ("aabbaab", True),
        ("abca", True),
    ],
)
def test_three_changes_in_the_window(spoken: str, alternates: bool) -> None:
    alternation = Alternation()
    results = [alternation.hear(who.encode(), at, 10.0) for at, who in enumerate(spoken)]
    assert results[-1] is alternates
    assert not any(results[:-1])


def test_changes_that_are_far_apart_are_takeovers() -> None:
    alternation = Alternation()
    assert not any(alternation.hear(who, 10.0 * at, 10.0) for at, who in enumerate((b"a", b"b", b"a", b"b", b"a")))
