"""The same schedules with other ways for the advertisements: unicast, IPv6, version 2, a second path beside the first.

A second path makes one more promise: while a single fault of the first segment lasts, there are no two Active routers.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import pytest

from haagent.vrrp.path import SecondPath
from haagent.vrrp.settings import RouterSettings
from tests.simulation.director import Director
from tests.simulation.faults import CALM_AT, Fault
from tests.simulation.invariants import OF_ONE_SEGMENT
from tests.simulation.segment import Segment
from tests.simulation.shrink import report
from tests.simulation.world import CALM, World

SEEDS = 60
Change = Callable[[World, Director, RouterSettings], RouterSettings]


def others_on(world: World, host: Director, segment: int, family: int = 0) -> tuple[bytes, ...]:
    return tuple(each.own_addresses(segment)[family][0] for each in world.directors if each is not host)


def unicast(world: World, host: Director, settings: RouterSettings) -> RouterSettings:
    return replace(settings, unicast_peers=others_on(world, host, int(settings.interface[3:])))


def ipv6(world: World, host: Director, settings: RouterSettings) -> RouterSettings:
    ((octets, _),) = settings.virtual_addresses
    return replace(settings, virtual_addresses=((bytes.fromhex("20010db8") + bytes(8) + octets, 64),))


def unicast_ipv6(world: World, host: Director, settings: RouterSettings) -> RouterSettings:
    return replace(ipv6(world, host, settings), unicast_peers=others_on(world, host, int(settings.interface[3:]), 1))


def version_2(world: World, host: Director, settings: RouterSettings) -> RouterSettings:
    """All must agree about the interval, and there is one checksum."""
    return replace(settings, version=2, password="s3cr3t", advertisement_interval=1.0, checksum="auto")


def second_path(world: World, host: Director, settings: RouterSettings) -> RouterSettings:
    return replace(settings, also_via=SecondPath("eth1", others_on(world, host, 1)))


def changed(seed: int, change: Change, faults: tuple[Fault, ...] | None = None) -> World:
    """The world of the seed before anything happened in it, its routers as `change` makes them."""
    world = World(seed, faults)
    if change is second_path and len(world.segments) == 1:
        world.segments.append(Segment(world, len(world.directors), 1))
        if len(world.faults) == 1 and world.faults[0].kind in OF_ONE_SEGMENT:
            world.watch.is_undisturbed()
    for host in world.directors:
        host.settings = tuple(change(world, host, each) for each in host.settings)
    return world


def violations(change: Change, seed: int, faults: tuple[Fault, ...] | None = None) -> list[str]:
    world = changed(seed, change, faults)
    try:
        world.run(CALM_AT + CALM)
    except AssertionError as broken:
        return [*world.watch.violations, str(broken)]
    world.watch.check_calm()
    return world.watch.violations


@pytest.mark.parametrize("seed", range(SEEDS))
@pytest.mark.parametrize("change", [unicast, ipv6, unicast_ipv6, version_2])
def test_calm_restores_one_rightful_active_router(change: Change, seed: int) -> None:
    run = partial(violations, change, seed)
    assert not run(), report(seed, World(seed).faults, run)


ONE_SEGMENT = [seed for seed in range(6 * SEEDS) if len(World(seed).segments) == 1]


@pytest.mark.parametrize("seed", ONE_SEGMENT[: 2 * SEEDS])
def test_with_a_second_path_a_fault_of_the_first_is_no_split(seed: int) -> None:
    run = partial(violations, second_path, seed)
    assert not run(), report(seed, World(seed).faults, run)


def test_without_one_it_is() -> None:
    """The seeds have partitions that split: what the second path prevents is there."""
    alone = [seed for seed in ONE_SEGMENT if [each.kind for each in World(seed).faults] == ["partition"]]
    split = 0
    for seed in alone:
        world = World(seed)
        world.watch.is_undisturbed()
        world.run(CALM_AT + CALM)
        split += any("had two Active routers" in each for each in world.watch.violations)
    assert split
    assert set(alone) & set(ONE_SEGMENT[: 2 * SEEDS])


def test_equal_priorities_do_not_flap_where_the_paths_disagree_about_the_greater_address() -> None:
    """On the second segment the addresses are in the opposite order."""
    world = changed(ONE_SEGMENT[0], second_path, faults=())
    for host in world.directors:
        host.settings = tuple(replace(each, priority=100, preempt=True) for each in host.settings)
    world.run(CALM_AT + CALM)
    world.watch.check_calm()
    assert not world.watch.violations
    counts = [host.core.speaker.machines["r0"].counters["active_transitions"] for host in world.directors if host.core]
    assert sum(counts) <= 2
