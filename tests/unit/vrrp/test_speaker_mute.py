"""The kernel refuses what an Active router says: when it yields, to whom, and how it comes back."""

from dataclasses import replace

from haagent.vrrp.effects import AnnounceAddresses, SendAdvertisement, SetAddresses
from haagent.vrrp.router import Active, Backup
from haagent.vrrp.settings import Tracking
from haagent.vrrp.speaker import Speaker, SpeakerEffect, Transition
from tests.unit.vrrp.test_speaker import DOWN_AT, SECOND, WEB, active, hear, started

REFUSAL = "Operation not permitted"
REFUSED = f"our advertisements are refused by the kernel ({REFUSAL})"


def refused(speaker: Speaker, since: float, until: float, router: str = "web") -> list[SpeakerEffect]:
    """Every advertisement of the time, one a second."""
    effects: list[SpeakerEffect] = []
    while since <= until:
        effects += speaker.sent(router, REFUSAL, since)
        since += 1.0
    return effects


def test_after_three_silent_intervals_who_is_heard_serves() -> None:
    speaker = active()  # at 10.0
    speaker.sent("web", "", 10.0)
    refused(speaker, 11.0, 13.0)
    effects = hear(speaker, 50, 13.0)
    assert effects == [
        SetAddresses("web", held=False),
        Transition("web", "active", "backup", f"{REFUSED}: 192.0.2.1 serves"),
    ]
    assert speaker.machines["web"].state == Backup(16.609375, 1.0, bytes((192, 0, 2, 1)), None, None, False, 73.0, 60.0)


def test_before_that_it_answers() -> None:
    speaker = active()
    speaker.sent("web", "", 10.0)
    refused(speaker, 11.0, 12.0)
    assert SendAdvertisement("web", 100) in hear(speaker, 50, 12.9)
    assert isinstance(speaker.machines["web"].state, Active)


def test_one_that_got_out_is_enough() -> None:
    speaker = active()
    refused(speaker, 10.0, 12.0)
    assert speaker.sent("web", "", 12.5) == []
    refused(speaker, 13.0, 15.0)
    hear(speaker, 50, 15.0)
    assert isinstance(speaker.machines["web"].state, Active)


def test_who_never_could_speak_is_given_the_same_time() -> None:
    speaker = active()
    refused(speaker, 10.0, 12.0)
    hear(speaker, 50, 12.5)
    assert isinstance(speaker.machines["web"].state, Active)
    hear(speaker, 50, 13.0)
    assert isinstance(speaker.machines["web"].state, Backup)


def test_alone_it_stays_and_says_so_once() -> None:
    speaker = active()
    sentence = f"{REFUSED}: nobody else is heard, so it stays Active"
    assert refused(speaker, 10.0, 20.0) == [Transition("web", "active", "active", sentence)]
    again = "our advertisements go out again"
    assert speaker.sent("web", "", 21.0) == [Transition("web", "active", "active", again)]
    assert speaker.sent("web", "", 22.0) == []


def test_the_owner_stays_and_says_so() -> None:
    speaker = active(replace(WEB, priority=255))
    sentence = f"{REFUSED}: the owner of the addresses stays Active all the same"
    assert refused(speaker, 0.0, 20.0) == [Transition("web", "active", "active", sentence)]
    assert SendAdvertisement("web", 255) in hear(speaker, 50, 20.0)


def mute() -> Speaker:
    """Backup since 13.0, an attempt is due at 73.0."""
    speaker = active()
    refused(speaker, 10.0, 13.0)
    hear(speaker, 50, 13.0)
    return speaker


def test_an_attempt_that_is_taken() -> None:
    speaker = mute()
    for second in range(14, 73):
        assert hear(speaker, 50, float(second)) == []
    assert hear(speaker, 50, 73.0) == [SendAdvertisement("web", 100)]
    assert speaker.sent("web", "", 73.0) == [
        SetAddresses("web", held=True),
        AnnounceAddresses("web"),
        Transition("web", "backup", "active", "our advertisements go out again"),
    ]


def test_an_attempt_that_is_refused_moves_nothing() -> None:
    speaker = mute()
    hear(speaker, 50, 72.5)
    hear(speaker, 50, 73.5)
    assert speaker.sent("web", REFUSAL, 73.5) == []
    assert speaker.machines["web"].reason == f"{REFUSED}: 192.0.2.1 serves"
    for second in range(75, 194, 2):
        assert hear(speaker, 50, second - 0.5) == [], second
    assert hear(speaker, 50, 193.5) == [SendAdvertisement("web", 100)]


def test_when_the_other_one_is_gone_it_serves_and_yields_at_once_when_it_is_back() -> None:
    speaker = mute()
    speaker.pass_time(17.0)
    assert isinstance(speaker.machines["web"].state, Active)
    refused(speaker, 17.0, 17.0)
    hear(speaker, 50, 17.1)
    assert isinstance(speaker.machines["web"].state, Backup)


def test_who_let_go_for_another_reason_is_judged_anew() -> None:
    speaker = active()
    refused(speaker, 10.0, 11.0)
    hear(speaker, 200, 11.5)
    assert isinstance(speaker.machines["web"].state, Backup)
    speaker.pass_time(60.0)
    refused(speaker, 60.0, 60.0)
    hear(speaker, 50, 60.5)
    assert isinstance(speaker.machines["web"].state, Active)


def test_a_group_is_mute_when_all_of_it_is() -> None:
    inside = replace(WEB, name="in", vrid=52, virtual_addresses=((SECOND, 24),), group="nat")
    speaker = active(replace(WEB, group="nat"), inside)
    for second in range(10, 20):
        speaker.sent("web", REFUSAL, float(second))
        speaker.sent("in", "", float(second))
    hear(speaker, 50, 20.0)
    assert isinstance(speaker.machines["web"].state, Active)
    refused(speaker, 20.0, 22.0)
    refused(speaker, 20.0, 22.0, "in")
    effects = hear(speaker, 50, 22.0)
    assert [each for each in effects if not isinstance(each, Transition)] == [
        SetAddresses("web", held=False),
        SetAddresses("in", held=False),
    ]


def preempting() -> Speaker:
    speaker = started()
    for tenth in range(35):
        hear(speaker, 50, tenth / 10)
    speaker.pass_time(DOWN_AT)
    assert isinstance(speaker.machines["web"].state, Active)
    return speaker


def test_a_preemption_whose_first_word_is_refused_does_not_take_place() -> None:
    speaker = preempting()
    assert speaker.sent("web", REFUSAL, DOWN_AT) == [
        SetAddresses("web", held=False),
        Transition("web", "active", "backup", f"{REFUSED}: 192.0.2.1 serves"),
    ]
    assert hear(speaker, 50, DOWN_AT + 59.0) == []
    assert hear(speaker, 50, DOWN_AT + 60.0) == [SendAdvertisement("web", 100)]


def test_the_owner_takes_its_addresses_although_it_is_refused() -> None:
    speaker = started(replace(WEB, priority=255))
    hear(speaker, 50, 0.5)
    speaker.set_tracking({"web": Tracking(fault="broken")}, 0.6)
    speaker.set_tracking({}, 1.0)
    assert isinstance(speaker.machines["web"].state, Active)
    assert speaker.sent("web", REFUSAL, 1.0) == []


def test_a_preemption_whose_second_word_is_refused_does() -> None:
    speaker = preempting()
    assert speaker.sent("web", "", DOWN_AT) == []
    assert speaker.sent("web", REFUSAL, DOWN_AT + 1.0) == []


def test_a_takeover_from_who_is_gone_takes_place_although_it_is_refused() -> None:
    speaker = started()
    hear(speaker, 50, 0.5)
    speaker.pass_time(DOWN_AT)
    assert speaker.sent("web", REFUSAL, DOWN_AT) == []
    assert isinstance(speaker.machines["web"].state, Active)


def test_nor_is_who_says_farewell_left_to_serve() -> None:
    speaker = started()
    hear(speaker, 50, 0.5)
    hear(speaker, 0, 1.0)
    speaker.pass_time(DOWN_AT)
    assert isinstance(speaker.machines["web"].state, Active)
    assert speaker.sent("web", REFUSAL, DOWN_AT) == []


def test_a_group_that_is_heard_on_one_segment_preempts() -> None:
    inside = replace(WEB, name="in", vrid=52, virtual_addresses=((SECOND, 24),), group="nat")
    for words in (("", REFUSAL), (REFUSAL, "")):
        speaker = started(replace(WEB, group="nat"), inside)
        for tenth in range(35):
            hear(speaker, 50, tenth / 10)
        speaker.pass_time(DOWN_AT)
        for name, word in zip(("web", "in"), words, strict=True):
            assert speaker.sent(name, word, DOWN_AT) == []
        assert isinstance(speaker.machines["web"].state, Active)


def test_a_router_that_is_gone_by_then() -> None:
    speaker = active()
    assert speaker.sent("was", REFUSAL, 11.0) == []
