"""The virtual addresses on the interfaces: each router's are all there or none is, whatever else happens to them.

The level comes from outside (`set_addresses`); the way there is a queue of prepared steps, a chunk of addresses each,
so that advertisements go out between them and the first addresses of many are usable and announced at once. A level
that comes while the queue is not empty replaces it.
"""

import errno
import socket
from collections import Counter, OrderedDict, deque
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from enum import Enum, auto

from haagent.linux.address_batch import Chunk, encode_chunks, open_requests, request
from haagent.linux.announce import Announcer
from haagent.linux.links import Links
from haagent.vrrp.virtual_router import Address

REPAIR_QUIET = 10.0  # seconds without a repair after which the next one is made at once again
REPAIR_PAUSE, REPAIR_PAUSE_LIMIT = 0.1, 30.0  # seconds between repairs of one router that keep coming: doubled each

Held = tuple[int, Address]  # interface index, address


class Kind(Enum):
    ADD = auto()
    DELETE = auto()
    ANNOUNCE = auto()


@dataclass(frozen=True, slots=True)
class Prepared:
    """Everything of one router, encoded for its interface as it is now."""

    index: int
    mac: bytes
    addresses: tuple[Address, ...]
    connected: tuple[Address, ...]  # the interface's real addresses
    is_owner: bool
    is_router: bool = False  # the interface forwards IPv6
    form: str = "request"  # of the announcements
    chunks: tuple[Chunk, ...] = ()


@dataclass(slots=True)
class Step:
    kind: Kind
    chunk: Chunk
    announces: bool = False
    is_repair: bool = False


@dataclass(slots=True)
class Repairing:
    """How a router's repairs follow each other."""

    due: float | None = None  # monotonic; None: nothing is missing
    last: float = float("-inf")
    pause: float = 0.0


@dataclass(slots=True)
class Tally:
    """Since the last look: what a router's steps did."""

    announced: Counter[str] = field(default_factory=Counter)
    repaired: Counter[str] = field(default_factory=Counter)
    failed: Counter[str] = field(default_factory=Counter)


class AddressHolder:
    """One for the process. Decides nothing: it makes the levels it is given true."""

    def __init__(self, sock: socket.socket) -> None:
        self._socket = sock
        self.port_id: int = sock.getsockname()[0]
        self.announcers: dict[int, Announcer] = {}  # by interface index; the shell opens and closes them
        self.tally = Tally()
        self._links: Links | None = None
        self._prepared: dict[str, Prepared] = {}
        self._wanted: dict[str, bool] = {}
        self._held: dict[str, set[Held]] = {}
        self._found: set[Held] = set()  # real addresses that an owner (priority 255) holds: never ours to delete
        self._queue: OrderedDict[str, deque[Step]] = OrderedDict()  # the routers take turns
        self._repairs: dict[str, Repairing] = {}

    @classmethod
    def open(cls) -> "AddressHolder | OSError":
        sock = open_requests()
        return sock if isinstance(sock, OSError) else cls(sock)

    def follow(self, links: Links) -> None:
        """Where to look up what is on the interfaces, and to note what we change there."""
        self._links = links

    # ------------------------------------------------------------------ levels and edges that come in

    def prepare(
        self,
        router: str,
        index: int,
        mac: bytes,
        addresses: tuple[Address, ...],
        connected: tuple[Address, ...],
        is_owner: bool,
        is_router: bool = False,
        form: str = "request",
    ) -> bool:
        """Encode for later. Whether the interface under the router became another one (index or MAC)."""
        before = self._prepared.get(router)
        wanted = Prepared(index, mac, addresses, connected, is_owner, is_router, form)
        if before is not None and wanted == replace(before, chunks=()):
            return False
        chunks = encode_chunks(index, mac, addresses, connected, is_router, form)
        self._prepared[router] = replace(wanted, chunks=chunks)
        return before is not None and (before.index, before.mac) != (index, mac)

    def forget(self, routers: Iterable[str]) -> None:
        """They are configured no more. What they still hold goes by the SetAddresses that came before."""
        for router in routers:
            self._prepared.pop(router, None)
            self._repairs.pop(router, None)

    def prepared_routers(self) -> list[str]:
        return list(self._prepared)

    def set_addresses(self, router: str, held: bool) -> None:
        """The level. Nothing is sent before `work`."""
        self._wanted[router] = held
        self._put(router, self._steps_to_hold(router) if held else self._steps_to_release(router))

    def announce(self, router: str) -> None:
        """One round for every address; those still to be added are announced right after that."""
        prepared = self._prepared.get(router)
        if prepared is None:
            return
        steps = self._queue.get(router, deque())
        covered: set[int] = set()
        for step in steps:
            if step.kind is not Kind.DELETE:
                step.announces = True
                covered.add(id(step.chunk))
        steps.extend(
            Step(Kind.ANNOUNCE, chunk, announces=True) for chunk in prepared.chunks if id(chunk) not in covered
        )
        self._put(router, steps)

    def address_gone(self, index: int, address: Address, now: float) -> None:
        """Somebody else deleted it: add it back, at once, or later if that keeps happening."""
        for router, held in self._held.items():
            if (index, address) in held:
                held.discard((index, address))
                self._plan_repair(router, now)

    def interface_gone(self, index: int) -> None:
        """The addresses went with it."""
        for held in self._held.values():
            held -= {each for each in held if each[0] == index}
        self._found -= {each for each in self._found if each[0] == index}
        for router, steps in list(self._queue.items()):
            self._put(router, deque(step for step in steps if step.chunk.index != index))

    def audited(self, now: float) -> None:
        """`Links` was compared with the kernel a moment ago: compare ours with it."""
        if self._links is None:
            return
        for router, held in list(self._held.items()):
            if router in self._queue:
                continue  # on the way
            if not self._wanted.get(router):
                if held:
                    self._put(router, self._steps_to_release(router))
                continue
            for index, address in list(held):
                link = self._links.by_index.get(index)
                if link is not None and address not in link.addresses:
                    self.address_gone(index, address, now)
            prepared = self._prepared.get(router)
            if prepared is not None and len(held) < len(prepared.addresses):
                self._plan_repair(router, now)

    # ------------------------------------------------------------------ time

    @property
    def is_busy(self) -> bool:
        return bool(self._queue)

    def next_deadline(self) -> float | None:
        return min((repair.due for repair in self._repairs.values() if repair.due is not None), default=None)

    def pass_time(self, now: float) -> None:
        for router, repair in self._repairs.items():
            if repair.due is None or now < repair.due or router in self._queue:
                continue  # a round of announcements may be on its way: the repair waits for it, it is not lost
            repair.due, repair.last = None, now
            if self._wanted.get(router):
                steps = self._steps_to_hold(router)
                for step in steps:
                    step.announces, step.is_repair = True, True
                self._put(router, steps)

    def work(self) -> None:
        """One step, of the router whose turn it is: about a tenth of a millisecond for each 16 addresses."""
        router, steps = next(iter(self._queue.items()))
        step = steps.popleft()
        if steps:
            self._queue.move_to_end(router)
        else:
            del self._queue[router]
        match step.kind:
            case Kind.ADD:
                self._add(router, step)
            case Kind.DELETE:
                self._delete(router, step)
            case Kind.ANNOUNCE:
                pass
        announcer = self.announcers.get(step.chunk.index)
        if step.announces and announcer is not None:
            sent, stopped = announcer.send(step.chunk.frames)
            self.tally.announced[router] += sent
            if stopped:
                self.tally.failed[router] += 1

    # ------------------------------------------------------------------ inside

    def _steps_to_hold(self, router: str) -> deque[Step]:
        prepared = self._prepared.get(router)
        if prepared is None:
            return deque()
        held = self._held.setdefault(router, set())
        if not held:  # a takeover: nothing to compare
            return deque(Step(Kind.ADD, chunk) for chunk in prepared.chunks)
        wanted = {(prepared.index, address) for address in prepared.addresses}
        steps = deque(
            Step(Kind.ADD, chunk)
            for chunk in prepared.chunks
            if any((prepared.index, address) not in held for address in chunk.addresses)
        )
        superfluous = held - wanted
        if superfluous:
            superfluous -= self._held_by_others(router)
        if superfluous:
            steps.extend(self._deletions(superfluous))
            # where the kernel does not promote secondaries, others of the subnet went with a deleted primary
            steps.extend(Step(Kind.ADD, chunk) for chunk in prepared.chunks)
        return steps

    def _steps_to_release(self, router: str) -> deque[Step]:
        """What we hold, and what a killed predecessor left behind; of an owner's addresses only those that we added."""
        prepared = self._prepared.get(router)
        held = self._held.setdefault(router, set())
        link = self._links.by_index.get(prepared.index) if self._links and prepared else None
        there: set[Held] = set()
        if prepared is not None and link is not None:
            octets = {each for each, _ in prepared.addresses}
            there = {
                (prepared.index, address)
                for address, heard in link.addresses.items()
                if address[0] in octets and (heard.is_ours or not prepared.is_owner)
            }
            if not prepared.is_owner:
                self._found -= there  # a reload took the priority 255 away
        held -= self._found
        targets = (held | there) - self._found - self._held_by_others(router)
        steps: deque[Step] = deque()
        for chunk in prepared.chunks if prepared else ():
            places = {(chunk.index, address) for address in chunk.addresses}
            if places <= targets:
                steps.append(Step(Kind.DELETE, chunk))
                targets -= places
        steps.extend(self._deletions(targets))
        return steps

    def _held_by_others(self, router: str) -> set[Held]:
        """A reload may move an address from one router to another."""
        return {place for other, held in self._held.items() if other != router for place in held}

    def _deletions(self, places: Iterable[Held]) -> list[Step]:
        by_index: dict[int, list[Address]] = {}
        for index, address in sorted(places):
            by_index.setdefault(index, []).append(address)
        return [
            Step(Kind.DELETE, chunk)
            for index, addresses in by_index.items()
            for chunk in encode_chunks(index, b"", addresses)
        ]

    def _put(self, router: str, steps: deque[Step]) -> None:
        if steps:
            self._queue[router] = steps
        else:
            self._queue.pop(router, None)

    def _plan_repair(self, router: str, now: float) -> None:
        repair = self._repairs.setdefault(router, Repairing())
        if repair.due is not None:
            return
        if now - repair.last > max(REPAIR_QUIET, 2 * repair.pause):
            repair.pause = 0.0
            repair.due = now
        else:
            repair.pause = min(max(2 * repair.pause, REPAIR_PAUSE), REPAIR_PAUSE_LIMIT)
            repair.due = repair.last + repair.pause

    def _add(self, router: str, step: Step) -> None:
        failures = request(self._socket, step.chunk.add)
        held = self._held.setdefault(router, set())
        for place, address in enumerate(step.chunk.addresses):
            code = failures.get(place, 0)
            if code in (0, errno.EEXIST):
                held.add((step.chunk.index, address))
                if code == 0:
                    self.tally.repaired[router] += step.is_repair
                elif self._is_real(router, step.chunk.index, address):
                    self._found.add((step.chunk.index, address))
                if self._links is not None:
                    self._links.note(step.chunk.index, address, present=True)
            else:
                self.tally.failed[router] += 1

    def _is_real(self, router: str, index: int, address: Address) -> bool:
        """An owner's own address: it was there before us and has not our tag."""
        prepared = self._prepared.get(router)
        link = self._links.by_index.get(index) if self._links else None
        heard = link.addresses.get(address) if link else None
        return prepared is not None and prepared.is_owner and heard is not None and not heard.is_ours

    def _delete(self, router: str, step: Step) -> None:
        failures = request(self._socket, step.chunk.delete)
        held = self._held.get(router, set())
        for place, address in enumerate(step.chunk.addresses):
            if failures.get(place, 0) in (0, errno.EADDRNOTAVAIL, errno.ENODEV):
                held.discard((step.chunk.index, address))
                if self._links is not None:
                    self._links.note(step.chunk.index, address, present=False)
            else:
                self.tally.failed[router] += 1
