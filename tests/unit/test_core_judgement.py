"""The core judges real servers by more than their last verdict."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from haagent.config.model import (
    Damping,
    Director,
    DynamicWeight,
    HttpCheck,
    PoolTrack,
    SlowStart,
    TcpCheck,
)
from haagent.core.core import Core
from haagent.core.effects import Record, SetProbes, SetTracking, SetVirtualServices
from haagent.core.events import (
    ConfigLoaded,
    DeadlinePassed,
    HealthChanged,
    MaintenanceObserved,
    OperatorChanged,
    PeerSaw,
    TableAdopted,
)
from haagent.ipvs.plan import Owned
from haagent.ipvs.table import Destination, Forwarding, Service
from haagent.pool.desired import destination_key, service_key
from haagent.pool.operator import Override
from haagent.view import Clock, snapshot
from tests.unit.build import config, real_server, router, service

ONE, TWO, THREE = (destination_key(f"198.51.100.{10 + n}", 80) for n in (1, 2, 3))
DAMPING = Damping(half_life=10, suppress=3, reuse=1, maximum_time=60)
START = SlowStart(mode="doubling", time=50)


def web(*weights, **values):
    return replace(service(*(real_server(n, weight=w) for n, w in enumerate(weights, 1))), **values)


def weights(core):
    (each,) = core.config.virtual_services
    destinations = core.pools.of[each.name].service.destinations
    names = {destination_key(server.address, server.port): server.name for server in each.real_servers}
    return {names[target]: destination.weight for target, destination in destinations.items()}


def say(core, now, weight=None, **healths):
    """`rs1="up"`: the check's verdict."""
    effects = []
    for name, health in healths.items():
        for id_ in core.probing.probes_of["web", name]:
            effects += core.handle(HealthChanged(id_, health, "said", weight=weight), now)
    return effects


def status(core, now):
    return snapshot(core, (), (), Clock(now, 1_700_000_000.0 + now), version="0", started_at=0.0)


def records(effects, subject="judgement"):
    return [effect for effect in effects if isinstance(effect, Record) and effect.subject == subject]


def started(each, *names, **values):
    core = Core()
    core.handle(ConfigLoaded(config(each, **values)), 0.0)
    say(core, 1.0, **dict.fromkeys(names, "up"))
    return core


def pass_deadlines(core, until):
    """Each at its instant; the tables that were wanted."""
    tables = []
    while (at := core.next_instant()) is not None and at <= until:
        effects = core.handle(DeadlinePassed(0.0), at)
        tables += [effect for effect in effects if isinstance(effect, SetVirtualServices)]
    return tables


# ------------------------------------------------------------------------------------------------ slow start


def test_weights_step_at_deadlines_and_the_table_follows():
    core = started(web(32, 32, slow_start=START), "rs1", "rs2")
    pass_deadlines(core, 100.0)
    assert weights(core) == {"rs1": 32, "rs2": 32}
    say(core, 200.0, rs1="down")
    say(core, 210.0, rs1="up")
    assert weights(core) == {"rs1": 1, "rs2": 32}
    tables = pass_deadlines(core, 500.0)
    seen = [next(iter(each.table.values())).destinations[ONE].weight for each in tables]
    assert seen == [2, 4, 8, 16, 32]
    assert core.next_instant() is None


def test_a_restarted_daemon_does_not_warm_up_what_it_finds():
    each, core = web(32, slow_start=START), Core()
    table = {service_key(each): Service("wlc", destinations={ONE: Destination(Forwarding.DIRECT_ROUTING, 32)})}
    core.handle(TableAdopted(table, Owned()), 0.0)
    core.handle(ConfigLoaded(config(each)), 0.0)
    say(core, 1.0, rs1="up")
    assert weights(core) == {"rs1": 32}


def test_a_renamed_server_does_not_start_again():
    core = started(web(32, slow_start=START), "rs1")
    pass_deadlines(core, 100.0)
    renamed = replace(web(32, slow_start=START), real_servers=(replace(real_server(1, weight=32), name="web1"),))
    core.handle(ConfigLoaded(config(renamed)), 200.0)
    assert weights(core) == {"web1": 32}


def test_a_slow_start_goes_on_over_a_reload():
    core = started(web(32, 32, slow_start=START), "rs2")
    pass_deadlines(core, 100.0)
    say(core, 200.0, rs1="up")
    pass_deadlines(core, 211.0)
    assert weights(core) == {"rs1": 2, "rs2": 32}
    core.handle(ConfigLoaded(config(web(32, 64, slow_start=START))), 212.0)
    assert weights(core) == {"rs1": 2, "rs2": 64}
    pass_deadlines(core, 221.0)
    assert weights(core)["rs1"] == 4


def test_a_slow_start_costs_no_quorum():
    core = started(web(32, 32, slow_start=START, quorum=40), "rs1", "rs2")
    assert core.pools.of["web"].has_quorum


# ------------------------------------------------------------------------------------------------ damping


def flap(core, now, name="rs1", times=2):
    effects = []
    for turn in range(times):
        effects += say(core, now + turn / 10, **{name: "down"})
        effects += say(core, now + turn / 10 + 0.05, **{name: "up"})
    return effects


def test_a_flapping_server_is_kept_out_with_the_sentence_and_comes_back():
    core = started(web(1, 1, damping=DAMPING), "rs1", "rs2")
    (record,) = records(flap(core, 10.0))
    assert (record.name, record.previous, record.state) == ("web/rs1", "eligible", "suppressed")
    assert weights(core) == {"rs2": 1}
    assert core.standings.of["web", "rs1"].health == "up"
    seen = status(core, 10.2)
    assert seen.problems == (
        "real server rs1 of web is kept out: it flaps: penalty 4.0, eligible again in 20 s at penalty 1",
    )
    judgement = seen.services[0].real_servers[0].judgement
    assert judgement.penalty == pytest.approx(4.0, abs=0.1)
    assert judgement.eligible_at == pytest.approx(1_700_000_030.2, abs=0.2)
    assert pass_deadlines(core, 29.0) == []
    assert pass_deadlines(core, 31.0) != []
    assert weights(core) == {"rs1": 1, "rs2": 1}
    assert status(core, 31.0).problems == ()


def test_the_last_healthy_server_is_never_kept_out():
    core = started(web(1, 1, damping=DAMPING), "rs1", "rs2")
    flap(core, 10.0)
    assert weights(core) == {"rs2": 1}
    say(core, 11.0, rs2="down")
    assert weights(core) == {"rs1": 1}
    assert core.pools.states["web"] == "serving"
    assert any(
        each.startswith("real server rs1 of web serves for want of others: it flaps: penalty ")
        for each in status(core, 11.0).problems
    )
    say(core, 12.0, rs2="up")
    assert weights(core) == {"rs2": 1}


def test_a_penalty_survives_a_reload():
    core = started(web(1, 1, damping=DAMPING), "rs1", "rs2")
    flap(core, 10.0)
    core.handle(ConfigLoaded(config(web(1, 5, damping=DAMPING))), 11.0)
    assert weights(core) == {"rs2": 5}


def test_damping_costs_no_quorum_and_freezes_nothing():
    core = started(web(1, 1, damping=DAMPING, quorum=2), "rs1", "rs2")
    flap(core, 10.0)
    assert weights(core) == {"rs1": 1, "rs2": 1}
    core = started(web(1, 1, damping=DAMPING, minimum_healthy_fraction=0.9), "rs1", "rs2")
    flap(core, 10.0)
    assert core.pools.states["web"] == "serving"


HISTORY = st.lists(
    st.tuples(st.floats(0.01, 20), st.sampled_from(["rs1", "rs2", "rs3"]), st.sampled_from(["up", "down"])), max_size=40
)


@settings(deadline=None)
@given(
    HISTORY,
    st.sampled_from([None, DAMPING]),
    st.sampled_from([None, START]),
    st.sampled_from([0.34, 1.0]),
    st.sampled_from([1, 2]),
)
def test_whatever_happens_a_pool_with_a_healthy_server_serves(history, damping, start, maximum, quorum):
    each = web(32, 40, 50, damping=damping, slow_start=start, maximum_removal=maximum, quorum=quorum)
    core, now = started(each, "rs1", "rs2", "rs3"), 1.0
    for pause, name, health in history:
        now += pause
        pass_deadlines(core, now)
        say(core, now, **{name: health})
        up = {server for server in ("rs1", "rs2", "rs3") if core.standings.of["web", server].health == "up"}
        assert bool(weights(core)) >= bool(up)
        assert all(weight >= 1 for weight in weights(core).values())
        assert (
            weights(core).keys() <= up | core.judgements.of["web"].removals.held.keys() if core.judgements.of else True
        )
    pass_deadlines(core, now + 1000)
    assert core.next_instant() is None
    up = {
        server.name: server.weight
        for server in each.real_servers
        if core.standings.of["web", server.name].health == "up"
    }
    assert weights(core) == up  # in calm the checks alone decide


# ------------------------------------------------------------------------------------------------ several checks

CHECKS = (HttpCheck(name="http"), TcpCheck(name="tcp"), TcpCheck(name="other", port=81))


def judge(core, now, name, *healths):
    for id_, health in zip(core.probing.probes_of["web", name], healths, strict=True):
        core.handle(HealthChanged(id_, health, f"it is {health}"), now)
    return core.standings.of["web", name]


@pytest.mark.parametrize(
    ("require", "healths", "expected"),
    [
        ("all", ("up", "up", "down"), "down"),
        ("any", ("down", "down", "up"), "up"),
        ("any", ("down", "down", "down"), "down"),
        (2, ("up", "down", "up"), "up"),
        (2, ("down", "up", "down"), "down"),
    ],
)
def test_so_many_checks_must_pass(require, healths, expected):
    each = replace(web(1, require=require), checks=("http", "tcp", "other"))
    core = started(each, checks=CHECKS)
    standing = judge(core, 1.0, "rs1", *healths)
    assert standing.health == expected
    if expected == "down":
        assert "it is up" not in standing.reason
        assert "http: " in standing.reason or "other: " in standing.reason


# ------------------------------------------------------------------------------------------------ wishes


def test_a_server_gets_the_share_that_it_asks_for():
    core = started(web(50, 50), "rs1", "rs2")
    assert core.judgements.of == {}  # nothing to remember of the plainest service
    effects = say(core, 2.0, weight=40, rs1="up")
    assert any(isinstance(effect, SetVirtualServices) for effect in effects)
    assert weights(core) == {"rs1": 20, "rs2": 50}
    server = status(core, 2.0).services[0].real_servers[0]
    assert (server.judgement.percent, server.checks[0].weight) == (40, 40)
    say(core, 3.0, rs1="up")  # it does not say: the last wish stands
    assert weights(core) == {"rs1": 20, "rs2": 50}
    assert status(core, 3.0).services[0].real_servers[0].checks[0].weight == 40
    core.handle(ConfigLoaded(config(web(100, 50))), 4.0)
    assert weights(core) == {"rs1": 40, "rs2": 50}


def test_a_wish_is_followed_in_steps_at_deadlines():
    core = started(web(100, dynamic_weight=DynamicWeight(step=20, minimum_interval=5)), "rs1")
    say(core, 2.0, weight=100, rs1="up")
    say(core, 10.0, weight=50, rs1="up")
    assert weights(core) == {"rs1": 80}
    pass_deadlines(core, 15.0)
    assert weights(core) == {"rs1": 60}
    pass_deadlines(core, 100.0)
    assert weights(core) == {"rs1": 50}


# ------------------------------------------------------------------------------------------------ a limit


def test_a_burst_of_failures_is_held_and_said():
    core = started(web(1, 1, 1, 1, maximum_removal=0.5, removal_hold=30), "rs1", "rs2", "rs3", "rs4")
    down = {f"rs{n}": "down" for n in (1, 2, 3, 4)}
    effects = say(core, 10.0, **down)
    assert weights(core) == {"rs3": 1, "rs4": 1}
    assert [(each.name, each.state) for each in records(effects)] == [("web/rs3", "held"), ("web/rs4", "held")]
    assert (
        "real server rs3 of web is kept although it is down: more than 50% of the real servers failed within 10 s; "
        "if it is still down it leaves in 30 s"
    ) in status(core, 10.0).problems
    say(core, 20.0, rs4="up")
    pass_deadlines(core, 41.0)
    assert weights(core) == {"rs4": 1}


# ------------------------------------------------------------------------------------------------ maintenance files


def test_a_file_drains_a_server_while_it_is_there():
    core = started(web(5, 1), "rs1", "rs2")
    effects = core.handle(MaintenanceObserved(frozenset({"198.51.100.11", "README"})), 5.0)
    assert (
        Record("operator", "web/rs1", "enabled", "drained", "the file 198.51.100.11", "maintenance_directory")
        in effects
    )
    assert weights(core) == {"rs1": 0, "rs2": 1}
    seen = status(core, 5.0)
    server = seen.services[0].real_servers[0]
    assert (server.admin, server.judgement.maintenance_file) == ("drained", "198.51.100.11")
    assert seen.problems == (
        "the maintenance file README names no real server: ADDRESS, ADDRESS:PORT, a name or SERVICE:SERVER",
    )
    core.handle(MaintenanceObserved(frozenset()), 6.0)
    assert weights(core) == {"rs1": 5, "rs2": 1}


def test_file_and_operator_are_both_shown_and_the_stricter_wins():
    core = started(web(5, 1), "rs1", "rs2")
    core.handle(MaintenanceObserved(frozenset({"rs1"})), 5.0)
    core.handle(OperatorChanged({("web", "rs1"): Override(admin="disabled", actor="ann")}), 6.0)
    assert weights(core) == {"rs2": 1}
    server = status(core, 6.0).services[0].real_servers[0]
    assert (server.admin, server.override.actor, server.judgement.maintenance_file) == ("disabled", "ann", "rs1")
    core.handle(OperatorChanged({("web", "rs1"): Override(weight=9, actor="ann")}), 7.0)
    assert weights(core) == {"rs1": 0, "rs2": 1}
    server = status(core, 7.0).services[0].real_servers[0]
    assert (server.admin, server.override.weight) == ("drained", 9)


def test_files_that_were_there_before_the_configuration_count_from_the_start():
    core = Core()
    core.handle(MaintenanceObserved(frozenset({"rs1"})), 0.0)
    core.handle(ConfigLoaded(config(web(5, 1))), 0.0)
    say(core, 1.0, rs1="up", rs2="up")
    assert weights(core) == {"rs1": 0, "rs2": 1}


# ------------------------------------------------------------------------------------------------ the pool or me


def test_a_peer_that_sees_the_pool_up_puts_the_blame_on_us():
    core = started(web(1, 1), "rs1", "rs2")
    say(core, 10.0, rs1="down", rs2="down")
    both = {("web", "rs1"): "up", ("web", "rs2"): "up"}
    assert core.handle(PeerSaw("d2", both), 10.5) == []  # may be older than what it will find
    (record,) = records(core.handle(PeerSaw("d2", both), 60.0))
    assert (record.name, record.state) == ("web", "at fault")
    assert "this director is at fault, not the pool web" in " ".join(status(core, 60.0).problems)
    say(core, 61.0, rs1="up")
    (record,) = records(core.handle(PeerSaw("d2", both), 65.0))
    assert (record.previous, record.state) == ("at fault", "")


def test_a_router_may_yield_when_only_this_director_is_at_fault():
    track = PoolTrack(pool="web", when="empty_here", priority=-150)
    core = started(web(1, 1), "rs1", "rs2", routers=(router(track=(track,)),))
    assert [each for each in say(core, 10.0, rs1="down", rs2="down") if isinstance(each, SetTracking)] == []
    both = {("web", "rs1"): "down", ("web", "rs2"): "down"}
    assert core.handle(PeerSaw("d2", both), 60.0) == []
    effects = core.handle(PeerSaw("d2", dict.fromkeys(both, "up")), 65.0)
    (level,) = [each for each in effects if isinstance(each, SetTracking)]
    assert [each.priority for each in level.tracking["web"].terms] == [-150]
    (level,) = [each for each in say(core, 66.0, rs1="up") if isinstance(each, SetTracking)]
    assert level.tracking["web"].terms == ()


# ------------------------------------------------------------------------------------------------ a budget a target


def test_checks_of_one_address_share_its_budget():
    each = replace(web(1, 1), checks=("fast", "slow"))
    checks = (HttpCheck(name="fast", interval=0.1, timeout=0.1), TcpCheck(name="slow", interval=1.0))
    core = Core()
    plain = config(each, checks=checks)
    tight = replace(plain, director=Director(name="d1", names=("d1", "d2"), probe_budget=5.5))
    effects = core.handle(ConfigLoaded(tight), 0.0)
    (level,) = [effect for effect in effects if isinstance(effect, SetProbes)]
    assert sorted(probe.interval for probe in level.probes) == pytest.approx([0.2, 0.2, 2.0, 2.0])
    assert [each.name for each in records(effects)] == ["198.51.100.11", "198.51.100.12"]
    assert records(core.handle(ConfigLoaded(tight), 1.0)) == []  # said once
    effects = core.handle(ConfigLoaded(plain), 2.0)
    (level,) = [effect for effect in effects if isinstance(effect, SetProbes)]
    assert {probe.interval for probe in level.probes} == {0.0}
