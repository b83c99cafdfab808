"""RFC 9568 section 6.4: Initialize, Backup, Active, and `step`, one case a row; and our own way of leaving.

States are values that carry their own deadlines; an event without a row changes nothing. Rows and conditions marked *
go beyond the RFC, with the reason beside them.
"""

from dataclasses import dataclass, replace
from math import inf

from haagent.vrrp.advertisement import PRIORITY_RELEASE, Advertisement
from haagent.vrrp.effects import AnnounceAddresses, Effect, SendAdvertisement, SetAddresses
from haagent.vrrp.events import (
    AdvertisementReceived,
    DeadlinePassed,
    Event,
    LeaveAsked,
    ParametersChanged,
    ReturnAsked,
    SegmentChanged,
    SegmentHeard,
    Shutdown,
    SpokenAgain,
    Startup,
)
from haagent.vrrp.timers import active_down_interval, skew_time
from haagent.vrrp.virtual_router import HIGHEST_PRIORITY, VirtualRouter

Instant = float  # CLOCK_MONOTONIC seconds
ANNOUNCE_SPACING = 0.2  # seconds between the rounds of one burst
INCUMBENT_INTERVALS = 2  # Active for so many of its intervals, a sticky router is an incumbent
LEAVING_INTERVALS = 4  # no Active_Down_Interval is longer: who has not taken over by then does not listen
MUTE_HOLD_GROWTH = 2  # each try to speak that is refused doubles the time until the next one
MUTE_HOLD_LIMIT = 10  # mute_holds, at most, between two tries
LINGER_TIME = 0.1  # seconds that a successor gets, from its first advertisement, to add and announce its addresses


@dataclass(frozen=True, slots=True)
class Initialize:
    """Section 6.4.1: takes no part."""


@dataclass(frozen=True, slots=True)
class Backup:
    """Section 6.4.2: watches the Active router."""

    active_down_at: Instant  # when Active_Down_Timer fires
    active_adver_interval: float  # learned from the Active router
    active_address: bytes = b""  # who that is; empty while nobody was heard
    preempt_at: Instant | None = None  # * until then an Active router of lower priority is followed; None: nobody waits
    held_until: Instant | None = None  # * until then the guard may hold a preemption; None: it did not yet
    holds_off: bool = False  # * nothing was received on the segment yet, and active_down_at has hold_off in it
    mute_until: Instant | None = None  # * it yielded because it was mute: then it tries to speak; None: it did not
    mute_hold: float = 0.0  # * seconds from the last try, or the yielding, to mute_until


@dataclass(frozen=True, slots=True)
class Active:
    """Section 6.4.3: holds the addresses."""

    adver_at: Instant  # when Adver_Timer fires
    announce_at: Instant  # * next round of announcements
    announced: int  # * rounds so far
    announced_at: Instant  # * when the last round went out
    incumbent_at: Instant = inf  # * from then on a sticky router keeps against a higher priority


@dataclass(frozen=True, slots=True)
class Leaving:
    """* Priority 0 was said; the addresses are held until a successor is heard, so that somebody always answers."""

    until: Instant
    preempt_at: Instant | None  # of a handover: the successor is followed until then; None: we are stopping


@dataclass(frozen=True, slots=True)
class Lingering:
    """* The successor was heard, its addresses are on their way; ours are held a moment longer."""

    until: Instant
    then: "State"


State = Initialize | Backup | Active | Leaving | Lingering
Outcome = tuple[State, list[Effect]]
BackupOutcome = tuple[Backup, list[Effect]]


def deadline(state: State) -> Instant | None:
    """When `step` wants a DeadlinePassed; None: never."""
    match state:
        case Backup(active_down_at=due):
            return due
        case Active(adver_at=adver_at, announce_at=announce_at):
            return min(adver_at, announce_at)
        case Leaving(until=due) | Lingering(until=due):
            return due
        case Initialize():
            return None


def step(router: VirtualRouter, state: State, event: Event, now: Instant) -> Outcome:
    """The next state and what to do, in order."""
    match state, event:
        case Initialize(), Startup() if router.is_owner:
            return become_active(router, now)
        case Initialize(), Startup():
            # * SetAddresses: addresses that a killed predecessor left behind are swept
            return start_listening(router, now)

        case Backup(), Shutdown():
            return Initialize(), [SetAddresses(router.name, held=False)]
        case Backup(holds_off=True), SegmentHeard():  # *
            return end_hold_off(router, state, now), []
        case Backup(holds_off=True), AdvertisementReceived():  # * nothing proves a segment better
            return step(router, end_hold_off(router, state, now), event, now)
        case Backup(active_down_at=due), DeadlinePassed() if now >= due:
            return become_active(router, now)
        case Backup(), AdvertisementReceived(Advertisement(priority=0), source):
            skew = skew_time(router.priority, state.active_adver_interval)
            return replace(state, active_down_at=now + skew, active_address=source), []
        case Backup(mute_until=Instant() as until), AdvertisementReceived(heard, source) if (
            now < until or heard.priority >= router.priority or not preempts(router)
        ):  # * whoever can be heard serves
            return replace(follow(router, heard, source, now), mute_until=until, mute_hold=state.mute_hold), []
        case Backup(mute_until=Instant()), AdvertisementReceived(heard, source):
            # * an attempt: nothing but an advertisement, no address moves before the kernel has taken one
            hold = min(MUTE_HOLD_GROWTH * state.mute_hold, MUTE_HOLD_LIMIT * router.mute_hold)
            return replace(follow(router, heard, source, now), mute_until=now + hold, mute_hold=hold), [
                SendAdvertisement(router.name, router.priority)
            ]
        case Backup(mute_until=Instant()), SpokenAgain():  # * the peer yields to that advertisement
            following, effects = become_active(router, now)
            return following, effects[1:]
        case Backup(mute_until=Instant()), ReturnAsked():  # * the next one that is heard is answered
            return replace(state, mute_until=now), []
        case Backup(), AdvertisementReceived(heard, source) if heard.priority >= router.priority or not preempts(
            router
        ):
            return follow(router, heard, source, now), []
        case Backup(preempt_at=None), AdvertisementReceived(heard, source) if router.preempt_delay:
            # * it starts where a lower priority is first heard, never where nobody is (keepalived #80)
            waiting = now + router.preempt_delay
            return replace(follow(router, heard, source, now), preempt_at=waiting, held_until=state.held_until), []
        case Backup(preempt_at=Instant() as wait), AdvertisementReceived(heard, source) if now < wait:  # *
            return replace(follow(router, heard, source, now), preempt_at=wait, held_until=state.held_until), []
        case Backup(held_until=None), AdvertisementReceived(heard, source, is_held=True) if router.guard_time:
            # * what is not ready would serve worse than who serves now; once the Active is gone it serves all the same
            until = now + router.guard_time
            return replace(follow(router, heard, source, now), preempt_at=state.preempt_at, held_until=until), []
        case Backup(held_until=Instant() as until), AdvertisementReceived(heard, source, is_held=True) if (
            router.guard_time and now < until
        ):  # *
            return replace(follow(router, heard, source, now), preempt_at=state.preempt_at, held_until=until), []
        case Backup(preempt_at=wait, held_until=until), ReturnAsked() if wait is not None or until is not None:
            # * the operator's word is over, or the waiting is cut short
            return replace(state, preempt_at=now, held_until=now), []
        case Backup(), ParametersChanged(previous):
            return move_deadline(router, previous, state), []

        case Active(), LeaveAsked(preempt_at):  # * make before break: a Shutdown that waits for the successor
            return Leaving(now + LEAVING_INTERVALS * router.advertisement_interval, preempt_at), [
                SendAdvertisement(router.name, PRIORITY_RELEASE)
            ]
        case Active(), Shutdown():
            return Initialize(), [
                SendAdvertisement(router.name, PRIORITY_RELEASE),
                SetAddresses(router.name, held=False),
            ]
        case Active(adver_at=due), DeadlinePassed() if is_stalled(router, due, now):
            # * we were silent for longer than the others wait: one of them may be Active by now, so listen first
            return become_backup(router, now, router.advertisement_interval, b"")
        case Active(adver_at=due), DeadlinePassed() if now >= due:
            return replace(state, adver_at=next_advertisement(router, due, now)), [
                SendAdvertisement(router.name, spoken_priority(router, state, now))
            ]
        case Active(announce_at=due), DeadlinePassed() if now >= due:  # *
            return announce_again(router, state, now), [AnnounceAddresses(router.name)]
        case Active(), AdvertisementReceived(Advertisement(priority=0)):
            return replace(state, adver_at=now + router.advertisement_interval), [
                SendAdvertisement(router.name, spoken_priority(router, state, now))
            ]
        case Active(), AdvertisementReceived(heard, source, is_mute=True) if not router.is_owner:
            # * the kernel refuses what we say, so this one is Active because it cannot hear us: two would go on serving
            # for as long as that lasts. No last word: should it pass, the other one would yield to it
            hold = max(router.mute_hold, router.preempt_delay)
            return replace(follow(router, heard, source, now), mute_until=now + hold, mute_hold=router.mute_hold), [
                SetAddresses(router.name, held=False)
            ]
        case Active(), AdvertisementReceived(heard, breaks_ties=False) if heard.priority == spoken_priority(
            router, state, now
        ):
            # * another segment decides; and two that answered each other here would do nothing else any more
            return state, []
        case Active(), AdvertisementReceived(heard, source) if outranks(router, state, event, now):
            # * a last word: where the winner speaks first it never learns that we were Active too, and after a healed
            # split the clients would keep our MAC until its next refresh. A losing advertisement makes it announce
            return follow(router, heard, source, now), [
                SetAddresses(router.name, held=False),
                SendAdvertisement(router.name, spoken_priority(router, state, now)),
            ]
        case Active(), AdvertisementReceived():
            # the sender is told at once; * and so are the clients that may have learned its address meanwhile
            return answer(router, replace(state, adver_at=now + router.advertisement_interval), now)
        case Active(), ParametersChanged():  # * a new address is added, an old one dropped, in one level
            return stay_active(router, state, now)
        case Active(), SegmentChanged():  # * switches and clients may have forgotten us while the link was down
            return stay_active(router, state, now)

        case Leaving() | Lingering(), Shutdown():
            return Initialize(), [SetAddresses(router.name, held=False)]
        case Leaving(), LeaveAsked(None):  # a stop while a handover is under way
            return replace(state, preempt_at=None), []
        case Leaving(preempt_at=wait), AdvertisementReceived(heard, source) if heard.priority != PRIORITY_RELEASE:
            successor = Initialize() if wait is None else replace(follow(router, heard, source, now), preempt_at=wait)
            return Lingering(now + LINGER_TIME, successor), []
        case Leaving(until=due, preempt_at=None), DeadlinePassed() if now >= due:
            return Initialize(), [SetAddresses(router.name, held=False)]
        case Leaving(until=due), DeadlinePassed() if now >= due:  # nobody wants them
            return become_active(router, now)
        case Lingering(), LeaveAsked(None):
            return replace(state, then=Initialize()), []
        case Lingering(then=then), AdvertisementReceived():
            return replace(state, then=step(router, then, event, now)[0]), []
        case Lingering(until=due, then=then), DeadlinePassed() if now >= due:
            return then, [SetAddresses(router.name, held=False)]
    return state, []


def start_listening(router: VirtualRouter, now: Instant) -> Outcome:
    """* A port that has just come up may pass nothing on for seconds: who hears nobody there is not alone yet."""
    state, effects = become_backup(router, now, router.advertisement_interval, b"")
    if not router.hold_off:
        return state, effects
    return replace(state, active_down_at=state.active_down_at + router.hold_off, holds_off=True), effects


def end_hold_off(router: VirtualRouter, state: Backup, now: Instant) -> Backup:
    """From here on, silence means something."""
    due = now + active_down_interval(router.priority, state.active_adver_interval)
    return replace(state, active_down_at=min(state.active_down_at, due), holds_off=False)


def become_active(router: VirtualRouter, now: Instant) -> Outcome:
    """Section 6.4.2 (115)-(150): the advertisement first, so that the previous Active router lets go."""
    state = Active(
        adver_at=now + router.advertisement_interval,
        announce_at=now,
        announced=0,
        announced_at=now,
        incumbent_at=incumbent_from(router, now),
    )
    return speak_up(router, state, now)


def stay_active(router: VirtualRouter, state: Active, now: Instant) -> Outcome:
    """All of it again; only the incumbency is not interrupted."""
    since = min(state.incumbent_at, incumbent_from(router, now))
    return speak_up(router, Active(now + router.advertisement_interval, now, 0, now, since), now)


def incumbent_from(router: VirtualRouter, now: Instant) -> Instant:
    return now + INCUMBENT_INTERVALS * router.advertisement_interval if router.sticky else inf


def speak_up(router: VirtualRouter, state: Active, now: Instant) -> Outcome:
    return announce_again(router, state, now), [
        SendAdvertisement(router.name, spoken_priority(router, state, now)),
        SetAddresses(router.name, held=True),
        AnnounceAddresses(router.name),
    ]


def spoken_priority(router: VirtualRouter, state: Active, now: Instant) -> int:
    """* What the advertisement says. A sticky incumbent says the highest, so that no peer of any make preempts it.

    Not while tracking lowers its priority: then the better one shall take over. And not at first, so that a router that
    is Active only because it could not hear the incumbent yields to it.
    """
    if router.sticky and not router.is_impaired and now >= state.incumbent_at:
        return max(router.priority, HIGHEST_PRIORITY)
    return router.priority


def become_backup(router: VirtualRouter, now: Instant, interval: float, active_address: bytes) -> BackupOutcome:
    due = now + active_down_interval(router.priority, interval)
    return Backup(due, interval, active_address), [SetAddresses(router.name, held=False)]


def follow(router: VirtualRouter, heard: Advertisement, source: bytes, now: Instant) -> Backup:
    """Accept the sender as Active: its interval is learned, for Skew_Time too (section 6.4.2 (235))."""
    interval = heard.max_advertise_interval
    return Backup(now + active_down_interval(router.priority, interval), interval, source)


def preempts(router: VirtualRouter) -> bool:
    """Section 6.1, Preempt_Mode: the owner of the addresses always does."""
    return router.preempt or router.is_owner


def outranks(router: VirtualRouter, state: Active, event: AdvertisementReceived, now: Instant) -> bool:
    """Section 6.4.3 (725): the greater priority, then the greater primary address, in network order."""
    ours = spoken_priority(router, state, now), router.primary_address
    return (event.advertisement.priority, event.source) > ours


def is_stalled(router: VirtualRouter, due: Instant, now: Instant) -> bool:
    """Whether our silence outlasted the shortest Active_Down_Interval that any Backup router can have.

    The owner of the addresses never yields: they are its own.
    """
    return not router.is_owner and now - due >= 2 * router.advertisement_interval


def next_advertisement(router: VirtualRouter, due: Instant, now: Instant) -> Instant:
    """One interval after the last one was due, so that lateness does not add up; never in the past."""
    following = due + router.advertisement_interval
    return following if following > now else now + router.advertisement_interval


def announce_again(router: VirtualRouter, state: Active, now: Instant) -> Active:
    """The next round: bursts at once and after announce_delay, then the refresh."""
    announced = state.announced + 1
    if announced == router.announce_burst:
        pause = router.announce_delay
    elif announced < 2 * router.announce_burst:
        pause = ANNOUNCE_SPACING
    else:
        pause = router.announce_refresh
    return replace(state, announce_at=now + pause, announced=announced, announced_at=now)


def answer(router: VirtualRouter, state: Active, now: Instant) -> Outcome:
    """Announce at once, or as soon as the spacing allows; and once more, after what the loser had on its way.

    A peer that cannot hear us advertises without end, and after a stall its advertisements come in one heap: an
    announcement of every address for each of them would flood the segment.
    """
    send = SendAdvertisement(router.name, spoken_priority(router, state, now))
    if now - state.announced_at < ANNOUNCE_SPACING:
        return replace(state, announce_at=min(state.announce_at, state.announced_at + ANNOUNCE_SPACING)), [send]
    again = min(state.announce_at, now + ANNOUNCE_SPACING)
    return replace(state, announced_at=now, announce_at=again), [send, AnnounceAddresses(router.name)]


def move_deadline(router: VirtualRouter, previous: VirtualRouter, state: Backup) -> Backup:
    """A changed priority moves the running timer by the difference in Skew_Time; it never starts over.

    * Nor does a preempt_delay or guard_time that runs: a changed one ends by the difference earlier or later.
    """
    interval = state.active_adver_interval
    moved = skew_time(router.priority, interval) - skew_time(previous.priority, interval)
    wait, until = state.preempt_at, state.held_until
    if wait is not None:
        wait += router.preempt_delay - previous.preempt_delay
    if until is not None:
        until += router.guard_time - previous.guard_time
    return replace(state, active_down_at=state.active_down_at + moved, preempt_at=wait, held_until=until)
