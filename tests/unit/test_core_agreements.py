"""The core tells a disagreement once, with its evidence, to the history and to the network's managers."""

from msgspec import structs

from haagent.config.model import Config, Endpoint, Peers
from haagent.core.core import Core
from haagent.core.effects import AgreementTransitioned, Effect, Notify, Record, TellPeers
from haagent.core.events import ConfigLoaded, PeerHeard, ProcessLost, RoutersObserved, RouterTransitioned
from haagent.core.hearing import Hearing
from haagent.view import Clock, snapshot
from tests.unit.build import config, router
from tests.unit.test_core_agreement import D1, D2, hearing
from tests.unit.test_view import ROUTER

PEERS = Peers(addresses=(Endpoint("d1", "203.0.113.1", 5406), Endpoint("d2", "203.0.113.2", 5406)))


def loaded(peers: Peers = PEERS) -> Core:
    core = Core()
    core.handle(ConfigLoaded(with_peers(peers)), 0.0)
    return core


def with_peers(peers: Peers) -> Config:
    return structs.replace(config(routers=(router(),)), peers=peers)


def look(core: Core, now: float, state: str, theirs: str | None = None) -> list[Effect]:
    own = hearing(state, D1, since=0.0, at=now, interval=0.1)
    effects = core.handle(RoutersObserved({"web": state}, (own,)), now)
    if theirs is not None:
        word = hearing(theirs, D2, since=0.0, at=now, interval=0.1)
        effects += core.handle(PeerHeard("d2", (word,)), now)
    return effects


def records(effects: list[Effect]) -> list[Record]:
    return [each for each in effects if isinstance(each, Record) and each.subject == "agreement"]


def over(core: Core, start: float, state: str, theirs: str | None) -> list[Effect]:
    return [effect for step in range(6) for effect in look(core, start + 2 * step, state, theirs)]


def test_a_split_is_told_once_and_so_is_its_end() -> None:
    core = loaded()
    assert records(over(core, 10.0, "active", "backup")) == []
    assert core.agreements.of["web"].state == "agreed"
    effects = over(core, 30.0, "active", "active")
    cause = "d1 and d2 are both Active; d1 has never heard d2 (192.0.2.2); d2 has never heard d1 (192.0.2.1)"
    assert records(effects) == [Record("agreement", "web", "agreed", "split", cause)]
    assert Notify(AgreementTransitioned("web", "agreed", "split", cause)) in effects
    assert TellPeers() in effects
    (record,) = records(over(core, 50.0, "active", "backup"))
    assert (record.previous, record.state) == ("split", "agreed")


def test_status_has_it_among_the_problems() -> None:
    core = loaded()
    over(core, 10.0, "active", "active")
    shown = structs.replace(ROUTER, state="active", name="web")
    view = snapshot(core, [shown], [], Clock(30.0, 1030.0), version="1", started_at=0.0)
    agreement = view.routers[0].agreement
    assert agreement is not None
    assert (agreement.state, agreement.since) == ("split", 1014.0)
    assert view.problems[0].startswith("virtual router web: split: d1 and d2 are both Active; ")


def test_who_takes_no_part_disagrees_with_nobody() -> None:
    core = loaded()
    over(core, 10.0, "active", "active")
    (record,) = records(look(core, 30.0, "initialize"))
    assert (record.state, record.cause) == ("unknown", "d1 takes no part")
    assert records(over(core, 40.0, "active", "backup")) == []


def test_without_the_vrrp_process_nothing_is_judged() -> None:
    core = loaded()
    over(core, 10.0, "active", "active")
    (record,) = records(core.handle(ProcessLost("vrrp"), 30.0))
    assert (record.state, record.cause) == ("unknown", "the vrrp process is not running")
    assert core.agreements.tell() == ()
    assert records(core.handle(PeerHeard("d2", (hearing("active", D2),)), 31.0)) == []


def test_words_of_nobody_we_know_are_not_taken() -> None:
    core = loaded()
    look(core, 10.0, "active")
    for step in range(6):
        effects = core.handle(PeerHeard("d9", (hearing("active", D2, at=10.0 + step),)), 10.0 + step)
        assert effects == []


def test_peers_hear_of_a_transition_at_once_where_there_are_any() -> None:
    event = RouterTransitioned("web", "backup", "active", "")
    assert TellPeers() in loaded().handle(event, 1.0)
    assert TellPeers() not in loaded(Peers()).handle(event, 1.0)


def test_a_reload_forgets_who_is_gone() -> None:
    core = loaded()
    over(core, 10.0, "active", "active")
    core.handle(ConfigLoaded(with_peers(Peers())), 30.0)
    (record,) = records(over(core, 30.0, "active", None))
    assert (record.previous, record.state) == ("split", "agreed")
    core.handle(ConfigLoaded(structs.replace(config(), peers=PEERS)), 50.0)
    assert (core.agreements.of, core.agreements.tell()) == ({}, ())


def told_of(core: Core) -> list[Hearing]:
    return list(core.agreements.tell())


def test_what_peers_are_told() -> None:
    core = loaded()
    look(core, 10.0, "active")
    assert [(each.router, each.state, each.own) for each in told_of(core)] == [("web", "active", (D1,))]
