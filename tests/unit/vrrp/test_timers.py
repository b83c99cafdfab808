"""Check values of the reference tables, in centiseconds for an interval of 100 cs unless said."""

import itertools

import pytest

from haagent.vrrp.timers import active_down_interval, shortest_active_down_interval, skew_time


@pytest.mark.parametrize(
    ("priority", "interval", "skew_cs", "down_cs"),
    [
        (1, 1.0, 99.609375, 399.609375),
        (50, 1.0, 80.46875, 380.46875),
        (100, 1.0, 60.9375, 360.9375),
        (150, 1.0, 41.40625, 341.40625),
        (200, 1.0, 21.875, 321.875),
        (254, 1.0, 0.78125, 300.78125),
        (255, 1.0, 0.390625, 300.390625),
        (1, 40.95, 4079.0039, 16364.0039),
        (100, 0.01, 0.609375, 3.609375),  # nothing is rounded to centiseconds: Holo's backups took over together
    ],
)
def test_check_values(priority: int, interval: float, skew_cs: float, down_cs: float) -> None:
    assert skew_time(priority, interval) * 100 == pytest.approx(skew_cs, rel=1e-7)
    assert active_down_interval(priority, interval) * 100 == pytest.approx(down_cs, rel=1e-7)


def test_no_backup_is_sooner_than_the_shortest() -> None:
    assert shortest_active_down_interval(0.01) < active_down_interval(254, 0.01) < 1.01 * 0.03
    assert shortest_active_down_interval(2.0) == 6.0


def test_the_higher_priority_is_the_sooner_down_to_the_shortest_interval() -> None:
    waits = [active_down_interval(priority, 0.01) for priority in range(1, 256)]
    assert all(sooner < later for later, sooner in itertools.pairwise(waits))
