"""A burst of failures is held until it is confirmed."""

from hypothesis import given
from hypothesis import strategies as st

from haagent.health.removal import Limits, Removals, limited, next_release_at

HALF = Limits(maximum=0.5, window=10, hold=30)


def burst(names, now, before=Removals(), *, down=None, total=4, limits=HALF):  # noqa: B008
    return limited(limits, before, set(down or names), names, total, now)


def test_half_may_leave_and_the_others_are_held():
    after = burst(["a", "b", "c", "d"], 100.0)
    assert after == Removals((100.0, 100.0), {"c": 130.0, "d": 130.0})
    assert next_release_at(after) == 130.0


def test_what_is_still_down_after_the_hold_leaves():
    after = burst([], 130.0, Removals((100.0, 100.0), {"c": 130.0}), down={"a", "b", "c"})
    assert after == Removals((130.0,), {})


def test_what_came_back_is_forgotten():
    assert burst([], 110.0, Removals((100.0,), {"c": 130.0}), down={"a"}).held == {}


def test_failures_that_are_far_apart_are_no_burst():
    after = Removals()
    for number, name in enumerate("abcd"):
        after = burst([name], 100.0 + 11 * number, after, down=set("abcd"[: number + 1]))
        assert after.held == {}


def test_one_may_always_leave():
    assert burst(["a"], 0.0, total=1).held == {}
    assert burst(["a"], 0.0, total=3, limits=Limits(0.0, 10, 30)).held == {}


def test_without_a_limit_nothing_is_held():
    assert burst(list("abcd"), 0.0, limits=Limits(1.0, 10, 30)).held == {}


@given(
    st.floats(0, 0.99),
    st.integers(1, 12),
    st.lists(st.tuples(st.floats(0.01, 40), st.sets(st.integers(0, 11))), max_size=30),
)
def test_whoever_left_was_allowed_to_or_had_been_held_for_its_time(maximum, total, looks):
    limits, removals, now = Limits(maximum, 10, 30), Removals(), 0.0
    down, left, held_since = set(), [], {}
    for pause, fallen in looks:
        now += pause
        names = {str(number) for number in fallen if number < total}
        new = sorted(names - down)
        was_held = dict(removals.held)
        removals, down = limited(limits, removals, names, new, total, now), names
        for name in new:
            if name in removals.held:
                held_since[name] = now
            else:
                left.append(now)
                assert len([at for at in left if now - at < 10]) <= max(1, int(maximum * total + 1e-9))
        for name in was_held.keys() - removals.held.keys():
            assert name not in names or now - held_since[name] >= 30 - 1e-6
            if name in names:
                left.append(now)
        assert removals.held.keys() <= names
