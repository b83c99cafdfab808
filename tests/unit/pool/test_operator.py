"""What operators said: versions, deadlines, merging; and what the pool makes of it."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from haagent.config.model import RealServer
from haagent.ipvs.table import Destination, DestinationCounts, Forwarding
from haagent.pool.desired import Pool, destination_key, pool, service_key
from haagent.pool.operator import (
    AUTOMATIC,
    Override,
    Overrides,
    Version,
    advance,
    finish,
    is_idle,
    left,
    merge,
    next_deadline,
    operated,
    override_cause,
    said,
    unknown,
    words,
)
from haagent.snapshot import HealthState
from tests.unit.build import real_server, service

ONE, TWO = ("web", "rs1"), ("web", "rs2")
WEB = service(real_server(1, weight=3), real_server(2))
K1, K2 = (destination_key(f"198.51.100.{n}", 80) for n in (11, 12))
ZERO = Destination(Forwarding.DIRECT_ROUTING, 0)
instants = st.none() | st.floats(0, 100)
overrides = st.dictionaries(
    st.sampled_from([ONE, TWO, ("mail", "rs1")]),
    st.builds(
        Override,
        admin=st.sampled_from(("enabled", "drained", "disabled")),
        weight=st.none() | st.integers(0, 9),
        deadline=instants,
        until=instants,
        keep=st.booleans(),
        persistent=st.sampled_from(("", "expire", "keep")),
        at=st.floats(0, 100),
        actor=st.sampled_from(("ann", "bob")),
        version=st.builds(Version, st.integers(0, 3), st.sampled_from(("d1", "d2"))),
    ),
)


# ---------------------------------------------------------------------------------------------------- merging


@given(overrides, overrides)
def test_merging_is_commutative(ours: Overrides, theirs: Overrides) -> None:
    assert merge(ours, theirs) == merge(theirs, ours)


@given(overrides, overrides, overrides)
def test_merging_is_associative(one: Overrides, two: Overrides, three: Overrides) -> None:
    assert merge(merge(one, two), three) == merge(one, merge(two, three))


@given(overrides, overrides)
def test_merging_again_changes_nothing(ours: Overrides, theirs: Overrides) -> None:
    merged = merge(ours, theirs)
    assert merge(merged, theirs) == merge(merged, ours) == merge(merged, merged) == merged


@given(overrides, overrides, st.sampled_from(("d1", "d2")))
def test_what_is_said_wins_over_all_that_was_known(known: Overrides, late: Overrides, me: str) -> None:
    both = merge(known, late)
    newest = said(both, [ONE], Override(admin="drained"), me)
    assert merge(newest, both)[ONE].admin == "drained"
    assert merge(both, newest) == newest


def test_enable_wins_over_an_older_drain_of_the_peer() -> None:
    drained = said({}, [ONE], Override(admin="drained"), "d1")
    enabled = said(drained, [ONE], Override(), "d2")
    assert merge(enabled, drained)[ONE].is_automatic


# -------------------------------------------------------------------------------------------------- deadlines


@given(overrides, st.floats(0, 100))
def test_after_a_deadline_the_next_one_lies_ahead(known: Overrides, wall: float) -> None:
    after = advance(known, wall, "d1")
    coming = next_deadline(after)
    assert coming is None or coming > wall
    assert advance(after, wall, "d1") == after
    if next_deadline(known) is None or next_deadline(known) > wall:  # type: ignore[operator]
        assert after == known


@pytest.mark.parametrize(
    ("word", "wall", "becomes"),
    [
        (Override(admin="drained", deadline=10), 9.9, "drained"),
        (Override(admin="drained", deadline=10), 10, "disabled"),
        (Override(admin="drained", deadline=10, keep=True), 10, "drained"),
        (Override(admin="drained", deadline=10, until=20), 20, "enabled"),  # both came while we were away
        (Override(admin="drained", deadline=10, until=20), 15, "disabled"),
        (Override(admin="disabled", until=10), 10, "enabled"),
        (Override(weight=5, until=10), 9, "weight 5"),
        (Override(weight=5, until=10), 10, "enabled"),
        (Override(admin="disabled", deadline=10), 99, "disabled"),
    ],
)
def test_rows_of_deadlines(word: Override, wall: float, becomes: str) -> None:
    after = advance({ONE: word}, wall, "d1")
    assert words(after[ONE]) == becomes
    if after[ONE] != word:
        assert after[ONE].actor == "haagent"
        assert after[ONE].version > word.version


def test_a_drain_that_ends_keeps_the_time_at_which_it_comes_back() -> None:
    after = finish({ONE: Override(admin="drained", deadline=50, until=90, actor="ann")}, [ONE], 10, "d1")
    assert (after[ONE].admin, after[ONE].until, next_deadline(after)) == ("disabled", 90, 90)


def test_only_drains_that_may_end_are_ended_by_idleness() -> None:
    known = {ONE: Override(admin="drained", keep=True), TWO: Override(weight=0)}
    assert finish(known, [ONE, TWO, ("gone", "x")], 10, "d1") == known


def test_two_directors_that_pass_the_same_deadline_agree_when_they_meet() -> None:
    known = said({}, [ONE], Override(admin="drained", deadline=10, until=20), "d1")
    first, second = advance(known, 11, "d1"), advance(known, 12, "d2")
    assert merge(first, second) == merge(second, first)
    assert merge(first, second)[ONE].admin == "disabled"


# -------------------------------------------------------------------------------------------------- idleness


@pytest.mark.parametrize(
    ("word", "kernel", "counts", "idle"),
    [
        (Override(admin="drained"), ZERO, DestinationCounts(), True),
        (Override(admin="drained"), ZERO, DestinationCounts(active_connections=1), False),
        (Override(admin="drained"), ZERO, DestinationCounts(inactive_connections=1), False),
        (Override(admin="drained"), ZERO, DestinationCounts(persistent_connections=1), False),
        (Override(admin="drained", persistent="keep"), ZERO, DestinationCounts(persistent_connections=1), False),
        (Override(admin="drained", persistent="expire"), ZERO, DestinationCounts(persistent_connections=1), True),
        (Override(admin="drained"), Destination(Forwarding.MASQUERADING, 1), DestinationCounts(), False),  # not yet
        (Override(admin="drained"), None, DestinationCounts(), False),
    ],
)
def test_rows_of_idleness(word: Override, kernel: Destination | None, counts: DestinationCounts, idle: bool) -> None:
    assert is_idle(word, kernel, counts) is idle


def test_left_counts_what_a_drain_waits_for() -> None:
    counts = DestinationCounts(active_connections=1, inactive_connections=2, persistent_connections=4)
    assert left(Override(admin="drained"), counts) == 7
    assert left(Override(admin="drained", persistent="expire"), counts) == 3


# ------------------------------------------------------------------------------------------------ in the pool


def wanted(word: Override, *, adopted: int | None = None, **states: HealthState) -> Pool:
    def health(server: RealServer) -> HealthState:
        return {"rs1": "up", "rs2": "up", **states}[server.name]  # type: ignore[return-value]

    found = {} if adopted is None else {(service_key(WEB), K1): adopted}
    return pool(*_swap(operated(WEB, found, {ONE: word}), health))


def _swap(pair, health: Callable[[RealServer], HealthState]):  # type: ignore[no-untyped-def]
    return pair[0], health, pair[1]


@pytest.mark.parametrize(
    ("word", "adopted", "health", "weight"),
    [
        (AUTOMATIC, None, "up", 3),
        (Override(admin="drained"), None, "up", 0),
        (Override(admin="drained"), None, "down", None),  # as the service says of those that are down
        (Override(admin="drained"), None, "unknown", None),
        (Override(admin="drained"), 0, "unknown", 0),  # a restart in the middle of a drain
        (Override(admin="drained"), 3, "unknown", 0),
        (Override(admin="disabled"), 3, "up", None),
        (Override(admin="disabled"), 3, "unknown", None),
        (Override(weight=7), None, "up", 7),
        (Override(weight=7), None, "down", None),
        (Override(weight=0), None, "up", 0),
        (Override(weight=2), 3, "unknown", 2),
        (Override(weight=7), 0, "unknown", 0),  # quiesced by a verdict: no override makes it serve
        (AUTOMATIC, 3, "unknown", 3),
    ],
)
def test_rows_of_what_the_kernel_gets(
    word: Override, adopted: int | None, health: HealthState, weight: int | None
) -> None:
    destinations = wanted(word, adopted=adopted, rs1=health).service.destinations
    assert (destinations[K1].weight if K1 in destinations else None) == weight
    assert destinations[K2].weight == 1


def test_a_server_that_is_taken_out_does_not_count_as_ill() -> None:
    for word in (Override(admin="drained"), Override(admin="disabled")):
        found = wanted(word)
        assert (found.serving, found.healthy, found.total) == ({"rs2"}, 1, 1)


def test_a_service_that_nobody_spoke_of_is_the_same_object() -> None:
    assert operated(WEB, {}, {("mail", "rs1"): Override(admin="drained")}) == (WEB, {})
    assert operated(WEB, {}, {("mail", "rs1"): Override(admin="drained")})[0] is WEB


def test_a_word_about_a_server_that_is_gone_is_a_sentence_unless_it_is_enable() -> None:
    known = {
        ONE: Override(admin="drained", actor="ann"),
        ("web", "rs9"): Override(weight=4, actor="ann"),
        TWO: AUTOMATIC,
    }
    (sentence,) = unknown(known, [WEB])
    assert "ann said weight 4 of web/rs9" in sentence
    assert "haagent enable web/rs9" in sentence
    assert unknown({("web", "rs9"): AUTOMATIC}, [WEB]) == ()


def test_the_history_tells_all_that_was_said() -> None:
    word = Override(admin="drained", deadline=60, until=3600, keep=True, actor="ann")
    assert override_cause(word) == (
        "by ann, until 1970-01-01 00:01:00 UTC at the latest, kept in the table, "
        "enabled again at 1970-01-01 01:00:00 UTC"
    )
    assert override_cause(Override(until=1e300, actor="ann")) == "by ann, enabled again at 1e+300 s after 1970"
