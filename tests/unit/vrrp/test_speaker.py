"""The speaker: levels and datagrams in, effects in order out; reloads, tracking, faults, counters, farewells."""

from dataclasses import replace

import pytest

from haagent.vrrp.advertisement import MULTICAST_GROUP, Advertisement, ChecksumForm, Discard, decode, encode
from haagent.vrrp.effects import AnnounceAddresses, SendAdvertisement, SetAddresses
from haagent.vrrp.events import SegmentChanged
from haagent.vrrp.explain import explain
from haagent.vrrp.router import Active, Backup, Initialize
from haagent.vrrp.settings import Interface, RouterSettings, Term, TrackedInterface, Tracking
from haagent.vrrp.sources import MOST_ACCEPTED, MOST_REFUSED
from haagent.vrrp.speaker import Speaker, SpeakerEffect, Transition
from tests.rfc.rows import ACTIVE, ROUTER

OURS, PEER, OTHER = (bytes((192, 0, 2, last)) for last in (2, 1, 9))
VIRTUAL, SECOND = bytes((192, 0, 2, 100)), bytes((192, 0, 2, 101))
WEB = RouterSettings("web", "eth0", 51, 100, 1.0, ((VIRTUAL, 24),))
ETH0 = Interface("eth0", 2, True, b"\2\0\0\0\0\2", ((OURS, 24),))
ETH1 = Interface("eth1", 3, True, b"\2\0\0\0\0\3", ((bytes((198, 51, 100, 2)), 24),))
DOWN_AT = 3.609375  # Active_Down_Interval of priority 100 and 1 s, after a start at 0


def started(*settings: RouterSettings) -> Speaker:
    speaker = Speaker()
    speaker.set_interfaces([ETH0, ETH1], 0.0)
    speaker.set_routers(settings or (WEB,), 0.0)
    return speaker


def active(*settings: RouterSettings) -> Speaker:
    speaker = started(*settings)
    speaker.pass_time(10.0)
    return speaker


def hear(
    speaker: Speaker,
    priority: int,
    now: float,
    *,
    vrid: int = 51,
    source: bytes = PEER,
    interval: float = 1.0,
    addresses: tuple[bytes, ...] = (VIRTUAL,),
    form: ChecksumForm = ChecksumForm.RFC9568,
    interface: str = "eth0",
) -> list[SpeakerEffect]:
    message = encode(Advertisement(vrid, priority, interval, addresses, form), source)
    return speaker.receive(interface, message, 255, source, MULTICAST_GROUP, now)


def read(message: bytes, source: bytes = OURS) -> Advertisement:
    result = decode(message, 255, source, MULTICAST_GROUP)
    assert isinstance(result, Advertisement)
    return result


# ------------------------------------------------------------------------------------------- start, time, stop


def test_a_whole_life() -> None:
    speaker = Speaker()
    assert speaker.next_deadline() is None
    assert speaker.set_interfaces([ETH0], 0.0) == []
    assert speaker.set_routers([WEB], 0.0) == [
        SetAddresses("web", held=False),
        Transition("web", "initialize", "backup", "started; listening for an Active router"),
    ]
    assert speaker.next_deadline() == DOWN_AT
    assert speaker.pass_time(DOWN_AT - 0.001) == []
    assert speaker.pass_time(DOWN_AT) == [
        SendAdvertisement("web", 100),
        SetAddresses("web", held=True),
        AnnounceAddresses("web"),
        Transition("web", "backup", "active", "no Active router was heard for 3 s and the skew"),
    ]
    assert speaker.machines["web"].counters["active_transitions"] == 1
    assert speaker.machines["web"].since == DOWN_AT
    assert speaker.stop(5.0) == [
        SendAdvertisement("web", 0),
        Transition("web", "active", "active", "the director is stopping"),
    ]
    assert not speaker.has_left
    assert speaker.pass_time(9.0) == [
        SetAddresses("web", held=False),
        Transition("web", "active", "initialize", "stopped; no peer took over"),
    ]
    assert speaker.has_left
    assert speaker.next_deadline() is None


def test_priority_0_is_sent_once() -> None:
    speaker = active()
    assert SendAdvertisement("web", 0) in speaker.stop(11.0)
    assert speaker.stop(11.0) == []
    assert SendAdvertisement("web", 0) not in speaker.set_routers([], 11.0)


def test_a_stopping_director_starts_nothing() -> None:
    speaker = active()
    speaker.stop(11.0)
    assert speaker.set_routers([WEB, replace(WEB, name="new", vrid=52)], 11.0) == []
    assert speaker.set_interfaces([], 11.0) == []
    assert speaker.set_tracking({"web": Tracking("pool web is empty")}, 11.0) == []
    assert hear(speaker, 0, 11.0) == []


def test_the_owner_starts_active() -> None:
    speaker = Speaker()
    speaker.set_interfaces([ETH0], 0.0)
    effects = speaker.set_routers([replace(WEB, priority=255)], 0.0)
    assert effects[:3] == [SendAdvertisement("web", 255), SetAddresses("web", held=True), AnnounceAddresses("web")]
    assert effects[3:] == [Transition("web", "initialize", "active", "owner of the addresses (priority 255)")]


def test_two_deadlines_met_at_once_are_both_delivered() -> None:
    """The trial machine lost a wake-up here, and 99 of 3,000 schedules ended with two Active routers."""
    speaker = active()
    machine = speaker.machines["web"]
    machine.group.state = Active(adver_at=11.0, announce_at=11.0, announced=10, announced_at=1.0)
    speaker._deadlines = [(11.0, "web")]
    assert speaker.pass_time(11.0) == [SendAdvertisement("web", 100), AnnounceAddresses("web")]
    assert machine.state == Active(12.0, 71.0, 11, 11.0)
    assert speaker.next_deadline() == 12.0


def test_two_routers_due_at_once() -> None:
    speaker = started(WEB, replace(WEB, name="dns", vrid=52))
    effects = speaker.pass_time(DOWN_AT)
    assert {each.router for each in effects if isinstance(each, Transition)} == {"web", "dns"}
    assert speaker.next_deadline() == DOWN_AT + 0.2


def test_a_machine_that_does_not_move_on_is_no_busy_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("haagent.vrrp.speaker.step", lambda router, state, event, now: (state, []))
    speaker = active()
    speaker.machines["web"].group.state = ACTIVE
    speaker._deadlines = [(ACTIVE.announce_at, "web")]
    with pytest.raises(AssertionError, match="web does not move on"):
        speaker.pass_time(2000.0)


def test_moved_deadlines_are_skipped() -> None:
    speaker = started()
    hear(speaker, 200, 1.0)
    assert speaker.pass_time(DOWN_AT) == []
    assert speaker.next_deadline() == 1.0 + DOWN_AT
    hear(speaker, 200, 2.0)
    assert speaker.next_deadline() == 2.0 + DOWN_AT
    speaker.set_routers([], 2.5)
    assert speaker.pass_time(99.0) == []


def test_a_stalled_active_router_listens_first() -> None:
    speaker = active()
    assert speaker.pass_time(20.0) == [
        SetAddresses("web", held=False),
        Transition("web", "active", "backup", "stepped down after a stall of 9.000 s, to listen first"),
    ]


def test_packets_before_timers_after_a_stall() -> None:
    speaker = started()
    hear(speaker, 200, 1.0)
    assert hear(speaker, 200, 9.0) == []  # it waited in the socket while we did not run
    assert speaker.pass_time(9.0) == []
    assert speaker.machines["web"].state_name == "backup"


# --------------------------------------------------------------------------------------------------- datagrams


def test_follows_and_takes_over_after_a_farewell() -> None:
    speaker = started()
    assert hear(speaker, 200, 1.0) == []
    assert hear(speaker, 0, 2.0) == []
    assert speaker.next_deadline() == 2.609375
    effects = speaker.pass_time(2.609375)
    assert effects[-1] == Transition("web", "backup", "active", "192.0.2.1 let go (priority 0)")


def test_yields_to_the_higher_priority() -> None:
    speaker = active()
    assert hear(speaker, 200, 10.5) == [
        SetAddresses("web", held=False),
        SendAdvertisement("web", 100),
        Transition("web", "active", "backup", "192.0.2.1 has priority 200, ours is 100"),
    ]


def test_yields_to_the_greater_address() -> None:
    speaker = active()
    effects = hear(speaker, 100, 10.5, source=OTHER)
    assert effects[-1] == Transition(
        "web", "active", "backup", "192.0.2.9 has the same priority 100 and the greater address"
    )


def test_preempts_and_says_whom() -> None:
    speaker = started()
    for second in range(4):
        hear(speaker, 50, second + 0.5)
    effects = speaker.pass_time(DOWN_AT)
    assert effects[-1] == Transition("web", "backup", "active", "192.0.2.1 has priority 50, ours is 100")


def test_takes_over_from_a_silent_one_and_says_whom() -> None:
    speaker = started()
    hear(speaker, 200, 1.0)
    assert speaker.pass_time(5.0)[-1] == Transition("web", "backup", "active", "nothing more was heard from 192.0.2.1")


def test_every_other_event_is_explained_by_its_name() -> None:
    assert explain(ROUTER, Initialize(), Initialize(), SegmentChanged(), 0.0, None) == "SegmentChanged"


def test_discards_are_counted_by_interface_and_reason() -> None:
    speaker = started()
    assert speaker.receive("eth0", b"", 255, PEER, MULTICAST_GROUP, 1.0) == []
    assert speaker.receive("eth1", b"", 254, PEER, MULTICAST_GROUP, 1.0) == []
    hear(speaker, 100, 1.0, vrid=99)
    hear(speaker, 100, 1.0, interface="eth1")  # VRID 51 is configured on the other interface
    hear(speaker, 100, 1.0, vrid=99)
    assert speaker.discarded == {
        "eth0": {Discard.LENGTH: 1, Discard.VRID: 2},
        "eth1": {Discard.TTL: 1, Discard.VRID: 1},
    }
    assert speaker.machines["web"].counters == {}


def test_our_own_advertisement_is_discarded() -> None:
    speaker = active()
    before = speaker.machines["web"].state
    assert hear(speaker, 255, 10.1, source=OURS) == []
    assert speaker.discarded == {"eth0": {Discard.OWN: 1}}
    assert speaker.machines["web"].state is before


def test_one_vrid_on_two_interfaces_is_two_routers() -> None:
    speaker = started(WEB, replace(WEB, name="inner", interface="eth1"))
    hear(speaker, 200, 1.0, interface="eth1")
    assert speaker.machines["inner"].counters["advertisements_received"] == 1
    assert speaker.machines["web"].counters["advertisements_received"] == 0


def test_counters() -> None:
    speaker = started()
    hear(speaker, 200, 1.0)
    hear(speaker, 200, 1.1, form=ChecksumForm.PSEUDO_HEADER)
    hear(speaker, 0, 1.2)
    hear(speaker, 200, 1.3, interval=2.0)
    hear(speaker, 200, 1.4, interval=1.01)
    hear(speaker, 200, 1.5, addresses=(SECOND,))
    hear(speaker, 200, 1.6, addresses=(VIRTUAL, SECOND))
    assert speaker.machines["web"].counters == {
        "advertisements_received": 7,
        "checksum_rfc9568": 6,
        "checksum_pseudo_header": 1,
        "priority_zero_received": 1,
        "interval_mismatches": 2,
        "address_list_mismatches": 2,
    }


def test_the_order_of_the_addresses_is_no_mismatch() -> None:
    speaker = started(replace(WEB, virtual_addresses=((VIRTUAL, 24), (SECOND, 24))))
    hear(speaker, 200, 1.0, addresses=(SECOND, VIRTUAL))
    assert speaker.machines["web"].counters["address_list_mismatches"] == 0


# ---------------------------------------------------------------------------------------------------- messages


def test_messages_are_prepared() -> None:
    speaker = started(replace(WEB, unadvertised_addresses=((SECOND, 32),)))
    assert read(speaker.message("web", 100)) == Advertisement(51, 100, 1.0, (VIRTUAL,), ChecksumForm.RFC9568)
    assert read(speaker.message("web", 0)).priority == 0


def test_auto_speaks_the_peers_form() -> None:
    speaker = started()
    assert read(speaker.message("web", 100)).checksum_form is ChecksumForm.RFC9568
    hear(speaker, 200, 1.0, form=ChecksumForm.PSEUDO_HEADER)
    assert read(speaker.message("web", 100)).checksum_form is ChecksumForm.PSEUDO_HEADER
    hear(speaker, 200, 2.0)
    assert read(speaker.message("web", 100)).checksum_form is ChecksumForm.RFC9568


def test_while_no_peer_was_heard_auto_speaks_both_forms_at_first_and_at_times() -> None:
    speaker = active()
    said = [[read(each.message).checksum_form for each in speaker.utterance("web", 100)] for _ in range(40)]
    both = [ChecksumForm.RFC9568, ChecksumForm.PSEUDO_HEADER]
    assert [place for place, forms in enumerate(said, 1) if forms == both] == [1, 2, 3, 4, 16, 32]
    assert all(forms in (both, both[:1]) for forms in said)
    assert len(speaker.utterance("web", 0)) == 2  # whoever is there hears the farewell
    hear(speaker, 50, 11.0)
    assert {len(speaker.utterance("web", 100)) for _ in range(40)} == {1}


@pytest.mark.parametrize("form", list(ChecksumForm))
def test_a_configured_form_is_the_only_one(form: ChecksumForm) -> None:
    speaker = active(replace(WEB, checksum=form.value))
    assert [read(each.message).checksum_form for each in speaker.utterance("web", 100)] == [form]


def test_auto_keeps_the_peers_form_over_a_reload() -> None:
    speaker = started()
    hear(speaker, 200, 1.0, form=ChecksumForm.PSEUDO_HEADER)
    speaker.set_routers([replace(WEB, priority=90)], 2.0)
    assert read(speaker.message("web", 90)).checksum_form is ChecksumForm.PSEUDO_HEADER


@pytest.mark.parametrize("form", ChecksumForm)
def test_a_configured_form_stays(form: ChecksumForm) -> None:
    speaker = started(replace(WEB, checksum=form.value))
    for other in ChecksumForm:
        hear(speaker, 200, 1.0, form=other)
        assert read(speaker.message("web", 100)).checksum_form is form


# ----------------------------------------------------------------------------------------------------- reloads


def test_a_reload_without_a_change_keeps_state_and_deadlines() -> None:
    speaker = active()
    before, due = speaker.machines["web"].state, speaker.next_deadline()
    assert speaker.set_routers([replace(WEB)], 10.5) == []
    assert speaker.machines["web"].state is before
    assert speaker.next_deadline() == due


def test_a_reload_moves_a_backups_deadline_by_the_difference_of_the_skews() -> None:
    speaker = started()
    hear(speaker, 200, 1.0)
    assert speaker.set_routers([replace(WEB, priority=164)], 2.0) == []
    assert speaker.next_deadline() == 1.0 + DOWN_AT - 0.25
    assert speaker.set_routers([replace(WEB, priority=164, preempt=False)], 2.5) == []
    assert speaker.next_deadline() == 1.0 + DOWN_AT - 0.25
    assert sorted(speaker.machines["web"].messages) == [0, 164]


def test_a_reload_of_an_active_router_states_its_addresses_anew() -> None:
    speaker = active()
    assert speaker.set_routers([replace(WEB, virtual_addresses=((SECOND, 24),))], 10.5) == [
        SendAdvertisement("web", 100),
        SetAddresses("web", held=True),
        AnnounceAddresses("web"),
    ]
    assert read(speaker.message("web", 100)).addresses == (SECOND,)


def test_a_removed_router_says_priority_0() -> None:
    speaker = active(WEB, replace(WEB, name="dns", vrid=52))
    effects = speaker.set_routers([WEB], 10.5)
    assert effects == [
        SendAdvertisement("dns", 0),
        SetAddresses("dns", held=False),
        Transition("dns", "active", "initialize", "removed from the configuration"),
    ]
    assert read(speaker.message("dns", 0)).vrid == 52
    assert set(speaker.machines) == {"web"}
    hear(speaker, 200, 11.0, vrid=52)
    assert speaker.discarded == {"eth0": {Discard.VRID: 1}}
    speaker.set_routers([WEB], 11.0)
    assert speaker.retired == {}


def test_a_router_that_moves_says_farewell_under_its_old_vrid() -> None:
    speaker = active()
    effects = speaker.set_routers([replace(WEB, vrid=77)], 10.5)
    assert effects[0] == SendAdvertisement("web", 0)
    assert read(speaker.message("web", 0)).vrid == 51
    assert read(speaker.message("web", 100)).vrid == 77
    assert effects[-1] == Transition("web", "initialize", "backup", "started; listening for an Active router")


def test_a_router_that_moved_says_its_next_farewell_under_its_new_vrid() -> None:
    speaker = active()
    speaker.set_routers([replace(WEB, vrid=77)], 10.5)
    speaker.pass_time(20.0)
    assert SendAdvertisement("web", 0) in speaker.stop(20.5)
    assert read(speaker.message("web", 0)).vrid == 77


@pytest.mark.parametrize("change", ["interface lost", "fault"])
def test_a_router_that_moved_says_its_farewell_of_a_fault_under_its_new_vrid(change: str) -> None:
    speaker = active()
    speaker.set_routers([replace(WEB, vrid=77)], 10.5)
    speaker.pass_time(20.0)
    if change == "fault":
        effects = speaker.set_tracking({"web": Tracking("pool web is empty")}, 20.5)
    else:
        effects = speaker.set_interfaces([ETH1], 20.5)
    assert effects[0] == SendAdvertisement("web", 0)
    assert read(speaker.message("web", 0)).vrid == 77


def test_a_new_router_starts_beside_the_others() -> None:
    speaker = active()
    before = speaker.machines["web"].state
    speaker.set_routers([WEB, replace(WEB, name="dns", vrid=52)], 10.5)
    assert speaker.machines["dns"].state == Backup(10.5 + DOWN_AT, 1.0)
    assert speaker.machines["dns"].since == 10.5
    assert speaker.machines["web"].state is before


# ------------------------------------------------------------------------------------------- tracking and faults


def test_a_fault_at_start_is_explained_once() -> None:
    speaker = Speaker()
    sentence = "interface eth0 does not exist: create it or correct the router's `interface`"
    assert speaker.set_routers([WEB], 0.0) == [Transition("web", "initialize", "initialize", sentence)]
    assert speaker.set_routers([WEB], 1.0) == []
    assert speaker.set_interfaces([replace(ETH0, is_up=False)], 2.0) == [
        Transition("web", "initialize", "initialize", "interface eth0 is down or has no carrier")
    ]
    assert hear(speaker, 100, 2.5) == []
    assert speaker.pass_time(99.0) == []
    assert speaker.set_interfaces([ETH0], 100.0)[-1] == Transition(
        "web", "initialize", "backup", "started; listening for an Active router"
    )


def test_a_link_that_goes_down_and_comes_back() -> None:
    speaker = active()
    assert speaker.set_interfaces([replace(ETH0, is_up=False)], 11.0) == [
        SendAdvertisement("web", 0),
        SetAddresses("web", held=False),
        Transition("web", "active", "initialize", "interface eth0 is down or has no carrier"),
    ]
    assert isinstance(decode(speaker.message("web", 0), 255, OURS, MULTICAST_GROUP), Advertisement)
    assert speaker.next_deadline() is None
    speaker.set_interfaces([ETH0], 12.0)
    assert speaker.next_deadline() == 12.0 + DOWN_AT


def test_our_virtual_address_on_the_interface_changes_nothing() -> None:
    speaker = active()
    assert speaker.set_interfaces([replace(ETH0, addresses=((VIRTUAL, 24), (OURS, 24)))], 10.5) == []


def test_another_primary_address_is_spoken_from_at_once() -> None:
    speaker = active()
    effects = speaker.set_interfaces([replace(ETH0, addresses=((OTHER, 24),))], 10.5)
    assert effects[0] == SendAdvertisement("web", 100)
    assert hear(speaker, 100, 10.6, source=PEER)  # an advertisement of the peer loses against 192.0.2.9 too
    assert speaker.machines["web"].state_name == "active"


def test_terms_of_the_director_move_the_priority() -> None:
    speaker = active()
    assert speaker.effective_priority("web") == 100
    assert speaker.set_tracking({"web": Tracking(terms=(Term("x", -60),))}, 10.5)[0] == SendAdvertisement("web", 40)
    assert speaker.effective_priority("web") == 40
    assert read(speaker.message("web", 40)).priority == 40
    hear(speaker, 50, 10.6)
    assert speaker.machines["web"].state_name == "backup"
    speaker.set_tracking({}, 10.7)
    assert speaker.effective_priority("web") == 100


def test_a_tracked_interface_is_a_term_or_a_fault() -> None:
    term = replace(WEB, tracked_interfaces=(TrackedInterface("eth1", fault=False, priority=-60),))
    fault = replace(WEB, name="dns", vrid=52, tracked_interfaces=(TrackedInterface("eth1", fault=True, priority=0),))
    speaker = active(term, fault)
    effects = speaker.set_interfaces([ETH0, replace(ETH1, is_up=False)], 10.5)
    assert SendAdvertisement("web", 40) in effects
    assert Transition("dns", "active", "initialize", "tracked interface eth1 is down") in effects


def test_the_directors_fault_and_its_end() -> None:
    speaker = active()
    assert speaker.set_tracking({"web": Tracking("pool web is empty")}, 11.0)[-1] == Transition(
        "web", "active", "initialize", "pool web is empty"
    )
    assert speaker.set_tracking({"web": Tracking("pool web is empty")}, 11.5) == []
    assert speaker.set_tracking({}, 12.0)[0] == SetAddresses("web", held=False)


def test_only_who_is_active_and_stays_so_announces_again() -> None:
    speaker = active(WEB)
    assert speaker.announce("web") == [AnnounceAddresses("web")]
    assert speaker.announce("nobody") == []
    speaker.hand_over("web", 100.0, 10.5)
    assert speaker.announce("web") == []
    assert started(WEB).announce("web") == []


def test_a_changed_segment_is_announced_to() -> None:
    speaker = active(WEB, replace(WEB, name="inner", interface="eth1"))
    assert speaker.segment_changed("eth0", 10.5) == [
        SendAdvertisement("web", 100),
        SetAddresses("web", held=True),
        AnnounceAddresses("web"),
    ]
    assert speaker.segment_changed("eth7", 10.5) == []


@pytest.mark.parametrize(
    ("state", "name"), [(Initialize(), "initialize"), (Backup(1.0, 1.0), "backup"), (ACTIVE, "active")]
)
def test_names_of_the_states(state: Initialize | Backup | Active, name: str) -> None:
    machine = started().machines["web"]
    machine.group.state = state
    assert machine.state_name == name


# ------------------------------------------------------------------------------------------ guarded takeover


def test_a_guarded_router_says_what_it_waits_for_once_and_that_it_is_over() -> None:
    speaker = started(replace(WEB, guard_time=60.0))
    speaker.set_tracking({"web": Tracking(hold="it is not ready")}, 0.0)
    waits = "does not preempt 192.0.2.1 (priority 50) yet, for at most 60 s: it is not ready"
    assert hear(speaker, 50, 1.0) == [Transition("web", "backup", "backup", waits)]
    assert hear(speaker, 50, 2.0) == []
    assert speaker.machines["web"].reason == waits
    speaker.set_tracking({}, 2.5)
    assert hear(speaker, 50, 3.0) == [Transition("web", "backup", "backup", "preempts: it is ready now")]
    assert hear(speaker, 50, 4.0) == []
    assert speaker.pass_time(2.0 + DOWN_AT)[-1] == Transition(
        "web", "backup", "active", "192.0.2.1 has priority 50, ours is 100"
    )


def test_a_guard_that_waited_in_vain_says_so() -> None:
    speaker = started(replace(WEB, guard_time=10.0))
    speaker.set_tracking({"web": Tracking(hold="it is not ready")}, 0.0)
    for second in range(1, 11):
        hear(speaker, 50, float(second))
    reason = "preempts although it is not ready: it has waited long enough"
    assert hear(speaker, 50, 11.0) == [Transition("web", "backup", "backup", reason)]
    assert hear(speaker, 50, 12.0) == []


def test_an_active_router_is_not_disturbed_by_a_hold() -> None:
    speaker = active(replace(WEB, guard_time=10.0))
    assert speaker.set_tracking({"web": Tracking(hold="it is not ready")}, 11.0) == []
    assert hear(speaker, 50, 12.0)[0] == SendAdvertisement("web", 100)


def test_a_hold_of_one_member_holds_its_group() -> None:
    other = replace(WEB, name="inside", interface="eth1", vrid=52, group="nat", guard_time=60.0)
    speaker = started(replace(WEB, group="nat", guard_time=60.0), other)
    speaker.set_tracking({"inside": Tracking(hold="it is not ready")}, 0.0)
    hear(speaker, 50, 1.0)
    assert speaker.pass_time(DOWN_AT) == []
    assert isinstance(speaker.machines["web"].state, Backup)


def test_a_flood_of_sources_is_counted_and_kept_small() -> None:
    speaker = started()
    hear(speaker, 200, 1.0)
    for number in range(2000):
        source = bytes((10, 0, number >> 8, number & 255))
        hear(speaker, 50, 1.0 + number / 1000, source=source)
        message = encode(Advertisement(51, 50, 1.0, (VIRTUAL,)), source)
        speaker.receive("eth0", message, 254, source, MULTICAST_GROUP, 1.0 + number / 1000)
    sources = speaker.machines["web"].sources
    assert (len(sources.accepted), len(sources.refused), sources.uncounted) == (MOST_ACCEPTED, MOST_REFUSED, 3989)
    assert sources.accepted[PEER].priority == 200


def test_our_own_advertisements_are_no_source() -> None:
    speaker = active()
    hear(speaker, 100, 10.5, source=OURS)
    assert speaker.machines["web"].sources.all() == []
