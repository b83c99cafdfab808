"""The speaker with two families, version 2, unicast peers, a second path: who is believed, what is sent where."""

from dataclasses import replace
from ipaddress import ip_address

import pytest

from haagent.vrrp import advertisement_v2
from haagent.vrrp.advertisement import GROUPS, Advertisement, ChecksumForm, Discard, encode
from haagent.vrrp.effects import SendAdvertisement
from haagent.vrrp.path import SecondPath
from haagent.vrrp.settings import Interface, RouterSettings
from haagent.vrrp.speaker import Speaker, SpeakerEffect, Transition

OURS, PEER, LOWER, OTHER, FAR, NEAR = (
    ip_address(each).packed
    for each in ("192.0.2.5", "192.0.2.9", "192.0.2.1", "203.0.113.5", "203.0.113.9", "203.0.113.1")
)
LINK_LOCAL, PEER6, VIRTUAL6 = (ip_address(each).packed for each in ("fe80::5", "fe80::9", "2001:db8::64"))
VIRTUAL = bytes((192, 0, 2, 100))
WEB = RouterSettings("web", "eth0", 51, 100, 1.0, ((VIRTUAL, 24),))
WEB6 = replace(WEB, name="web6", virtual_addresses=((VIRTUAL6, 64),))
UNICAST = replace(WEB, unicast_peers=(PEER, LOWER))
BOTH = replace(WEB, also_via=SecondPath("eth2", (FAR, NEAR)))
OLD = replace(WEB, version=2)
ETH0 = Interface("eth0", 2, True, b"\2\0\0\0\0\2", ((OURS, 24), (LINK_LOCAL, 64)))
ETH2 = Interface("eth2", 4, True, b"\2\0\0\0\0\4", ((OTHER, 24),))


def started(*settings: RouterSettings, interfaces: tuple[Interface, ...] = (ETH0, ETH2)) -> Speaker:
    speaker = Speaker()
    speaker.set_interfaces(interfaces, 0.0)
    speaker.set_routers(settings, 0.0)
    return speaker


def active(*settings: RouterSettings) -> Speaker:
    speaker = started(*settings)
    speaker.pass_time(10.0)
    return speaker


def hear(
    speaker: Speaker, priority: int, now: float, source: bytes = PEER, interface: str = "eth0", destination: bytes = b""
) -> list[SpeakerEffect]:
    destination = destination or GROUPS[len(source)]
    addresses = (VIRTUAL if len(source) == 4 else VIRTUAL6,)
    message = encode(Advertisement(51, priority, 1.0, addresses), source, destination)
    return speaker.receive(interface, message, 255, source, destination, now)


def hear_v2(
    speaker: Speaker, priority: int, now: float, interval: float = 1.0, password: str = ""
) -> list[SpeakerEffect]:
    auth = advertisement_v2.authentication(password)
    message = advertisement_v2.encode(Advertisement(51, priority, interval, (VIRTUAL,), ChecksumForm.RFC9568, 2, *auth))
    return speaker.receive("eth0", message, 255, PEER, GROUPS[4], now)


def states(speaker: Speaker) -> dict[str, str]:
    return {name: machine.state_name for name, machine in speaker.machines.items()}


# -------------------------------------------------------------------------------------------------------- families


def test_one_vrid_in_both_families_is_two_routers() -> None:
    speaker = active(WEB, WEB6)
    assert states(speaker) == {"web": "active", "web6": "active"}
    hear(speaker, 200, 11.0, PEER6)
    assert states(speaker) == {"web": "active", "web6": "backup"}
    hear(speaker, 200, 11.0, PEER)
    assert states(speaker) == {"web": "backup", "web6": "backup"}
    assert speaker.discarded == {}


def test_an_ipv6_router_speaks_from_the_link_local_address_in_one_form() -> None:
    speaker = active(WEB6)
    (only,) = speaker.utterance("web6", 100)
    assert (only.source, only.destination) == (LINK_LOCAL, GROUPS[16])
    assert len(speaker.utterance("web6", 0)) == 1


def test_the_ipv6_tie_break_compares_all_octets() -> None:
    speaker = active(WEB6)
    hear(speaker, 100, 11.0, ip_address("fe80::4").packed)
    assert states(speaker) == {"web6": "active"}
    hear(speaker, 100, 12.0, PEER6)
    assert states(speaker) == {"web6": "backup"}
    assert speaker.machines["web6"].reason == "fe80::9 has the same priority 100 and the greater address"


# ------------------------------------------------------------------------------------------------------- version 2


def test_two_routers_of_version_2_elect() -> None:
    speaker = started(OLD)
    hear_v2(speaker, 200, 1.0)
    speaker.pass_time(4.0)
    assert states(speaker) == {"web": "backup"}
    speaker.pass_time(10.0)
    assert states(speaker) == {"web": "active"}
    (only,) = speaker.utterance("web", 100)  # one form of the checksum, so no twin
    assert only.message[0] == 0x21


@pytest.mark.parametrize(("settings", "version"), [(WEB, 2), (OLD, 3)])
def test_another_version_is_not_heard_and_that_is_said(settings: RouterSettings, version: int) -> None:
    speaker = started(settings)
    effects = hear_v2(speaker, 200, 1.0) if version == 2 else hear(speaker, 200, 1.0)
    sentence = f"192.0.2.9 speaks VRRPv{version}, we VRRPv{settings.version}: neither hears the other"
    assert effects == [Transition("web", "backup", "backup", sentence)]
    assert speaker.discarded == {"eth0": {Discard.VERSION: 1}}
    speaker.pass_time(3.7)
    assert states(speaker) == {"web": "active"}


def test_another_interval_is_said_again_after_the_takeover() -> None:
    speaker = started(OLD)
    first = hear_v2(speaker, 200, 1.0, interval=3.0)
    again = hear_v2(speaker, 200, 2.0, interval=3.0)
    speaker.pass_time(3.7)
    later = hear_v2(speaker, 200, 4.0, interval=3.0)
    said = [
        [effect.reason for effect in effects if isinstance(effect, Transition)] for effects in (first, again, later)
    ]
    sentence = "192.0.2.9 advertises every 3 s, we every 1 s: VRRPv2 routers must agree, else both become Active"
    assert said == [[sentence], [], [sentence]]
    assert speaker.discarded == {"eth0": {Discard.INTERVAL: 3}}


def test_a_password_is_asked_for() -> None:
    speaker = active(replace(OLD, password="s3cr3t"))
    hear_v2(speaker, 200, 11.0, password="wrong")
    hear_v2(speaker, 200, 11.1)
    assert states(speaker) == {"web": "active"}
    assert speaker.discarded == {"eth0": {Discard.AUTH_FAILURE: 1, Discard.AUTH_TYPE_MISMATCH: 1}}
    hear_v2(speaker, 200, 11.2, password="s3cr3t")
    assert states(speaker) == {"web": "backup"}


# --------------------------------------------------------------------------------------------------------- unicast


def test_unicast_goes_to_each_peer_and_comes_from_peers_alone() -> None:
    speaker = active(UNICAST)
    sent = {each.destination for each in speaker.utterance("web", 100)}
    assert sent == {PEER, LOWER}
    hear(speaker, 200, 11.0, PEER)  # multicast
    hear(speaker, 200, 11.0, bytes((192, 0, 2, 77)), destination=OURS)
    assert states(speaker) == {"web": "active"}
    assert speaker.discarded == {"eth0": {Discard.DESTINATION: 1, Discard.SOURCE: 1}}
    hear(speaker, 200, 11.0, PEER, destination=OURS)
    assert states(speaker) == {"web": "backup"}


def test_while_nobody_was_heard_each_peer_gets_both_forms() -> None:
    speaker = active(UNICAST)
    assert len(speaker.utterance("web", 100)) == 4
    hear(speaker, 50, 11.0, PEER, destination=OURS)
    assert len(speaker.utterance("web", 100)) == 2


def test_a_new_primary_address_is_the_new_source() -> None:
    speaker = active(UNICAST)
    moved = replace(ETH0, addresses=((LOWER, 24),))
    assert SendAdvertisement("web", 100) in speaker.set_interfaces([moved], 11.0)
    assert {each.source for each in speaker.utterance("web", 100)} == {LOWER}


# ----------------------------------------------------------------------------------------------------- second path


def test_the_second_path_is_spoken_and_heard() -> None:
    speaker = started(BOTH)
    speaker.pass_time(2.0)
    hear(speaker, 200, 2.0, FAR, "eth2", OTHER)
    speaker.pass_time(5.0)
    assert states(speaker) == {"web": "backup"}  # the first one is dead, and this is no split
    speaker.pass_time(10.0)
    assert states(speaker) == {"web": "active"}
    sent = {(each.interface, each.source, each.destination) for each in speaker.utterance("web", 100)}
    assert sent == {("eth0", OURS, GROUPS[4]), ("eth2", OTHER, FAR), ("eth2", OTHER, NEAR)}


def test_what_comes_by_both_paths_is_harmless() -> None:
    speaker = started(BOTH)
    for second in range(1, 10):
        hear(speaker, 200, float(second), PEER)
        assert hear(speaker, 200, second + 0.001, FAR, "eth2", OTHER) == []
        speaker.pass_time(float(second))
    assert states(speaker) == {"web": "backup"}
    hear(speaker, 0, 10.0, PEER)
    hear(speaker, 0, 10.0, FAR, "eth2", OTHER)
    speaker.pass_time(10.7)
    assert states(speaker) == {"web": "active"}


@pytest.mark.parametrize(("source", "wins"), [(FAR, True), (NEAR, False)])
def test_a_tie_by_the_second_path_compares_the_addresses_there(source: bytes, wins: bool) -> None:
    speaker = active(BOTH)
    hear(speaker, 100, 11.0, source, "eth2", OTHER)
    assert states(speaker) == {"web": "backup" if wins else "active"}


def test_while_the_first_path_is_heard_it_alone_breaks_ties() -> None:
    speaker = active(BOTH)
    hear(speaker, 100, 11.0, LOWER)  # by eth0 we win, by eth2 the same peer has the greater address
    assert hear(speaker, 100, 11.0, FAR, "eth2", OTHER) == []
    assert states(speaker) == {"web": "active"}
    hear(speaker, 100, 16.0, FAR, "eth2", OTHER)  # the first path is dead by now
    assert states(speaker) == {"web": "backup"}


def test_a_greater_priority_wins_by_either_path() -> None:
    speaker = active(BOTH)
    hear(speaker, 100, 11.0, LOWER)
    hear(speaker, 101, 11.0, NEAR, "eth2", OTHER)
    assert states(speaker) == {"web": "backup"}


def test_the_second_path_needs_its_interface_and_nothing_more() -> None:
    speaker = started(BOTH, interfaces=(ETH0,))
    speaker.pass_time(10.0)
    assert states(speaker) == {"web": "active"}
    assert {each.interface for each in speaker.utterance("web", 100)} == {"eth0"}
    speaker.set_interfaces([ETH0, ETH2], 11.0)
    assert {each.interface for each in speaker.utterance("web", 100)} == {"eth0", "eth2"}
