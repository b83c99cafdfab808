"""Fuzz every parser for a time: `python tools/fuzz.py --seconds 300 [--target NAME] [--first SEED | --octets HEX]`.

Targets share the time and the cores; half of each one's goes to damage that knows the formats, half to inputs that
follow the coverage (atheris), whose corpus is kept in --corpus for the next run. A failure is printed with what replays
it: `--target NAME --first SEED --seconds 0`, or `--target NAME --octets HEX`. The status is 1 if there was one.
"""

import argparse
import os
import sys
import time
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.fuzz.guided import MISSING, attempt, guided, is_available
from tests.fuzz.run import Failure, fuzz, fuzz_for, place
from tests.fuzz.targets import TARGETS

SLICE = 5.0  # seconds of one target at a time, so that a short run sees all of them
START = 4.0  # seconds in which a guided run starts
LEAST = 10.0  # seconds of one, with its start


def run(name: str, first: int, seconds: float) -> tuple[str, int, list[Failure]]:
    if not seconds:
        return name, 1, fuzz(TARGETS[name], first, 1)
    return name, *fuzz_for(TARGETS[name], first, seconds)


class Totals:
    """What came out of all the runs, told as it comes: one failure for each place in the code."""

    def __init__(self, names: list[str]) -> None:
        self.rounds = dict.fromkeys(names, 0)
        self.reached = dict.fromkeys(names, 0)
        self.failures: dict[tuple[str, str], Failure] = {}

    def add(self, name: str, rounds: int, failures: list[Failure]) -> None:
        self.rounds[name] += rounds
        for failure in failures:
            if self.failures.setdefault((name, place(failure)), failure) is failure:
                print(failure, flush=True)

    def tell(self) -> None:
        for name, done in self.rounds.items():
            failed = sum(target == name for target, _ in self.failures)
            places = f", {self.reached[name]} places reached" if self.reached[name] else ""
            print(f"{name:24} {done:9} inputs, {failed} failures{places}")


def by_damage(totals: Totals, seconds: float, first: int, processes: int) -> None:
    names = list(totals.rounds)
    each = seconds * processes / len(names)
    turns = max(1, round(each / SLICE))
    jobs = [(name, first + turn * 10_000_000, each / turns) for turn in range(turns) for name in names]
    with ProcessPoolExecutor(processes) as pool:
        for found in pool.map(run, *zip(*jobs, strict=True)):
            totals.add(*found)


def by_coverage(totals: Totals, seconds: float, seed: int, processes: int, corpus: Path) -> None:
    """Each target gets a run of at least LEAST seconds; where there is not time enough for that, several share one."""
    names = list(totals.rounds)
    runs = max(1, min(len(names), int(seconds * processes / LEAST)))
    groups = [names[start::runs] for start in range(runs)]

    def one(group: list[str]) -> None:
        place = group[0] if len(group) == 1 else f"{len(group)}-from-{group[0]}"
        each = guided(group, corpus / place, seconds=seconds * processes / runs - START, seed=seed)
        for name in group:
            ended = " ".join(group) if name == group[0] else name  # libFuzzer stopped: which one it was is in its words
            mine = [failure for failure in each.failures if failure.target in (name, ended)]
            totals.add(name, each.rounds // len(group), mine)
            totals.reached[name] = each.reached if len(group) == 1 else 0

    with ThreadPoolExecutor(processes) as pool:
        list(pool.map(one, groups))


def main() -> int:
    parser = argparse.ArgumentParser(prog="tools/fuzz.py", description=__doc__)
    parser.add_argument("--seconds", type=float, default=300.0, help="wall clock in all (default: 300)")
    parser.add_argument("--target", choices=sorted(TARGETS), action="append", help="only this one; may be repeated")
    parser.add_argument("--first", type=int, default=None, help="the first seed (default: from the clock)")
    parser.add_argument("--octets", type=bytes.fromhex, help="replay this one input of the one --target")
    parser.add_argument("--corpus", type=Path, default=Path(".fuzz"), help="what reached new code (default: .fuzz)")
    options = parser.parse_args()
    names = options.target or list(TARGETS)
    totals = Totals(names)
    first = time.time_ns() if options.first is None else options.first
    processes = len(os.sched_getaffinity(0))
    if options.octets is not None:
        failure = attempt(TARGETS[names[0]], options.octets)
        totals.add(names[0], 1, [failure] if failure else [])
    elif not options.seconds or not is_available():
        if options.seconds:
            print(MISSING)
        by_damage(totals, options.seconds, first, processes)
    else:
        by_damage(totals, options.seconds / 2, first, processes)
        by_coverage(totals, options.seconds / 2, first % (1 << 31) or 1, processes, options.corpus.resolve())
    totals.tell()
    return 1 if totals.failures else 0


if __name__ == "__main__":
    sys.exit(main())
