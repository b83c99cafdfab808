"""Damping, slow start, wishes and limits together: what the pool is told, and what becomes of weights."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from haagent.config.model import Damping, DynamicWeight, SlowStart
from haagent.pool.desired import destination_key, pool
from haagent.pool.judgement import (
    Judgement,
    Seen,
    ServerJudgement,
    changes,
    effective,
    judged,
    next_deadline,
    with_shares,
)
from tests.unit.build import real_server, service

DAMPING = Damping(half_life=10, suppress=3, reuse=1, maximum_time=60)
START = SlowStart(mode="doubling", time=50)


def web(*weights, **values):
    servers = tuple(real_server(number, weight=weight) for number, weight in enumerate(weights, 1))
    return structs.replace(service(*servers), **values)


def look(each, judgement, now, **healths):
    """`rs1="up"`: nobody drained; who was in before has served."""
    seen = {
        name: Seen(health, served=name in judgement.servers and judgement.servers[name].is_in)
        for name, health in healths.items()
    }
    return judged(each, seen, judgement, now)


def weights(each, judgement, **healths):
    found = with_shares(
        each,
        judgement,
        pool(each, lambda server: effective(judgement, server.name, healths[server.name], is_damped=True), {}),
    )
    return {
        server.name: found.service.destinations[target].weight
        for server in each.real_servers
        if (target := destination_key(server.address, server.port)) in found.service.destinations
    }


def test_a_server_that_comes_back_warms_up_and_a_second_failure_starts_anew():
    each = web(32, 32, slow_start=START)
    served = {"rs1": Seen("up", served=True), "rs2": Seen("up", served=True)}
    judgement = judged(each, served, Judgement(), 0.0)
    assert weights(each, judgement, rs1="up", rs2="up") == {"rs1": 32, "rs2": 32}  # found serving: no start
    judgement = look(each, judgement, 10.0, rs1="down", rs2="up")
    judgement = look(each, judgement, 20.0, rs1="up", rs2="up")
    seen, now = [], 20.0
    while len(seen) < 4:
        seen.append(weights(each, judgement, rs1="up", rs2="up")["rs1"])
        now = next_deadline(each, judgement, now)
        judgement = look(each, judgement, now, rs1="up", rs2="up")
    assert seen == [1, 2, 4, 8]
    judgement = look(each, judgement, 60.0, rs1="down", rs2="up")
    judgement = look(each, judgement, 61.0, rs1="up", rs2="up")
    assert weights(each, judgement, rs1="up", rs2="up") == {"rs1": 1, "rs2": 32}


def test_a_server_that_operators_bring_back_warms_up_too():
    each = web(32, slow_start=START)
    judgement = judged(each, {"rs1": Seen("up", is_wanted=False, served=True)}, Judgement(), 0.0)
    judgement = judged(each, {"rs1": Seen("up")}, judgement, 1.0)
    assert judgement.servers["rs1"].share == 1 / 32


def test_a_flapping_server_is_kept_out_and_let_in_again():
    each, judgement = web(1, 1, damping=DAMPING), Judgement()
    for now, health in enumerate(("up", "down", "up", "down", "up")):
        before, judgement = judgement, look(each, judgement, now / 10, rs1=health, rs2="up")
    assert weights(each, judgement, rs1="up", rs2="up") == {"rs2": 1}
    first, *_ = changes(each, look(each, Judgement(), 0.0, rs1="up", rs2="up"), judgement, 0.4)
    assert (first.name, first.state) == ("rs1", "suppressed")
    assert first.cause.startswith("it flaps: penalty 4.0, eligible again in 20 s")
    at = next_deadline(each, judgement, 0.4)
    before, judgement = judgement, look(each, judgement, at, rs1="up", rs2="up")
    assert weights(each, judgement, rs1="up", rs2="up") == {"rs1": 1, "rs2": 1}
    (change,) = changes(each, before, judgement, at)
    assert (change.previous, change.state) == ("suppressed", "eligible")


def test_a_verdict_that_was_unknown_in_between_is_one_change():
    each, judgement = web(1, damping=DAMPING), Judgement()
    for now, health in enumerate(("unknown", "up", "unknown", "up", "unknown", "down", "unknown", "down")):
        judgement = look(each, judgement, now / 1000, rs1=health)
    assert judgement.servers["rs1"].damped.penalty == pytest.approx(1.0, abs=0.01)


def test_a_verdict_beyond_the_limit_is_held_and_then_counts():
    each, judgement = web(1, 1, 1, 1, maximum_removal=0.5, removal_hold=30), Judgement()
    judgement = look(each, judgement, 0.0, rs1="up", rs2="up", rs3="up", rs4="up")
    down = dict.fromkeys(("rs1", "rs2", "rs3", "rs4"), "down")
    before, judgement = judgement, look(each, judgement, 1.0, **down)
    assert weights(each, judgement, **down) == {"rs3": 1, "rs4": 1}
    held = {change.name: change.cause for change in changes(each, before, judgement, 1.0)}
    assert held.keys() == {"rs3", "rs4"}
    assert held["rs3"] == (
        "kept although it is down: more than 50% of the real servers failed within 10 s; "
        "if it is still down it leaves in 30 s"
    )
    assert next_deadline(each, judgement, 1.0) == 31.0
    before, judgement = judgement, look(each, judgement, 31.0, **down)
    assert weights(each, judgement, **down) == {}
    assert {change.state for change in changes(each, before, judgement, 31.0)} == {"removed"}


def test_wishes_reduce_the_configured_weight_and_a_drain_is_zero():
    each = web(50, 50, dynamic_weight=DynamicWeight(floor=10))
    judgement = judged(each, {"rs1": Seen("up", 60), "rs2": Seen("up")}, Judgement(), 0.0)
    assert weights(each, judgement, rs1="up", rs2="up") == {"rs1": 30, "rs2": 50}
    judgement = judged(each, {"rs1": Seen("up", 3), "rs2": Seen("up", 0)}, judgement, 9.0)
    assert weights(each, judgement, rs1="up", rs2="up") == {"rs1": 5, "rs2": 0}


def test_if_all_ask_for_nothing_each_gets_the_least():
    each = web(50, 50)
    judgement = judged(each, {"rs1": Seen("up", 0), "rs2": Seen("up", 0)}, Judgement(), 0.0)
    assert weights(each, judgement, rs1="up", rs2="up") == {"rs1": 1, "rs2": 1}


def test_a_server_with_another_address_is_another_server():
    each = web(32, slow_start=START, damping=DAMPING)
    judgement = look(each, Judgement(), 0.0, rs1="up")
    judgement = look(each, judgement, 1.0, rs1="down")
    moved = structs.replace(each, real_servers=(structs.replace(each.real_servers[0], address="198.51.100.99"),))
    kept, new = look(each, judgement, 2.0, rs1="down"), look(moved, judgement, 2.0, rs1="down")
    assert kept.servers["rs1"].damped.penalty > 0
    assert new.servers["rs1"].damped.penalty == 0


def test_what_is_remembered_survives_a_reload_with_other_settings():
    each = web(32, damping=DAMPING)
    judgement = look(each, Judgement(), 0.0, rs1="up")
    judgement = look(each, judgement, 1.0, rs1="down")
    other = web(16, damping=structs.replace(DAMPING, half_life=20.0))
    assert look(other, judgement, 1.0, rs1="down").servers["rs1"].damped == judgement.servers["rs1"].damped
    assert look(web(32), judgement, 1.0, rs1="down").servers["rs1"].damped.penalty == 0  # no longer wanted


# ------------------------------------------------------------------------------------------------ whatever happens

SETTINGS = st.fixed_dictionaries(
    {
        "slow_start": st.one_of(
            st.none(), st.builds(SlowStart, mode=st.sampled_from(["linear", "doubling"]), time=st.floats(1, 100))
        ),
        "damping": st.one_of(st.none(), st.just(DAMPING)),
        "maximum_removal": st.sampled_from([0.0, 0.34, 0.5, 1.0]),
        "dynamic_weight": st.builds(DynamicWeight, floor=st.integers(1, 50), step=st.integers(1, 100)),
    }
)
STEP = st.tuples(
    st.floats(0.01, 30),
    st.tuples(*[st.sampled_from(["up", "up", "down", "unknown"])] * 3),
    st.tuples(*[st.one_of(st.none(), st.integers(0, 1000))] * 3),
    st.tuples(*[st.booleans()] * 3),
)
NAMES = ("rs1", "rs2", "rs3")


@given(SETTINGS, st.lists(STEP, max_size=25))
def test_weights_are_bounded_and_a_settled_pool_comes_to_rest(settings, history):
    each, judgement, now, serving = web(1, 40, 65535, **settings), Judgement(), 0.0, frozenset()
    healths = dict.fromkeys(NAMES, "up")
    for pause, verdicts, asked, wanted in history:
        now += pause
        healths = dict(zip(NAMES, verdicts, strict=True))
        seen = {
            name: Seen(healths[name], asked[n], is_wanted=wanted[n], served=name in serving)
            for n, name in enumerate(NAMES)
        }
        judgement = judged(each, seen, judgement, now)
        found = weights(each, judgement, **healths)
        serving = frozenset(found)
        assert all(0 <= weight <= 65535 for weight in found.values())
        assert not found or any(found.values())
        at = next_deadline(each, judgement, now)
        assert at is None or at > now - 1e-6
    rest = {name: Seen(healths[name], served=name in serving) for name in NAMES}
    shares: list[tuple[float, ...]] = []
    for _ in range(3000):
        judgement = judged(each, rest, judgement, now)
        shares.append(tuple(server.share for server in judgement.servers.values()))
        at = next_deadline(each, judgement, now)
        if at is None:
            break
        now = max(at, now)
    assert next_deadline(each, judgement, now) is None
    assert judged(each, rest, judgement, now + 1000) == replace(
        judgement, removals=judged(each, rest, judgement, now + 1000).removals
    )


@pytest.mark.parametrize("number", range(3))
def test_a_server_that_nothing_is_known_of_has_its_whole_weight(number):
    each = web(7, 8, 9)
    name = NAMES[number]
    judgement = Judgement({name: ServerJudgement((each.real_servers[number].address, 80), share=0.5)})
    assert weights(each, judgement, rs1="up", rs2="up", rs3="up") == {
        other: weight if other != name else weight // 2 for other, weight in zip(NAMES, (7, 8, 9), strict=True)
    }
