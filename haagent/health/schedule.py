"""When each probe is due: spread evenly over its interval, without drift, without bursts after a stall.

Probes with one interval form a family. The k-th member has the phase frac(k / golden ratio) of the interval on a grid
that starts at instant 0, so any n members with neighbouring k are spread with no gap greater than (golden ratio ** 3 /
sqrt 5) / n = 1.895 / n of the interval (three-distance theorem); a member that leaves frees its k for the next.

Waking costs more than a probe, so a family divides its interval into slots, about GRAIN long, and its members start at
the beginning of the slot that their phase lies in: always the same one, so an interval stays an interval. When a slot
has more than CROWD members on average, all are halved, which moves members by less than a slot; else a newcomer moves
nobody. The slots of families whose intervals are whole seconds coincide.

After a stall a probe that was missed by more than `lateness` waits for its next place on the grid, so missed probes do
not all start in the instant of waking. It is passed over once, not twice: stalls that return with the period of the
interval cannot starve it.
"""

import heapq
import math
from dataclasses import dataclass, field

GOLDEN = (math.sqrt(5) - 1) / 2
GRAIN = 1 / 7  # seconds; it divides a second, and is no multiple of a kernel tick (see bench/checks.py)
CROWD = 48  # members of a slot


@dataclass(slots=True, eq=False)
class Slot:
    """Those that start together."""

    family: "Family"
    index: int  # which of the interval's slots it is
    due_at: float | None = None  # None: not queued
    members: dict[int, None] = field(default_factory=dict)  # ids, in the order of their coming
    passed_over: bool = False


class Family:
    """The slots of one interval, and who has which place."""

    __slots__ = ("_count", "_free", "_places", "_taken", "interval", "slots")

    def __init__(self, interval: float) -> None:
        self.interval = interval
        self._places: dict[int, int] = {}  # by id
        self._taken = 0  # places that were ever given; below it, the free ones
        self._free: list[int] = []  # heap
        self._count = max(1, round(interval / GRAIN))  # of slots; those exist that somebody came into
        self.slots: dict[int, Slot] = {}

    def __len__(self) -> int:
        return len(self._places)

    def add(self, id: int) -> Slot:
        """Its slot; where that is new, all are."""
        if self._free:
            place = heapq.heappop(self._free)
        else:
            place, self._taken = self._taken, self._taken + 1
        self._places[id] = place
        if len(self._places) > CROWD * self._count:
            self._count, self.slots = 2 * self._count, {}
            for each, its in self._places.items():
                self._slot(its).members[each] = None
        slot = self._slot(place)
        slot.members[id] = None
        return slot

    def remove(self, id: int) -> None:
        place = self._places.pop(id)
        heapq.heappush(self._free, place)
        del self._slot(place).members[id]

    def _slot(self, place: int) -> Slot:
        index = int((place * GOLDEN) % 1.0 * self._count)
        if index not in self.slots:
            self.slots[index] = Slot(self, index)
        return self.slots[index]

    def phase_of(self, id: int) -> float:
        return self.phase(self._slot(self._places[id]))

    def phase(self, slot: Slot) -> float:
        """Seconds from the start of the interval."""
        return slot.index / self._count * self.interval


class Schedule:
    """Due instants by id. What an operation costs grows with the number of slots, not of probes."""

    def __init__(self) -> None:
        self._families: dict[float, Family] = {}
        self._family_of: dict[int, Family] = {}  # by id
        self._heap: list[tuple[float, int, Slot]] = []  # (due_at, serial, slot); stale unless the slot agrees
        self._serial = 0

    def add(self, id: int, interval: float, now: float) -> None:
        """First due within one interval from now. The id must be new."""
        assert id not in self._family_of
        family = self._families.get(interval)
        if family is None:
            family = self._families[interval] = Family(interval)
        self._family_of[id] = family
        before = family.slots
        slot = family.add(id)
        if family.slots is before:
            if slot.due_at is None or (slot.due_at <= now and len(slot.members) == 1):
                self._queue(slot, now)
            return
        for each in before.values():
            each.due_at = None
        for each in family.slots.values():
            self._queue(each, now)

    def _queue(self, slot: Slot, now: float) -> None:
        family = slot.family
        slot.passed_over = False
        self._push(slot, next_on_grid(family.phase(slot), family.interval, now))

    def _push(self, slot: Slot, due_at: float) -> None:
        slot.due_at = due_at
        self._serial += 1
        heapq.heappush(self._heap, (due_at, self._serial, slot))

    def remove(self, id: int) -> None:
        """Forgets an id; unknown ones are an error of the caller."""
        family = self._family_of.pop(id)
        family.remove(id)
        if not len(family):
            del self._families[family.interval]
            # Its slots would wait for their instants, up to an interval, and all of it with each of them.
            self._heap = [each for each in self._heap if each[2].family is not family]
            heapq.heapify(self._heap)

    def phase(self, id: int) -> float:
        """Its instants are this and whole intervals."""
        return self._family_of[id].phase_of(id)

    def next_deadline(self) -> float | None:
        """When `due` has something to say again; None: nothing is scheduled."""
        while self._heap:
            due_at, _, slot = self._heap[0]
            if slot.due_at == due_at:
                if slot.members:
                    return due_at
                slot.due_at = None  # whoever comes into it queues it again
            heapq.heappop(self._heap)
        return None

    def due(self, now: float) -> list[int]:
        """The ids to try now, in the order of their instants; each moves on to its next instant after now."""
        ids: list[int] = []
        while (due_at := self.next_deadline()) is not None and due_at <= now:
            slot = heapq.heappop(self._heap)[2]
            interval = slot.family.interval
            if now - due_at <= lateness(interval) or slot.passed_over:
                ids += slot.members
                slot.passed_over = False
            else:
                slot.passed_over = True
            self._push(slot, next_on_grid(due_at, interval, now))
        return ids


def lateness(interval: float) -> float:
    """Seconds after its instant in which a probe is late; beyond, it is missed."""
    return max(interval / 8, 0.05)


def next_on_grid(at: float, interval: float, now: float) -> float:
    """The first instant after now that is a whole number of intervals away from `at`."""
    following = at + (math.floor((now - at) / interval) + 1) * interval
    return following if following > now else following + interval  # the quotient may round up to a whole number
