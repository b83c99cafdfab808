"""Run a target on damaged inputs for a number of rounds or for a time; a failure is a value that replays."""

import time
import traceback
from dataclasses import dataclass
from random import Random

from tests.fuzz.mutate import mutate
from tests.fuzz.targets import Target


@dataclass(frozen=True, slots=True)
class Failure:
    """`replay(target, seed)` does it again."""

    target: str
    seed: int
    octets: bytes
    trace: str

    def __str__(self) -> str:
        seed = f", seed {self.seed}" if self.seed else ""  # guided: the octets are all
        shown = self.octets.hex()[: 400 if self.seed else None]
        return f"{self.target}{seed}, {len(self.octets)} octets {shown}\n{self.trace}"


def replay(target: Target, seed: int) -> Failure | None:
    """One round: everything about it follows from the seed."""
    random = Random(seed)
    octets = mutate(target.seeds, random)
    try:
        target.run(octets, random)
    except Exception:  # noqa: BLE001  whatever comes out is what we look for
        return Failure(target.name, seed, octets, traceback.format_exc(limit=-6))
    return None


def fuzz(target: Target, first: int, rounds: int) -> list[Failure]:
    """The failures of seeds first..first+rounds-1, at most one for each place in the code."""
    found: dict[str, Failure] = {}
    for seed in range(first, first + rounds):
        failure = replay(target, seed)
        if failure is not None:
            found.setdefault(place(failure), failure)
    return list(found.values())


def fuzz_for(target: Target, first: int, seconds: float) -> tuple[int, list[Failure]]:
    """(rounds, failures) of as many seeds as the time allows."""
    until, seed, found = time.monotonic() + seconds, first, dict[str, Failure]()
    while time.monotonic() < until:
        for failure in fuzz(target, seed, 50):
            found.setdefault(place(failure), failure)
        seed += 50
    return seed - first, list(found.values())


def place(failure: Failure) -> str:
    lines = [line for line in failure.trace.splitlines() if line.startswith("  File ")]
    return lines[-1] if lines else failure.trace
