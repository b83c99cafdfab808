"""The sockets and deadlines of all probes: one epoll, looked at in turns that all probes share.

A check lives for two or three events. Given to the event loop one by one (a reader, a writer, a timer, a task), they
cost more than the exchange of octets itself; and waking costs as much as a check. So probes that are due start together
(health/schedule.py), and the epoll is looked at when they have started, until it is empty: most answers of a near
network are there by then. What is not is looked for FIRST_LOOK later, then after twice as long each time, up to
LONGEST_LOOK: an answer is noticed late by no more than about the time that it took, nor than LONGEST_LOOK. Deadlines
are kept to SLACK; an answer that waits outranks its deadline.
Edge-triggered, so that a socket is registered once and never changed: whoever watches must read until there is no more.
"""

import asyncio
import heapq
import select
import time
from collections.abc import Callable
from typing import Protocol

from haagent.probes.spares import Spares

FIRST_LOOK, LONGEST_LOOK = 0.002, 0.016  # seconds
SLACK = 0.002  # seconds in which deadlines share one turn
ANY = select.EPOLLIN | select.EPOLLOUT | select.EPOLLRDHUP | select.EPOLLET
BATCH = 256


class Watched(Protocol):
    """Who is told: of the epoll event mask of its descriptor, or of the seconds by which its deadline was overrun."""

    @property
    def descriptor(self) -> int: ...
    @property
    def deadline_at(self) -> float: ...
    @property
    def on_events(self) -> Callable[[int], None]: ...
    @property
    def on_deadline(self) -> Callable[[float], None]: ...


class Watch:
    """One watched descriptor; not watched any more once `forget` was called."""

    __slots__ = ("deadline_at", "descriptor", "on_deadline", "on_events")

    def __init__(
        self,
        descriptor: int,
        deadline_at: float,
        on_events: Callable[[int], None],
        on_deadline: Callable[[float], None],
    ) -> None:
        self.descriptor, self.deadline_at = descriptor, deadline_at
        self.on_events, self.on_deadline = on_events, on_deadline


class Poller:
    """Calls back whoever watches."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._epoll = select.epoll()
        self._watched: dict[int, Watched] = {}
        self._deadlines: list[tuple[float, int]] = []  # heap of (deadline_at, descriptor); stale unless a watch agrees
        self._timer: asyncio.TimerHandle | None = None
        self._gap = FIRST_LOOK  # until the next look
        self._is_to_turn = False  # a turn will come without the timer
        self.spares = Spares()

    def watch(self, watch: Watched) -> None:
        """Raises OSError when the kernel has no room (ENOSPC, ENOMEM)."""
        self._epoll.register(watch.descriptor, ANY)
        self.watch_kept(watch)

    def rewatch(self, watch: Watched) -> None:
        """For a descriptor that was forgotten and not closed."""
        self._epoll.modify(watch.descriptor, ANY)  # anew, so that an event that was passed over is told again
        self.watch_kept(watch)

    def watch_kept(self, watch: Watched) -> None:
        """For a descriptor that was forgotten and not closed, of which only new events matter."""
        self._watched[watch.descriptor] = watch
        heapq.heappush(self._deadlines, (watch.deadline_at, watch.descriptor))
        self._gap = FIRST_LOOK
        if not self._is_to_turn:
            self._is_to_turn = True
            self._loop.call_soon(self.turn)

    def forget(self, descriptor: int) -> None:
        """Must come before the descriptor is closed; closing it ends the kernel's side."""
        self._watched.pop(descriptor, None)

    def soon(self, call: Callable[[], None]) -> None:
        """Calls back in the next turn of the loop."""
        self._loop.call_soon(call)

    def announce_turn(self) -> None:
        """The caller will call `turn` before it returns to the loop."""
        self._is_to_turn = True

    def turn(self) -> None:
        """Delivers events and deadlines, and sees to the next turn."""
        if self._epoll.closed:
            return
        self._is_to_turn = True
        self.drain()  # first: after a stall, answers that waited outrank deadlines
        now = time.monotonic()
        while self._deadlines and self._deadlines[0][0] <= now:
            deadline_at, descriptor = heapq.heappop(self._deadlines)
            watch = self._watched.get(descriptor)
            if watch is not None and watch.deadline_at == deadline_at:
                watch.on_deadline(now - deadline_at)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._is_to_turn = False
        if not self._watched:
            self._deadlines.clear()
        elif not self._epoll.closed:
            gap = self._gap
            if self._deadlines:
                gap = max(min(gap, self._deadlines[0][0] + SLACK - now), 0.001)
            self._timer = self._loop.call_later(gap, self.turn)
            self._gap = min(2 * self._gap, LONGEST_LOOK)

    def drain(self) -> None:
        """Delivers everything that is ready, and what becomes so meanwhile."""
        watched = self._watched
        while not self._epoll.closed and (ready := self._epoll.poll(0, BATCH)):
            for descriptor, events in ready:
                watch = watched.get(descriptor)
                if watch is not None:
                    watch.on_events(events)

    def close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._epoll.close()
        self.spares.close()
