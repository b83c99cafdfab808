"""Even spread, no drift, no bursts, nobody starved."""

import math
import random
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from haagent.health.schedule import CROWD, GRAIN, Schedule, lateness, next_on_grid

SPREAD = ((1 + math.sqrt(5)) / 2) ** 3 / math.sqrt(5)  # 1.895: the bound that the module's docstring derives


def run(schedule: Schedule, start: float, until: float) -> list[tuple[float, int]]:
    """Wakes exactly at each deadline."""
    started = []
    while (at := schedule.next_deadline()) is not None and at <= until:
        assert at > start
        started += [(at, id) for id in schedule.due(at)]
    return started


def due_instants(schedule: Schedule) -> dict[int, float]:
    slots = [slot for family in schedule._families.values() for slot in family.slots.values()]
    return {id: slot.due_at for slot in slots for id in slot.members if slot.due_at is not None}


def greatest_gap(phases: list[float], interval: float) -> float:
    """Around the circle of one interval."""
    ordered = sorted(set(phases))
    return max((b - a) % interval or interval for a, b in zip(ordered, ordered[1:] + ordered[:1], strict=True))


@pytest.mark.parametrize("count", [1, 2, 3, 5, 10, 33, 100, 300, 1000])
def test_probes_of_one_interval_are_spread_evenly(count: int) -> None:
    schedule = Schedule()
    for id in range(count):
        schedule.add(id, 2.0, now=1000.0)
    started = run(schedule, 1000.0, 1002.0)
    assert sorted(id for _, id in started) == list(range(count))
    assert greatest_gap([at for at, _ in started], 2.0) <= SPREAD * 2.0 / count + 1.5 * GRAIN


@given(st.integers(1, 200), st.integers(0, 150))
def test_the_spread_survives_the_removal_of_the_oldest(count: int, removed: int) -> None:
    schedule = Schedule()
    for id in range(count + removed):
        schedule.add(id, 1.0, now=50.0)
    for id in range(removed):
        schedule.remove(id)
    started = run(schedule, 50.0, 51.0)
    assert len(started) == count
    assert greatest_gap([at for at, _ in started], 1.0) <= SPREAD / count + 1.5 * GRAIN


def test_a_newcomer_moves_nobody_and_takes_the_freed_place() -> None:
    schedule = Schedule()
    for id in range(10):
        schedule.add(id, 1.0, now=0.0)
    first = {id: at for at, id in run(schedule, 0.0, 1.0)}
    schedule.remove(4)
    schedule.add(77, 1.0, now=1.0)
    second = {id: at for at, id in run(schedule, 1.0, 2.0)}
    assert second.pop(77) == pytest.approx(first.pop(4) + 1.0)
    assert second == pytest.approx({id: at + 1.0 for id, at in first.items()})


def test_no_drift_when_every_wake_up_is_late() -> None:
    schedule = Schedule()
    schedule.add(1, 0.7, now=0.0)
    first = schedule.next_deadline()
    assert first is not None
    for _ in range(1000):
        deadline = schedule.next_deadline()
        assert deadline is not None
        assert schedule.due(deadline + 0.06) == [1]
    assert schedule.next_deadline() == pytest.approx(first + 700.0)


def test_after_a_stall_missed_probes_wait_for_their_place() -> None:
    schedule = Schedule()
    for id in range(400):
        schedule.add(id, 1.0, now=0.0)
    run(schedule, 0.0, 10.0)
    at_waking = schedule.due(17.3)
    assert len(at_waking) <= 400 * lateness(1.0) * 1.2  # those just due, not all
    rest = run(schedule, 17.3, 18.3)
    assert {id for _, id in rest} | set(at_waking) == set(range(400))
    assert len(rest) == 400
    assert greatest_gap([at for at, _ in rest], 1.0) <= SPREAD / 400 + 1.5 * GRAIN


@given(st.integers(1, 30), st.floats(0.1, 10.0), st.lists(st.floats(0.01, 5.0), min_size=3, max_size=60))
def test_nobody_starves_however_the_wake_ups_fall(count: int, interval: float, pauses: list[float]) -> None:
    """Each probe that came due twice was started; never two starts within one interval's places."""
    schedule = Schedule()
    dues = dict.fromkeys(range(count), 0)
    for id in range(count):
        schedule.add(id, interval, now=0.0)
    now = 0.0
    for pause in pauses:
        before = due_instants(schedule)
        now += pause * interval
        started = schedule.due(now)
        assert len(started) == len(set(started))
        for id in range(count):
            if before[id] <= now:
                dues[id] = 0 if id in started else dues[id] + 1
                assert dues[id] < 2
            else:
                assert id not in started
        deadline = schedule.next_deadline()
        assert deadline is not None
        assert now < deadline <= now + interval * (1 + 1e-9)


def test_random_adding_and_removing_keeps_the_heap_small_and_the_ids_right() -> None:
    chance, schedule, alive, now = random.Random(7), Schedule(), set(), 0.0
    for step in range(3000):
        if alive and chance.random() < 0.5:
            id = chance.choice(sorted(alive))
            schedule.remove(id)
            alive.discard(id)
        else:
            schedule.add(step, chance.choice([0.5, 1.0, 2.0]), now)
            alive.add(step)
        now += 0.01
        assert set(schedule.due(now)) <= alive
    assert {id for _, id in run(schedule, now, now + 2.0)} == alive
    assert len(schedule._heap) <= 4 * (0.5 + 1.0 + 2.0) / GRAIN


@given(st.floats(0, 1e6), st.floats(0.05, 100), st.floats(0, 1e6))
def test_next_on_grid_lies_ahead_within_one_interval(at: float, interval: float, now: float) -> None:
    following = next_on_grid(at, interval, now)
    assert now < following <= now + interval * 1.0001 + 1e-6


def test_nothing_scheduled() -> None:
    schedule = Schedule()
    assert schedule.next_deadline() is None
    assert schedule.due(5.0) == []


def test_members_of_a_slot_start_together_and_slots_of_whole_seconds_coincide() -> None:
    schedule = Schedule()
    for id in range(100):
        schedule.add(id, 1.0 if id % 2 else 2.0, now=0.0)
    instants = {round(at / GRAIN, 6) for at, _ in run(schedule, 0.0, 2.0)}
    assert instants <= {float(n) for n in range(1, round(2 / GRAIN) + 1)}


@given(st.floats(0.05, 30.0), st.integers(1, 2000))
def test_no_slot_is_crowded_and_every_interval_stays_an_interval(interval: float, count: int) -> None:
    schedule = Schedule()
    for id in range(count):
        schedule.add(id, interval, now=5.0)
    first = {id: at for at, id in run(schedule, 5.0, 5.0 + interval * 1.000001)}
    assert all(abs((at - schedule.phase(id)) / interval % 1.0 - 0.5) > 0.499 for id, at in first.items())
    assert len(first) == count
    assert max(Counter(first.values()).values()) <= 2 * CROWD + 1
    again = {id: at for at, id in run(schedule, 5.0 + interval * 1.000001, 5.0 + 2 * interval * 1.000001)}
    assert again == pytest.approx({id: at + interval for id, at in first.items()})


def test_an_empty_slot_takes_a_newcomer_at_its_next_instant() -> None:
    schedule = Schedule()
    for id in range(3):
        schedule.add(id, 1.0, now=0.0)
    schedule.remove(1)
    schedule.add(9, 1.0, now=30.0)  # nobody woke the schedule meanwhile
    assert 30.0 < due_instants(schedule)[9] <= 31.0


def test_an_interval_that_nobody_has_any_more_leaves_nothing_behind() -> None:
    """A thousand reloads that change it: the slots of each must not wait for their instants."""
    schedule = Schedule()
    for number in range(1000):
        for id in range(3):
            schedule.add(id, 30.0 + number % 2, now=number / 100)
        assert len(schedule._heap) <= 3
        for id in range(3):
            schedule.remove(id)
    assert schedule._heap == []


def test_a_long_interval_has_no_more_slots_than_members() -> None:
    schedule = Schedule()
    for id in range(3):
        schedule.add(id, 3600.0, 0.0)
    (family,) = schedule._families.values()
    assert len(family.slots) <= 3
