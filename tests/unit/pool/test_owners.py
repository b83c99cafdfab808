"""Verdicts of both sides from what was heard, row by row."""

from dataclasses import replace

import pytest

from haagent.pool.arp_leak import ArpAnswer
from haagent.pool.owners import (
    BACKUP_CONFIRM_TIME,
    CONFIRM_TIME,
    FORGET_TIME,
    MOST_MACS,
    SETTLE_TIME,
    Claims,
    Contest,
    OwnerTest,
    OwnerVerdict,
    Role,
    Round,
    Sighting,
    own_addresses,
    owner_verdict,
    remembered,
)

VIRTUAL, OTHER, PEER = "192.0.2.100", "192.0.2.101", "192.0.2.1"
MINE, THEIRS, FOREIGN = "02:00:00:00:00:02", "02:00:00:00:00:01", "02:00:00:00:00:09"
ROUTER_MAC = "00:00:5e:00:01:33"
TEST = OwnerTest("web", "eth0", 51, (VIRTUAL, OTHER), (), 60.0)
ACTIVE, BACKUP = Role("active", 0.0), Role("backup", 0.0, PEER)
LAST = Round(20.0, frozenset((VIRTUAL, OTHER, PEER)), 10.0)
PLACE = "eth0", VIRTUAL
ANSWER = ArpAnswer("eth0", VIRTUAL, FOREIGN)


def heard(*sightings: tuple[str, str, float]) -> Claims:
    """Address, MAC and instant, in their order."""
    claims: Claims = {}
    for address, mac, at in sightings:
        claims = remembered(claims, [ArpAnswer("eth0", address, mac)], at)
    return claims


def verdict(role: Role, *sightings: tuple[str, str, float], last: Round | None = LAST, **more: object) -> OwnerVerdict:
    claims = heard(*sightings)
    names = own_addresses(claims, "eth0", {VIRTUAL, OTHER})
    return owner_verdict(TEST, role, claims, last, frozenset((MINE,)), names=names, **more)  # type: ignore[arg-type]


ALL_RIGHT = ((PEER, THEIRS, 20.1), (VIRTUAL, THEIRS, 20.1), (OTHER, THEIRS, 20.2))


def test_a_claim_keeps_its_first_and_its_last_instant() -> None:
    claims = remembered(remembered({}, [ANSWER], 10.0), [ANSWER], 12.0)
    assert claims == {PLACE: {FOREIGN: Sighting(10.0, 12.0, (10.0, 12.0))}}
    assert claims[PLACE][FOREIGN].is_confirmed


def test_what_is_heard_once_is_not_confirmed_however_many_frames_said_it() -> None:
    claims = remembered(remembered({}, [ANSWER, ANSWER], 10.0), [ANSWER], 10.0 + CONFIRM_TIME / 2)
    assert not claims[PLACE][FOREIGN].is_confirmed
    assert claims[PLACE][FOREIGN].recent == (10.0,)


def test_a_claim_is_forgotten_when_nobody_says_it_any_more() -> None:
    claims = remembered({}, [ANSWER], 10.0)
    assert remembered(claims, [], 10.0 + FORGET_TIME) == claims
    assert remembered(claims, [], 10.1 + FORGET_TIME) == {}


def test_who_invents_macs_fills_no_memory() -> None:
    claims = remembered({}, [replace(ANSWER, mac=f"02:00:00:00:01:{number:02x}") for number in range(200)], 10.0)
    assert len(claims[PLACE]) == MOST_MACS


def test_nobody_was_asked_since_the_takeover() -> None:
    assert verdict(ACTIVE, last=None).state == ""
    assert verdict(replace(ACTIVE, since=20.5)).state == ""
    assert verdict(ACTIVE, last=replace(LAST, asked=frozenset((VIRTUAL,)))).state == ""  # a reload added one
    assert verdict(Role("initialize", 0.0)).sentence == "this director takes no part"


def test_active_nobody_else_answers() -> None:
    assert verdict(ACTIVE).state == "agreed"
    assert verdict(ACTIVE, (VIRTUAL, ROUTER_MAC, 20.0), (VIRTUAL, ROUTER_MAC, 22.0)).state == "agreed"
    assert verdict(ACTIVE, (VIRTUAL, MINE, 20.0), (VIRTUAL, MINE, 22.0)).state == "agreed"  # another interface of ours


def test_active_with_a_witness() -> None:
    asked = replace(LAST, witnesses={"192.0.2.254": "the gateway"})
    there = verdict(ACTIVE, ("192.0.2.254", FOREIGN, 20.1), last=asked)
    assert (there.state, there.sentence) == (
        "agreed",
        "nobody else answers for any of the 2 addresses; the gateway 192.0.2.254 was there to be asked",
    )
    absent = verdict(ACTIVE, ("192.0.2.254", FOREIGN, 9.0), last=asked)
    assert absent.state == "silent"
    assert "the gateway 192.0.2.254 neither" in absent.sentence


def test_active_a_stranger_is_suspected_then_said_with_its_other_address() -> None:
    once = verdict(ACTIVE, (VIRTUAL, FOREIGN, 20.1))
    assert (once.state, once.suspects) == ("agreed", (Contest(VIRTUAL, FOREIGN),))
    twice = verdict(ACTIVE, (VIRTUAL, FOREIGN, 20.1), ("192.0.2.9", FOREIGN, 21.0), (VIRTUAL, FOREIGN, 21.1))
    assert (twice.state, twice.contests) == ("contested", (Contest(VIRTUAL, FOREIGN),))
    assert twice.sentence == f"{FOREIGN} (192.0.2.9) says to have {VIRTUAL}"


def test_active_a_suspect_that_does_not_answer_is_cleared() -> None:
    assert verdict(ACTIVE, (VIRTUAL, FOREIGN, 19.9)).suspects == ()


def test_a_contest_ends_after_two_rounds_without_an_answer() -> None:
    said = (VIRTUAL, FOREIGN, 8.0), (VIRTUAL, FOREIGN, 10.1)
    assert verdict(ACTIVE, *said).state == "contested"
    assert verdict(ACTIVE, *said, last=replace(LAST, before_at=10.2)).state == "agreed"


def test_the_predecessors_last_words_are_no_contest() -> None:
    since = 19.0
    early = [(VIRTUAL, THEIRS, since + SETTLE_TIME * part) for part in (-9.0, -0.8, 0.1, 0.9)]
    assert verdict(replace(ACTIVE, since=since), *early) == verdict(replace(ACTIVE, since=since))
    still = [*early, (VIRTUAL, THEIRS, since + 1.5), (VIRTUAL, THEIRS, since + 2.5)]
    assert verdict(replace(ACTIVE, since=since), *still).state == "contested"  # it was killed, its kernel answers


def test_backup_the_active_router_answers() -> None:
    found = verdict(BACKUP, *ALL_RIGHT)
    assert (found.state, found.contests, found.suspects) == ("agreed", (), ())
    assert found.sentence == f"{THEIRS} of {PEER}, which is Active, answers for all 2 addresses"


def test_backup_the_virtual_mac_answers() -> None:
    found = verdict(BACKUP, (PEER, THEIRS, 20.1), (VIRTUAL, ROUTER_MAC, 20.1), (OTHER, ROUTER_MAC, 20.1))
    assert (found.state, ROUTER_MAC in found.sentence) == ("agreed", True)


@pytest.mark.parametrize(
    ("role", "sightings", "words"),
    [
        (replace(BACKUP, active_address=""), ALL_RIGHT, "no Active director is heard"),
        (BACKUP, ALL_RIGHT[1:], f"{PEER}, which is Active, does not answer for its own address"),
    ],
)
def test_backup_without_knowing_the_active_routers_mac(role: Role, sightings: tuple, words: str) -> None:
    found = verdict(role, *sightings)
    assert (found.state, found.sentence) == ("unknown", words)


def test_backup_nobody_answers_for_an_address() -> None:
    found = verdict(BACKUP, *ALL_RIGHT[:2])
    assert (found.state, found.sentence) == ("silent", f"nobody answers for {OTHER}, although {PEER} is Active")


def test_backup_a_stranger_has_to_be_heard_for_longer() -> None:
    def found(apart: float) -> OwnerVerdict:
        return verdict(BACKUP, *ALL_RIGHT, (VIRTUAL, FOREIGN, 20.3), (VIRTUAL, FOREIGN, 20.3 + apart))

    assert (found(BACKUP_CONFIRM_TIME - 0.5).state, len(found(BACKUP_CONFIRM_TIME - 0.5).suspects)) == ("agreed", 1)
    assert found(BACKUP_CONFIRM_TIME + 0.1).contests == (Contest(VIRTUAL, FOREIGN),)


def test_who_cannot_ask_says_so_and_what_is_heard_counts_still() -> None:
    mute = replace(LAST, trouble="this director may not send ARP (CAP_NET_RAW)")
    assert verdict(ACTIVE, last=mute).sentence == f"the segment cannot be asked: {mute.trouble}"
    assert verdict(ACTIVE, last=mute).state == "unknown"
    assert verdict(ACTIVE, (VIRTUAL, FOREIGN, 20.1), (VIRTUAL, FOREIGN, 22.1), last=mute).state == "contested"


def test_what_another_director_hears() -> None:
    agreeing = {"d2": {VIRTUAL: frozenset((MINE,)), OTHER: frozenset((MINE,))}}
    assert verdict(ACTIVE, elsewhere=agreeing).sentence == (
        "nobody else answers for any of the 2 addresses, and d2 hears us answer"
    )
    half = {"d2": {VIRTUAL: frozenset((MINE,))}}
    assert verdict(ACTIVE, elsewhere=half).sentence == "nobody else answers for any of the 2 addresses"
    foreign = {"d2": {VIRTUAL: frozenset((MINE, FOREIGN))}}
    found = verdict(ACTIVE, elsewhere=foreign)
    assert found.contests == (Contest(VIRTUAL, FOREIGN, heard_by="d2"),)
    assert found.sentence == f"{FOREIGN} says to have {VIRTUAL}, d2 says"


def test_many_are_counted_and_not_listed() -> None:
    many = [
        (address, f"02:00:00:00:00:1{number}", at)
        for number in range(5)
        for address in (VIRTUAL, OTHER)
        for at in (21.0, 23.0)
    ]
    sentence = verdict(ACTIVE, *many).sentence
    assert sentence.count("says to have") == 3
    assert f"says to have {VIRTUAL} and 1 more; " in sentence
    assert sentence.endswith("; and 2 more")
