"""Fuzz every parser for a time: `python tools/fuzz.py --seconds 300 [--target NAME] [--first SEED]`.

Targets share the time and the cores. A failure is printed with its seed, which replays it: `--target NAME --first SEED
--seconds 0`. The status is 1 if there was one.
"""

import argparse
import os
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.fuzz.run import Failure, fuzz, fuzz_for, place
from tests.fuzz.targets import TARGETS

SLICE = 5.0  # seconds of one target at a time, so that a short run sees all of them


def run(name: str, first: int, seconds: float) -> tuple[str, int, list[Failure]]:
    if not seconds:
        return name, 1, fuzz(TARGETS[name], first, 1)
    return name, *fuzz_for(TARGETS[name], first, seconds)


def main() -> int:
    parser = argparse.ArgumentParser(prog="tools/fuzz.py", description=__doc__)
    parser.add_argument("--seconds", type=float, default=300.0, help="wall clock in all (default: 300)")
    parser.add_argument("--target", choices=sorted(TARGETS), action="append", help="only this one; may be repeated")
    parser.add_argument("--first", type=int, default=None, help="the first seed (default: from the clock)")
    options = parser.parse_args()
    names = options.target or list(TARGETS)
    processes = len(os.sched_getaffinity(0))
    first = time.time_ns() if options.first is None else options.first
    each = options.seconds * processes / len(names)
    turns = max(1, round(each / SLICE))
    jobs = [(name, first + turn * 10_000_000, each / turns) for turn in range(turns) for name in names]
    rounds: dict[str, int] = dict.fromkeys(names, 0)
    failures: dict[tuple[str, str], Failure] = {}  # one for each place in the code
    with ProcessPoolExecutor(processes) as pool:
        for name, done, found in pool.map(run, *zip(*jobs, strict=True)):
            rounds[name] += done
            for failure in found:
                if failures.setdefault((name, place(failure)), failure) is failure:
                    print(failure, flush=True)
    for name, done in rounds.items():
        print(f"{name:16} {done:9} inputs, {sum(target == name for target, _ in failures)} failures")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
