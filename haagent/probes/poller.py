"""One epoll for the sockets of all probes, and itself one reader of the event loop.

A probe lives for three or four events; a loop's own reader and writer per socket costs more than the whole exchange of
octets. Measured: 57-74 us per HTTP check, against 71-78 with add_reader/add_writer and 94-105 with transports (uvloop).
Edge-triggered, so that a socket is registered once and never changed: whoever watches must read until there is no more.
"""

import asyncio
import select
from collections.abc import Callable

ANY = select.EPOLLIN | select.EPOLLOUT | select.EPOLLRDHUP | select.EPOLLET
BATCH = 256


class Poller:
    """Calls back with the epoll event mask of a watched socket."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._epoll = select.epoll()
        self._watched: dict[int, Callable[[int], None]] = {}
        loop.add_reader(self._epoll.fileno(), self.drain)

    def watch(self, descriptor: int, callback: Callable[[int], None]) -> None:
        """Raises OSError when the kernel has no room (ENOSPC, ENOMEM)."""
        self._epoll.register(descriptor, ANY)
        self._watched[descriptor] = callback

    def forget(self, descriptor: int) -> None:
        """Must come before the descriptor is closed; closing it ends the kernel's side."""
        self._watched.pop(descriptor, None)

    def drain(self) -> None:
        """Delivers what is ready. Also called before a deadline is held against a socket: packets outrank timers."""
        for descriptor, events in self._epoll.poll(0, BATCH):
            callback = self._watched.get(descriptor)
            if callback is not None:
                callback(events)

    def close(self) -> None:
        self._loop.remove_reader(self._epoll.fileno())
        self._epoll.close()
