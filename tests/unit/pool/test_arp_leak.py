"""Who may answer ARP for a virtual address, and who answers."""

import pytest
from msgspec.structs import replace

from haagent.pool.arp_leak import ArpAnswer, ArpVerdict, arp_tests, arp_verdicts
from tests.unit.build import SERVICE_ADDRESS, config, real_server, router, service

WEB = replace(service(real_server(1), real_server(2)), path_check="require")
[TEST] = arp_tests(config(WEB, routers=(router(),)))
ACTIVE, RS1, STRANGER = "02:00:00:00:00:01", "02:00:00:00:00:11", "02:00:00:00:00:99"
OWN = ArpAnswer("eth0", "198.51.100.11", RS1)


def vip(mac: str) -> ArpAnswer:
    return ArpAnswer("eth0", SERVICE_ADDRESS, mac)


def twice(*answers: ArpAnswer, state: str = "active", active: str = "", trouble: str = "") -> ArpVerdict:
    first = arp_verdicts(TEST, answers, {}, state=state, active_address=active, trouble=trouble)
    return arp_verdicts(TEST, answers, first, state=state, active_address=active, trouble=trouble)[SERVICE_ADDRESS]


def test_what_is_asked():
    assert TEST.addresses == ((SERVICE_ADDRESS, "web"),)
    assert TEST.neighbours == (("rs1", "198.51.100.11"), ("rs2", "198.51.100.12"))


def test_nothing_is_asked_that_nobody_wants_to_know():
    assert arp_tests(config(replace(WEB, path_check="off"), routers=(router(),))) == ()
    assert arp_tests(config(WEB)) == ()
    tunneled = replace(WEB, real_servers=(replace(real_server(1), forwarding_method="tunneling"),))
    assert arp_tests(config(tunneled, routers=(router(),))) == ()


def test_on_the_active_director_every_answer_is_a_leak():
    assert twice() == ArpVerdict(True, "")
    found = twice(vip(RS1), OWN)
    assert found.sentence.startswith(f"{RS1} (rs1) answers ARP for {SERVICE_ADDRESS}: clients may bypass the directors")
    assert "haagent recipe web --server rs1" in found.sentence
    assert f"{STRANGER} answers ARP for {SERVICE_ADDRESS} and is neither" in twice(vip(STRANGER)).sentence


def test_on_the_backup_the_actives_own_mac_is_right():
    active = ArpAnswer("eth0", "198.51.100.1", ACTIVE)
    assert twice(vip(ACTIVE), active, state="backup", active="198.51.100.1") == ArpVerdict(True, "")
    assert "(rs1)" in twice(vip(ACTIVE), vip(RS1), OWN, active, state="backup", active="198.51.100.1").sentence


def test_the_virtual_router_mac_is_right_everywhere():
    assert twice(vip("00:00:5e:00:01:33")).sentence == ""  # VRID 51
    assert twice(vip("00:00:5e:00:01:34")).sentence != ""


@pytest.mark.parametrize(
    ("state", "active", "trouble", "words"),
    [
        ("backup", "", "", "the Active director is not known by its MAC"),
        ("backup", "198.51.100.1", "", "the Active director is not known by its MAC"),
        ("initialize", "", "", "virtual router web takes no part"),
        ("active", "", "eth0: Network is down", "eth0: Network is down"),
    ],
)
def test_what_cannot_be_judged_is_not_tested(state, active, trouble, words):
    found = twice(vip(RS1), OWN, state=state, active=active, trouble=trouble)
    assert found == ArpVerdict(False, f"ARP not tested: {words}")


def test_one_round_is_a_suspicion_and_two_are_a_leak():
    first = arp_verdicts(TEST, [vip(RS1)], {}, state="active", active_address="")
    assert first[SERVICE_ADDRESS] == ArpVerdict(True, "", (RS1,))
    other = arp_verdicts(TEST, [vip(STRANGER)], first, state="active", active_address="")
    assert other[SERVICE_ADDRESS].sentence == ""
    silent = arp_verdicts(TEST, [], first, state="active", active_address="")
    assert silent[SERVICE_ADDRESS] == ArpVerdict(True, "")


def test_answers_on_another_interface_say_nothing():
    assert twice(ArpAnswer("eth1", SERVICE_ADDRESS, RS1)).sentence == ""
