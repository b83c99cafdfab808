from haagent.core.core import Core
from haagent.core.events import OwnersObserved
from haagent.pool.arp_leak import ArpAnswer
from haagent.pool.owners import CONFIRM_TIME, FORGET_TIME, Sighting, remembered

ANSWER = ArpAnswer("eth0", "192.0.2.100", "02:00:00:00:00:09")
PLACE = "eth0", "192.0.2.100"


def test_a_claim_keeps_its_first_and_its_last_instant() -> None:
    claims = remembered(remembered({}, [ANSWER], 10.0), [ANSWER], 12.0)
    assert claims == {PLACE: {ANSWER.mac: Sighting(10.0, 12.0)}}
    assert claims[PLACE][ANSWER.mac].is_confirmed


def test_what_is_heard_once_is_not_confirmed_however_many_frames_said_it() -> None:
    claims = remembered(remembered({}, [ANSWER, ANSWER], 10.0), [ANSWER], 10.0 + CONFIRM_TIME / 2)
    assert not claims[PLACE][ANSWER.mac].is_confirmed


def test_a_claim_is_forgotten_when_nobody_says_it_any_more() -> None:
    claims = remembered({}, [ANSWER], 10.0)
    assert remembered(claims, [], 10.0 + FORGET_TIME) == claims
    assert remembered(claims, [], 10.1 + FORGET_TIME) == {}


def test_the_core_remembers_who_answered_where() -> None:
    core = Core()
    core.handle(OwnersObserved("eth0", (ANSWER,), 9.0, asked=("192.0.2.100",)), 10.0)
    assert core.claims == {PLACE: {ANSWER.mac: Sighting(10.0, 10.0)}}
