"""What requests on the control socket are answered with: a function each. The director lends its state."""

import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import assert_never

from haagent.config.model import Config
from haagent.control import requests
from haagent.core.core import Core
from haagent.core.effects import Record
from haagent.core.events import OperatorChanged
from haagent.handover import meant
from haagent.operate import operate
from haagent.pool.operator import Overrides, words
from haagent.processes import vrrp_messages
from haagent.processes.history_stream import HistoryStream
from haagent.processes.recollection import Recollection
from haagent.snapshot import Snapshot
from haagent.view import Clock
from haagent.vrrp.router import LEAVING_INTERVALS
from haagent.why import probe_ids, subjects, why

REPORT_TIME = 1.0  # seconds until what vrrp did is in a status
WHY_HISTORY = 5000  # entries that are searched for what happened to one name


@dataclass(frozen=True, slots=True, kw_only=True)
class Lent:
    """What the director lends: its state, and what it can be asked to do."""

    core: Core
    config: Callable[[], Config]
    history: HistoryStream
    recollection: Recollection
    snapshot: Callable[[], Snapshot]
    refresh_counts: Callable[[], Awaitable[None]]
    reload: Callable[[], Awaitable[tuple[str, ...]]]
    plan: Callable[[], Awaitable[requests.PlanAnswer]]
    store: Callable[[Overrides], str | None]
    operator_changed: Callable[[OperatorChanged], None]
    tell_vrrp: Callable[[bytes], object]
    record: Callable[[Record], None]


class Answers:
    """`answer` is what the control server calls."""

    def __init__(self, lent: Lent) -> None:
        self._lent = lent

    async def answer(self, request: requests.Request, user: str) -> AsyncIterator[requests.Answer]:
        match request:
            case requests.Status():
                await self._lent.refresh_counts()
                yield requests.StatusAnswer(self._lent.snapshot())
            case requests.Reload():
                yield requests.ReloadAnswer(errors=await self._lent.reload())
            case requests.Plan():
                yield await self._lent.plan()
            case requests.History(limit=limit, follow=follow, since=since):
                async for answer in self._tell_history(limit, since, follow=follow):
                    yield answer
            case requests.Operate():
                yield self._operate(request, user)
            case requests.HandOver():
                yield self._hand_over(request, user)
            case requests.Why(name=name):
                yield await self._why(name)
            case _:
                assert_never(request)

    async def _why(self, name: str) -> requests.Answer:
        core = self._lent.core
        meant = subjects(core, name)
        if isinstance(meant, requests.Refused):
            return meant
        routers, servers = meant
        transcripts = await self._lent.recollection.of(probe_ids(core, servers)) if servers else {}
        entries = await self._lent.history.kept(WHY_HISTORY, None)
        clock = Clock(time.monotonic(), time.time())
        return why(core, self._lent.snapshot(), routers, servers, transcripts, entries, clock)

    def _hand_over(self, request: requests.HandOver, user: str) -> requests.Answer:
        statuses = {each.name: each for each in self._lent.snapshot().routers}
        routers = meant(tuple(statuses.values()), self._lent.config().virtual_router_groups, request)
        if isinstance(routers, str):
            return requests.Refused(routers)
        first = routers[0]
        self._lent.tell_vrrp(
            vrrp_messages.encode(
                vrrp_messages.TakeBack(first) if request.back else vrrp_messages.HandOver(first, request.lasting)
            )
        )
        lasting = f" for {request.lasting:g} s" if request.lasting else ""
        cause = "the handover is over" if request.back else f"handed over to the peer{lasting}"
        for name in routers:
            self._lent.record(
                Record("operator", name, "", "taken back" if request.back else "handed over", cause, user)
            )
        interval = statuses[first].advertisement_interval
        return requests.HandOverAnswer(routers=routers, timeout=LEAVING_INTERVALS * interval + REPORT_TIME)

    def _operate(self, request: requests.Operate, user: str) -> requests.Answer:
        """On disk first: what cannot be remembered is refused."""
        wanted = operate(self._lent.core, request, time.time(), user)
        if isinstance(wanted, str):
            return requests.Refused(wanted)
        overrides, keys = wanted
        if sentence := self._lent.store(overrides):
            return requests.Refused(f"{sentence}; nothing is changed")
        self._lent.operator_changed(OperatorChanged(overrides))
        return requests.OperateAnswer(
            servers=tuple("/".join(key) for key in keys), state=words(self._lent.core.words.overrides[keys[0]])
        )

    async def _tell_history(self, limit: int, since: int | None, *, follow: bool) -> AsyncIterator[requests.Answer]:
        history = self._lent.history
        if not follow:
            yield requests.HistoryAnswer(tuple(await history.kept(limit, since)))
            return
        is_first = True
        async with contextlib.aclosing(history.follow(limit, since)) as stream:
            async for entries in stream:
                if is_first:
                    yield requests.HistoryAnswer(tuple(entries))
                    is_first = False
                    continue
                for entry in entries:
                    yield requests.EntryAdded(entry)
