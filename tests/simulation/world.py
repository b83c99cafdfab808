"""Virtual time: one heap of (when, sequence, action), one random.Random(seed), and everything that lives in it.

A seed decides everything: the directors and their settings, the faults, each delay and loss. The same seed runs the
same way, so a violation is reported as its seed and faults, and replays.

Who lives here: `Segment` (the wire, with the clients' neighbour caches) and a `Director` for each host (clock, kernel,
link). On a host run *cores*, each the driver of one process's production code: `SpeakerCore` (vrrp) always, `PoolCore`
(director and prober) in a world with real servers. Another process joins the same way: a class that takes its Director,
reads `local()` for the time, puts its wake-ups and messages on the heap with `World.at`, does nothing while the host is
stalled or once the host has forgotten it, and is made in `Director.power_on`.
"""

import heapq
from collections.abc import Callable, Sequence
from random import Random
from typing import Any

from haagent.config.model import PoolTrack
from haagent.vrrp.settings import RouterSettings
from tests.simulation.director import Director
from tests.simulation.faults import CALM_AT, SERVERS, Fault, draw_faults, draw_pool_faults, inject
from tests.simulation.invariants import POOLS_SETTLE, Watch
from tests.simulation.pool_core import PoolCore
from tests.simulation.real_server import RealServer
from tests.simulation.segment import Segment

CALM = 32.0  # seconds after the last fault: longer than any pending timer and than one announcement refresh
CALM_OF_POOLS = CALM + POOLS_SETTLE
STEP_LIMIT = 20_000  # a schedule takes some hundreds; more is a livelock
VIRTUAL = (bytes((198, 51, 100, 100)), bytes((198, 51, 100, 101)))


class Livelock(Exception):
    """The world does not get on: events are delivered, time does not pass."""


class World:
    """Some directors on one segment, from start to calm."""

    def __init__(
        self,
        seed: int,
        faults: tuple[Fault, ...] | None = None,
        directors: int | None = None,
        settings: Sequence[tuple[RouterSettings, ...]] | None = None,
        pools: bool = False,
    ) -> None:
        """`faults` and `settings` (by director) replace those of the seed; everything else stays the seed's.

        With `pools` there are real servers, and the routers follow them.
        """
        self.seed = seed
        self.random = Random(seed)
        self.now = 0.0
        self.steps = 0
        self._heap: list[tuple[float, int, Callable[..., None], tuple[Any, ...]]] = []
        self._sequence = 0
        count = directors or self.random.choice((2, 2, 3))
        self.watch = Watch(self)
        self.directors = self._draw_directors(count, pools)
        for director, its in zip(self.directors, settings or (), strict=False):
            director.settings = its
        interfaces = {each.interface for director in self.directors for each in director.settings}
        self.segments = [Segment(self, count, number) for number in range(len(interfaces))]
        self.segment = self.segments[0]
        self.real_servers = [RealServer(self, number) for number in range(SERVERS)] if pools else []
        is_fault = self.random.random() < 0.5
        self.track = PoolTrack(pool="web", fault=is_fault, priority=0 if is_fault else -60)
        if pools:
            drawn = draw_pool_faults(self.random, count)
        else:
            drawn = draw_faults(self.random, count, len(self.directors[0].settings))
        self.faults = drawn if faults is None else faults
        self.watch.expect(self.faults)
        for director in self.directors:
            self.at(self.random.uniform(0.0, 2.0), director.power_on)
        for fault in self.faults:
            inject(self, fault)

    def _draw_directors(self, count: int, pools: bool) -> list[Director]:
        random = self.random
        grouped = random.random() < 0.2 and not pools  # inside and outside move together
        routers = 2 if grouped or (random.random() < 0.15 and not pools) else 1
        sticky = random.random() < 0.15
        preempt_delay = random.choice((0.0, 0.0, 0.0, 3.0))
        hold_off = random.choice((0.0, 0.0, 0.0, 1.0))
        preempt = random.random() < 0.8
        slow = random.randrange(count) if random.random() < 0.1 else None  # its interval differs: others must learn it
        deviant = random.randrange(count) if random.random() < 0.15 else None  # speaks the other checksum form
        owner = random.randrange(count) if random.random() < 0.1 else None
        directors = []
        for index in range(count):
            priorities = [random.choice((1, 50, 100, 100, 150, 200, 254)) for _ in range(routers)]
            settings = tuple(
                RouterSettings(
                    name=f"r{number}",
                    interface=f"eth{number}" if grouped else "eth0",
                    vrid=51 + number,
                    priority=255 if index == owner else priorities[0 if grouped else number],
                    advertisement_interval=2.0 if index == slow else 1.0,
                    virtual_addresses=((VIRTUAL[number], 24),),
                    preempt=preempt,
                    checksum="pseudo_header" if index == deviant else "auto",
                    announce_refresh=10.0,
                    preempt_delay=preempt_delay,
                    mute_hold=1.0,
                    sticky=sticky,
                    hold_off=hold_off,
                    group="nat" if grouped else "",
                )
                for number in range(routers)
            )
            directors.append(Director(self, index, settings, random.uniform(0.99, 1.01), random.uniform(1.0, 1e5)))
        return directors

    def pool_core(self, host: Director) -> PoolCore | None:
        return PoolCore(host, self.track) if self.real_servers else None

    def at(self, when: float, action: Callable[..., None], *arguments: Any) -> None:
        self._sequence += 1
        heapq.heappush(self._heap, (when, self._sequence, action, arguments))

    def run(self, until: float) -> None:
        """Deliver everything up to an instant; raises Livelock."""
        heap, pop = self._heap, heapq.heappop
        while heap and heap[0][0] <= until:
            self.now, _, action, arguments = pop(heap)
            action(*arguments)
            self.steps += 1
            if self.steps > STEP_LIMIT:
                raise Livelock(f"{STEP_LIMIT} steps and only {self.now:.3f} s gone")
        self.now = until


def violations(
    seed: int, faults: tuple[Fault, ...] | None = None, directors: int | None = None, *, pools: bool = False
) -> list[str]:
    """Run one schedule to its calm end; one sentence for each broken invariant."""
    world = World(seed, faults, directors, pools=pools)
    try:
        world.run(CALM_AT + (CALM_OF_POOLS if pools else CALM))
    except (Livelock, AssertionError) as broken:
        return [*world.watch.violations, f"{type(broken).__name__}: {broken}"]
    world.watch.check_calm()
    return world.watch.violations
