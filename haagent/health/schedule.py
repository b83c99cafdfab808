"""When each probe is due: spread evenly over its interval, without drift, without bursts after a stall.

Probes with one interval form a family. The k-th member has the phase frac(k / golden ratio) of the interval on a grid
that starts at instant 0, so a newcomer moves nobody. Any n members with neighbouring k leave no gap greater than
(golden ratio ** 3 / sqrt 5) / n = 1.895 / n of the interval (three-distance theorem); a member that leaves frees its k
for the next newcomer.

After a stall a probe that was missed by more than `lateness` waits for its next place on the grid, so missed probes do
not all start in the instant of waking. It is passed over once, not twice: stalls that return with the period of the
interval cannot starve it.
"""

import heapq
import math
from dataclasses import dataclass, field

GOLDEN = (math.sqrt(5) - 1) / 2


@dataclass(slots=True)
class Family:
    """The places on the grid of one interval."""

    members: int = 0
    free: list[int] = field(default_factory=list)  # heap of places below `members` that nobody has

    def take(self) -> int:
        if self.free:
            return heapq.heappop(self.free)
        self.members += 1
        return self.members - 1

    def give_back(self, place: int) -> None:
        heapq.heappush(self.free, place)


@dataclass(slots=True)
class Entry:
    interval: float
    place: int
    due_at: float
    passed_over: bool = False


class Schedule:
    """Due instants by id. Each operation costs O(log n)."""

    def __init__(self) -> None:
        self._entries: dict[int, Entry] = {}
        self._heap: list[tuple[float, int]] = []  # (due_at, id); a pair that its entry does not confirm is stale
        self._families: dict[float, Family] = {}

    def add(self, id: int, interval: float, now: float) -> None:
        """First due within one interval from now. The id must be new."""
        assert id not in self._entries
        place = self._families.setdefault(interval, Family()).take()
        entry = Entry(interval, place, next_on_grid((place * GOLDEN) % 1.0 * interval, interval, now))
        self._entries[id] = entry
        heapq.heappush(self._heap, (entry.due_at, id))

    def remove(self, id: int) -> None:
        """Forgets an id; unknown ones are an error of the caller."""
        entry = self._entries.pop(id)
        self._families[entry.interval].give_back(entry.place)

    def next_deadline(self) -> float | None:
        """When `due` has something to say again; None: nothing is scheduled."""
        while self._heap:
            due_at, id = self._heap[0]
            entry = self._entries.get(id)
            if entry is not None and entry.due_at == due_at:
                return due_at
            heapq.heappop(self._heap)
        return None

    def due(self, now: float) -> list[int]:
        """The ids to try now, in the order of their instants; each moves on to its next instant after now."""
        ids = []
        while (due_at := self.next_deadline()) is not None and due_at <= now:
            _, id = heapq.heappop(self._heap)
            entry = self._entries[id]
            if now - due_at <= lateness(entry.interval) or entry.passed_over:
                ids.append(id)
                entry.passed_over = False
            else:
                entry.passed_over = True
            entry.due_at = next_on_grid(due_at, entry.interval, now)
            heapq.heappush(self._heap, (entry.due_at, id))
        return ids


def lateness(interval: float) -> float:
    """Seconds after its instant in which a probe is late; beyond, it is missed."""
    return max(interval / 8, 0.05)


def next_on_grid(at: float, interval: float, now: float) -> float:
    """The first instant after now that is a whole number of intervals away from `at`."""
    following = at + (math.floor((now - at) / interval) + 1) * interval
    return following if following > now else following + interval  # the quotient may round up to a whole number
