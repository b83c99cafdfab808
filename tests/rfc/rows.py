"""RFC 9568 section 6.4 as rows: router, state, event, instant -> next state with its deadlines, effects in order.

Data, not tests: `test_rfc9568_6_4.py` runs each row against the product, `test_mutations.py` against damaged copies.
Ids name the section, or `*` for what goes beyond the RFC. The numbers are written out, never computed by the product:
priority 100 and an interval of 1 s give Skew_Time 0.609375 s and Active_Down_Interval 3.609375 s (exact in binary).
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

from haagent.vrrp.advertisement import Advertisement
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
from haagent.vrrp.router import Active, Backup, Initialize, Outcome, State
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

INITIALIZE = Initialize()
BACKUP = Backup(NOW + 2.5, 1.0, LOW)
ACTIVE = Active(adver_at=NOW + 0.25, announce_at=NOW + 0.125, announced=3, announced_at=NOW - 1.0)
JUST_ANNOUNCED = replace(ACTIVE, announce_at=NOW + 50.0, announced_at=NOW - 0.125)

SEND = SendAdvertisement("web", 100)
SEND_OWNER = SendAdvertisement("web", 255)
RELEASE = SendAdvertisement("web", 0)
HOLD, LET_GO = SetAddresses("web", held=True), SetAddresses("web", held=False)
ANNOUNCE = AnnounceAddresses("web")
NEWLY_ACTIVE = Active(adver_at=NOW + 1.0, announce_at=NOW + 0.2, announced=1, announced_at=NOW)


def heard(priority: int, source: bytes = LOW, interval: float = 1.0) -> AdvertisementReceived:
    return AdvertisementReceived(Advertisement(51, priority, interval, (VIRTUAL,)), source)


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
)  # fmt: skip

DEADLINES: tuple[tuple[State, float | None], ...] = (
    (INITIALIZE, None),
    (BACKUP, NOW + 2.5),
    (ACTIVE, NOW + 0.125),
    (replace(ACTIVE, announce_at=NOW + 60.0), NOW + 0.25),
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
