"""What holds for every state and event; the rows themselves are in tests/rfc."""

import itertools
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from haagent.vrrp.advertisement import Advertisement
from haagent.vrrp.effects import AnnounceAddresses, SendAdvertisement, SetAddresses
from haagent.vrrp.events import (
    AdvertisementReceived,
    DeadlinePassed,
    Event,
    ParametersChanged,
    SegmentChanged,
    Shutdown,
    Startup,
)
from haagent.vrrp.router import Active, Backup, Initialize, State, deadline, is_stalled, step
from haagent.vrrp.virtual_router import VirtualRouter
from tests.rfc.rows import ACTIVE, NOW, ROUTER, ROWS, VIRTUAL, Row, disagreement

sources = st.binary(min_size=4, max_size=4)
seconds = st.integers(1, 4095).map(lambda centiseconds: centiseconds / 100)
instants = st.floats(0, 1e6)
routers = st.builds(
    VirtualRouter,
    st.just("web"),
    st.just("eth0"),
    st.just(51),
    st.integers(1, 255),
    seconds,
    st.just(((VIRTUAL, 24),)),
    st.just((VIRTUAL,)),
    sources,
    st.booleans(),
)
states = st.one_of(
    st.builds(Initialize),
    st.builds(Backup, instants, seconds, sources),
    st.builds(Active, instants, instants, st.integers(1, 99), instants),
)
events = st.one_of(
    st.builds(Startup),
    st.builds(Shutdown),
    st.builds(DeadlinePassed),
    st.builds(SegmentChanged),
    st.builds(ParametersChanged, routers),
    st.builds(
        AdvertisementReceived,
        st.builds(Advertisement, st.just(51), st.integers(0, 255), seconds, st.just((VIRTUAL,))),
        sources,
    ),
)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.id)
def test_row(row: Row) -> None:
    assert disagreement(row, step) == ""


@given(routers, states, events, instants)
def test_addresses_follow_the_state(router: VirtualRouter, state: State, event: Event, now: float) -> None:
    following, effects = step(router, state, event, now)
    levels = [each.held for each in effects if isinstance(each, SetAddresses)]
    if isinstance(following, Active) != isinstance(state, Active):
        assert levels == [isinstance(following, Active)]
    assert all(held is isinstance(following, Active) for held in levels)


@given(routers, states, events, instants)
def test_only_an_active_router_speaks_and_its_farewell_is_the_last_word(
    router: VirtualRouter, state: State, event: Event, now: float
) -> None:
    following, effects = step(router, state, event, now)
    for effect in effects:
        match effect:
            case SendAdvertisement(priority=0):
                assert isinstance(state, Active)
                assert following == Initialize()
            case SendAdvertisement(priority=priority):
                assert isinstance(following, Active) or isinstance(state, Active)  # the last word of one that lost
                assert priority == router.priority
            case AnnounceAddresses():
                assert isinstance(following, Active)


@given(routers, states, instants)
def test_time_moves_every_deadline_ahead(router: VirtualRouter, state: State, now: float) -> None:
    for _ in range(3):
        state, _effects = step(router, state, DeadlinePassed(), now)
    due = deadline(state)
    assert due is None or due > now


@given(routers, states, instants)
def test_an_early_wake_up_is_harmless(router: VirtualRouter, state: State, now: float) -> None:
    due = deadline(state)
    if due is not None and now < due:
        assert step(router, state, DeadlinePassed(), now) == (state, [])


@given(routers, states, routers, instants)
def test_other_parameters_change_no_role(
    router: VirtualRouter, state: State, previous: VirtualRouter, now: float
) -> None:
    following, _ = step(router, state, ParametersChanged(previous), now)
    assert type(following) is type(state)


def test_a_burst_a_pause_a_burst_then_the_refresh() -> None:
    state: State = Active(
        adver_at=1e9, announce_at=NOW + 0.2, announced=1, announced_at=NOW
    )  # round 1 went out on becoming Active
    rounds = [NOW]
    while len(rounds) < 12:
        due = deadline(state)
        assert due is not None
        state, effects = step(ROUTER, state, DeadlinePassed(), due)
        assert effects == [AnnounceAddresses("web")]
        rounds.append(due)
    assert [round(later - sooner, 6) for sooner, later in itertools.pairwise(rounds)] == [
        *[0.2] * 4, 5.0, *[0.2] * 4, 60.0, 60.0,
    ]  # fmt: skip


def test_a_stall_is_longer_than_any_backup_waits() -> None:
    assert not is_stalled(ROUTER, ACTIVE.adver_at, ACTIVE.adver_at + 1.99)
    assert is_stalled(ROUTER, ACTIVE.adver_at, ACTIVE.adver_at + 2.0)
    assert not is_stalled(replace(ROUTER, priority=255), ACTIVE.adver_at, ACTIVE.adver_at + 99.0)
