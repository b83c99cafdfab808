"""Penalties: one for each change, half of it gone after each half-life."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from haagent.config.model import Damping
from haagent.health.damping import Damped, ceiling, changed, decayed, eligible_at, penalty_at

SETTINGS = Damping(half_life=10, suppress=3, reuse=1, maximum_time=40)
settings = st.builds(
    Damping,
    half_life=st.floats(1, 1000),
    suppress=st.floats(2, 100),
    reuse=st.floats(0.01, 1.9),
    maximum_time=st.floats(1, 5000),
)


def test_a_change_is_one_and_half_of_it_is_left_after_a_half_life():
    damped = changed(SETTINGS, Damped(), 100.0)
    assert (damped.penalty, damped.suppressed) == (1.0, False)
    assert penalty_at(SETTINGS, damped, 110.0) == 0.5
    assert penalty_at(SETTINGS, damped, 120.0) == 0.25


def test_kept_out_from_the_limit_on_until_the_penalty_has_decayed():
    damped = Damped()
    for _ in range(3):
        damped = changed(SETTINGS, damped, 100.0)
    assert damped == Damped(3.0, 100.0, True)
    at = eligible_at(SETTINGS, damped)
    assert at == pytest.approx(100 + 10 * 1.5849625)  # log2(3)
    assert decayed(SETTINGS, damped, at - 0.001).suppressed
    free = decayed(SETTINGS, damped, at)
    assert not free.suppressed
    assert free.penalty == pytest.approx(1.0)
    assert eligible_at(SETTINGS, free) is None


def test_between_the_limits_it_stays_what_it_was():
    out = Damped(2.0, 0.0, True)
    assert decayed(SETTINGS, out, 0.0).suppressed
    assert not changed(SETTINGS, Damped(1.0, 0.0), 0.0).suppressed


def test_another_change_moves_the_return_away():
    out = Damped(3.0, 100.0, True)
    again = changed(SETTINGS, out, 110.0)
    assert eligible_at(SETTINGS, again) > eligible_at(SETTINGS, out)


@given(settings, st.lists(st.floats(0, 100), min_size=1, max_size=60))
def test_the_penalty_is_bounded_and_nobody_is_kept_out_for_ever(each, pauses):
    damped, now = Damped(), 0.0
    for pause in pauses:
        now += pause
        damped = decayed(each, changed(each, damped, now), now)
        assert 0 <= damped.penalty <= max(1.0, ceiling(each)) * (1 + 1e-9)
        if (at := eligible_at(each, damped)) is not None:
            assert now <= at <= now + each.maximum_time * (1 + 1e-6) + 1e-6
            assert not decayed(each, damped, at).suppressed


@given(settings, st.floats(0, 1e6), st.lists(st.floats(0, 1000), max_size=20))
def test_without_changes_it_is_let_go_once_and_stays_free(each, penalty, looks):
    damped, freed = Damped(penalty, 0.0, True), False
    for now in sorted(looks):
        damped = decayed(each, damped, now)
        assert not (freed and damped.suppressed)
        freed = freed or not damped.suppressed
