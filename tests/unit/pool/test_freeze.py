"""The panic threshold."""

from hypothesis import given
from hypothesis import strategies as st

from haagent.pool.freeze import Freeze, freeze, is_below

NAMES = st.frozensets(st.sampled_from("abcdefghij"))


def test_enough_are_healthy() -> None:
    assert freeze(0.3, 3, 10, {"a", "b", "c"}, {"x"}) == Freeze(frozenset(), frozenset("abc"))


def test_below_the_fraction_the_last_good_stay() -> None:
    assert freeze(0.3, 2, 10, {"a", "j"}, {"a", "b", "c"}) == Freeze(frozenset("bc"), frozenset("abc"))


def test_the_memory_outlives_the_freeze() -> None:
    first = freeze(0.5, 0, 4, frozenset(), {"a", "b"})
    second = freeze(0.5, 1, 4, {"c"}, first.last_good)
    assert second.kept == {"a", "b"}
    assert freeze(0.5, 2, 4, {"c", "d"}, second.last_good) == Freeze(frozenset(), frozenset("cd"))


def test_at_start_there_is_nothing_to_keep() -> None:
    assert freeze(0.5, 0, 4, frozenset(), frozenset()) == Freeze()


def test_no_threshold_no_freeze() -> None:
    assert freeze(0.0, 0, 4, frozenset(), {"a"}) == Freeze()
    assert freeze(0.5, 0, 0, frozenset(), {"a"}) == Freeze()


@given(st.floats(0, 1), NAMES, NAMES)
def test_who_is_kept_served_before_and_is_not_healthy_now(
    fraction: float, serving: frozenset[str], last: frozenset[str]
):
    found = freeze(fraction, len(serving), 10, serving, last)
    assert found.kept <= last
    assert not found.kept & serving


@given(st.integers(1, 200), st.integers(0, 100))
def test_a_fraction_in_hundredths_is_exact(total: int, hundredths: int):
    for healthy in range(total + 1):
        assert is_below(healthy, total, hundredths / 100) is (healthy * 100 < hundredths * total)
