from dataclasses import replace

import pytest

from haagent.vrrp.advertisement import GROUPS, MULTICAST_GROUP
from haagent.vrrp.path import SecondPath
from haagent.vrrp.settings import (
    NO_VIRTUAL_MAC,
    Fault,
    Interface,
    RouterSettings,
    Surroundings,
    Term,
    TrackedInterface,
    Tracking,
    effective_priority,
    resolve,
    terms,
)
from haagent.vrrp.virtual_router import Path, VirtualRouter

OWN, SECOND, VIRTUAL, UNADVERTISED = (bytes((192, 0, 2, last)) for last in (2, 3, 100, 101))
SETTINGS = RouterSettings("web", "eth0", 51, 200, 1.0, ((VIRTUAL, 24),), ((UNADVERTISED, 32),))
ETH0 = Interface("eth0", 2, True, b"\2\0\0\0\0\1", ((OWN, 24), (VIRTUAL, 24)))
ETH1 = Interface("eth1", 3, True, b"\2\0\0\0\0\2")
DOWN = replace(ETH1, is_up=False)


def surroundings(*interfaces: Interface, **tracking: Tracking) -> Surroundings:
    return Surroundings(
        {each.name: each for each in interfaces}, tracking, frozenset({("eth0", VIRTUAL), ("eth0", UNADVERTISED)})
    )


def test_every_parameter_comes_over() -> None:
    settings = replace(
        SETTINGS,
        preempt=False,
        checksum="rfc9568",
        announce_burst=1,
        announce_delay=2.0,
        announce_refresh=3.0,
        version=2,
        password="x",
    )
    assert resolve(settings, surroundings(ETH0)) == VirtualRouter(
        name="web",
        interface="eth0",
        vrid=51,
        priority=200,
        advertisement_interval=1.0,
        addresses=((VIRTUAL, 24), (UNADVERTISED, 32)),
        advertised=(VIRTUAL,),
        primary_address=OWN,
        preempt=False,
        checksum="rfc9568",
        announce_burst=1,
        announce_delay=2.0,
        announce_refresh=3.0,
        version=2,
        password="x",
        paths=(Path("eth0", OWN, (MULTICAST_GROUP,)),),
    )


@pytest.mark.parametrize(
    ("interfaces", "word"),
    [
        ((), "interface eth0 does not exist"),
        ((replace(ETH0, is_up=False),), "interface eth0 is down or has no carrier"),
        ((replace(ETH0, addresses=()),), "has no IPv4 address of its own"),
        ((replace(ETH0, addresses=((VIRTUAL, 24), (UNADVERTISED, 32))),), "has no IPv4 address of its own"),
    ],
)
def test_faults_of_the_interface(interfaces: tuple[Interface, ...], word: str) -> None:
    result = resolve(SETTINGS, surroundings(*interfaces))
    assert isinstance(result, Fault)
    assert word in result.sentence


@pytest.mark.parametrize(("others", "is_fault"), [((ETH1,), False), ((DOWN,), True), ((), True)])
def test_a_tracked_interface_may_be_a_fault(others: tuple[Interface, ...], is_fault: bool) -> None:
    settings = replace(SETTINGS, tracked_interfaces=(TrackedInterface("eth1", fault=True, priority=0),))
    result = resolve(settings, surroundings(ETH0, *others))
    assert result == Fault("tracked interface eth1 is down") if is_fault else isinstance(result, VirtualRouter)


def test_the_directors_word_is_a_fault() -> None:
    assert resolve(SETTINGS, surroundings(ETH0, web=Tracking(fault="pool web is empty"))) == Fault("pool web is empty")
    assert isinstance(resolve(SETTINGS, surroundings(ETH0, other=Tracking(fault="x"))), VirtualRouter)


@pytest.mark.parametrize(
    ("configured", "interface_term", "director_term", "wanted"),
    [
        (200, 0, 0, 200),
        (200, -50, 0, 150),
        (200, -50, -30, 120),
        (200, -150, -150, 1),  # never 0: that would be a farewell
        (200, 100, 0, 254),  # never 255: that would be the owner
        (254, -1, 1, 254),
        (255, -50, -50, 255),  # the owner's priority is never moved
    ],
)
def test_terms_add_up_within_1_and_254(configured: int, interface_term: int, director_term: int, wanted: int) -> None:
    settings = replace(
        SETTINGS, priority=configured, tracked_interfaces=(TrackedInterface("eth1", False, interface_term),)
    )
    around = surroundings(ETH0, DOWN, web=Tracking(terms=(Term("x", director_term),)))
    assert effective_priority(configured, terms(settings, around)) == wanted
    resolved = resolve(settings, around)
    assert isinstance(resolved, VirtualRouter)
    assert resolved.priority == wanted


def test_a_term_holds_only_while_the_link_is_down() -> None:
    settings = replace(SETTINGS, tracked_interfaces=(TrackedInterface("eth1", fault=False, priority=-50),))
    assert terms(settings, surroundings(ETH0, ETH1)) == ()
    assert terms(settings, surroundings(ETH0, DOWN)) == (Term("tracked interface eth1 is down", -50),)


def test_a_faulting_interface_has_no_term() -> None:
    settings = replace(SETTINGS, tracked_interfaces=(TrackedInterface("eth1", fault=True, priority=-50),))
    assert terms(settings, surroundings(ETH0, DOWN)) == ()


@pytest.mark.parametrize("addresses", [((VIRTUAL, 24), (OWN, 24)), ((OWN, 24), (SECOND, 24), (VIRTUAL, 24))])
def test_the_primary_address_is_the_first_that_is_not_virtual(addresses: tuple[tuple[bytes, int], ...]) -> None:
    result = resolve(SETTINGS, surroundings(replace(ETH0, addresses=addresses)))
    assert isinstance(result, VirtualRouter)
    assert result.primary_address == OWN


def test_an_address_that_is_virtual_elsewhere_is_our_own_here() -> None:
    around = replace(surroundings(ETH0), virtual=frozenset({("eth0", VIRTUAL), ("eth1", OWN)}))
    result = resolve(SETTINGS, around)
    assert isinstance(result, VirtualRouter)
    assert result.primary_address == OWN


def test_the_owners_virtual_address_is_its_own() -> None:
    only_virtual = replace(ETH0, addresses=((VIRTUAL, 24),))
    result = resolve(replace(SETTINGS, priority=255), surroundings(only_virtual))
    assert isinstance(result, VirtualRouter)
    assert result.primary_address == VIRTUAL
    assert isinstance(resolve(replace(SETTINGS, priority=255), surroundings(replace(ETH0, addresses=()))), Fault)


# ------------------------------------------------------------------------------------------------ paths and families

LINK_LOCAL, GLOBAL, VIRTUAL6 = (
    bytes.fromhex(head + "00" * (15 - len(head) // 2) + "64") for head in ("fe80", "20010db8", "20010db80001")
)
SETTINGS6 = replace(SETTINGS, virtual_addresses=((VIRTUAL6, 64),), unadvertised_addresses=())
PEER = bytes((192, 0, 2, 9))
FAR = bytes((203, 0, 113, 9))


def resolved(settings: RouterSettings, *interfaces: Interface) -> VirtualRouter:
    result = resolve(settings, surroundings(*interfaces))
    assert isinstance(result, VirtualRouter), result
    return result


def test_each_family_has_its_own_source() -> None:
    both = replace(ETH0, addresses=((OWN, 24), (GLOBAL, 64), (LINK_LOCAL, 64)))
    assert resolved(SETTINGS, both).primary_address == OWN
    assert resolved(SETTINGS6, both).paths == (Path("eth0", LINK_LOCAL, (GROUPS[16],)),)


def test_an_ipv6_router_waits_for_its_link_local_address() -> None:
    without = replace(ETH0, addresses=((OWN, 24), (GLOBAL, 64)))
    assert "no IPv6 link-local address" in str(resolve(SETTINGS6, surroundings(without)))
    tentative = replace(without, tentative=((LINK_LOCAL, 64),))
    assert "waiting for duplicate address detection of fe80::64" in str(resolve(SETTINGS6, surroundings(tentative)))
    duplicate = replace(without, duplicate=((LINK_LOCAL, 64),))
    assert "fe80::64 on eth0 is a duplicate" in str(resolve(SETTINGS6, surroundings(duplicate)))


def test_a_virtual_link_local_address_is_no_source() -> None:
    around = Surroundings(
        {"eth0": replace(ETH0, addresses=((LINK_LOCAL, 64),))}, virtual=frozenset({("eth0", LINK_LOCAL)})
    )
    assert isinstance(resolve(SETTINGS6, around), Fault)


def test_unicast_peers_replace_the_group() -> None:
    assert resolved(replace(SETTINGS, unicast_peers=(PEER,)), ETH0).paths == (Path("eth0", OWN, (PEER,)),)
    assert "unicast_peers is empty" in str(resolve(replace(SETTINGS, unicast_peers=()), surroundings(ETH0)))


def test_a_second_path_is_there_while_its_interface_is() -> None:
    settings = replace(SETTINGS, also_via=SecondPath("eth1", (FAR,)))
    second = replace(ETH1, addresses=((SECOND, 24),))
    first = Path("eth0", OWN, (MULTICAST_GROUP,))
    assert resolved(settings, ETH0, second).paths == (first, Path("eth1", SECOND, (FAR,)))
    for other in ((), (ETH1,), (replace(second, is_up=False),)):  # gone, without an address, down: no fault
        assert resolved(settings, ETH0, *other).paths == (first,)


@pytest.mark.parametrize(
    ("settings", "interface", "peers"),
    [
        (SETTINGS, "eth0", None),
        (replace(SETTINGS, unicast_peers=(PEER,)), "eth0", (PEER,)),
        (replace(SETTINGS, also_via=SecondPath("eth1", (FAR,))), "eth0", None),
        (replace(SETTINGS, also_via=SecondPath("eth1", (FAR,))), "eth1", (FAR,)),
    ],
)
def test_who_may_speak_where(settings: RouterSettings, interface: str, peers: tuple[bytes, ...] | None) -> None:
    assert settings.peers_on(interface) == peers


def test_where_a_router_is_heard() -> None:
    assert SETTINGS.places == (("eth0", 4, 51),)
    assert replace(SETTINGS6, also_via=SecondPath("eth1", (GLOBAL,))).places == (("eth0", 16, 51), ("eth1", 16, 51))


def test_a_virtual_mac_address_is_waited_for() -> None:
    settings = replace(SETTINGS, virtual_mac=True)
    there = surroundings(ETH0)
    assert resolve(settings, there) == Fault(NO_VIRTUAL_MAC)
    assert resolve(settings, replace(there, no_virtual_mac={"web": "eth0 is busy"})) == Fault("eth0 is busy")
    assert isinstance(resolve(settings, replace(there, no_virtual_mac={"web": ""})), VirtualRouter)
    assert isinstance(resolve(SETTINGS, replace(there, no_virtual_mac={"web": "eth0 is busy"})), VirtualRouter)
