"""The production machine in the capture's time: transitions at the instants at which they would have happened."""

from dataclasses import replace

import pytest

from haagent.sniff.records import Record
from haagent.sniff.replay import Replay, Replayed
from haagent.vrrp.auth_hmac import AuthHmac, KeyFile
from haagent.vrrp.settings import RouterSettings
from haagent.vrrp.timers import active_down_interval, skew_time
from tests.unit.sniff.heard import advertisement, announcement, ip

START = 1700000000.0
SETTINGS = RouterSettings("web", "eth0", 51, 100, 1.0, ((ip("192.0.2.100"), 24),))


def play(*records: Record, settings: RouterSettings = SETTINGS, address: str = "192.0.2.2") -> list[Replayed]:
    machine = Replay((settings,), "eth0", ip(address))
    return [each for record in records for each in machine.hear(record)]


def test_a_crash_of_the_active_router() -> None:
    heard = [advertisement(START + at, 1, 200) for at in range(4)]
    transitions = play(*heard, announcement(START + 20, 7))
    assert [(each.previous, each.state) for each in transitions] == [("initialize", "backup"), ("backup", "active")]
    assert transitions[1].at == pytest.approx(START + 3 + active_down_interval(100, 1.0))
    assert transitions[1].reason == "nothing more was heard from 192.0.2.1"


def test_a_router_that_lets_go() -> None:
    heard = [advertisement(START, 1, 200), advertisement(START + 1, 1, 0), announcement(START + 5, 7)]
    transition = play(*heard)[1]
    assert transition.at == pytest.approx(START + 1 + skew_time(100, 1.0))
    assert transition.reason == "192.0.2.1 let go (priority 0)"


def test_a_higher_priority_takes_it_back() -> None:
    transitions = play(announcement(START, 7), announcement(START + 8, 7), advertisement(START + 9, 1, 200))
    assert [each.state for each in transitions] == ["backup", "active", "backup"]
    assert transitions[-1].at == START + 9
    assert transitions[-1].reason == "192.0.2.1 has priority 200, ours is 100"


def test_our_own_advertisements_are_told_by_our_address() -> None:
    heard = [advertisement(START + at, 2, 100) for at in range(9)]
    assert [each.state for each in play(*heard)] == ["backup", "active"]
    assert [each.state for each in play(*heard, address="192.0.2.3")] == ["backup"]


def test_what_is_not_believed_is_counted_by_the_codecs_reason() -> None:
    machine = Replay((SETTINGS,), "eth0", ip("192.0.2.2"))
    assert machine.discarded() == {}
    for record in (advertisement(START, 1, ttl=254), advertisement(START, 1, vrid=7), advertisement(START, 2)):
        list(machine.hear(record))
    assert machine.discarded() == {"TTL": 1, "VRID": 1, "OWN": 1}


def test_signatures_are_taken_for_true() -> None:
    """A capture has no keys: what was signed is heard as if it were not."""
    auth = AuthHmac((KeyFile(1, "/none"),), 1)
    heard = [advertisement(START + at, 1, 200) for at in range(9)]
    signed = [replace(each, message=each.message + bytes((1, 1)) + bytes(26)) for each in heard]
    assert [each.state for each in play(*signed, settings=replace(SETTINGS, auth_hmac=auth))] == ["backup"]
