"""Wishes are followed, with care."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from haagent.config.model import DynamicWeight
from haagent.health.dynamic_weight import Followed, follow, next_change_at, target

PLAIN = DynamicWeight()
CAREFUL = DynamicWeight(floor=10, step=20, minimum_interval=5)
settings = st.builds(
    DynamicWeight, floor=st.integers(1, 100), step=st.integers(1, 1000), minimum_interval=st.floats(0.1, 100)
)


def test_nobody_who_never_asked_has_a_percentage():
    assert follow(PLAIN, Followed(), None, 5.0) == Followed()
    assert next_change_at(PLAIN, Followed()) is None


def test_the_first_wish_is_granted_at_once():
    assert follow(CAREFUL, Followed(), 30, 5.0) == Followed(30, 30, 5.0)


def test_a_try_that_says_nothing_changes_nothing():
    assert follow(PLAIN, Followed(30, 30, 5.0), None, 9.0) == Followed(30, 30, 5.0)


def test_it_goes_by_steps_no_sooner_than_allowed():
    followed = Followed(100, 100, 0.0)
    followed = follow(CAREFUL, followed, 50, 10.0)
    assert followed == Followed(80, 50, 10.0)
    assert follow(CAREFUL, followed, 50, 14.9) == followed
    assert next_change_at(CAREFUL, followed) == 15.0
    followed = follow(CAREFUL, followed, None, 15.0)
    assert followed.percent == 60
    followed = follow(CAREFUL, followed, None, 20.0)
    assert followed == Followed(50, 50, 20.0)
    assert next_change_at(CAREFUL, followed) is None


def test_never_below_the_floor_but_for_a_drain():
    assert follow(CAREFUL, Followed(), 3, 0.0).percent == 10
    assert follow(CAREFUL, Followed(100, 100, 0.0), 0, 0.1).percent == 0  # at once
    assert follow(CAREFUL, Followed(0, 0, 0.1), 80, 0.2).percent == 80


@given(settings, st.lists(st.tuples(st.floats(0, 20), st.one_of(st.none(), st.integers(0, 1000))), max_size=40))
def test_steps_pauses_and_floor_are_kept(each, reports):
    followed, now = Followed(), 0.0
    for pause, asked in reports:
        now += pause
        before, followed = followed, follow(each, followed, asked, now)
        if before.percent and followed.percent and followed.percent != before.percent:
            assert abs(followed.percent - before.percent) <= each.step
            assert now >= before.changed_at + each.minimum_interval
        assert followed.percent is None or followed.percent == 0 or followed.percent >= each.floor


@pytest.mark.parametrize("start", [1, 100, 900])
@given(settings, st.integers(0, 1000))
def test_a_wish_that_stands_is_reached_without_turning_back(start, each, asked):
    followed, now, seen = Followed(max(start, each.floor), start, 0.0), 0.0, []
    followed = follow(each, followed, asked, now)
    for _ in range(2000):
        seen.append(followed.percent)
        if (at := next_change_at(each, followed)) is None:
            break
        followed = follow(each, followed, None, at)
    assert seen[-1] == target(each, asked)
    assert seen in (sorted(seen), sorted(seen, reverse=True))
