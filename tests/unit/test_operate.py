"""An operator's request, from the core's state to the new overrides; and the core's part in drains."""

import pytest

from haagent.control.requests import Operate
from haagent.core.core import Core
from haagent.core.effects import Record, SetVirtualServices, StoreOverrides
from haagent.core.events import (
    ConfigLoaded,
    DeadlinePassed,
    HealthChanged,
    OperatorChanged,
    RoutersObserved,
    TableObserved,
)
from haagent.ipvs.table import Destination, DestinationCounts, Forwarding, Service
from haagent.operate import operate
from haagent.pool.desired import destination_key, service_key
from haagent.pool.operator import Override, Overrides, words
from tests.unit.build import config, real_server, router, service

WEB = service(real_server(1), real_server(2))
KEY = service_key(WEB)
ONE, TWO = (destination_key(f"198.51.100.{n}", 80) for n in (11, 12))
RS1 = ("web", "rs1")
DIRECT = Forwarding.DIRECT_ROUTING


def up(core: Core) -> Core:
    for id_ in list(core.probing.probes):
        core.handle(HealthChanged(id_, "up", "200"), 2.0)
    return core


@pytest.fixture
def core() -> Core:
    core = Core()
    core.handle(ConfigLoaded(config(WEB)), 1.0)
    return up(core)


def said(core: Core, request: Operate, wall: float = 100.0) -> Overrides:
    wanted = operate(core, request, wall, "ann")
    assert not isinstance(wanted, str), wanted
    return wanted[0]


def look(core: Core, weight: int = 0, active: int = 0, *, is_counted: bool = True) -> None:
    table = {KEY: Service("wlc", destinations={ONE: Destination(DIRECT, weight), TWO: Destination(DIRECT, 1)})}
    counts = {(KEY, ONE): DestinationCounts(active_connections=active)}
    core.handle(TableObserved(table, counts, 0, (), is_counted=is_counted), 3.0)


def test_a_drain_reaches_the_table_and_the_history(core: Core) -> None:
    overrides = said(core, Operate(verb="drain", server="rs1"))
    assert core.words.overrides == {}  # nothing before it is stored
    effects = core.handle(OperatorChanged(overrides), 3.0)
    (level,) = [each for each in effects if isinstance(each, SetVirtualServices)]
    assert level.table[KEY].destinations[ONE].weight == 0
    assert Record("operator", "web/rs1", "enabled", "drained", "by ann", "ann") in effects


def test_words_are_kept_over_a_reload_and_a_restart(core: Core) -> None:
    overrides = said(core, Operate(verb="disable", server="rs1"))
    core.handle(OperatorChanged(overrides), 3.0)
    core.handle(ConfigLoaded(config(WEB)), 4.0)
    assert core.pools.of["web"].serving == {"rs2"}
    successor = Core()
    successor.handle(OperatorChanged(overrides), 1.0)
    successor.handle(ConfigLoaded(config(WEB)), 1.0)
    assert up(successor).pools.of["web"].serving == {"rs2"}


def test_the_last_one_is_taken_out_only_by_force(core: Core) -> None:
    core.handle(OperatorChanged(said(core, Operate(verb="disable", server="rs2"))), 3.0)
    for request in (
        Operate(verb="drain", server="rs1"),
        Operate(verb="disable", service="web"),
        Operate(verb="weight", server="rs1", weight=0),
    ):
        refused = operate(core, request, 100.0, "ann")
        assert isinstance(refused, str)
        assert "--force" in refused
    assert said(core, Operate(verb="disable", server="rs1", force=True))[RS1].admin == "disabled"
    assert said(core, Operate(verb="weight", server="rs1", weight=9))[RS1].weight == 9


def test_times_that_have_passed_are_refused(core: Core) -> None:
    assert "passed" in operate(core, Operate(verb="drain", server="rs1", deadline=99.0), 100.0, "ann")
    assert "passed" in operate(core, Operate(verb="weight", server="rs1", weight=1, until=100.0), 100.0, "ann")
    assert "ten years" in operate(core, Operate(verb="disable", server="rs1", until=1e300), 100.0, "ann")
    assert operate(Core(), Operate(verb="enable", server="rs1"), 1.0, "ann") == "no configuration is loaded yet"


def test_a_deadline_is_asked_for_and_passed(core: Core) -> None:
    core.handle(OperatorChanged(said(core, Operate(verb="drain", server="rs1", deadline=200.0))), 3.0)
    assert core.next_deadline() == 200.0
    assert core.handle(DeadlinePassed(199.0), 4.0) == []
    effects = core.handle(DeadlinePassed(200.0), 5.0)
    assert isinstance(effects[0], StoreOverrides)  # on disk before it is done
    (level,) = [each for each in effects if isinstance(each, SetVirtualServices)]
    assert set(level.table[KEY].destinations) == {TWO}
    assert core.next_deadline() is None


def test_a_drain_ends_with_its_last_connection(core: Core) -> None:
    core.handle(OperatorChanged(said(core, Operate(verb="drain", server="rs1"))), 3.0)
    look(core, weight=1)  # the kernel did not have it yet
    assert core.next_deadline() is None
    look(core, active=0, is_counted=False)  # counts that are older than the weight
    assert core.next_deadline() is None
    look(core, active=1)
    assert core.handle(DeadlinePassed(150.0), 4.0) == []
    look(core, active=0)
    assert core.next_deadline() == 0.0
    core.handle(DeadlinePassed(160.0), 5.0)
    assert words(core.words.overrides[RS1]) == "disabled"
    assert core.next_deadline() is None


def test_who_asks_for_a_drain_anew_waits_for_a_new_look(core: Core) -> None:
    core.handle(OperatorChanged(said(core, Operate(verb="drain", server="rs1"))), 3.0)
    look(core)
    core.handle(OperatorChanged(said(core, Operate(verb="drain", server="rs1", deadline=900.0))), 4.0)
    assert core.next_deadline() == 900.0


@pytest.mark.parametrize(("state", "ends"), [("backup", False), ("active", True), ("", False)])
def test_only_the_active_director_says_that_no_connection_is_left(state: str, ends: bool) -> None:
    core = Core()
    core.handle(ConfigLoaded(config(WEB, routers=(router(),))), 1.0)
    up(core)
    if state:
        core.handle(RoutersObserved({"web": state}), 2.0)
    core.handle(OperatorChanged(said(core, Operate(verb="drain", server="rs1"))), 3.0)
    look(core)
    assert (core.next_deadline() == 0.0) is ends


def test_a_drain_that_is_kept_never_ends(core: Core) -> None:
    core.handle(OperatorChanged(said(core, Operate(verb="drain", server="rs1", keep=True, deadline=200.0))), 3.0)
    look(core)
    core.handle(DeadlinePassed(300.0), 5.0)
    assert core.words.overrides[RS1].admin == "drained"
    assert core.next_deadline() is None


def test_words_of_the_peer_are_taken_over(core: Core) -> None:
    effects = core.handle(OperatorChanged({RS1: Override(admin="drained", actor="bob")}), 3.0)
    assert Record("operator", "web/rs1", "enabled", "drained", "by bob", "bob") in effects
