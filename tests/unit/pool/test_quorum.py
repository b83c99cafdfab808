"""The quorum and its hysteresis."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from haagent.pool.quorum import has_quorum


@pytest.mark.parametrize(
    ("live", "quorum", "hysteresis", "had", "has"),
    [
        (1, 1, 0, False, True),
        (0, 1, 0, True, False),
        (2, 3, 0, True, False),
        (3, 3, 0, False, True),
        (4, 3, 2, False, False),  # reached at 5
        (5, 3, 2, False, True),
        (1, 3, 2, True, True),  # lost below 1
        (0, 3, 2, True, False),
        (0, 3, 3, True, False),  # with nobody alive there is none, whatever the hysteresis
    ],
)
def test_rows(live: int, quorum: int, hysteresis: int, had: bool, has: bool) -> None:
    assert has_quorum(live, quorum, hysteresis, had=had) is has


@given(st.integers(1, 50), st.data())
def test_no_change_within_the_hysteresis(quorum: int, data: st.DataObject) -> None:
    hysteresis = data.draw(st.integers(1, max(1, quorum - 1)))
    inside = st.integers(max(1, quorum - hysteresis), quorum + hysteresis - 1)
    had = data.draw(st.booleans())
    for live in data.draw(st.lists(inside)):  # a weight that swings in here never makes it flap
        assert has_quorum(live, quorum, hysteresis, had=had) is had


@given(st.integers(0, 100), st.integers(1, 50), st.integers(0, 49), st.booleans())
def test_the_same_weight_twice_changes_nothing(live: int, quorum: int, hysteresis: int, had: bool) -> None:
    once = has_quorum(live, quorum, hysteresis, had=had)
    assert has_quorum(live, quorum, hysteresis, had=once) is once
