"""The snapshot that people and managers read."""

from msgspec import structs

from haagent.config.model import PortRange
from haagent.core.core import Core
from haagent.core.events import ConfigLoaded, HealthChanged, TableObserved
from haagent.ipvs.table import Destination, DestinationCounts, Forwarding, Service
from haagent.pool.arp_leak import ArpVerdict
from haagent.pool.desired import destination_key, service_key
from haagent.pool.owners import Contest, OwnerVerdict
from haagent.snapshot import ProcessStatus, RouterStatus
from haagent.view import Clock, snapshot
from tests.unit.build import config, real_server, router, service

WEB = service(real_server(1), real_server(2), sorry=True)
KEY = service_key(WEB)
ONE = destination_key("198.51.100.11", 80)
CLOCK = Clock(monotonic=100.0, wall=1_000_100.0)
ROUTER = RouterStatus(
    name="web",
    interface="eth0",
    ifindex=2,
    vrid=51,
    state="initialize",
    reason="interface eth0 is down or has no carrier",
    since=1_000_000.0,
    priority=200,
    effective_priority=200,
    preempt=True,
    advertisement_interval=1.0,
    primary_address="",
    active_address="",
    virtual_addresses=("198.51.100.100/24",),
)


def view(core, routers=(), processes=()):
    return snapshot(core, routers, processes, CLOCK, version="1", started_at=1_000_000.0)


def judged(core):
    core.handle(ConfigLoaded(config(WEB)), 10.0)
    one, two = (core.probing.probes_of["web", name][0] for name in ("rs1", "rs2"))
    core.handle(HealthChanged(one, "up", "HTTP 200"), 20.0)
    core.handle(HealthChanged(two, "down", "connection refused"), 30.0)
    table = {KEY: Service("wlc", destinations={ONE: Destination(Forwarding.DIRECT_ROUTING, 1)})}
    counts = {(KEY, ONE): DestinationCounts(active_connections=4, inactive_connections=7, connections=99)}
    core.handle(TableObserved(table, counts, 0, ()), 31.0)
    return core


def test_instants_become_wall_clock():
    (web,) = view(judged(Core())).services
    assert web.since == 1_000_020.0
    assert [server.since for server in web.real_servers[:2]] == [1_000_020.0, 1_000_030.0]


def test_weights_and_counts_are_the_kernels():
    (web,) = view(judged(Core())).services
    one, two, sorry = web.real_servers
    assert (one.weight, one.active_connections, one.inactive_connections, one.connections) == (1, 4, 7, 99)
    assert two.weight is None
    assert (sorry.sorry, sorry.weight) == (True, None)
    assert (web.state, web.in_service) == ("serving", 1)


def test_every_problem_is_a_sentence():
    dead = ProcessStatus(name="prober", running=False, pid=0, since=0.0)
    problems = view(judged(Core()), [ROUTER], [dead]).problems
    assert problems == (
        "virtual router web takes no part: interface eth0 is down or has no carrier",
        "real server rs2 of web is down: http: connection refused",
        "the prober process is not running",
    )


def test_a_verdict_that_is_held_too_long_is_a_problem():
    trouble = "this director cannot probe: it has no route to 198.51.100.11"
    core = judged(Core())
    one = core.probing.probes_of["web", "rs1"][0]
    check = core.probing.probes[one].check
    lasting = 3 * check.fall * check.interval
    core.handle(HealthChanged(one, "up", trouble, "local"), 100.0 - lasting + 1)
    assert view(core).services[0].real_servers[0].checks[0].unjudged_since == 0.0
    assert not any("not judged" in each for each in view(core).problems)
    core.handle(HealthChanged(one, "up", "HTTP 200"), 50.0)  # trouble that ended does not count
    core.handle(HealthChanged(one, "up", trouble, "local"), 100.0 - lasting)
    core.handle(HealthChanged(one, "up", trouble + ", still", "local"), 99.0)
    (web,) = view(core).services
    assert web.real_servers[0].checks[0].unjudged_since == 1_000_100.0 - lasting
    assert web.real_servers[0].health == "up"
    assert f'real server rs1 of web is not judged any more, its last verdict "up" stands: http: {trouble}, still' in (
        view(core).problems
    )


def test_an_empty_pool_is_a_problem_even_with_a_sorry_server():
    core = judged(Core())
    core.handle(HealthChanged(core.probing.probes_of["web", "rs1"][0], "down", "HTTP 503"), 40.0)
    assert "virtual service web is sorry: no real server is in service" in view(core).problems


def test_before_any_configuration_there_is_nothing_to_see():
    empty = view(Core())
    assert empty.services == ()
    assert empty.problems == ()


def test_what_a_pool_knows_is_shown():
    tiered = structs.replace(
        service(
            structs.replace(real_server(1), upper_threshold=9), structs.replace(real_server(2), tier=2), sorry=True
        ),
        quorum=2,
        quorum_hysteresis=1,
        firewall_mark=7,
        address="",
        addresses=("192.0.2.1",),
        ports=(PortRange(80, 80), PortRange(90, 99)),
        protocols=("tcp",),
    )
    core = Core()
    core.handle(ConfigLoaded(config(tiered)), 10.0)
    core.handle(HealthChanged(core.probing.probes_of["web", "rs2"][0], "up", "HTTP 200"), 20.0)
    (web,) = view(core).services
    assert (web.state, web.reason) == ("sorry", "live weight 1 is below the quorum of 2")
    assert (web.tier, web.healthy, web.live_weight, web.quorum, web.has_quorum) == (2, 1, 1, 2, False)
    assert (web.firewall_mark, web.addresses, web.ports) == (7, ("192.0.2.1",), ("80", "90-99"))
    assert [(server.tier, server.upper_threshold) for server in web.real_servers] == [(1, 9), (2, 0), (1, 0)]
    assert "virtual service web is sorry: live weight 1 is below the quorum of 2" in view(core).problems


def test_a_pool_that_serves_below_its_quorum_is_a_problem():
    core = Core()
    core.handle(ConfigLoaded(config(structs.replace(WEB, quorum=2, sorry_server=None))), 10.0)
    core.handle(HealthChanged(core.probing.probes_of["web", "rs1"][0], "up", "HTTP 200"), 20.0)
    assert "virtual service web is below its quorum: live weight 1 of 2" in view(core).problems


def test_a_service_that_waits_for_its_router_is_no_problem():
    core = Core()
    core.handle(ConfigLoaded(config(structs.replace(WEB, active_only="web", checks=()), routers=(router(),))), 10.0)
    (web,) = view(core).services
    assert web.state == "standby"
    assert view(core).problems == ()


def test_a_contest_is_a_problem_and_has_its_evidence():
    core = judged(Core())
    contest = Contest("198.51.100.100", "02:00:00:00:00:09")
    core.owners.verdicts["web"] = OwnerVerdict("contested", "02:.. says so", (contest,), at=90.0)
    seen = view(core, [structs.replace(ROUTER, state="active")])
    assert seen.problems[0] == "virtual router web is contested: 02:.. says so"
    (told,) = seen.routers
    assert (told.announced.state, told.announced.at) == ("contested", 1_000_090.0)
    assert [(each.address, each.mac) for each in told.announced.contests] == [(contest.address, contest.mac)]


def test_a_contest_that_the_leak_test_names_is_said_once():
    core = judged(Core())
    contest = Contest("198.51.100.100", "02:00:00:00:00:09")
    core.owners.verdicts["web"] = OwnerVerdict("contested", "02:.. says so", (contest,), at=90.0)
    core.arp.verdicts["198.51.100.100"] = ArpVerdict(True, "02:00:00:00:00:09 (rs1) answers ARP for 198.51.100.100")
    problems = view(core, [structs.replace(ROUTER, state="active")]).problems
    assert not any("contested" in each for each in problems)
    assert "02:00:00:00:00:09 (rs1) answers ARP for 198.51.100.100" in problems
