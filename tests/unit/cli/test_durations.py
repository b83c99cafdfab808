"""Durations as people say them."""

import pytest

from haagent.cli.durations import duration


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (-3, "0.0 s"),
        (0.84, "0.8 s"),
        (9.96, "10.0 s"),
        (10, "10 s"),
        (59.9, "59 s"),
        (60, "1 min 0 s"),
        (3599, "59 min 59 s"),
        (3600, "1 h 0 min"),
        (86399, "23 h 59 min"),
        (86400, "1 d 0 h"),
        (1e9, "11574 d 1 h"),
    ],
)
def test_two_units_at_most(seconds, words):
    assert duration(seconds) == words
