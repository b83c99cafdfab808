"""The share of a weight while a real server warms up."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from haagent.config import judgement_checks
from haagent.config.model import SlowStart
from haagent.health.slow_start import DOUBLINGS, STEPS, ends_at, next_step_at, scaled, share

LINEAR, DOUBLING = SlowStart(mode="linear", time=90), SlowStart(mode="doubling", time=50)
settings = st.builds(SlowStart, mode=st.sampled_from(["linear", "doubling"]), time=st.floats(1, 86400))


def ramp(each, weight, since=1000.0):
    """The weights at each step, by following the deadlines."""
    now, weights = since, []
    while now is not None:
        weights.append(scaled(weight, share(each, since, now)))
        now = next_step_at(each, since, now)
    return weights


def test_nannys_doubling_from_a_thirty_second():
    assert ramp(DOUBLING, 32) == [1, 2, 4, 8, 16, 32]
    assert ramp(DOUBLING, 100) == [3, 6, 12, 25, 50, 100]


def test_linear_from_one_tenth():
    assert ramp(LINEAR, 10) == [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]
    assert ramp(LINEAR, 3) == [1, 1, 1, 1, 1, 1, 2, 2, 2, 3]


@pytest.mark.parametrize(("each", "at"), [(LINEAR, 90), (DOUBLING, 50)])
def test_it_is_over_after_its_time(each, at):
    assert ends_at(each, 5.0) == 5.0 + at
    assert share(each, 5.0, 5.0 + at) == 1.0
    assert share(each, 5.0, 5.0 + at - 0.01) < 1.0
    assert next_step_at(each, 5.0, 5.0 + at) is None


def test_a_weight_of_zero_stays_zero_and_no_other_becomes_it():
    assert scaled(0, 0.5) == 0
    assert scaled(1, 1 / 32) == 1


@given(settings, st.floats(0, 1e7), st.integers(1, 65535))
def test_each_deadline_is_a_step_upwards_and_the_last_is_the_whole(each, since, weight):
    weights = ramp(each, weight, since)
    assert weights == sorted(weights)
    assert len(weights) == (STEPS if each.mode == "linear" else DOUBLINGS + 1)
    assert weights[0] >= 1
    assert weights[-1] == weight


@given(settings, st.floats(0, 1e7), st.lists(st.floats(-1, 1e5), min_size=2, max_size=30))
def test_it_never_falls_whenever_it_is_looked_at(each, since, after):
    shares = [share(each, since, since + pause) for pause in sorted(after)]
    assert shares == sorted(shares)
    assert all(0 < one <= 1 for one in shares)


@given(st.integers(1, 65535), st.integers(1, 32))
def test_a_share_is_rounded_down_exactly(weight, thirtyseconds):
    assert scaled(weight, thirtyseconds / 32) == max(1, int(Fraction(weight * thirtyseconds, 32)))


def test_the_weights_that_the_configuration_asks_for_have_all_steps():
    needed = judgement_checks.STEPS
    assert len(set(ramp(LINEAR, needed["linear"]))) == STEPS
    assert len(set(ramp(DOUBLING, needed["doubling"]))) == DOUBLINGS + 1
