"""Asks the segments who has the virtual addresses, and hears who says so unasked. In the director; it decides nothing.

The sockets stay open, so that a claim is heard when it is made; they get ARP and neighbour advertisements alone. What
is heard waits a moment for more: a storm of ARP costs this process a fixed share. A round's questions go out in slices.
"""

import asyncio
import socket
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial

from haagent.core.events import OwnersObserved
from haagent.linux.arp_probe import ArpProbe
from haagent.linux.neighbourhood import gateways, own_macs
from haagent.pool.arp_leak import ArpAnswer
from haagent.pool.owners import OwnerTest

FIRST_ROUND = 2.0  # seconds after a level with something new
RETRY_INTERVAL = 5.0  # until an interface that is not there is looked for again
LISTENING_TIME = 1.0
SLICE, SLICE_PAUSE = 32, 0.02  # questions at once, seconds between them
READING_PAUSE = 0.1
MOST_CLAIMANTS = 64
MOST_FRAMES = 512  # of one socket in one reading

Report = Callable[[OwnersObserved], None]


@dataclass(slots=True)
class Ear:
    """What is open on one interface."""

    interface: str
    tests: tuple[OwnerTest, ...] = ()
    probe: ArpProbe | None = None
    trouble: str = ""
    due: float = 0.0
    task: "asyncio.Task[None] | None" = None
    listened: frozenset[str] = frozenset()
    claimants: dict[bytes, None] = field(default_factory=dict)  # their other addresses tell who they are
    is_reading: dict[int, asyncio.TimerHandle] = field(default_factory=dict)


class OwnerWatch:
    """`want` sets the level, `ask` brings a round forward; `close` ends it all."""

    def __init__(self, report: Report, active_addresses: Callable[[], Mapping[str, str]]) -> None:
        self._report, self._active_addresses = report, active_addresses
        self._ears: dict[str, Ear] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._is_closed = False

    def want(self, tests: tuple[OwnerTest, ...]) -> None:
        by_interface: dict[str, list[OwnerTest]] = {}
        for test in tests:
            by_interface.setdefault(test.interface, []).append(test)
        for name in self._ears.keys() - by_interface.keys():
            self._shut(self._ears.pop(name))
        for name, each in by_interface.items():
            ear = self._ears.setdefault(name, Ear(name))
            if ear.tests != tuple(each):
                ear.tests, ear.due = tuple(each), time.monotonic() + FIRST_ROUND
                ear.listened = frozenset(address for test in each for address in (*test.addresses, *test.peers))
            if ear.probe is None:
                self._open(ear)
        self._arm()

    def ask(self, interface: str, after: float) -> None:
        ear = self._ears.get(interface)
        if ear is not None:
            ear.due = min(ear.due, time.monotonic() + after)
            self._arm()

    def close(self) -> None:
        self._is_closed = True
        if self._timer:
            self._timer.cancel()
        for ear in self._ears.values():
            self._shut(ear)

    # ------------------------------------------------------------------ rounds

    def _arm(self) -> None:
        if self._timer:
            self._timer.cancel()
            self._timer = None
        due = [ear.due for ear in self._ears.values() if ear.task is None]
        if due and not self._is_closed:
            self._timer = asyncio.get_running_loop().call_later(max(0.0, min(due) - time.monotonic()), self._begin)

    def _begin(self) -> None:
        now = time.monotonic()
        for ear in self._ears.values():
            if ear.task is None and ear.due <= now:
                ear.task = asyncio.create_task(self._round(ear))
                ear.task.add_done_callback(partial(self._ended, ear))
        self._arm()

    def _ended(self, ear: Ear, _: "asyncio.Task[None]") -> None:
        ear.task = None
        self._arm()

    async def _round(self, ear: Ear) -> None:
        at = time.monotonic()
        ear.due = float("inf")
        if ear.probe is None or not ear.probe.is_there():
            self._shut_probe(ear)
            self._open(ear)
        active = self._active_addresses()
        witnesses = dict.fromkeys(gateways(ear.interface), "the gateway")
        witnesses |= {address: "the peer" for test in ear.tests for address in test.peers}
        virtual = {address: None for test in ear.tests for address in test.addresses}
        beside = {active[test.router]: None for test in ear.tests if active.get(test.router)}
        asked = tuple(virtual | beside | dict.fromkeys(witnesses))
        ear.listened = frozenset(asked)
        trouble = ear.trouble
        for start in range(0, len(asked) if ear.probe else 0, SLICE):
            for address in asked[start : start + SLICE]:
                trouble = trouble or (ear.probe.ask(address) if ear.probe else "")
            await asyncio.sleep(SLICE_PAUSE)
        if not trouble:
            await asyncio.sleep(LISTENING_TIME)
        self._read(ear)
        witnesses = {address: name for address, name in witnesses.items() if address not in virtual}
        ear.due = time.monotonic() + RETRY_INTERVAL if trouble else float("inf")
        self._report(OwnersObserved(ear.interface, (), at, asked, trouble, active, witnesses, own_macs()))

    # ------------------------------------------------------------------ listening

    def _open(self, ear: Ear) -> None:
        opened = ArpProbe.open(ear.interface)
        ear.trouble = opened if isinstance(opened, str) else ""
        ear.probe = None if isinstance(opened, str) else opened
        for each in ear.probe.sockets if ear.probe else ():
            self._listen(ear, each)

    def _listen(self, ear: Ear, sock: socket.socket) -> None:
        ear.is_reading.pop(sock.fileno(), None)
        asyncio.get_running_loop().add_reader(sock, self._wait_for_more, ear, sock)

    def _wait_for_more(self, ear: Ear, sock: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        loop.remove_reader(sock)
        ear.is_reading[sock.fileno()] = loop.call_later(READING_PAUSE, self._read_and_listen, ear, sock)

    def _read_and_listen(self, ear: Ear, sock: socket.socket) -> None:
        self._read(ear)
        self._listen(ear, sock)

    def _read(self, ear: Ear) -> None:
        heard = ear.probe.answers(MOST_FRAMES) if ear.probe else []
        claimants = {mac: None for address, mac in heard if address in ear.listened}
        ear.claimants = dict(list((ear.claimants | claimants).items())[-MOST_CLAIMANTS:])
        answers = {ArpAnswer(ear.interface, address, mac.hex(":")) for address, mac in heard if mac in ear.claimants}
        if answers:
            now = time.monotonic()
            self._report(OwnersObserved(ear.interface, tuple(sorted(answers)), now, active=self._active_addresses()))

    def _shut_probe(self, ear: Ear) -> None:
        for timer in ear.is_reading.values():
            timer.cancel()
        ear.is_reading = {}
        if ear.probe:
            for each in ear.probe.sockets:
                asyncio.get_running_loop().remove_reader(each)
            ear.probe.close()
            ear.probe = None

    def _shut(self, ear: Ear) -> None:
        if ear.task:
            ear.task.cancel()
        self._shut_probe(ear)
