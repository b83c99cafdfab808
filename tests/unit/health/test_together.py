"""Several checks, one verdict."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from haagent.health.together import together

U, D, N = "up", "down", "unknown"


@pytest.mark.parametrize(
    ("verdicts", "require", "expected"),
    [
        ((), "all", U),
        ((), "any", U),
        ((U, U), "all", U),
        ((U, D), "all", D),
        ((N, D), "all", D),
        ((U, N), "all", N),
        ((U, D), "any", U),
        ((N, U), "any", U),
        ((D, N), "any", N),
        ((D, D), "any", D),
        ((U, U, D), 2, U),
        ((U, D, D), 2, D),
        ((U, N, D), 2, N),
        ((U, N, N), 2, N),
        ((U,), 2, U),  # more than there are: all
    ],
)
def test_rows(verdicts, require, expected):
    assert together(verdicts, require) == expected


@given(st.lists(st.sampled_from([U, D, N]), max_size=6), st.sampled_from(["all", "any", 1, 2, 3]), st.integers(0, 5))
def test_one_more_that_passes_never_makes_it_worse(verdicts, require, at):
    worth = {D: 0, N: 1, U: 2}
    better = [U if index == at else each for index, each in enumerate(verdicts)]
    assert worth[together(better, require)] >= worth[together(verdicts, require)]
