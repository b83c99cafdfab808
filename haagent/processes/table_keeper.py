"""The one worker that makes the kernel's IPVS table and our firewall marks equal to the wanted: newest wins, a stale
level is skipped.

It works in a thread of its own, since a netlink send runs the whole batch in the kernel before it returns. Between
audits it plans against what it knows it applied; an audit reads the kernel again and undoes what somebody else did.
"""

import asyncio
import errno
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from haagent.core.events import TableObserved
from haagent.ipvs.drift import (
    Drift,
    Policy,
    Target,
    drifts,
    foreign,
    target_name,
    target_of,
    want_of,
    without_spared,
)
from haagent.ipvs.marks import Marks
from haagent.ipvs.plan import (
    AddDestination,
    AddService,
    Change,
    Owned,
    RemoveDestination,
    RemoveService,
    SetDestination,
    SetService,
    apply,
    plan,
    recognised,
)
from haagent.ipvs.table import Counts, Destination, DestinationKey, Service, ServiceKey, Table
from haagent.linux import nftables
from haagent.linux.ipvs import Ipvs, explain
from haagent.linux.netlink import NetlinkFailure
from haagent.pool.settings import Settings
from haagent.processes.kernel_settings import KernelSettings, Outcome

AUDIT_COST = 100  # an audit may use one hundredth of the time: a small table is read often, for fresh counts
FASTEST_AUDIT = 2.0  # seconds; the kernel's estimator brings new rates no more often
RETRY_INTERVAL = 2.0  # after a refused change, or where the table cannot be read
ATTEMPTS = 3  # in one round, while somebody else edits the same entries

Failure = tuple[Change, int]  # what the kernel refused, and its errno


@dataclass(frozen=True, slots=True)
class Level:
    """The newest word of the core."""

    table: Table
    owned: Owned
    marks: Marks = frozenset()
    settings: Settings = field(default_factory=Settings)
    policy: Policy = field(default_factory=Policy)


class TableKeeper:
    """`want` sets the level; `run` serves it until cancelled; `report` gets every observation, in the loop's thread."""

    def __init__(
        self,
        ipvs: Ipvs,
        audit_interval: float,
        report: Callable[[TableObserved], None],
        settings: KernelSettings | None = None,
    ) -> None:
        self._ipvs, self._audit_interval, self._report, self._settings = ipvs, audit_interval, report, settings
        self._level: Level | None = None
        self._known: Table | None = None  # None: never read
        self._counts: Counts = {}
        self._marks: Marks | str = "not read yet"  # or why they are not known
        self._audit_at = 0.0
        self._spared: dict[Target, Service | Destination | None] = {}  # others' work that is only told
        self._generation = 0
        self._foreign: tuple[str, ...] = ()
        self._changed = asyncio.Event()

    @property
    def observed_at(self) -> float:
        """When the kernel was last read, as far as audits are concerned (monotonic)."""
        return self._observed_at

    _observed_at = 0.0

    def want(self, level: Level) -> None:
        self._level = level
        self._changed.set()

    def audit_now(self) -> None:
        """Read the kernel at the next opportunity, for somebody who looks at the counts."""
        self._audit_at = 0.0
        self._changed.set()

    async def run(self) -> None:
        while True:
            try:
                async with asyncio.timeout(max(0.0, self._audit_at - time.monotonic())):
                    await self._changed.wait()
            except TimeoutError:
                self._audit_at = 0.0
            self._changed.clear()
            if self._level is not None:
                self._report(await asyncio.to_thread(self.round, self._level))

    # ------------------------------------------------------------------ in the thread

    def round(self, level: Level) -> TableObserved:
        """One comparison and what follows from it. Changes that the kernel refuses are sentences, and tried again."""
        believed = self._known
        is_audit = believed is None or time.monotonic() >= self._audit_at
        if is_audit and (failure := self._observe()):
            return TableObserved(self._known or {}, self._counts, 0, (failure,), foreign=self._foreign)
        seen = self._look_for_others(believed, level) if is_audit else ()
        if level.policy.generation != self._generation:
            self._spared, self._generation = {}, level.policy.generation
        done: list[Change] = []
        refused: list[Failure] = []
        marked: int | str = 0
        for attempt in range(ATTEMPTS):
            every, changes = self._plan(level)
            if not attempt and not is_audit and any(isinstance(change, RemoveService) for change in changes):
                # The kernel removes a service with whatever is in it: somebody may have put a destination of theirs
                # there since the last audit.
                if failure := self._observe():
                    return TableObserved(self._known or {}, self._counts, 0, (failure,), foreign=self._foreign)
                every, changes = self._plan(level)
            # Marks lead to services: they are set once those stand, and before those go that the ports had until now.
            removals = sum(1 for change in changes if isinstance(change, RemoveService))  # the last ones of a plan
            first, last = changes[: len(changes) - removals], changes[len(changes) - removals :]
            refused = self._ipvs.apply(first) if first else []
            if not attempt:
                marked = self._mark(level, is_audit=is_audit)
            refused += self._ipvs.apply(last) if last else []
            failed = {id(change) for change, _ in refused}  # values would be slow to compare, thousands with thousands
            done += [change for change in changes if id(change) not in failed]
            if not refused:
                self._known = recognised(apply(self._known or {}, changes), level.table)
                break
            self._observe()
            self._audit_at = min(self._audit_at, time.monotonic() + RETRY_INTERVAL)
            if not any(is_race(failure) for failure in refused):
                break
        kept = {id(change) for change in changes}
        repairs = undone(done, believed, level)
        failures = [explain(*failure) for failure in without_consequences(refused)]
        if isinstance(marked, str):
            failures.append(marked)
            self._audit_at = min(self._audit_at, time.monotonic() + RETRY_INTERVAL)
        else:
            repairs += marked
        outcome = self._settings.round(level.settings, is_audit=is_audit) if self._settings else Outcome(Settings())
        if outcome.failures:
            self._audit_at = min(self._audit_at, time.monotonic() + RETRY_INTERVAL)
        return TableObserved(
            self._known or {},
            self._counts,
            repairs + outcome.repairs,
            (*failures, *outcome.failures),
            self._marks if isinstance(self._marks, frozenset) else frozenset(),
            outcome.observed,
            drifts=seen,
            left=tuple(target_name(target_of(change)) for change in every if id(change) not in kept),
            foreign=self._foreign,
            is_counted=is_audit and not done and not refused,
        )

    def _plan(self, level: Level) -> tuple[list[Change], list[Change]]:
        """All that differs from the wanted table, and of it what is to be done."""
        known = self._known or {}
        owned = level.owned.or_all_of(known, is_exclusive=level.policy.is_exclusive)
        every = plan(known, level.table, owned)
        return every, without_spared(every, self._spared, level.table, known)

    def _look_for_others(self, believed: Table | None, level: Level) -> tuple[Drift, ...]:
        """What somebody else did since we knew the table, and what in it is not ours."""
        known = self._known or {}
        self._foreign = tuple(target_name(each) for each in foreign(known, level.table, level.owned))
        found = () if believed is None else drifts(believed, known)
        if not level.policy.heals:
            self._spared |= {each.target: want_of(level.table, each.target) for each in found}
        return found

    def _mark(self, level: Level, *, is_audit: bool) -> int | str:
        """Set the firewall marks. How many were repaired, or what went wrong.

        Where none are wanted and none were, nft is called once, to see that.
        """
        believed = self._marks
        is_known = isinstance(believed, frozenset)
        if (is_audit and not (is_known and not believed and not level.marks)) or (not is_known and level.marks):
            self._marks = nftables.observe()
        if isinstance(self._marks, str):
            return self._marks if level.marks else 0
        if self._marks == level.marks:
            return 0
        drifted = len(self._marks ^ believed) if isinstance(believed, frozenset) else 0
        if refusal := nftables.replace(level.marks):
            return refusal
        self._marks = level.marks
        return drifted

    def _observe(self) -> str | None:
        begun = time.monotonic()
        observed = self._ipvs.observe()
        ended = self._observed_at = time.monotonic()
        if isinstance(observed, NetlinkFailure):
            self._audit_at = ended + RETRY_INTERVAL
            return f"the kernel's IPVS table cannot be read: {observed.text}"
        self._audit_at = ended + min(self._audit_interval, max(FASTEST_AUDIT, AUDIT_COST * (ended - begun)))
        self._known, self._counts = observed
        return None


def undone(done: Sequence[Change], believed: Table | None, level: Level) -> int:
    """How many of the changes made were not called for by what we believed the kernel to hold.

    Those undo what somebody else did. At the first look we believe nothing yet, and nothing is somebody else's.
    """
    if believed is None or not done:
        return 0
    owned = level.owned.or_all_of(believed, is_exclusive=level.policy.is_exclusive)
    expected = {entry(change) for change in plan(believed, level.table, owned)}
    return sum(1 for change in done if entry(change) not in expected)


def entry(change: Change) -> tuple[str, ServiceKey, DestinationKey | None]:
    """Which change of which entry, whatever the values."""
    match change:
        case AddService(key=key) | SetService(key=key) | RemoveService(key=key):
            return type(change).__name__, key, None
        case _:
            return type(change).__name__, change.service, change.key


def is_race(failure: Failure) -> bool:
    """Whether to look again helps: somebody else edits the same entries, or the kernel's answers were lost."""
    change, code = failure
    if isinstance(change, AddService | SetService) and code == errno.ENOENT:
        return False  # no such scheduler
    return code in (errno.EEXIST, errno.ESRCH, errno.ENOENT, errno.ENOBUFS)


def without_consequences(refused: Sequence[Failure]) -> list[Failure]:
    """Without the destinations of a service that was itself refused: one cause, one sentence."""
    services = {change.key for change, _ in refused if isinstance(change, AddService)}
    return [
        (change, code)
        for change, code in refused
        if not isinstance(change, AddDestination | SetDestination | RemoveDestination) or change.service not in services
    ]
