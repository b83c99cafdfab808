"""What the core does with who says to have its addresses: when it asks again, announces again, and what it records."""

import pytest

from haagent.config.model import Config, Director, InterfaceAddress, VirtualRouter
from haagent.core.core import Core
from haagent.core.effects import AnnounceAgain, AskOwners, Effect, Record, SetOwnerTests
from haagent.core.events import ConfigLoaded, OwnersObserved, RoutersObserved, RouterTransitioned
from haagent.core.owners import AFTER_TAKEOVER, DEFEND_INTERVAL, UNSETTLED_INTERVAL
from haagent.pool.arp_leak import ArpAnswer
from haagent.pool.owners import CONFIRM_TIME, Elsewhere

VIRTUAL, PEER = "192.0.2.100", "192.0.2.1"
MINE, THEIRS, FOREIGN = "02:00:00:00:00:02", "02:00:00:00:00:01", "02:00:00:00:00:09"


def config(check: float = 60.0) -> Config:
    router = VirtualRouter(
        name="web",
        interface="eth0",
        vrid=51,
        virtual_addresses=(InterfaceAddress(address=VIRTUAL, prefix_length=24),),
        announce_check=check,
    )
    return Config(director=Director(name="d2", names=("d1", "d2")), virtual_routers=(router,))


@pytest.fixture
def core() -> Core:
    made = Core()
    made.handle(ConfigLoaded(config()), 0.0)
    return made


def about(effects: list[Effect]) -> list[Effect]:
    return [
        each
        for each in effects
        if isinstance(each, AskOwners | AnnounceAgain) or (isinstance(each, Record) and each.subject == "owner")
    ]


def said(core: Core, mac: str, now: float, address: str = VIRTUAL) -> list[Effect]:
    return about(core.handle(OwnersObserved("eth0", (ArpAnswer("eth0", address, mac),), now), now))


def asked(core: Core, at: float, now: float, active: str = "") -> list[Effect]:
    event = OwnersObserved("eth0", (), at, (VIRTUAL, PEER), active={"web": active}, own_macs=frozenset((MINE,)))
    return about(core.handle(event, now))


def test_the_tests_are_a_level_and_0_is_none() -> None:
    [level] = [each for each in Core().handle(ConfigLoaded(config()), 0.0) if isinstance(each, SetOwnerTests)]
    assert [(each.router, each.interface, each.addresses) for each in level.tests] == [("web", "eth0", (VIRTUAL,))]
    [level] = [each for each in Core().handle(ConfigLoaded(config(0.0)), 0.0) if isinstance(each, SetOwnerTests)]
    assert level.tests == ()


def test_a_takeover_is_followed_by_one_question_and_agreement_is_history(core: Core) -> None:
    effects = about(core.handle(RouterTransitioned("web", "backup", "active", "nobody was heard"), 10.0))
    assert effects == [AskOwners("eth0", AFTER_TAKEOVER)]
    assert about(core.handle(RoutersObserved({"web": "active"}), 10.1)) == []  # said already
    recorded, again = asked(core, 11.5, 12.6)
    assert recorded == Record("owner", "web", "", "agreed", f"nobody else answers for {VIRTUAL}")
    assert again == AskOwners("eth0", 60.0)
    assert asked(core, 72.0, 73.0) == [AskOwners("eth0", 60.0)]


def test_a_claim_is_answered_at_once_confirmed_and_not_answered_too_often(core: Core) -> None:
    core.handle(RouterTransitioned("web", "backup", "active", "nobody was heard"), 10.0)
    asked(core, 11.5, 12.6)
    announced, again = said(core, FOREIGN, 20.0)
    assert announced == AnnounceAgain("web")
    assert isinstance(again, AskOwners)
    assert again.after < 1.5
    assert AnnounceAgain("web") not in said(core, FOREIGN, 20.4)
    contested = said(core, FOREIGN, 21.2)
    assert contested == [Record("owner", "web", "agreed", "contested", f"{FOREIGN} says to have {VIRTUAL}")]
    assert said(core, FOREIGN, 20.0 + DEFEND_INTERVAL) == [AnnounceAgain("web")]
    assert asked(core, 31.0, 32.0)[-1] == AskOwners("eth0", UNSETTLED_INTERVAL)
    ended = asked(core, 42.0, 43.0)
    assert ended[0] == Record("owner", "web", "contested", "agreed", f"nobody else answers for {VIRTUAL}")


def test_a_backup_names_the_stranger_and_announces_nothing(core: Core) -> None:
    core.handle(RoutersObserved({"web": "backup"}), 0.0)
    effects: list[Effect] = []
    for now in (10.0, 12.0, 14.0):
        effects += said(core, THEIRS, now, PEER)
        effects += said(core, THEIRS, now)
        effects += said(core, FOREIGN, now)
        effects += asked(core, now - 0.2, now + 0.9, PEER)
    assert [each for each in effects if not isinstance(each, AskOwners)] == [
        Record("owner", "web", "agreed", "contested", f"{FOREIGN} says to have {VIRTUAL}")
    ]
    assert core.owners.heard("web") == Elsewhere({VIRTUAL: frozenset((THEIRS, FOREIGN))}, 13.8)


def test_another_active_router_starts_the_judgement_anew(core: Core) -> None:
    core.handle(RoutersObserved({"web": "backup"}), 0.0)
    for now in (10.0, 12.0):
        said(core, THEIRS, now, PEER)
        said(core, THEIRS, now)
        asked(core, now - 0.2, now + 0.9, PEER)
    third = "192.0.2.3"
    for now in (14.0, 15.0):  # it took over; our word for who is Active comes late
        said(core, FOREIGN, now, third)
        said(core, FOREIGN, now)
        asked(core, now - 0.2, now + 0.5, PEER)
    asked(core, 16.0, 16.1, third)
    for now in (17.5, 18.5):
        said(core, FOREIGN, now, third)
        said(core, FOREIGN, now)
        effects = asked(core, now - 0.2, now + 0.5, third)
    assert core.owners.verdicts["web"].state == "agreed"
    assert effects == [AskOwners("eth0", 60.0)]


def test_what_a_peer_hears_counts(core: Core) -> None:
    core.handle(RouterTransitioned("web", "backup", "active", "nobody was heard"), 10.0)
    asked(core, 11.5, 12.6)
    theirs = Elsewhere({VIRTUAL: frozenset((MINE, FOREIGN))}, 15.0)
    assert core.owners.take_elsewhere("web", "d1", theirs, 20.0) == [AskOwners("eth0", CONFIRM_TIME)]
    assert core.owners.verdicts["web"].state == "agreed"  # we ask too, before it counts
    effects = asked(core, 20.8, 22.0)
    assert [type(each) for each in effects] == [Record, AnnounceAgain, AskOwners]
    assert core.owners.verdicts["web"].sentence == f"{FOREIGN} says to have {VIRTUAL}, d1 says"
    ended = core.owners.take_elsewhere("web", "d1", Elsewhere({VIRTUAL: frozenset((MINE,))}, 30.0), 31.0)
    assert ended == [
        Record("owner", "web", "contested", "agreed", f"nobody else answers for {VIRTUAL}, and d1 hears us answer")
    ]


def test_what_a_peer_heard_before_our_takeover_says_nothing(core: Core) -> None:
    core.handle(RouterTransitioned("web", "backup", "active", "nobody was heard"), 10.0)
    asked(core, 11.5, 12.6)
    core.owners.take_elsewhere("web", "d1", Elsewhere({VIRTUAL: frozenset((THEIRS,))}, 10.5), 20.0)
    asked(core, 21.0, 22.0)
    assert core.owners.verdicts["web"].sentence == f"nobody else answers for {VIRTUAL}"


def test_only_a_backup_that_knows_who_is_active_tells_what_it_hears(core: Core) -> None:
    core.handle(RoutersObserved({"web": "backup"}), 0.0)
    said(core, THEIRS, 10.0)
    asked(core, 9.9, 11.0, PEER)
    assert core.owners.heard("web") is None  # the Active router's own MAC is not known
    said(core, THEIRS, 12.0, PEER)
    said(core, THEIRS, 12.0)
    said(core, FOREIGN, 12.0)  # suspected, not told
    asked(core, 11.9, 13.0, PEER)
    assert core.owners.heard("web") == Elsewhere({VIRTUAL: frozenset((THEIRS,))}, 11.9)
    core.handle(RoutersObserved({"web": "active"}), 14.0)
    assert core.owners.heard("web") is None
