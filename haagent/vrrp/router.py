"""RFC 9568 section 6.4: Initialize, Backup, Active, and `step`, one case a row.

States are values that carry their own deadlines; an event without a row changes nothing. Rows and conditions marked *
go beyond the RFC, with the reason beside them.
"""

from dataclasses import dataclass, replace

from haagent.vrrp.advertisement import PRIORITY_RELEASE, Advertisement
from haagent.vrrp.effects import AnnounceAddresses, Effect, SendAdvertisement, SetAddresses
from haagent.vrrp.events import (
    AdvertisementReceived,
    DeadlinePassed,
    Event,
    ParametersChanged,
    SegmentChanged,
    Shutdown,
    Startup,
)
from haagent.vrrp.timers import active_down_interval, skew_time
from haagent.vrrp.virtual_router import VirtualRouter

Instant = float  # CLOCK_MONOTONIC seconds
ANNOUNCE_SPACING = 0.2  # seconds between the rounds of one burst


@dataclass(frozen=True, slots=True)
class Initialize:
    """Section 6.4.1: takes no part."""


@dataclass(frozen=True, slots=True)
class Backup:
    """Section 6.4.2: watches the Active router."""

    active_down_at: Instant  # when Active_Down_Timer fires
    active_adver_interval: float  # learned from the Active router
    active_address: bytes = b""  # who that is; empty while nobody was heard


@dataclass(frozen=True, slots=True)
class Active:
    """Section 6.4.3: holds the addresses."""

    adver_at: Instant  # when Adver_Timer fires
    announce_at: Instant  # * next round of announcements
    announced: int  # * rounds so far
    announced_at: Instant  # * when the last round went out


State = Initialize | Backup | Active
Outcome = tuple[State, list[Effect]]


def deadline(state: State) -> Instant | None:
    """When `step` wants a DeadlinePassed; None: never."""
    match state:
        case Backup(active_down_at=due):
            return due
        case Active(adver_at=adver_at, announce_at=announce_at):
            return min(adver_at, announce_at)
        case Initialize():
            return None


def step(router: VirtualRouter, state: State, event: Event, now: Instant) -> Outcome:
    """The next state and what to do, in order."""
    match state, event:
        case Initialize(), Startup() if router.is_owner:
            return become_active(router, now)
        case Initialize(), Startup():
            # * SetAddresses: addresses that a killed predecessor left behind are swept
            return become_backup(router, now, router.advertisement_interval, b"")

        case Backup(), Shutdown():
            return Initialize(), [SetAddresses(router.name, held=False)]
        case Backup(active_down_at=due), DeadlinePassed() if now >= due:
            return become_active(router, now)
        case Backup(), AdvertisementReceived(Advertisement(priority=0), source):
            skew = skew_time(router.priority, state.active_adver_interval)
            return replace(state, active_down_at=now + skew, active_address=source), []
        case Backup(), AdvertisementReceived(heard, source) if heard.priority >= router.priority or not preempts(
            router
        ):
            return follow(router, heard, source, now), []
        case Backup(), ParametersChanged(previous):
            return move_deadline(router, previous, state), []

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
                SendAdvertisement(router.name, router.priority)
            ]
        case Active(announce_at=due), DeadlinePassed() if now >= due:  # *
            return announce_again(router, state, now), [AnnounceAddresses(router.name)]
        case Active(), AdvertisementReceived(Advertisement(priority=0)):
            return replace(state, adver_at=now + router.advertisement_interval), [
                SendAdvertisement(router.name, router.priority)
            ]
        case Active(), AdvertisementReceived(heard, source) if outranks(heard, source, router):
            # * a last word: where the winner speaks first it never learns that we were Active too, and after a healed
            # split the clients would keep our MAC until its next refresh. A losing advertisement makes it announce
            return follow(router, heard, source, now), [
                SetAddresses(router.name, held=False),
                SendAdvertisement(router.name, router.priority),
            ]
        case Active(), AdvertisementReceived():
            # the sender is told at once; * and so are the clients that may have learned its address meanwhile
            return answer(router, replace(state, adver_at=now + router.advertisement_interval), now)
        case Active(), ParametersChanged():  # * a new address is added, an old one dropped, in one level
            return become_active(router, now)
        case Active(), SegmentChanged():  # * switches and clients may have forgotten us while the link was down
            return become_active(router, now)
    return state, []


def become_active(router: VirtualRouter, now: Instant) -> Outcome:
    """Section 6.4.2 (115)-(150): the advertisement first, so that the previous Active router lets go."""
    state = Active(adver_at=now + router.advertisement_interval, announce_at=now, announced=0, announced_at=now)
    return announce_again(router, state, now), [
        SendAdvertisement(router.name, router.priority),
        SetAddresses(router.name, held=True),
        AnnounceAddresses(router.name),
    ]


def become_backup(router: VirtualRouter, now: Instant, interval: float, active_address: bytes) -> Outcome:
    due = now + active_down_interval(router.priority, interval)
    return Backup(due, interval, active_address), [SetAddresses(router.name, held=False)]


def follow(router: VirtualRouter, heard: Advertisement, source: bytes, now: Instant) -> Backup:
    """Accept the sender as Active: its interval is learned, for Skew_Time too (section 6.4.2 (235))."""
    interval = heard.max_advertise_interval
    return Backup(now + active_down_interval(router.priority, interval), interval, source)


def preempts(router: VirtualRouter) -> bool:
    """Section 6.1, Preempt_Mode: the owner of the addresses always does."""
    return router.preempt or router.is_owner


def outranks(heard: Advertisement, source: bytes, router: VirtualRouter) -> bool:
    """Section 6.4.3 (725): the greater priority, then the greater primary address, in network order."""
    return (heard.priority, source) > (router.priority, router.primary_address)


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
    send = SendAdvertisement(router.name, router.priority)
    if now - state.announced_at < ANNOUNCE_SPACING:
        return replace(state, announce_at=min(state.announce_at, state.announced_at + ANNOUNCE_SPACING)), [send]
    again = min(state.announce_at, now + ANNOUNCE_SPACING)
    return replace(state, announced_at=now, announce_at=again), [send, AnnounceAddresses(router.name)]


def move_deadline(router: VirtualRouter, previous: VirtualRouter, state: Backup) -> Backup:
    """A changed priority moves the running timer by the difference in Skew_Time; it never starts over."""
    interval = state.active_adver_interval
    moved = skew_time(router.priority, interval) - skew_time(previous.priority, interval)
    return replace(state, active_down_at=state.active_down_at + moved)
