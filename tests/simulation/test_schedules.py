"""Seeded schedules of the production Speaker: two and three directors, faults, then calm."""

from dataclasses import replace

import pytest

from haagent.vrrp import timers
from tests.simulation import director as director_module
from tests.simulation.faults import CALM_AT, KINDS, Fault, draw_faults
from tests.simulation.shrink import report, shrink
from tests.simulation.world import CALM, STEP_LIMIT, Livelock, World, violations

SEEDS = 300


@pytest.mark.parametrize("seed", range(SEEDS))
def test_calm_restores_one_rightful_active_router(seed: int) -> None:
    world = World(seed)
    assert not violations(seed), report(seed, world.faults, lambda faults: violations(seed, faults))


def test_the_seeds_draw_every_kind_of_fault() -> None:
    drawn = {fault.kind for seed in range(SEEDS) for fault in World(seed).faults}
    assert drawn == set(KINDS)


def test_the_seeds_have_two_and_three_directors_owners_and_two_routers() -> None:
    worlds = [World(seed) for seed in range(SEEDS)]
    assert {len(world.directors) for world in worlds} == {2, 3}
    assert {len(world.directors[0].settings) for world in worlds} == {1, 2}
    assert any(each.settings[0].priority == 255 for world in worlds for each in world.directors)


def test_the_same_seed_runs_the_same_way() -> None:
    ends = []
    for _ in range(2):
        world = World(7)
        world.run(CALM_AT + CALM)
        assert world.directors[0].core is not None
        ends.append((world.steps, world.segment.caches, world.directors[0].core.speaker.machines["r0"].state))
    assert ends[0] == ends[1]


# ------------------------------------------------------------------------- the simulation notices what is broken


def broken_in(seeds: int) -> bool:
    return any(violations(seed) for seed in range(seeds))


def test_notices_a_lost_takeover(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("haagent.vrrp.speaker.deadline", lambda state: None)
    assert broken_in(1)


def test_notices_deaf_routers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(director_module.Director, "receive", lambda self, datagram, segment: None)
    assert broken_in(1)


def test_notices_a_kernel_that_keeps_addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.simulation.kernel.Kernel.set_held", lambda self, address, held: True)
    assert broken_in(1)


def test_notices_two_active_routers(monkeypatch: pytest.MonkeyPatch) -> None:
    """They exist for the moment that an advertisement takes; with a bound of nothing that is too long."""
    monkeypatch.setattr("tests.simulation.invariants.DELAY", -0.0005)
    assert broken_in(20)


@pytest.mark.parametrize("wait", ["active_down_interval", "skew_time"])
def test_the_failover_bounds_are_tight(wait: str, monkeypatch: pytest.MonkeyPatch) -> None:
    longer = getattr(timers, wait)
    monkeypatch.setattr(f"tests.simulation.invariants.{wait}", lambda *arguments: longer(*arguments) * 0.9)
    kind = "clean_stop" if wait == "skew_time" else "power_loss"
    alone = [seed for seed in range(5 * SEEDS) if [each.kind for each in World(seed).faults] == [kind]]
    assert any(violations(seed) for seed in alone)


def test_notices_a_livelock() -> None:
    world = World(0, faults=())

    def again() -> None:
        world.at(world.now, again)

    world.at(1.0, again)
    with pytest.raises(Livelock, match=str(STEP_LIMIT)):
        world.run(2.0)


def test_shrinks_to_the_fault_that_matters() -> None:
    faults = tuple(Fault("stall", float(at), at + 1.0, 0) for at in range(6))
    assert shrink(faults, lambda some: ["broken"] if faults[3] in some else []) == (faults[3],)
    assert "1 of 6 faults are enough" in report(9, faults, lambda some: ["broken"] if faults[3] in some else [])


def test_faults_end_before_the_calm() -> None:
    for seed in range(SEEDS):
        for fault in World(seed).faults:
            assert fault.at < CALM_AT
            assert fault.until <= CALM_AT or fault.kind in ("power_loss", "clean_stop")


def test_draws_are_data() -> None:
    world = World(3)
    assert World(3).faults == world.faults != World(4).faults
    assert draw_faults(world.random, 2, 1) != draw_faults(world.random, 2, 1)
    assert replace(world.faults[0], at=0.0).kind == world.faults[0].kind


# ------------------------------------------------------------------------------- a kernel that refuses what we say


@pytest.mark.parametrize("seed", range(40))
def test_who_is_mute_yields_to_who_is_heard(seed: int) -> None:
    """While it lasts there is one Active router and it is another; afterwards the rightful one serves."""
    faults = (Fault("mute", 12.0, 40.0, 0),)
    assert not violations(seed, faults), report(seed, faults, lambda some: violations(seed, some))
    world = World(seed, faults)
    world.run(11.9)
    was_active = 0 in world.watch.active["r0"]
    world.run(39.9)
    is_owner = world.directors[0].settings[0].priority == 255
    assert (0 in world.watch.active["r0"]) is (was_active and is_owner)
    assert len(world.watch.active["r0"]) == 1 + (was_active and is_owner)


def test_notices_who_is_mute_and_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("haagent.vrrp.speaker.Speaker._is_mute", lambda self, group, now: False)
    assert any(violations(seed, (Fault("mute", 12.0, 40.0, 0),)) for seed in range(10))


def test_seeds_of_which_one_is_mute_are_checked_without_tolerance() -> None:
    alone = [seed for seed in range(5 * SEEDS) if {each.kind for each in World(seed).faults} == {"mute"}]
    assert len(alone) >= 5
    for seed in alone:
        assert not violations(seed), seed
