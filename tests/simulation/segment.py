"""The wire between the directors, and their clients' neighbour caches. It carries encoded octets.

Each copy of a datagram has a delay of its own; they overtake each other only while the segment jitters. A partition or
a one-way cut is a set of ordered pairs of stations. Clients believe the last announcement and never ask: a harder world
than a real one, where a cache entry ages.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

from haagent.vrrp.advertisement import GROUPS

if TYPE_CHECKING:
    from haagent.vrrp.outgoing import Outgoing
    from tests.simulation.director import Director
    from tests.simulation.world import World

MULTICAST = frozenset(GROUPS.values())
CLIENTS = 2
DELAY = 0.004  # seconds, at most, while nothing disturbs
DUPLICATED = 0.01  # of all datagrams, always


class Segment:
    """Stations are numbered: the directors first, then the clients."""

    def __init__(self, world: World, directors: int, number: int = 0) -> None:
        self._world = world
        self._number = number
        self._clients = range(directors, directors + CLIENTS)
        self.cuts: Counter[tuple[int, int]] = Counter()  # (from, to); several faults may cut the same way
        self.loss = 0.0
        self.corruption = 0.0
        self.delay = DELAY
        self.caches: dict[tuple[int, bytes], int] = {}  # (client, virtual address) -> the director whose MAC it has
        self.corrupted = 0
        self._arrived: dict[tuple[int, int], float] = {}  # (from, to) -> when the last datagram arrives

    @property
    def clients(self) -> range:
        return self._clients

    def send(self, sender: int, datagram: Outgoing) -> None:
        """Multicast to every other director, or unicast to the one that has the address."""
        world = self._world
        is_multicast = datagram.destination in MULTICAST
        is_troubled = bool(self.cuts or self.loss)
        for receiver in world.directors:
            if receiver.index == sender or (is_troubled and not self._passes(sender, receiver.index)):
                continue
            if not is_multicast and datagram.destination not in dict(receiver.own_addresses(self._number)):
                continue
            heard = replace(datagram, message=self._corrupt(datagram.message)) if self.corruption else datagram
            self._deliver(sender, receiver, heard)
            if world.random.random() < DUPLICATED:
                self._deliver(sender, receiver, heard)

    def announce(self, sender: int, address: bytes) -> None:
        """A gratuitous ARP with the sender's physical MAC."""
        world = self._world
        for client in self._clients:
            if self._passes(sender, client):
                world.at(world.now + world.random.random() * self.delay, self._learn, client, address, sender)

    def cut(self, pairs: list[tuple[int, int]], by: int) -> None:
        """One more (+1) or one fewer (-1) fault that cuts these ways."""
        for pair in pairs:
            self.cuts[pair] += by

    def stations(self) -> range:
        return range(self._clients.stop)

    def _deliver(self, sender: int, receiver: Director, datagram: Outgoing) -> None:
        when = self._world.now + self._world.random.random() * self.delay
        if self.delay == DELAY:  # no jitter: first in, first out
            way = sender, receiver.index
            self._arrived[way] = when = max(when, self._arrived.get(way, 0.0))
        self._world.at(when, receiver.receive, datagram, self._number)

    def _passes(self, sender: int, receiver: int) -> bool:
        if self.cuts and self.cuts[sender, receiver] > 0:
            return False
        return not self.loss or self._world.random.random() >= self.loss

    def _corrupt(self, message: bytes) -> bytes:
        random = self._world.random
        if random.random() >= self.corruption:
            return message
        self.corrupted += 1
        place = random.randrange(len(message) * 8)
        damaged = bytearray(message)
        damaged[place // 8] ^= 1 << place % 8
        return bytes(damaged[: random.randrange(len(damaged) + 1)]) if random.random() < 0.2 else bytes(damaged)

    def _learn(self, client: int, address: bytes, director: int) -> None:
        self.caches[client, address] = director
