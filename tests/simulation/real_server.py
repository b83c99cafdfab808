"""A real server as the probes see it: up, refusing, hanging, or late."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING, Literal

from haagent.health.probe import ProbeResult

if TYPE_CHECKING:
    from tests.simulation.world import World

Mood = Literal["refuses", "hangs", "late"]
ROUND_TRIP = 0.005  # seconds, at most


class RealServer:
    """Several faults may act on it at once; the worst shows. It knows who cannot reach it."""

    def __init__(self, world: World, number: int) -> None:
        self._world = world
        self.name = f"s{number}"
        self.address = f"198.51.100.{11 + number}"
        self.moods: Counter[Mood] = Counter()
        self.unreachable_from: Counter[int] = Counter()  # by director
        self.delay = 0.0  # of a late answer

    def is_healthy_for(self, director: int) -> bool:
        """Once nothing changes any more: whether its probes pass."""
        return not +self.moods and not self.unreachable_from[director]

    def probe(self, director: int, timeout: float, done: Callable[[ProbeResult], None]) -> None:
        """`done` is called once, at most `timeout` later."""
        after = self._world.random.random() * ROUND_TRIP
        if self.moods["hangs"] > 0 or self.unreachable_from[director] > 0:
            self._world.at(self._world.now + timeout, done, ProbeResult(False, "no answer"))
        elif self.moods["refuses"] > 0:
            self._world.at(self._world.now + after, done, ProbeResult(False, "connection refused"))
        elif self.moods["late"] > 0 and self.delay >= timeout:
            self._world.at(self._world.now + timeout, done, ProbeResult(False, "no answer in time"))
        else:
            after += self.delay if self.moods["late"] > 0 else 0.0
            self._world.at(self._world.now + min(after, timeout), done, ProbeResult(True, "connected"))

    def change(self, mood: Mood, by: int) -> None:
        self.moods[mood] += by

    def cut_off(self, director: int, by: int) -> None:
        self.unreachable_from[director] += by
