"""Preemption, hold-off, handover and groups on the simulated segment; what users of other daemons asked for by name."""

from dataclasses import replace
from math import inf

import pytest

from haagent.vrrp.settings import RouterSettings, Term, Tracking
from tests.scenarios.test_field import FIRST, SECOND, caches, changes, roles, world
from tests.simulation.faults import Fault
from tests.simulation.world import VIRTUAL, World

SEEDS = range(20)
DELAYED = replace(FIRST, preempt_delay=10.0)
STICKY = tuple(replace(each, sticky=True) for each in (FIRST, SECOND))
DEAF = 0b1110  # everybody's frames but its own do not reach director 0


def became_active(subject: World, until: float) -> list[tuple[float, int]]:
    seen = changes(subject)
    subject.run(until)
    return [(round(at, 1), director) for at, director, state in seen if state == "active"]


# -------------------------------------------------------------------------------------------- preempt_delay


@pytest.mark.parametrize("seed", SEEDS)
def test_a_delay_counts_from_the_first_lower_advertisement(seed: int) -> None:
    subject = world(seed, Fault("power_loss", 20.0, 30.0, 0), settings=(DELAYED, SECOND))
    subject.run(30.0)
    assert roles(subject) == [1]
    back = [at for at, director in became_active(subject, 60.0) if director == 0]
    assert len(back) == 1
    assert (
        30.0 + 10.0 * 0.98 < back[0] < 30.0 + (1.0 + 10.0 + 3.22) * 1.02
    )  # one of its intervals, the delay, the timer
    assert subject.watch.violations == []


@pytest.mark.parametrize("seed", SEEDS)
def test_keepalived_80_reloads_neither_end_nor_restart_a_delay(seed: int) -> None:
    """There, a reload under preempt_delay gave two masters."""
    reloads = [Fault("reload", 31.0 + at, 0.0, 0, value=200, preempt=True) for at in range(20)]
    subject = world(seed, Fault("power_loss", 20.0, 30.0, 0), *reloads, settings=(DELAYED, SECOND))
    subject.run(39.0)
    assert roles(subject) == [1]
    subject.run(30.0 + 14.3 * 1.02)
    assert roles(subject) == [0]


@pytest.mark.parametrize("seed", SEEDS)
def test_a_delay_does_not_apply_where_nobody_is_heard(seed: int) -> None:
    subject = world(seed, Fault("power_loss", 20.0, 30.0, 0), Fault("power_loss", 29.0, 99.0, 1),
                    settings=(DELAYED, SECOND))  # fmt: skip
    subject.run(30.0 + 3.3 * 1.02)
    assert roles(subject) == [0]


@pytest.mark.parametrize("seed", SEEDS)
def test_a_delay_does_not_apply_where_the_peer_lets_go(seed: int) -> None:
    subject = world(seed, Fault("power_loss", 20.0, 25.0, 0), Fault("clean_stop", 30.0, 99.0, 1),
                    settings=(DELAYED, SECOND))  # fmt: skip
    subject.run(30.0 + 0.3)  # the skew of 200, and a clock that is off
    assert roles(subject) == [0]


# ------------------------------------------------------------------------------------------ guarded takeover


def returned(seed: int, *faults: Fault) -> World:
    """Director 0 is back since 30.0, and not ready."""
    guarded = tuple(replace(each, guard_time=60.0) for each in (FIRST, SECOND))
    subject = world(seed, Fault("power_loss", 20.0, 30.0, 0), *faults, settings=guarded)
    subject.run(30.01)
    subject.directors[0].set_tracking({"r0": Tracking(hold="it is not ready")})
    return subject


@pytest.mark.parametrize("seed", SEEDS)
def test_who_is_not_ready_does_not_preempt(seed: int) -> None:
    subject = returned(seed)
    subject.run(60.0)
    assert roles(subject) == [1]
    subject.directors[0].set_tracking({})
    back = [at for at, director in became_active(subject, 70.0) if director == 0]
    assert len(back) == 1
    assert back[0] < 60.0 + (1.0 + 3.22) * 1.02
    assert subject.watch.violations == []


@pytest.mark.parametrize("seed", SEEDS)
def test_who_is_not_ready_takes_over_from_a_dead_one_all_the_same(seed: int) -> None:
    subject = returned(seed, Fault("power_loss", 40.0, 99.0, 1))
    back = [at for at, director in became_active(subject, 45.0) if director == 0]
    assert len(back) == 1
    assert 40.0 < back[0] < 40.0 + 3.3 * 1.02


@pytest.mark.parametrize("seed", SEEDS)
def test_a_guard_has_a_limit(seed: int) -> None:
    subject = returned(seed)
    back = [at for at, director in became_active(subject, 100.0) if director == 0]
    assert len(back) == 1
    assert 30.0 + 60.0 * 0.98 < back[0] < 30.0 + (1.0 + 60.0 + 1.0 + 3.22) * 1.02


# -------------------------------------------------------------------------------------- sticky, and hold-off


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("kind", ["power_loss", "clean_stop"])
def test_keepalived_2032_an_incumbent_keeps_against_one_that_comes_back(seed: int, kind: str) -> None:
    """The better one preempts by configuration; the incumbent's advertisement says 254."""
    subject = world(seed, Fault(kind, 20.0, 30.0, 0), settings=STICKY)  # type: ignore[arg-type]
    subject.run(30.0)
    assert roles(subject) == [1]
    assert became_active(subject, 70.0) == []
    assert caches(subject) == {1}


@pytest.mark.parametrize("seed", SEEDS)
def test_keepalived_2032_also_against_one_that_could_not_hear_it(seed: int) -> None:
    """It comes up on a port that passes nothing inwards and becomes Active; it yields at the first word it hears."""
    deaf = Fault("one_way", 29.0, 33.9, 0, value=DEAF)
    subject = world(seed, Fault("power_loss", 20.0, 30.0, 0), deaf, settings=STICKY)
    subject.run(33.8)
    assert roles(subject) == [0, 1]
    subject.run(36.0)
    assert roles(subject) == [1]
    assert became_active(subject, 70.0) == []
    assert caches(subject) == {1}


@pytest.mark.parametrize("seed", SEEDS)
def test_an_incumbent_that_tracking_lowers_does_not_keep(seed: int) -> None:
    subject = world(seed, Fault("power_loss", 20.0, 30.0, 0), settings=STICKY)
    subject.run(40.0)
    assert roles(subject) == [1]
    subject.directors[1].set_tracking({"r0": Tracking(terms=(Term("pool web is empty", -50),))})
    subject.run(46.0)
    assert roles(subject) == [0]
    subject.directors[1].set_tracking({})
    assert became_active(subject, 70.0) == []  # now the other one is the incumbent


@pytest.mark.parametrize("seed", SEEDS)
def test_two_incumbents_after_a_split_agree(seed: int) -> None:
    subject = world(seed, Fault("partition", 20.0, 30.0, 0, value=0b1010), settings=STICKY)
    subject.run(29.9)
    assert roles(subject) == [0, 1]
    subject.run(32.0)
    assert roles(subject) == [1]  # both say 254, and it has the greater address
    assert caches(subject) == {1}


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("hold_off", [0.0, 15.0])
def test_keepalived_1143_a_port_that_is_deaf_at_boot(seed: int, hold_off: float) -> None:
    """It must not preempt, and does not hear whom. With hold-off it is mute until a frame comes in."""
    wary = replace(FIRST, preempt=False, hold_off=hold_off)
    deaf = Fault("one_way", 29.0, 38.0, 0, value=DEAF)
    subject = world(seed, Fault("power_loss", 20.0, 30.0, 0), deaf, settings=(wary, SECOND))
    subject.run(60.0)
    assert roles(subject) == ([1] if hold_off else [0])
    assert subject.watch.active["r0"] == caches(subject)


@pytest.mark.parametrize("seed", SEEDS)
def test_hold_off_ends_where_nothing_ever_comes_in(seed: int) -> None:
    subject = world(seed, settings=(replace(FIRST, hold_off=15.0),))
    subject.run(17.0)
    assert roles(subject) == []
    subject.run((2.0 + 15.0 + 3.3) * 1.02)
    assert roles(subject) == [0]


# -------------------------------------------------------------------------------------------------- handover


def holders(subject: World) -> list[int]:
    return [each.index for each in subject.directors if VIRTUAL[0] in each.kernel.addresses]


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("how", [Fault("clean_stop", 20.0, inf, 0), Fault("handover", 20.0, 99.0, 0, value=inf)])
def test_somebody_has_the_address_at_every_moment(seed: int, how: Fault) -> None:
    subject = world(seed, how)
    subject.run(19.9)
    at = 19.9
    while at < 30.0:
        subject.run(at)
        assert holders(subject)
        assert caches(subject) <= set(holders(subject))
        at += 0.001 if at < 21.0 else 0.1
    assert (roles(subject), holders(subject), caches(subject)) == ([1], [1], {1})


@pytest.mark.parametrize("seed", SEEDS)
def test_a_handover_lasts_until_it_is_taken_back(seed: int) -> None:
    subject = world(seed, Fault("handover", 20.0, 40.0, 0, value=inf))
    subject.run(39.9)
    assert roles(subject) == [1]
    subject.run(40.0 + 3.3 * 1.02)
    assert roles(subject) == [0]


@pytest.mark.parametrize("seed", SEEDS)
def test_a_handover_ends_with_the_peer(seed: int) -> None:
    subject = world(seed, Fault("handover", 20.0, 99.0, 0, value=inf), Fault("power_loss", 30.0, 35.0, 1))
    subject.run(60.0)
    assert roles(subject) == [0]


@pytest.mark.parametrize("seed", SEEDS)
def test_a_lost_priority_0_costs_an_active_down_interval_and_no_gap(seed: int) -> None:
    """The successor does not hear the farewell: it takes over by its timer, and until then the address is held."""
    lost = Fault("one_way", 19.99, 20.01, 0, value=0b0001)
    subject = world(seed, Fault("clean_stop", 20.0, inf, 0), lost)
    at = 20.0
    while at < 26.0:
        subject.run(at)
        assert holders(subject)
        at += 0.01
    assert holders(subject) == [1]


# ---------------------------------------------------------------------------------------------------- groups


def nat(priority: int) -> tuple[RouterSettings, RouterSettings]:
    outside = replace(FIRST, priority=priority, group="nat")
    return outside, replace(outside, name="r1", interface="eth1", vrid=52, virtual_addresses=((VIRTUAL[1], 24),))


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("segment", [0, 1])
def test_keepalived_1532_one_sides_link_goes_and_comes(seed: int, segment: int) -> None:
    """There, groups stayed in fault, or both sides Backup for ever."""
    subject = World(seed, (Fault("link_down", 20.0, 30.0, 0, segment),), 2, (nat(200), nat(100)))
    subject.run(20.0 + 0.7)  # no Active_Down_Interval: the side that works says priority 0
    assert subject.watch.active["r0"] == subject.watch.active["r1"] == {1}
    subject.run(50.0)
    assert subject.watch.active["r0"] == subject.watch.active["r1"] == {0}
    assert subject.watch.violations == []


@pytest.mark.parametrize("seed", SEEDS)
def test_equal_priorities_and_addresses_in_the_opposite_order_end_with_one(seed: int) -> None:
    cut = [Fault("partition", 20.0, 30.0, 0, segment, value=0b1010) for segment in (0, 1)]
    subject = World(seed, tuple(cut), 2, (nat(100), nat(100)))
    subject.run(29.9)
    assert subject.watch.active["r0"] == subject.watch.active["r1"] == {0, 1}
    subject.run(45.0)
    assert subject.watch.active["r0"] == subject.watch.active["r1"]
    assert len(subject.watch.active["r0"]) == 1
