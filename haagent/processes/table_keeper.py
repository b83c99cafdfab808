"""The one worker that makes the kernel's IPVS table equal to the wanted one: newest wins, a stale level is skipped.

It works in a thread of its own, since a netlink send runs the whole batch in the kernel before it returns. Between
audits it plans against what it knows it applied; an audit reads the kernel again and undoes what somebody else did.
"""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass

from haagent.core import TableObserved
from haagent.ipvs.plan import Owned, apply, plan
from haagent.ipvs.table import Counts, Table
from haagent.linux.ipvs import Ipvs, explain
from haagent.linux.netlink import NetlinkFailure

AUDIT_COST = 100  # an audit may use one hundredth of the time: a small table is read often, for fresh counts
FASTEST_AUDIT = 2.0  # seconds; the kernel's estimator brings new rates no more often
RETRY_INTERVAL = 1.0  # after a refused change


@dataclass(frozen=True, slots=True)
class Level:
    """The newest word of the core."""

    table: Table
    owned: Owned


class TableKeeper:
    """`want` sets the level; `run` serves it until cancelled; `report` gets every observation, in the loop's thread."""

    def __init__(self, ipvs: Ipvs, audit_interval: float, report: Callable[[TableObserved], None]) -> None:
        self._ipvs, self._audit_interval, self._report = ipvs, audit_interval, report
        self._level: Level | None = None
        self._applied: Level | None = None
        self._known: Table = {}
        self._counts: Counts = {}
        self._audit_at = 0.0
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
            level = self._level
            if level is not None:
                self._report(await asyncio.to_thread(self._round, level))
                self._applied = level

    # ------------------------------------------------------------------ in the thread

    def _round(self, level: Level) -> TableObserved:
        """One comparison and what follows from it. Changes that the kernel refuses are sentences, and tried again."""
        is_audit = time.monotonic() >= self._audit_at
        if is_audit:
            failure = self._observe()
            if failure:
                return TableObserved(self._known, self._counts, 0, (failure,))
        changes = plan(self._known, level.table, level.owned)
        refused = self._ipvs.apply(changes) if changes else []
        if refused:
            self._observe()
            self._audit_at = time.monotonic() + RETRY_INTERVAL
        else:
            self._known = apply(self._known, changes)
        repairs = len(changes) - len(refused) if is_audit and level is self._applied else 0
        return TableObserved(
            self._known, self._counts, repairs, tuple(explain(change, code) for change, code in refused)
        )

    def _observe(self) -> str | None:
        begun = time.monotonic()
        observed = self._ipvs.observe()
        ended = self._observed_at = time.monotonic()
        self._audit_at = ended + min(self._audit_interval, max(FASTEST_AUDIT, AUDIT_COST * (ended - begun)))
        if isinstance(observed, NetlinkFailure):
            return f"the kernel's IPVS table cannot be read: {observed.text}"
        self._known, self._counts = observed
        return None
