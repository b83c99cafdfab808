"""RFC 9568 section 6.4 as rows: router, state, event, instant -> next state with its deadlines, effects in order.

Data, not tests: `test_rfc9568_6_4.py` runs each row against the product, `test_mutations.py` against damaged copies.
Ids name the section, or `*` for what goes beyond the RFC. The numbers are written out, never computed by the product:
priority 100 and an interval of 1 s give Skew_Time 0.609375 s and Active_Down_Interval 3.609375 s (exact in binary).
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from math import inf

from haagent.vrrp.advertisement import Advertisement
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
from haagent.vrrp.router import Active, Backup, Initialize, Leaving, Lingering, Outcome, State
from haagent.vrrp.virtual_router import VirtualRouter

VIRTUAL = bytes((198, 51, 100, 100))
LOW, OURS, HIGH = bytes((192, 0, 2, 1)), bytes((192, 0, 2, 2)), bytes((192, 0, 2, 10))
NOW = 1000.0

ROUTER = VirtualRouter("web", "eth0", 51, 100, 1.0, ((VIRTUAL, 24),), (VIRTUAL,), OURS)
SLOW = replace(ROUTER, advertisement_interval=2.0)  # our own interval, against a learned one of 1 s
POLITE = replace(ROUTER, preempt=False)
OWNER = replace(ROUTER, priority=255)
POLITE_OWNER = replace(OWNER, preempt=False)
TERSE = replace(ROUTER, announce_burst=2)
PATIENT = replace(ROUTER, preempt_delay=30.0)
GUARDED = replace(ROUTER, guard_time=60.0)
STICKY = replace(ROUTER, sticky=True)
IMPAIRED = replace(STICKY, is_impaired=True)
WARY = replace(ROUTER, hold_off=10.0)

INITIALIZE = Initialize()
BACKUP = Backup(NOW + 2.5, 1.0, LOW)
ACTIVE = Active(adver_at=NOW + 0.25, announce_at=NOW + 0.125, announced=3, announced_at=NOW - 1.0)
JUST_ANNOUNCED = replace(ACTIVE, announce_at=NOW + 50.0, announced_at=NOW - 0.125)

SEND = SendAdvertisement("web", 100)
SEND_OWNER = SendAdvertisement("web", 255)
RELEASE = SendAdvertisement("web", 0)
HOLD, LET_GO = SetAddresses("web", held=True), SetAddresses("web", held=False)
ANNOUNCE = AnnounceAddresses("web")
SEND_HIGHEST = SendAdvertisement("web", 254)
WAITING = Backup(NOW + 2.5, 1.0, LOW, preempt_at=NOW + 20.0)
HELD = Backup(NOW + 2.5, 1.0, LOW, held_until=NOW + 20.0)
BOTH = replace(HELD, preempt_at=NOW + 5.0)
MUTE = Backup(NOW + 2.5, 1.0, LOW, mute_until=NOW + 20.0, mute_hold=120.0)
HOLDING_OFF = Backup(NOW + 13.0, 1.0, holds_off=True)
INCUMBENT = replace(ACTIVE, incumbent_at=NOW - 5.0)
NEWCOMER = replace(ACTIVE, incumbent_at=NOW + 0.5)
STOPPING = Leaving(NOW + 4.0, None)
HANDING_OVER = Leaving(NOW + 4.0, inf)
LETTING_GO = Lingering(NOW + 0.125, INITIALIZE)
HANDED_OVER = Lingering(NOW + 0.125, replace(WAITING, preempt_at=inf))
NEWLY_ACTIVE = Active(adver_at=NOW + 1.0, announce_at=NOW + 0.2, announced=1, announced_at=NOW)


def heard(
    priority: int,
    source: bytes = LOW,
    interval: float = 1.0,
    *,
    breaks_ties: bool = True,
    is_held: bool = False,
    is_mute: bool = False,
) -> AdvertisementReceived:
    said = Advertisement(51, priority, interval, (VIRTUAL,))
    return AdvertisementReceived(said, source, breaks_ties, is_held, is_mute)


@dataclass(frozen=True, slots=True)
class Row:
    id: str
    router: VirtualRouter
    state: State
    event: Event
    next: State
    effects: tuple[Effect, ...] = ()
    now: float = NOW


ROWS = (
    # ------------------------------------------------------------------------------------ 6.4.1 Initialize
    Row("6.4.1 owner starts", OWNER, INITIALIZE, Startup(), NEWLY_ACTIVE, (SEND_OWNER, HOLD, ANNOUNCE)),
    Row("6.4.1 others start", ROUTER, INITIALIZE, Startup(), Backup(NOW + 3.609375, 1.0), (LET_GO,)),
    Row("6.4.1 254 is no owner", replace(ROUTER, priority=254), INITIALIZE, Startup(),
        Backup(NOW + 3.0078125, 1.0), (LET_GO,)),
    Row("6.4.1 starts with its own interval", SLOW, INITIALIZE, Startup(), Backup(NOW + 7.21875, 2.0), (LET_GO,)),
    Row("6.4.1 deaf", ROUTER, INITIALIZE, heard(255), INITIALIZE),
    Row("6.4.1 deaf to priority 0", ROUTER, INITIALIZE, heard(0), INITIALIZE),
    Row("6.4.1 no time", ROUTER, INITIALIZE, DeadlinePassed(), INITIALIZE),
    Row("6.4.1 shutdown twice", ROUTER, INITIALIZE, Shutdown(), INITIALIZE),
    Row("* initialize, parameters", ROUTER, INITIALIZE, ParametersChanged(POLITE), INITIALIZE),
    Row("* initialize, segment", ROUTER, INITIALIZE, SegmentChanged(), INITIALIZE),
    # ---------------------------------------------------------------------------------------- 6.4.2 Backup
    Row("6.4.2 shutdown", ROUTER, BACKUP, Shutdown(), INITIALIZE, (LET_GO,)),
    Row("6.4.2 startup changes nothing", ROUTER, BACKUP, Startup(), BACKUP),
    Row("6.4.2 too early", ROUTER, BACKUP, DeadlinePassed(), BACKUP, now=NOW + 2.4375),
    Row("6.4.2 Active_Down_Timer", ROUTER, BACKUP, DeadlinePassed(),
        Active(NOW + 3.5, NOW + 2.7, 1, NOW + 2.5), (SEND, HOLD, ANNOUNCE), now=NOW + 2.5),
    Row("6.4.2 Active_Down_Timer, late", ROUTER, BACKUP, DeadlinePassed(),
        Active(NOW + 9.0, NOW + 8.2, 1, NOW + 8.0), (SEND, HOLD, ANNOUNCE), now=NOW + 8.0),
    Row("6.4.2 becomes Active with its own interval", SLOW, BACKUP, DeadlinePassed(),
        Active(NOW + 4.5, NOW + 2.7, 1, NOW + 2.5), (SEND, HOLD, ANNOUNCE), now=NOW + 2.5),
    Row("6.4.2 priority 0", ROUTER, BACKUP, heard(0, HIGH), Backup(NOW + 0.609375, 1.0, HIGH)),
    Row("6.4.2 priority 0: skew from the learned interval", ROUTER, Backup(NOW + 9.0, 4.0, LOW), heard(0, LOW, 1.0),
        Backup(NOW + 2.4375, 4.0, LOW)),
    Row("6.4.2 priority 0 without preemption", POLITE, BACKUP, heard(0), Backup(NOW + 0.609375, 1.0, LOW)),
    Row("6.4.2 higher", ROUTER, BACKUP, heard(200), Backup(NOW + 3.609375, 1.0, LOW)),
    Row("6.4.2 equal, lower address", ROUTER, BACKUP, heard(100, LOW), Backup(NOW + 3.609375, 1.0, LOW)),
    Row("6.4.2 equal, greater address", ROUTER, BACKUP, heard(100, HIGH), Backup(NOW + 3.609375, 1.0, HIGH)),
    Row("6.4.2 learns the interval, for the skew too", ROUTER, BACKUP, heard(200, LOW, 2.0),
        Backup(NOW + 7.21875, 2.0, LOW)),
    Row("6.4.2 lower, preempt: discarded", ROUTER, BACKUP, heard(99, HIGH, 2.0), BACKUP),
    Row("6.4.2 lower, no preemption", POLITE, BACKUP, heard(99), Backup(NOW + 3.609375, 1.0, LOW)),
    Row("6.4.2 lower, no preemption, learns", POLITE, BACKUP, heard(1, LOW, 2.0), Backup(NOW + 7.21875, 2.0, LOW)),
    Row("6.1 the owner always preempts", POLITE_OWNER, BACKUP, heard(254), BACKUP),
    Row("6.4.2 another owner", OWNER, BACKUP, heard(255), Backup(NOW + 3.00390625, 1.0, LOW)),
    Row("* backup, lower priority: later", ROUTER, BACKUP, ParametersChanged(replace(ROUTER, priority=164)),
        Backup(NOW + 2.75, 1.0, LOW)),
    Row("* backup, higher priority: sooner", ROUTER, BACKUP, ParametersChanged(replace(ROUTER, priority=36)),
        Backup(NOW + 2.25, 1.0, LOW)),
    Row("* backup, by the learned interval", ROUTER, replace(BACKUP, active_adver_interval=4.0),
        ParametersChanged(replace(SLOW, priority=36)), Backup(NOW + 1.5, 4.0, LOW)),
    Row("* backup, other parameters: no new start", ROUTER, BACKUP, ParametersChanged(POLITE), BACKUP),
    Row("* backup, segment", ROUTER, BACKUP, SegmentChanged(), BACKUP),
    # ---------------------------------------------------------------------------------------- 6.4.3 Active
    Row("6.4.3 shutdown", ROUTER, ACTIVE, Shutdown(), INITIALIZE, (RELEASE, LET_GO)),
    Row("6.4.3 the owner's shutdown", OWNER, ACTIVE, Shutdown(), INITIALIZE, (RELEASE, LET_GO)),
    Row("6.4.3 startup changes nothing", ROUTER, ACTIVE, Startup(), ACTIVE),
    Row("6.4.3 too early", ROUTER, ACTIVE, DeadlinePassed(), ACTIVE, now=NOW + 0.0625),
    Row("6.4.3 Adver_Timer", ROUTER, replace(ACTIVE, announce_at=NOW + 50.0), DeadlinePassed(),
        Active(NOW + 1.25, NOW + 50.0, 3, NOW - 1.0), (SEND,), now=NOW + 0.25),
    Row("6.4.3 Adver_Timer goes before an announcement", ROUTER, ACTIVE, DeadlinePassed(),
        Active(NOW + 1.25, NOW + 0.125, 3, NOW - 1.0), (SEND,), now=NOW + 0.25),
    Row("6.4.3 Adver_Timer, our own interval", SLOW, ACTIVE, DeadlinePassed(),
        Active(NOW + 2.25, NOW + 0.125, 3, NOW - 1.0), (SEND,), now=NOW + 0.25),
    Row("* lateness does not add up", ROUTER, ACTIVE, DeadlinePassed(),
        Active(NOW + 1.25, NOW + 0.125, 3, NOW - 1.0), (SEND,), now=NOW + 0.75),
    Row("* a whole interval late: never in the past", ROUTER, ACTIVE, DeadlinePassed(),
        Active(NOW + 2.25, NOW + 0.125, 3, NOW - 1.0), (SEND,), now=NOW + 1.25),
    Row("* just not stalled", ROUTER, ACTIVE, DeadlinePassed(),
        Active(NOW + 3.1875, NOW + 0.125, 3, NOW - 1.0), (SEND,), now=NOW + 2.1875),
    Row("* stalled: listen first", ROUTER, ACTIVE, DeadlinePassed(),
        Backup(NOW + 5.859375, 1.0), (LET_GO,), now=NOW + 2.25),
    Row("* stalled, by our own interval", SLOW, ACTIVE, DeadlinePassed(),
        Active(NOW + 4.25, NOW + 0.125, 3, NOW - 1.0), (SEND,), now=NOW + 2.25),
    Row("* stalled, after", SLOW, ACTIVE, DeadlinePassed(),
        Backup(NOW + 11.46875, 2.0), (LET_GO,), now=NOW + 4.25),
    Row("* the owner never yields to a stall", OWNER, ACTIVE, DeadlinePassed(),
        Active(NOW + 10.0, NOW + 0.125, 3, NOW - 1.0), (SEND_OWNER,), now=NOW + 9.0),
    Row("* a round of the first burst", ROUTER, ACTIVE, DeadlinePassed(),
        Active(NOW + 0.25, NOW + 0.125 + 0.2, 4, NOW + 0.125), (ANNOUNCE,), now=NOW + 0.125),
    Row("* the first burst ends", ROUTER, replace(ACTIVE, announced=4), DeadlinePassed(),
        Active(NOW + 0.25, NOW + 5.125, 5, NOW + 0.125), (ANNOUNCE,), now=NOW + 0.125),
    Row("* the second burst starts", ROUTER, replace(ACTIVE, announced=5), DeadlinePassed(),
        Active(NOW + 0.25, NOW + 0.125 + 0.2, 6, NOW + 0.125), (ANNOUNCE,), now=NOW + 0.125),
    Row("* the second burst, last but one", ROUTER, replace(ACTIVE, announced=8), DeadlinePassed(),
        Active(NOW + 0.25, NOW + 0.125 + 0.2, 9, NOW + 0.125), (ANNOUNCE,), now=NOW + 0.125),
    Row("* the second burst ends", ROUTER, replace(ACTIVE, announced=9), DeadlinePassed(),
        Active(NOW + 0.25, NOW + 60.125, 10, NOW + 0.125), (ANNOUNCE,), now=NOW + 0.125),
    Row("* the refresh", ROUTER, replace(ACTIVE, announced=10), DeadlinePassed(),
        Active(NOW + 0.25, NOW + 60.125, 11, NOW + 0.125), (ANNOUNCE,), now=NOW + 0.125),
    Row("* bursts of two: the first ends", TERSE, replace(ACTIVE, announced=1), DeadlinePassed(),
        Active(NOW + 0.25, NOW + 5.125, 2, NOW + 0.125), (ANNOUNCE,), now=NOW + 0.125),
    Row("* bursts of two: the refresh", TERSE, replace(ACTIVE, announced=3), DeadlinePassed(),
        Active(NOW + 0.25, NOW + 60.125, 4, NOW + 0.125), (ANNOUNCE,), now=NOW + 0.125),
    Row("6.4.3 priority 0", ROUTER, ACTIVE, heard(0, HIGH), replace(ACTIVE, adver_at=NOW + 1.0), (SEND,)),
    Row("6.4.3 priority 0, our own interval", SLOW, ACTIVE, heard(0), replace(ACTIVE, adver_at=NOW + 2.0), (SEND,)),
    Row("6.4.3 higher", ROUTER, ACTIVE, heard(101), Backup(NOW + 3.609375, 1.0, LOW), (LET_GO, SEND)),
    Row("6.4.3 higher, learns the interval", ROUTER, ACTIVE, heard(101, LOW, 2.0),
        Backup(NOW + 7.21875, 2.0, LOW), (LET_GO, SEND)),
    Row("6.4.3 equal, greater address", ROUTER, ACTIVE, heard(100, HIGH),
        Backup(NOW + 3.609375, 1.0, HIGH), (LET_GO, SEND)),
    Row("6.4.3 the tie-break is unsigned, in network order", ROUTER, ACTIVE, heard(100, bytes((203, 0, 113, 1))),
        Backup(NOW + 3.609375, 1.0, bytes((203, 0, 113, 1))), (LET_GO, SEND)),
    Row("6.4.3 preemption is not asked", POLITE, ACTIVE, heard(101), Backup(NOW + 3.609375, 1.0, LOW), (LET_GO, SEND)),
    Row("6.4.3 equal, lower address", ROUTER, ACTIVE, heard(100, LOW),
        replace(ACTIVE, adver_at=NOW + 1.0, announced_at=NOW), (SEND, ANNOUNCE)),
    Row("6.4.3 equal, equal address", ROUTER, ACTIVE, heard(100, OURS),
        replace(ACTIVE, adver_at=NOW + 1.0, announced_at=NOW), (SEND, ANNOUNCE)),
    Row("6.4.3 lower, greater address", ROUTER, ACTIVE, heard(99, HIGH),
        replace(ACTIVE, adver_at=NOW + 1.0, announced_at=NOW), (SEND, ANNOUNCE)),
    Row("6.4.3 lower, our own interval", SLOW, ACTIVE, heard(99, LOW, 1.0),
        replace(ACTIVE, adver_at=NOW + 2.0, announced_at=NOW), (SEND, ANNOUNCE)),
    Row("* losing, just announced: the next round comes sooner", ROUTER, JUST_ANNOUNCED, heard(99),
        replace(JUST_ANNOUNCED, adver_at=NOW + 1.0, announce_at=NOW - 0.125 + 0.2), (SEND,)),
    Row("* losing, just announced, a round is near",
        ROUTER, replace(JUST_ANNOUNCED, announce_at=NOW + 0.0625), heard(99),
        replace(JUST_ANNOUNCED, adver_at=NOW + 1.0, announce_at=NOW + 0.0625), (SEND,)),
    Row("* losing, the spacing is over", ROUTER, replace(JUST_ANNOUNCED, announced_at=NOW - 0.25), heard(99),
        replace(JUST_ANNOUNCED, adver_at=NOW + 1.0, announce_at=NOW + 0.2, announced_at=NOW), (SEND, ANNOUNCE)),
    Row("* losing, a round is due sooner than once more", ROUTER,
        replace(JUST_ANNOUNCED, announced_at=NOW - 0.25, announce_at=NOW + 0.125), heard(99),
        replace(JUST_ANNOUNCED, adver_at=NOW + 1.0, announce_at=NOW + 0.125, announced_at=NOW), (SEND, ANNOUNCE)),
    Row("* losing, the spacing is just over", ROUTER, replace(JUST_ANNOUNCED, announced_at=0.0), heard(99),
        replace(JUST_ANNOUNCED, adver_at=1.2, announce_at=0.4, announced_at=0.2), (SEND, ANNOUNCE), now=0.2),
    Row("* active, parameters", SLOW, ACTIVE, ParametersChanged(ROUTER),
        Active(NOW + 2.0, NOW + 0.2, 1, NOW), (SEND, HOLD, ANNOUNCE)),
    Row("* active, segment", ROUTER, ACTIVE, SegmentChanged(), NEWLY_ACTIVE, (SEND, HOLD, ANNOUNCE)),
    # ------------------------------------------------------------------------------------- * preempt_delay
    Row("* delay: the first lower one starts it", PATIENT, BACKUP, heard(99),
        Backup(NOW + 3.609375, 1.0, LOW, NOW + 30.0)),
    Row("* delay: it learns the interval meanwhile", PATIENT, WAITING, heard(99, HIGH, 2.0),
        Backup(NOW + 7.21875, 2.0, HIGH, NOW + 20.0)),
    Row("* delay: over", PATIENT, WAITING, heard(99), WAITING, now=NOW + 20.0),
    Row("* delay: not yet over", PATIENT, WAITING, heard(99),
        Backup(NOW + 23.484375, 1.0, LOW, NOW + 20.0), now=NOW + 19.875),
    Row("* delay: an equal one ends it", PATIENT, WAITING, heard(100), Backup(NOW + 3.609375, 1.0, LOW)),
    Row("* delay: a higher one ends it", PATIENT, WAITING, heard(200), Backup(NOW + 3.609375, 1.0, LOW)),
    Row("* delay: not where nobody is heard", PATIENT, WAITING, DeadlinePassed(),
        Active(NOW + 3.5, NOW + 2.7, 1, NOW + 2.5), (SEND, HOLD, ANNOUNCE), now=NOW + 2.5),
    Row("* delay: priority 0 does not wait", PATIENT, WAITING, heard(0),
        Backup(NOW + 0.609375, 1.0, LOW, NOW + 20.0)),
    Row("* delay: a reload does not start it again", PATIENT, WAITING, ParametersChanged(PATIENT), WAITING),
    Row("* delay: a longer one ends later", PATIENT, WAITING, ParametersChanged(replace(PATIENT, preempt_delay=10.0)),
        replace(WAITING, preempt_at=NOW + 40.0)),
    Row("* delay: a reload starts none", PATIENT, BACKUP, ParametersChanged(ROUTER), BACKUP),
    Row("* delay: the owner's too", replace(OWNER, preempt_delay=30.0), BACKUP, heard(254),
        Backup(NOW + 3.00390625, 1.0, LOW, NOW + 30.0)),
    Row("* delay: cut short", PATIENT, WAITING, ReturnAsked(), replace(WAITING, preempt_at=NOW, held_until=NOW)),
    Row("* nothing to return from", PATIENT, BACKUP, ReturnAsked(), BACKUP),
    # ---------------------------------------------------------------------------------- * guarded takeover
    Row("* guard: the first lower one starts its limit", GUARDED, BACKUP, heard(99, is_held=True),
        Backup(NOW + 3.609375, 1.0, LOW, None, NOW + 60.0)),
    Row("* guard: it learns the interval meanwhile", GUARDED, HELD, heard(99, HIGH, 2.0, is_held=True),
        Backup(NOW + 7.21875, 2.0, HIGH, None, NOW + 20.0)),
    Row("* guard: nothing holds any more", GUARDED, HELD, heard(99), HELD),
    Row("* guard: nothing holds", GUARDED, BACKUP, heard(99), BACKUP),
    Row("* guard: for so long and no longer", GUARDED, HELD, heard(99, is_held=True), HELD, now=NOW + 20.0),
    Row("* guard: not yet so long", GUARDED, HELD, heard(99, is_held=True),
        Backup(NOW + 23.484375, 1.0, LOW, None, NOW + 20.0), now=NOW + 19.875),
    Row("* guard: not where none is configured", ROUTER, BACKUP, heard(99, is_held=True), BACKUP),
    Row("* guard: a reload took it away", ROUTER, HELD, heard(99, is_held=True), HELD),
    Row("* guard: a higher one ends it", GUARDED, HELD, heard(200, is_held=True), Backup(NOW + 3.609375, 1.0, LOW)),
    Row("* guard: never where the Active is dead", GUARDED, HELD, DeadlinePassed(),
        Active(NOW + 3.5, NOW + 2.7, 1, NOW + 2.5), (SEND, HOLD, ANNOUNCE), now=NOW + 2.5),
    Row("* guard: priority 0 does not wait", GUARDED, HELD, heard(0, is_held=True),
        Backup(NOW + 0.609375, 1.0, LOW, None, NOW + 20.0)),
    Row("* guard: a longer one ends later", GUARDED, HELD, ParametersChanged(replace(GUARDED, guard_time=50.0)),
        replace(HELD, held_until=NOW + 30.0)),
    Row("* guard: cut short", GUARDED, HELD, ReturnAsked(), replace(HELD, preempt_at=NOW, held_until=NOW)),
    Row("* guard: after a delay", replace(GUARDED, preempt_delay=30.0), replace(BOTH, held_until=None),
        heard(99, is_held=True), Backup(NOW + 8.609375, 1.0, LOW, NOW + 5.0, NOW + 65.0), now=NOW + 5.0),
    Row("* guard: beside a delay", replace(GUARDED, preempt_delay=30.0), BOTH, heard(99, is_held=True),
        Backup(NOW + 3.609375, 1.0, LOW, NOW + 5.0, NOW + 20.0)),
    Row("* guard: beside a delay that is over", replace(GUARDED, preempt_delay=30.0), BOTH, heard(99, is_held=True),
        Backup(NOW + 8.609375, 1.0, LOW, NOW + 5.0, NOW + 20.0), now=NOW + 5.0),
    Row("* guard: a delay that starts again keeps its limit", replace(GUARDED, preempt_delay=30.0), HELD,
        heard(99, is_held=True), Backup(NOW + 3.609375, 1.0, LOW, NOW + 30.0, NOW + 20.0)),
    # ----------------------------------------------------------------------------------------------- * mute
    Row("* mute: a lower one serves", ROUTER, ACTIVE, heard(99, is_mute=True),
        Backup(NOW + 3.609375, 1.0, LOW, mute_until=NOW + 60.0, mute_hold=60.0), (LET_GO,)),
    Row("* mute: it learns the interval", ROUTER, ACTIVE, heard(99, HIGH, 2.0, is_mute=True),
        Backup(NOW + 7.21875, 2.0, HIGH, mute_until=NOW + 60.0, mute_hold=60.0), (LET_GO,)),
    Row("* mute: a higher one serves, no last word", ROUTER, ACTIVE, heard(200, is_mute=True),
        Backup(NOW + 3.609375, 1.0, LOW, mute_until=NOW + 60.0, mute_hold=60.0), (LET_GO,)),
    Row("* mute: ties are not asked", ROUTER, ACTIVE, heard(100, breaks_ties=False, is_mute=True),
        Backup(NOW + 3.609375, 1.0, LOW, mute_until=NOW + 60.0, mute_hold=60.0), (LET_GO,)),
    Row("* mute: a sticky incumbent too", STICKY, INCUMBENT, heard(99, is_mute=True),
        Backup(NOW + 3.609375, 1.0, LOW, mute_until=NOW + 60.0, mute_hold=60.0), (LET_GO,)),
    Row("* mute: who says farewell does not serve", ROUTER, ACTIVE, heard(0, is_mute=True),
        replace(ACTIVE, adver_at=NOW + 1.0), (SEND,)),
    Row("* mute: never the owner", OWNER, ACTIVE, heard(99, is_mute=True),
        replace(ACTIVE, adver_at=NOW + 1.0, announced_at=NOW), (SEND_OWNER, ANNOUNCE)),
    Row("* mute: a preempt_delay is longer", replace(ROUTER, preempt_delay=90.0), ACTIVE, heard(99, is_mute=True),
        Backup(NOW + 3.609375, 1.0, LOW, mute_until=NOW + 90.0, mute_hold=60.0), (LET_GO,)),
    Row("* mute: the lower one is followed", ROUTER, MUTE, heard(99, HIGH, 2.0),
        replace(MUTE, active_down_at=NOW + 7.21875, active_adver_interval=2.0, active_address=HIGH)),
    Row("* mute: not yet an attempt", ROUTER, MUTE, heard(99),
        replace(MUTE, active_down_at=NOW + 23.484375), now=NOW + 19.875),
    Row("* mute: an attempt, the next one after twice the time", ROUTER, MUTE, heard(99, HIGH, 2.0),
        Backup(NOW + 27.21875, 2.0, HIGH, mute_until=NOW + 260.0, mute_hold=240.0), (SEND,), now=NOW + 20.0),
    Row("* mute: the longest time", ROUTER, replace(MUTE, mute_hold=480.0), heard(99),
        Backup(NOW + 23.609375, 1.0, LOW, mute_until=NOW + 620.0, mute_hold=600.0), (SEND,), now=NOW + 20.0),
    Row("* mute: no attempt against an equal one", ROUTER, MUTE, heard(100),
        replace(MUTE, active_down_at=NOW + 24.609375), now=NOW + 21.0),
    Row("* mute: nor against a higher one", ROUTER, MUTE, heard(200),
        replace(MUTE, active_down_at=NOW + 24.609375), now=NOW + 21.0),
    Row("* mute: nor without preemption", POLITE, MUTE, heard(99),
        replace(MUTE, active_down_at=NOW + 24.609375), now=NOW + 21.0),
    Row("* mute: priority 0 does not wait", ROUTER, MUTE, heard(0), replace(MUTE, active_down_at=NOW + 0.609375)),
    Row("* mute: not where nobody is heard", ROUTER, MUTE, DeadlinePassed(),
        Active(NOW + 3.5, NOW + 2.7, 1, NOW + 2.5), (SEND, HOLD, ANNOUNCE), now=NOW + 2.5),
    Row("* mute: the attempt was taken", ROUTER, MUTE, SpokenAgain(), NEWLY_ACTIVE, (HOLD, ANNOUNCE)),
    Row("* mute: only who yielded comes back", ROUTER, BACKUP, SpokenAgain(), BACKUP),
    Row("* mute: who stayed Active goes on", ROUTER, ACTIVE, SpokenAgain(), ACTIVE),
    Row("* mute: cut short", ROUTER, MUTE, ReturnAsked(), replace(MUTE, mute_until=NOW)),
    Row("* mute: a reload does not end it", ROUTER, MUTE, ParametersChanged(ROUTER), MUTE),
    # --------------------------------------------------------------------------------------------- * sticky
    Row("* sticky: a newcomer", STICKY, BACKUP, DeadlinePassed(),
        Active(NOW + 3.5, NOW + 2.7, 1, NOW + 2.5, NOW + 4.5), (SEND, HOLD, ANNOUNCE), now=NOW + 2.5),
    Row("* sticky: a newcomer says what it has", STICKY, NEWCOMER, DeadlinePassed(),
        replace(NEWCOMER, adver_at=NOW + 1.25), (SEND,), now=NOW + 0.25),
    Row("* sticky: an incumbent says the highest", STICKY, INCUMBENT, DeadlinePassed(),
        replace(INCUMBENT, adver_at=NOW + 1.25), (SEND_HIGHEST,), now=NOW + 0.25),
    Row("* sticky: an incumbent from its instant on", STICKY, NEWCOMER, heard(0),
        replace(NEWCOMER, adver_at=NOW + 1.5), (SEND_HIGHEST,), now=NOW + 0.5),
    Row("* sticky: not while impaired", IMPAIRED, INCUMBENT, DeadlinePassed(),
        replace(INCUMBENT, adver_at=NOW + 1.25), (SEND,), now=NOW + 0.25),
    Row("* sticky: an incumbent keeps", STICKY, INCUMBENT, heard(253),
        replace(INCUMBENT, adver_at=NOW + 1.0, announced_at=NOW), (SEND_HIGHEST, ANNOUNCE)),
    Row("* sticky: a newcomer does not", STICKY, NEWCOMER, heard(101),
        Backup(NOW + 3.609375, 1.0, LOW), (LET_GO, SEND)),
    Row("* sticky: nor an impaired one", IMPAIRED, INCUMBENT, heard(101),
        Backup(NOW + 3.609375, 1.0, LOW), (LET_GO, SEND)),
    Row("* sticky: two incumbents, by address", STICKY, INCUMBENT, heard(254, HIGH),
        Backup(NOW + 3.609375, 1.0, HIGH), (LET_GO, SEND_HIGHEST)),
    Row("* sticky: nobody keeps against the owner", STICKY, INCUMBENT, heard(255),
        Backup(NOW + 3.609375, 1.0, LOW), (LET_GO, SEND_HIGHEST)),
    Row("* sticky: the owner stays the owner", replace(OWNER, sticky=True), INCUMBENT, heard(0),
        replace(INCUMBENT, adver_at=NOW + 1.0), (SEND_OWNER,)),
    Row("* not sticky any more", ROUTER, INCUMBENT, heard(101), Backup(NOW + 3.609375, 1.0, LOW), (LET_GO, SEND)),
    Row("* sticky: parameters do not interrupt it", STICKY, INCUMBENT, ParametersChanged(STICKY),
        replace(NEWLY_ACTIVE, incumbent_at=NOW - 5.0), (SEND_HIGHEST, HOLD, ANNOUNCE)),
    Row("* sticky: by our own interval", replace(SLOW, sticky=True), BACKUP, DeadlinePassed(),
        Active(NOW + 4.5, NOW + 2.7, 1, NOW + 2.5, NOW + 6.5), (SEND, HOLD, ANNOUNCE), now=NOW + 2.5),
    Row("* sticky: since just now", STICKY, ACTIVE, ParametersChanged(ROUTER),
        replace(NEWLY_ACTIVE, incumbent_at=NOW + 2.0), (SEND, HOLD, ANNOUNCE)),
    # ------------------------------------------------------------------------------------------- * hold-off
    Row("* hold-off", WARY, INITIALIZE, Startup(), Backup(NOW + 13.609375, 1.0, holds_off=True), (LET_GO,)),
    Row("* hold-off: not the owner", replace(WARY, priority=255), INITIALIZE, Startup(),
        NEWLY_ACTIVE, (SEND_OWNER, HOLD, ANNOUNCE)),
    Row("* hold-off: a frame ends it", WARY, HOLDING_OFF, SegmentHeard(), Backup(NOW + 3.609375, 1.0)),
    Row("* hold-off: never later", WARY, replace(HOLDING_OFF, active_down_at=NOW + 1.0), SegmentHeard(),
        Backup(NOW + 1.0, 1.0)),
    Row("* hold-off: a higher one ends it", WARY, HOLDING_OFF, heard(200), Backup(NOW + 3.609375, 1.0, LOW)),
    Row("* hold-off: a lower one ends it", WARY, HOLDING_OFF, heard(99), Backup(NOW + 3.609375, 1.0)),
    Row("* hold-off: over", WARY, HOLDING_OFF, DeadlinePassed(),
        Active(NOW + 14.0, NOW + 13.2, 1, NOW + 13.0), (SEND, HOLD, ANNOUNCE), now=NOW + 13.0),
    Row("* a frame means nothing later", WARY, BACKUP, SegmentHeard(), BACKUP),
    # -------------------------------------------------------------------------------------------- * leaving
    Row("* stop: priority 0, and hold", ROUTER, ACTIVE, LeaveAsked(None), Leaving(NOW + 4.0, None), (RELEASE,)),
    Row("* handover: the same", SLOW, ACTIVE, LeaveAsked(NOW + 60.0), Leaving(NOW + 8.0, NOW + 60.0), (RELEASE,)),
    Row("* only who is Active leaves", ROUTER, BACKUP, LeaveAsked(None), BACKUP),
    Row("* stop: the successor is heard", ROUTER, STOPPING, heard(1, HIGH), Lingering(NOW + 0.1, INITIALIZE)),
    Row("* handover: the successor is heard", ROUTER, HANDING_OVER, heard(50, HIGH, 2.0),
        Lingering(NOW + 0.1, Backup(NOW + 7.21875, 2.0, HIGH, inf))),
    Row("* leaving: another's priority 0 is no successor", ROUTER, STOPPING, heard(0), STOPPING),
    Row("* stop: nobody comes", ROUTER, STOPPING, DeadlinePassed(), INITIALIZE, (LET_GO,), now=NOW + 4.0),
    Row("* stop: not yet", ROUTER, STOPPING, DeadlinePassed(), STOPPING, now=NOW + 3.875),
    Row("* handover: not yet", ROUTER, HANDING_OVER, DeadlinePassed(), HANDING_OVER, now=NOW + 3.875),
    Row("* handover: nobody wants it", ROUTER, HANDING_OVER, DeadlinePassed(),
        Active(NOW + 5.0, NOW + 4.2, 1, NOW + 4.0), (SEND, HOLD, ANNOUNCE), now=NOW + 4.0),
    Row("* a stop during a handover", ROUTER, HANDING_OVER, LeaveAsked(None), STOPPING),
    Row("* a handover during a stop", ROUTER, STOPPING, LeaveAsked(inf), STOPPING),
    Row("* a fault while leaving", ROUTER, HANDING_OVER, Shutdown(), INITIALIZE, (LET_GO,)),
    Row("* a fault while lingering", ROUTER, HANDED_OVER, Shutdown(), INITIALIZE, (LET_GO,)),
    Row("* lingering: not yet", ROUTER, LETTING_GO, DeadlinePassed(), LETTING_GO, now=NOW + 0.0625),
    Row("* stop: the end", ROUTER, LETTING_GO, DeadlinePassed(), INITIALIZE, (LET_GO,), now=NOW + 0.125),
    Row("* handover: the end", ROUTER, HANDED_OVER, DeadlinePassed(), HANDED_OVER.then, (LET_GO,), now=NOW + 0.125),
    Row("* lingering: the successor goes on", ROUTER, HANDED_OVER, heard(50, HIGH),
        replace(HANDED_OVER, then=Backup(NOW + 3.609375, 1.0, HIGH, inf))),
    Row("* a stop while lingering", ROUTER, HANDED_OVER, LeaveAsked(None), LETTING_GO),
    Row("* handed over: the lower one is followed", ROUTER, replace(WAITING, preempt_at=inf), heard(50),
        Backup(NOW + 3.609375, 1.0, LOW, inf)),
    # --------------------------------------------------------------------------------------------- * groups
    Row("* a group's other segment breaks no tie", ROUTER, ACTIVE, heard(100, HIGH, breaks_ties=False), ACTIVE),
    Row("* a group's other segment breaks no tie of incumbents", STICKY, INCUMBENT,
        heard(254, HIGH, breaks_ties=False), INCUMBENT),
    Row("* a lower priority is no tie", ROUTER, ACTIVE, heard(99, HIGH, breaks_ties=False),
        replace(ACTIVE, adver_at=NOW + 1.0, announced_at=NOW), (SEND, ANNOUNCE)),
    Row("* a higher priority is no tie", ROUTER, ACTIVE, heard(101, LOW, breaks_ties=False),
        Backup(NOW + 3.609375, 1.0, LOW), (LET_GO, SEND)),
)  # fmt: skip

DEADLINES: tuple[tuple[State, float | None], ...] = (
    (INITIALIZE, None),
    (BACKUP, NOW + 2.5),
    (ACTIVE, NOW + 0.125),
    (replace(ACTIVE, announce_at=NOW + 60.0), NOW + 0.25),
    (STOPPING, NOW + 4.0),
    (LETTING_GO, NOW + 0.125),
)

Step = Callable[[VirtualRouter, State, Event, float], Outcome]


def disagreement(row: Row, step: Step) -> str:
    """Why `step` does not do what the row says; empty: it does."""
    state, effects = step(row.router, row.state, row.event, row.now)
    if state != row.next:
        return f"next state {state}, the row says {row.next}"
    if tuple(effects) != row.effects:
        return f"effects {effects}, the row says {list(row.effects)}"
    return ""
