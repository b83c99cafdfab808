"""The director's core and the way of the clients: path probes, both verdicts, the ARP leak test."""

import pytest
from msgspec.structs import replace

from haagent.core.core import Core
from haagent.core.effects import Record, SetArpTests, SetProbes, SetVirtualServices
from haagent.core.events import (
    ArpObserved,
    ConfigLoaded,
    DeadlinePassed,
    HealthChanged,
    ProcessConnected,
    RoutersObserved,
    TableObserved,
)
from haagent.ipvs.table import ServiceKey
from haagent.pool.arp_leak import ArpAnswer
from haagent.pool.desired import service_key
from haagent.preview import preview
from haagent.view import Clock, snapshot
from tests.unit.build import SERVICE_ADDRESS, config, real_server, router, service

PLAIN = service(real_server(1), real_server(2))
WEB = replace(PLAIN, path_check="require")
KEY = service_key(WEB)


def of(effects, kind):
    return [effect for effect in effects if isinstance(effect, kind)]


class Bench:
    """A core, and a kernel that does what it is told."""

    def __init__(self, *services):
        self.core, self.now = Core(), 1.0
        self.level = None
        self.load(*services)

    def load(self, *services):
        return self.do(ConfigLoaded(config(*services, routers=(router(),))))

    def do(self, event):
        self.now += 1.0
        effects = self.core.handle(event, self.now)
        for each in of(effects, SetVirtualServices):
            self.level = each
        return effects

    def apply(self):
        return self.do(TableObserved(self.level.table, {}, 0, ()))

    def own(self, server="rs1"):
        return self.core.probing.probes_of["web", server][0]

    def path(self, server="rs1"):
        return self.core.probing.path_probes_of["web", server][0]

    def hear(self, id_, health, detail="HTTP 200", **more):
        return self.do(HealthChanged(id_, health, detail, **more))

    def confirm(self):
        """The own address was asked again since the path failed, and nothing new is known of it."""
        self.now = self.core.next_instant()
        return self.core.handle(DeadlinePassed(1e9), self.now)

    def serving(self):
        return self.core.pools.of["web"].serving

    def snapshot(self):
        return snapshot(self.core, (), (), Clock(self.now, 1e9), version="1", started_at=1e9)


def test_the_ways_are_part_of_the_wanted_table_and_of_no_status():
    bench = Bench(WEB)
    marks = [key.firewall_mark for key in bench.level.table if key.firewall_mark]
    assert len(marks) == 2
    assert {(key, at) for key in bench.level.table for at in bench.level.table[key].destinations} <= set(
        bench.level.owned.destinations
    )
    assert [each.name for each in bench.snapshot().services] == ["web"]
    steps = preview(Core(), bench.core.config, 1.0)
    assert sum("firewall mark" in step.name or "fwmark" in step.name for step in steps) == 4


def test_path_probes_start_once_their_way_is_in_the_kernel_and_stop_without_it():
    bench = Bench(WEB)
    [level] = of(bench.core.handle(ProcessConnected("prober", ""), 2.0), SetProbes)
    assert (len(level.probes), level.has_paths) == (2, True)  # the prober keeps the privilege for what will come
    assert bench.core.paths.of["web", "rs1"].verdict.sentence == (
        "path not tested: its IPVS service is not in the kernel's table"
    )
    [level] = of(bench.apply(), SetProbes)
    ways = [probe for probe in level.probes if probe.mark]
    assert [(probe.address, probe.through, probe.port) for probe in ways] == [
        (SERVICE_ADDRESS, "198.51.100.11", 80),
        (SERVICE_ADDRESS, "198.51.100.12", 80),
    ]
    assert of(bench.apply(), SetProbes) == []
    [level] = of(bench.do(TableObserved({}, {}, 0, ("refused",))), SetProbes)
    assert not [probe for probe in level.probes if probe.mark]


def test_a_new_server_serves_only_when_both_verdicts_are_up():
    bench = Bench(WEB)
    bench.apply()
    bench.hear(bench.own(), "up")
    assert bench.serving() == frozenset()
    assert bench.core.standings.of["web", "rs1"].health == "unknown"
    effects = bench.hear(bench.path(), "up")
    assert bench.serving() == {"rs1"}
    assert Record("path", "web/rs1", "not_tested", "up", f"http on {SERVICE_ADDRESS}: HTTP 200") in effects


def test_a_broken_path_takes_a_server_out_with_the_sentence_while_its_own_check_is_green():
    bench = Bench(WEB)
    bench.apply()
    for id_ in (bench.own(), bench.path()):
        bench.hear(id_, "up")
    bench.hear(bench.path(), "down", "no answer to the connection within 1 s", failure="silent")
    assert bench.serving() == frozenset()
    status = bench.snapshot().services[0].real_servers[0]
    assert (status.health, status.path, status.checks[0].health) == ("down", "down", "up")
    assert "is asked again before more is said" in status.reason == status.path_reason
    effects = bench.confirm()
    status = bench.snapshot().services[0].real_servers[0]
    assert "answers on its own address, silent on the virtual address" in status.reason == status.path_reason
    assert [(each.previous, each.state) for each in of(effects, Record)] == [("down", "down")]
    assert bench.core.next_instant() is None


def test_a_server_that_died_is_not_said_to_lack_the_virtual_address():
    """Whichever of its two probes comes first."""
    bench = Bench(WEB)
    bench.apply()
    for id_ in (bench.own(), bench.path()):
        bench.hear(id_, "up")
    told = bench.hear(bench.path(), "down", "connection refused", failure="refused")
    bench.hear(bench.own(), "up", "connection refused", failure="refused")  # `fall` is not reached yet
    assert "so did the last try of the server's own address" in bench.core.paths.of["web", "rs1"].verdict.sentence
    told += bench.hear(bench.own(), "down", "connection refused", failure="refused")
    told += bench.confirm()
    assert not [each for each in of(told, Record) if "binding" in each.cause]
    assert "heal that first" in bench.core.paths.of["web", "rs1"].verdict.sentence


def test_report_shows_and_takes_nobody_out():
    bench = Bench(replace(WEB, path_check="report"))
    bench.apply()
    bench.hear(bench.own(), "up")
    assert bench.serving() == {"rs1"}
    bench.hear(bench.path(), "down", "connection refused", failure="refused")
    assert bench.serving() == {"rs1"}
    assert any(each.startswith("the path to rs1 of web is broken: ") for each in bench.snapshot().problems)


def test_no_evidence_takes_no_server_out_that_serves():
    bench = Bench(PLAIN)
    bench.hear(bench.own(), "up")
    bench.load(WEB)  # from now on the path is to be checked, and nothing is known of it yet
    assert bench.serving() == {"rs1"}
    bench.apply()
    bench.hear(bench.path(), "unknown", "this director cannot probe: no mark", failure="local")
    assert bench.serving() == {"rs1"}
    assert any("path not tested" in each and "no mark" in each for each in bench.snapshot().problems)
    bench.hear(bench.path(), "down", "connection refused", failure="refused")
    assert bench.serving() == frozenset()
    bench.load(PLAIN)
    assert bench.serving() == {"rs1"}
    assert not [key for key in bench.level.table if key.firewall_mark]


def test_without_a_path_check_it_is_not_tested_and_masquerading_has_none():
    masquerading = replace(real_server(2), forwarding_method="masquerading")
    bench = Bench(service(real_server(1), masquerading))
    one, two = bench.snapshot().services[0].real_servers
    assert (one.path, one.path_reason) == ("not_tested", "path not tested: the service has no path_check")
    assert (two.path, two.path_reason) == ("", "")
    assert bench.snapshot().problems == ("virtual service web is empty: no real server is in service",)


def test_a_cause_is_told_with_the_failure():
    bench = Bench(PLAIN)
    bench.hear(bench.own(), "down", "HTTP 403, wanted 200", cause="the site forbids /check.txt to us")
    assert (
        bench.core.standings.of["web", "rs1"].reason == "http: HTTP 403, wanted 200: the site forbids /check.txt to us"
    )


# ------------------------------------------------------------------------------------------- ARP


RS1 = "02:00:00:00:00:11"
LEAK = ArpObserved(
    (ArpAnswer("eth0", "198.51.100.11", RS1), ArpAnswer("eth0", SERVICE_ADDRESS, RS1)), active={"web": ""}
)


def test_the_segment_is_asked_where_a_path_is_checked():
    [asked] = of(Bench(WEB).load(WEB), SetArpTests)
    assert [(test.interface, test.addresses) for test in asked.tests] == [("eth0", ((SERVICE_ADDRESS, "web"),))]
    [asked] = of(Bench(WEB).load(PLAIN), SetArpTests)
    assert asked.tests == ()


def test_a_leak_is_recorded_once_shown_and_cleared():
    bench = Bench(WEB)
    bench.do(RoutersObserved({"web": "active"}))
    assert bench.do(LEAK) == []  # a suspicion
    [record] = bench.do(LEAK)
    assert (record.subject, record.name, record.state) == ("arp", SERVICE_ADDRESS, "leak")
    assert f"{RS1} (rs1) answers ARP for" in record.cause
    assert bench.do(LEAK) == []
    assert record.cause in bench.snapshot().problems
    assert bench.snapshot().services[0].arp == (record.cause,)
    [record] = bench.do(ArpObserved((), active={}))
    assert (record.previous, record.state) == ("leak", "clear")
    assert bench.snapshot().services[0].arp == ()


def test_what_is_not_tested_is_no_problem_and_no_all_clear():
    bench = Bench(WEB)
    assert bench.do(LEAK) == []  # the router's role is not known yet
    assert "ARP not tested" in bench.snapshot().services[0].arp[0]
    assert not [each for each in bench.snapshot().problems if "ARP" in each]


@pytest.mark.parametrize("base", [0x48410000, 0x10000])
def test_marks_start_where_the_configuration_says(base):
    site = config(WEB)
    core = Core()
    core.handle(ConfigLoaded(replace(site, director=replace(site.director, path_mark_base=base))), 1.0)
    keys = [key for key in core.paths.table if isinstance(key, ServiceKey)]
    assert all(base <= key.firewall_mark < base + 0x10000 for key in keys)
