"""The director's core: events in, effects out."""

import pytest
from msgspec.structs import replace

from haagent.config.model import ALL_PORTS, HttpCheck, PoolTrack, TcpCheck
from haagent.core.core import Core
from haagent.core.effects import (
    Notify,
    Record,
    ServiceTransitioned,
    SetProbes,
    SetRouters,
    SetTracking,
    SetVirtualServices,
)
from haagent.core.events import (
    ConfigLoaded,
    HealthChanged,
    ProcessConnected,
    ProcessLost,
    RoutersObserved,
    RouterTransitioned,
    TableAdopted,
    TableObserved,
)
from haagent.ipvs.marks import ALL, MarkRule
from haagent.ipvs.plan import Owned
from haagent.ipvs.table import Destination, Forwarding, Service
from haagent.pool.desired import destination_key, service_key
from haagent.vrrp.settings import Tracking
from tests.unit.build import config, real_server, router, service

WEB = service(real_server(1), real_server(2))
KEY = service_key(WEB)
ONE, TWO = (destination_key(f"198.51.100.{n}", 80) for n in (11, 12))


def of(effects, kind):
    return [effect for effect in effects if isinstance(effect, kind)]


def the(effects, kind):
    (only,) = of(effects, kind)
    return only


@pytest.fixture
def core():
    return Core()


def id_of(core, server, check="http"):
    names = core.config.virtual_services[0].checks
    return core.probing.probes_of["web", server][names.index(check)]


def test_loading_sends_every_level(core):
    effects = core.handle(ConfigLoaded(config(WEB, routers=(router(),))), 1.0)
    assert len(the(effects, SetProbes).probes) == 2
    assert [settings.name for settings in the(effects, SetRouters).routers] == ["web"]
    assert the(effects, SetVirtualServices).table == {KEY: Service("wlc", destinations={})}
    assert Record("configuration", "d1", "", "running", "loaded") in effects


def test_a_verdict_puts_a_server_into_service_and_out(core):
    core.handle(ConfigLoaded(config(WEB)), 1.0)
    effects = core.handle(HealthChanged(id_of(core, "rs1"), "up", "HTTP 200"), 2.0)
    assert set(the(effects, SetVirtualServices).table[KEY].destinations) == {ONE}
    assert Record("real_server", "web/rs1", "unknown", "up", "http: HTTP 200") in effects
    effects = core.handle(HealthChanged(id_of(core, "rs1"), "down", "HTTP 503"), 3.0)
    assert the(effects, SetVirtualServices).table[KEY].destinations == {}
    assert Record("service", "web", "serving", "empty", "0 of 2 real servers in service") in effects


def test_a_new_sentence_with_the_same_verdict_changes_no_table(core):
    core.handle(ConfigLoaded(config(WEB)), 1.0)
    core.handle(HealthChanged(id_of(core, "rs1"), "down", "connection refused"), 2.0)
    effects = core.handle(HealthChanged(id_of(core, "rs1"), "down", "HTTP 503"), 3.0)
    assert effects == []
    assert core.standings.of["web", "rs1"].reason == "http: HTTP 503"
    assert core.standings.of["web", "rs1"].since == 2.0


def test_all_checks_must_pass(core):
    core.handle(ConfigLoaded(config(service(real_server(1), checks=("http", "tcp")))), 1.0)
    assert of(core.handle(HealthChanged(id_of(core, "rs1", "http"), "up", "200"), 2.0), SetVirtualServices)
    assert core.standings.of["web", "rs1"].health == "unknown"
    core.handle(HealthChanged(id_of(core, "rs1", "tcp"), "up", "connected"), 3.0)
    assert core.standings.of["web", "rs1"].health == "up"
    core.handle(HealthChanged(id_of(core, "rs1", "http"), "down", "503"), 4.0)
    assert core.standings.of["web", "rs1"].health == "down"
    assert core.standings.of["web", "rs1"].reason == "http: 503"


def test_identical_probes_run_once_and_their_verdict_fans_out(core):
    both = [service(real_server(1), name=name, port=80) for name in ("web", "www")]
    both[1] = service(real_server(1, port=81), name="www", port=81, checks=("fixed",))
    checks = (HttpCheck(name="http"), HttpCheck(name="fixed", port=80))
    effects = core.handle(ConfigLoaded(config(*both, checks=checks)), 1.0)
    (probe,) = the(effects, SetProbes).probes
    core.handle(HealthChanged(probe.id, "up", "HTTP 200"), 2.0)
    assert core.standings.of["web", "rs1"].health == core.standings.of["www", "rs1"].health == "up"


def test_checks_that_differ_are_different_probes(core):
    checks = (HttpCheck(name="http"), HttpCheck(name="other", path="/status"))
    effects = core.handle(ConfigLoaded(config(service(real_server(1), checks=("http", "other")), checks=checks)), 1.0)
    assert len({probe.id for probe in the(effects, SetProbes).probes}) == 2


def test_a_reload_keeps_verdicts_of_unchanged_checks(core):
    core.handle(ConfigLoaded(config(WEB)), 1.0)
    before = id_of(core, "rs1")
    core.handle(HealthChanged(before, "up", "HTTP 200"), 2.0)
    effects = core.handle(ConfigLoaded(config(service(real_server(1, weight=9), real_server(3)))), 3.0)
    assert id_of(core, "rs1") == before
    assert the(effects, SetVirtualServices).table[KEY].destinations == {ONE: Destination(Forwarding.DIRECT_ROUTING, 9)}
    assert [probe.health for probe in the(effects, SetProbes).probes] == ["up", "unknown"]


def test_a_changed_check_leaves_servers_as_they_are_until_its_verdict(core):
    core.handle(ConfigLoaded(config(WEB)), 1.0)
    core.handle(HealthChanged(id_of(core, "rs1"), "up", "HTTP 200"), 2.0)
    core.handle(HealthChanged(id_of(core, "rs2"), "down", "refused"), 2.0)
    changed = config(WEB, checks=(HttpCheck(name="http", path="/new"),))
    effects = core.handle(ConfigLoaded(changed), 3.0)
    assert set(the(effects, SetVirtualServices).table[KEY].destinations) == {ONE}


def test_a_down_server_does_not_come_back_by_a_reload_after_adoption(core):
    """The weight adopted at start must not stand in for a verdict that is gone."""
    serving = Service("wlc", destinations={ONE: Destination(Forwarding.DIRECT_ROUTING, 1)})
    core.handle(TableAdopted({KEY: serving}, Owned()), 0.0)
    core.handle(ConfigLoaded(config(WEB)), 1.0)
    core.handle(HealthChanged(id_of(core, "rs1"), "down", "refused"), 2.0)
    effects = core.handle(ConfigLoaded(config(WEB, checks=(HttpCheck(name="http", path="/new"),))), 3.0)
    assert the(effects, SetVirtualServices).table[KEY].destinations == {}


def test_what_was_found_is_adopted(core):
    found = Service("wlc", destinations={TWO: Destination(Forwarding.DIRECT_ROUTING, 4)})
    core.handle(TableAdopted({KEY: found}, Owned()), 0.0)
    effects = core.handle(ConfigLoaded(config(WEB)), 1.0)
    assert the(effects, SetVirtualServices).table[KEY].destinations == {TWO: Destination(Forwarding.DIRECT_ROUTING, 4)}


def test_what_a_reload_takes_over_from_somebody_else_is_adopted_as_well(core):
    core.handle(ConfigLoaded(config()), 0.0)
    theirs = Service("rr", destinations={ONE: Destination(Forwarding.DIRECT_ROUTING, 5)})
    core.handle(TableObserved({KEY: theirs}, {}, 0, ()), 1.0)
    wanted = the(core.handle(ConfigLoaded(config(WEB)), 2.0), SetVirtualServices).table[KEY]
    assert wanted.destinations == theirs.destinations  # not taken out of service until it is judged
    core.handle(HealthChanged(id_of(core, "rs1"), "down", "HTTP 503"), 3.0)
    changed = config(WEB, checks=(HttpCheck(name="http", path="/other"), TcpCheck(name="tcp")))
    wanted = the(core.handle(ConfigLoaded(changed), 4.0), SetVirtualServices).table[KEY]
    assert wanted.destinations == {}  # ours by now, and out, though the kernel was not seen without it yet


def test_ownership_grows_with_the_configuration_and_shrinks_with_the_kernel(core):
    effects = core.handle(ConfigLoaded(config(WEB)), 1.0)
    assert the(effects, SetVirtualServices).owned == Owned(frozenset({KEY}), frozenset({(KEY, ONE), (KEY, TWO)}))
    effects = core.handle(ConfigLoaded(config()), 2.0)
    assert KEY in the(effects, SetVirtualServices).owned.services  # still to be removed
    core.handle(TableObserved({}, {}, 0, ()), 3.0)
    effects = core.handle(ConfigLoaded(config()), 4.0)
    assert the(effects, SetVirtualServices).owned == Owned()


def test_a_report_for_a_probe_that_is_gone_is_ignored(core):
    core.handle(ConfigLoaded(config(WEB)), 1.0)
    assert core.handle(HealthChanged(999, "up", "HTTP 200"), 2.0) == []


def test_an_empty_pool_is_told_to_the_routers_that_track_it(core):
    tracked = router(track=(PoolTrack(pool="web", fault=True),))
    effects = core.handle(ConfigLoaded(config(WEB, routers=(tracked,))), 1.0)
    assert of(effects, SetTracking)[-1].tracking["web"].fault
    effects = core.handle(HealthChanged(id_of(core, "rs1"), "up", "HTTP 200"), 2.0)
    assert the(effects, SetTracking).tracking["web"].fault == ""
    tracking = the(core.handle(HealthChanged(id_of(core, "rs2"), "up", "HTTP 200"), 3.0), SetTracking).tracking
    assert tracking == {"web": Tracking(hold="no audit has found the kernel's table as it should be yet")}
    assert not of(core.handle(HealthChanged(id_of(core, "rs2"), "down", "HTTP 500"), 4.0), SetTracking)


def test_a_process_that_says_hello_gets_its_levels(core):
    core.handle(ConfigLoaded(config(WEB, routers=(router(),))), 1.0)
    core.handle(HealthChanged(id_of(core, "rs1"), "up", "HTTP 200"), 2.0)
    effects = core.handle(ProcessConnected("prober", ""), 3.0)
    assert {probe.address: probe.health for probe in the(effects, SetProbes).probes} == {
        "198.51.100.11": "up",
        "198.51.100.12": "unknown",
    }
    effects = core.handle(ProcessConnected("vrrp", "FIFO 50"), 4.0)
    assert [type(effect) for effect in effects] == [Record, SetTracking, SetRouters]
    assert Record("process", "vrrp", "running", "lost", "its connection ended") in core.handle(ProcessLost("vrrp"), 5.0)


def test_a_lost_prober_changes_no_table(core):
    core.handle(ConfigLoaded(config(WEB)), 1.0)
    core.handle(HealthChanged(id_of(core, "rs1"), "up", "HTTP 200"), 2.0)
    assert not of(core.handle(ProcessLost("prober"), 3.0), SetVirtualServices)
    assert core.standings.of["web", "rs1"].health == "up"


def test_repairs_and_refusals_are_recorded_once(core):
    core.handle(ConfigLoaded(config(WEB)), 1.0)
    assert of(core.handle(TableObserved({}, {}, 3, ()), 2.0), Record)[0].state == "repaired"
    assert core.kernel.repairs == 3
    effects = core.handle(TableObserved({}, {}, 0, ("no scheduler",)), 3.0)
    assert of(effects, Record) == [Record("table", "ipvs", "", "refused", "no scheduler")]
    assert core.handle(TableObserved({}, {}, 0, ("no scheduler",)), 4.0) == []


def test_a_routers_transition_is_recorded_and_notified(core):
    event = RouterTransitioned("web", "backup", "active", "nothing more was heard from 192.0.2.2")
    assert core.handle(event, 1.0) == [
        Record("router", "web", "backup", "active", "nothing more was heard from 192.0.2.2"),
        Notify(event),
    ]


def test_a_service_without_checks_is_always_in_service(core):
    effects = core.handle(ConfigLoaded(config(service(real_server(1), checks=()))), 1.0)
    assert set(the(effects, SetVirtualServices).table[KEY].destinations) == {ONE}
    assert the(effects, SetProbes).probes == ()


def test_a_checks_own_port_is_what_is_probed(core):
    checks = (TcpCheck(name="tcp", port=8080),)
    effects = core.handle(ConfigLoaded(config(service(real_server(1), checks=("tcp",)), checks=checks)), 1.0)
    assert [probe.port for probe in the(effects, SetProbes).probes] == [8080]


# ---------------------------------------------------------------------------------------- tiers, quorum, freeze, roles


def judged(core, **states):
    """Every verdict at once; all the effects."""
    effects = []
    for name, state in states.items():
        effects += core.handle(HealthChanged(id_of(core, name), state, state), 10.0)
    return effects


def test_the_quorum_is_recorded_when_it_is_reached_and_lost(core):
    core.handle(ConfigLoaded(config(replace(WEB, quorum=2))), 1.0)
    effects = judged(core, rs1="up", rs2="up")
    assert Record("quorum", "web", "lost", "reached", "live weight 2, quorum 2, hysteresis 0") in effects
    effects = judged(core, rs2="down")
    assert Record("quorum", "web", "reached", "lost", "live weight 1, quorum 2, hysteresis 0") in effects


def test_a_service_that_changes_state_is_notified_but_not_at_start(core):
    assert not of(core.handle(ConfigLoaded(config(WEB)), 1.0), Notify)
    effects = judged(core, rs1="up")
    cause = "1 of 2 real servers in service"
    assert of(effects, Notify) == [Notify(ServiceTransitioned("web", "empty", "serving", cause))]
    assert not of(judged(core, rs2="up"), Notify)


def test_a_quorum_of_one_says_nothing_that_the_service_does_not_say(core):
    core.handle(ConfigLoaded(config(WEB)), 1.0)
    assert not [effect for effect in of(judged(core, rs1="up"), Record) if effect.subject == "quorum"]


def test_a_tier_that_takes_over_is_recorded(core):
    core.handle(ConfigLoaded(config(service(real_server(1), replace(real_server(2), tier=2)))), 1.0)
    assert Record("tier", "web", "none", "1", "1 of 2 real servers are healthy") in judged(core, rs1="up")
    judged(core, rs2="up")
    assert Record("tier", "web", "1", "2", "1 of 2 real servers are healthy") in judged(core, rs1="down")


def test_the_sorry_server_below_the_quorum_has_a_cause(core):
    core.handle(ConfigLoaded(config(replace(service(real_server(1), real_server(2), sorry=True), quorum=2))), 1.0)
    judged(core, rs1="up", rs2="up")
    effects = judged(core, rs1="down")
    assert Record("service", "web", "serving", "sorry", "live weight 1 is below the quorum of 2") in effects


def test_a_freeze_is_recorded_with_its_reason(core):
    core.handle(ConfigLoaded(config(replace(WEB, minimum_healthy_fraction=0.6))), 1.0)
    judged(core, rs1="up", rs2="up")
    effects = judged(core, rs1="down")
    cause = "1 of 2 real servers are healthy, fewer than 0.6 of them: those that served last are kept"
    assert Record("service", "web", "serving", "frozen", cause) in effects
    assert set(the(effects, SetVirtualServices).table[KEY].destinations) == {ONE, TWO}


def test_a_reload_keeps_what_the_hysteresis_remembers(core):
    web = replace(service(real_server(1), real_server(2), real_server(3), sorry=True), quorum=2, quorum_hysteresis=1)
    core.handle(ConfigLoaded(config(web)), 1.0)
    judged(core, rs1="up", rs2="up", rs3="up")
    judged(core, rs3="down", rs2="down")
    assert core.pools.states["web"] == "serving"
    core.handle(ConfigLoaded(config(replace(web, scheduler="rr"))), 11.0)
    assert core.pools.states["web"] == "serving"


FOLLOWING = replace(WEB, active_only="web")


def test_a_service_that_follows_a_router_is_in_the_kernel_only_while_that_is_active(core):
    core.handle(ConfigLoaded(config(FOLLOWING, routers=(router(),))), 1.0)
    effects = judged(core, rs1="up")
    assert the(effects, SetVirtualServices).table == {}
    assert core.pools.states["web"] == "standby"
    effects = core.handle(RouterTransitioned("web", "backup", "active", "silence"), 11.0)
    assert set(the(effects, SetVirtualServices).table[KEY].destinations) == {ONE}
    assert Record("service", "web", "standby", "serving", "1 of 2 real servers in service") in effects
    effects = core.handle(RoutersObserved({"web": "backup"}), 12.0)
    assert the(effects, SetVirtualServices).table == {}
    assert core.handle(RoutersObserved({"web": "backup"}), 13.0) == []


def test_until_the_role_is_told_the_kernel_keeps_what_it_had(core):
    found = {KEY: Service("wlc", destinations={ONE: Destination(Forwarding.DIRECT_ROUTING, 1)})}
    core.handle(TableAdopted(found, Owned()), 0.0)
    effects = core.handle(ConfigLoaded(config(FOLLOWING, routers=(router(),))), 1.0)
    assert the(effects, SetVirtualServices).table == found
    effects = core.handle(RoutersObserved({"web": "backup"}), 2.0)
    assert the(effects, SetVirtualServices).table == {}


def test_an_empty_pool_is_empty_on_the_backup_too(core):
    core.handle(ConfigLoaded(config(FOLLOWING, routers=(router(),))), 1.0)
    assert core.pools.states["web"] == "empty"


def test_marks_go_out_with_the_table_and_only_where_the_service_is(core):
    marked = replace(
        FOLLOWING, firewall_mark=7, address="", port=0, addresses=("192.0.2.1",), ports=ALL_PORTS, protocols=("tcp",)
    )
    effects = core.handle(ConfigLoaded(config(marked, routers=(router(),))), 1.0)
    assert the(effects, SetVirtualServices).marks == frozenset()
    effects = core.handle(RoutersObserved({"web": "active"}), 2.0)
    assert the(effects, SetVirtualServices).marks == {MarkRule("192.0.2.1", "tcp", ALL, 7)}
