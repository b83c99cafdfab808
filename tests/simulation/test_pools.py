"""Seeded schedules with real servers: the director's core and the prober's join the world.

Always: no real server in service before `rise` good results, no empty level while there is a sorry server. After calm:
the kernel's table holds the healthy real servers and no other, the routers follow their pools, and all the rest too.
"""

from functools import partial

import pytest

from haagent.health.check import Health
from tests.simulation.faults import ALL_SERVERS, CALM_AT, OF_POOLS, Fault
from tests.simulation.pool_core import PoolCore
from tests.simulation.shrink import report
from tests.simulation.world import CALM_OF_POOLS, World, violations

SEEDS = 100


@pytest.mark.parametrize("seed", range(SEEDS))
def test_calm_restores_tables_and_roles(seed: int) -> None:
    faults = World(seed, pools=True).faults
    assert not violations(seed, pools=True), report(seed, faults, partial(violations, seed, pools=True))


def test_the_seeds_draw_every_kind_of_fault() -> None:
    drawn = {fault.kind for seed in range(SEEDS) for fault in World(seed, pools=True).faults}
    assert drawn > set(OF_POOLS)


@pytest.mark.parametrize("seed", range(20))
def test_a_director_that_reaches_no_server_gives_its_routers_away(seed: int) -> None:
    """Until it reaches one again; the other director has the same real servers."""
    world = World(seed, (Fault("server_unreachable", 20.0, 60.0, 0, ALL_SERVERS),), directors=2, pools=True)
    if {each.settings[0].priority for each in world.directors} & {1, 254, 255} or not world.track.fault:
        return  # the term may not be enough, the owner follows nothing
    world.run(45.0)
    assert world.watch.active["r0"] == {1}
    world.run(CALM_AT + CALM_OF_POOLS)
    world.watch.check_calm()
    assert world.watch.violations == []


@pytest.mark.parametrize("seed", range(20))
def test_a_restarted_daemon_moves_no_flow(seed: int) -> None:
    """Killed and started again: what the kernel holds is adopted and stands until the first verdict."""
    world = World(seed, (Fault("crash", 20.0, 25.0, 0),), pools=True)
    world.run(19.9)
    kernel = world.directors[0].kernel
    before = kernel.table
    at = 20.0
    while at < 40.0:
        world.run(at)
        assert kernel.table == before
        at += 0.1


@pytest.mark.parametrize("seed", range(20))
def test_a_killed_prober_changes_no_verdict(seed: int) -> None:
    world = World(seed, (Fault("prober_killed", 20.0, 25.0, 0),), pools=True)
    world.run(19.9)
    before = world.directors[0].kernel.table
    at = 20.0
    while at < 40.0:
        world.run(at)
        assert world.directors[0].kernel.table == before
        at += 0.1


# ------------------------------------------------------------------------- the simulation notices what is broken


def broken_in(seeds: int) -> bool:
    return any(violations(seed, pools=True) for seed in range(seeds))


def test_notices_a_server_in_service_after_one_good_result(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("haagent.health.core.judge", lambda check, health, passed: Health("up" if passed else "down"))
    assert broken_in(1)


def test_notices_a_verdict_that_never_falls(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("haagent.health.core.judge", lambda check, health, passed: health)
    assert broken_in(1)


def test_notices_a_missing_audit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(PoolCore, "_audit", lambda self: None)
    assert broken_in(20)


def test_notices_routers_that_do_not_follow_their_pools(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("haagent.core.routers.Routers.track", lambda self, now: [])
    assert broken_in(20)
