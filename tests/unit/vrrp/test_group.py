"""Routers that move together, in the Speaker: one state, one timer, one priority."""

from dataclasses import replace
from math import inf

from hypothesis import given
from hypothesis import strategies as st

from haagent.vrrp.advertisement import MULTICAST_GROUP, Advertisement, encode
from haagent.vrrp.effects import AnnounceAddresses, SendAdvertisement, SetAddresses
from haagent.vrrp.group import breaks_ties, spread
from haagent.vrrp.settings import Interface, RouterSettings, Term, Tracking
from haagent.vrrp.speaker import Speaker, SpeakerEffect, Transition

OURS, PEER = bytes((192, 0, 2, 2)), bytes((192, 0, 2, 1))
INNER_OURS, INNER_PEER = bytes((198, 51, 100, 1)), bytes((198, 51, 100, 2))  # the other way round
OUTSIDE = RouterSettings("outside", "eth0", 51, 100, 1.0, ((bytes((192, 0, 2, 100)), 24),), group="nat")
INSIDE = RouterSettings("inside", "eth1", 52, 100, 1.0, ((bytes((198, 51, 100, 100)), 24),), group="nat")
ETH0 = Interface("eth0", 2, True, b"\2\0\0\0\0\1", ((OURS, 24),))
ETH1 = Interface("eth1", 3, True, b"\2\0\0\0\0\2", ((INNER_OURS, 24),))
DOWN_AT = 3.609375


def started(*settings: RouterSettings) -> Speaker:
    speaker = Speaker()
    speaker.set_interfaces([ETH0, ETH1], 0.0)
    speaker.set_routers(settings or (OUTSIDE, INSIDE), 0.0)
    return speaker


def active() -> Speaker:
    speaker = started()
    speaker.pass_time(DOWN_AT)
    return speaker


def hear(speaker: Speaker, name: str, priority: int, now: float) -> list[SpeakerEffect]:
    inside = name == "inside"
    source = INNER_PEER if inside else PEER
    settings = INSIDE if inside else OUTSIDE
    message = encode(
        Advertisement(settings.vrid, priority, 1.0, tuple(each for each, _ in settings.virtual_addresses)), source
    )
    return speaker.receive(settings.interface, message, 255, source, MULTICAST_GROUP, now)


def states(speaker: Speaker) -> set[str]:
    return {each.state_name for each in speaker.machines.values()}


def test_both_become_active_one_step_after_the_other() -> None:
    assert started().pass_time(DOWN_AT) == [
        SendAdvertisement("outside", 100),
        SendAdvertisement("inside", 100),
        SetAddresses("outside", held=True),
        SetAddresses("inside", held=True),
        AnnounceAddresses("outside"),
        AnnounceAddresses("inside"),
        Transition("outside", "backup", "active", "no Active router was heard for 3 s and the skew"),
        Transition("inside", "backup", "active", "no Active router was heard for 3 s and the skew"),
    ]


def test_what_one_hears_both_have_heard() -> None:
    speaker = started()
    hear(speaker, "inside", 200, 3.0)
    assert speaker.pass_time(DOWN_AT) == []
    assert speaker.next_deadline() == 3.0 + DOWN_AT
    assert speaker.machines["inside"].active_address == INNER_PEER
    assert speaker.machines["outside"].active_address == b""  # nobody was heard there


def test_one_sides_fault_is_both_sides_farewell() -> None:
    speaker = active()
    effects = speaker.set_interfaces([ETH0, replace(ETH1, is_up=False)], 4.0)
    assert effects[:2] == [SendAdvertisement("outside", 0), SendAdvertisement("inside", 0)]
    assert effects[-1] == Transition(
        "inside", "active", "initialize", "inside: interface eth1 is down or has no carrier"
    )
    speaker.set_interfaces([ETH0, ETH1], 5.0)
    assert states(speaker) == {"backup"}


def test_terms_of_both_count_once() -> None:
    speaker = active()
    pool = Term("pool web is empty", -20)
    speaker.set_tracking({"outside": Tracking(terms=(pool,)), "inside": Tracking(terms=(pool, Term("x", -5)))}, 4.0)
    assert [speaker.effective_priority(name) for name in ("outside", "inside")] == [75, 75]
    assert speaker.terms("outside") == (pool, Term("x", -5))


def test_addresses_are_compared_on_the_first_segment_alone() -> None:
    """Ours is the greater one outside and the lesser one inside."""
    speaker = active()
    hear(speaker, "outside", 100, 4.0)
    hear(speaker, "inside", 100, 4.1)
    assert states(speaker) == {"active"}


def test_where_the_first_segment_is_silent_the_next_one_decides() -> None:
    speaker = active()
    hear(speaker, "inside", 100, 4.0)
    assert states(speaker) == {"backup"}


def test_a_higher_priority_wins_wherever_it_is_heard() -> None:
    speaker = active()
    hear(speaker, "outside", 50, 4.0)
    hear(speaker, "inside", 101, 4.1)
    assert states(speaker) == {"backup"}


def test_a_handover_of_one_is_the_groups() -> None:
    speaker = active()
    effects = speaker.hand_over("inside", inf, 4.0)
    assert effects[:2] == [SendAdvertisement("outside", 0), SendAdvertisement("inside", 0)]
    hear(speaker, "outside", 50, 4.5)
    assert states(speaker) == {"active"}  # it still serves
    effects = speaker.pass_time(4.7)
    assert effects[:2] == [SetAddresses("outside", held=False), SetAddresses("inside", held=False)]
    assert states(speaker) == {"backup"}


def test_a_member_that_joins_becomes_what_the_group_is() -> None:
    speaker = active()
    third = replace(INSIDE, name="dmz", vrid=53, virtual_addresses=((bytes((198, 51, 100, 101)), 24),))
    effects = speaker.set_routers([OUTSIDE, INSIDE, third], 4.0)
    assert SetAddresses("dmz", held=True) in effects
    assert {each.state_name for each in speaker.machines.values()} == {"active"}


def test_a_member_that_leaves_says_nothing_and_the_others_go_on() -> None:
    speaker = active()
    effects = speaker.set_routers([OUTSIDE], 4.0)
    assert SetAddresses("inside", held=False) in effects
    assert not any(isinstance(each, SendAdvertisement) and each.priority == 0 for each in effects)
    assert states(speaker) == {"active"}


def test_a_group_that_goes_says_farewell() -> None:
    effects = active().set_routers([], 4.0)
    assert effects[:2] == [SendAdvertisement("outside", 0), SendAdvertisement("inside", 0)]


def test_a_stop() -> None:
    speaker = active()
    assert speaker.stop(4.0)[:2] == [SendAdvertisement("outside", 0), SendAdvertisement("inside", 0)]
    assert not speaker.has_left
    speaker.abandon(4.1)
    assert speaker.has_left


def test_a_group_with_a_name_and_one_router() -> None:
    effects = started(OUTSIDE).pass_time(DOWN_AT)
    assert effects[:2] == [SendAdvertisement("outside", 100), SetAddresses("outside", held=True)]


def test_hold_off_ends_with_a_frame_on_either_segment() -> None:
    speaker = started(replace(OUTSIDE, hold_off=10.0), replace(INSIDE, hold_off=10.0))
    assert speaker.holding_off() == {"eth0", "eth1"}
    assert speaker.next_deadline() == 10.0 + DOWN_AT
    speaker.segment_heard("eth1", 1.0)
    assert speaker.holding_off() == set()
    assert speaker.next_deadline() == 1.0 + DOWN_AT


MEMBERS = ("a", "b", "c")


@given(st.dictionaries(st.sampled_from(MEMBERS), st.floats(0, 100)), st.floats(0, 100))
def test_one_segment_at_most_decides(heard_at: dict[str, float], memory: float) -> None:
    """Of those on which somebody was heard lately."""
    lately = [each for each in MEMBERS if heard_at.get(each, -1.0) >= memory]
    deciding = [each for each in lately if breaks_ties(each, MEMBERS, heard_at, memory)]
    assert deciding == lately[:1]


def test_all_do_one_thing_before_any_does_the_next() -> None:
    effects = [SendAdvertisement("g", 0), SetAddresses("g", held=False)]
    assert [(type(each).__name__, each.router) for each in spread(effects, ("a", "b"))] == [
        ("SendAdvertisement", "a"),
        ("SendAdvertisement", "b"),
        ("SetAddresses", "a"),
        ("SetAddresses", "b"),
    ]
