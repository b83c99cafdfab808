"""`python -m tests.simulation --seeds 20000`: many schedules on every core; prints what broke and the rate."""

import argparse
import os
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from functools import partial

from tests.simulation.shrink import report
from tests.simulation.world import World, violations

CHUNK = 100
SHOWN = 10


def broken_seeds(first: int, last: int, pools: bool) -> tuple[list[int], float]:
    """The seeds that break an invariant, and the seconds of processor time that all of them took."""
    started = time.process_time()
    return [seed for seed in range(first, last) if violations(seed, pools=pools)], time.process_time() - started


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--seeds", type=int, default=20_000, help="how many schedules (default: 20000)")
    parser.add_argument("--first", type=int, default=0, help="the first seed (default: 0)")
    parser.add_argument("--pools", action="store_true", help="worlds with real servers, checks and IPVS tables")
    parser.add_argument("--processes", type=int, default=len(os.sched_getaffinity(0)))
    arguments = parser.parse_args()
    firsts = range(arguments.first, arguments.first + arguments.seeds, CHUNK)
    lasts = [min(first + CHUNK, arguments.first + arguments.seeds) for first in firsts]
    started = time.perf_counter()
    with ProcessPoolExecutor(arguments.processes) as pool:
        chunks = list(pool.map(broken_seeds, firsts, lasts, [arguments.pools] * len(lasts)))
    broken, processor = [seed for seeds, _ in chunks for seed in seeds], sum(seconds for _, seconds in chunks)
    took = time.perf_counter() - started
    for seed in broken[:SHOWN]:
        faults = World(seed, pools=arguments.pools).faults
        print(report(seed, faults, partial(violations, seed, pools=arguments.pools)))
    print(
        f"{arguments.seeds} schedules in {took:.1f} s on {arguments.processes} processes,"
        f" {arguments.seeds / took:.0f}/s, {arguments.seeds / processor:.0f} per second of processor time;"
        f" {len(broken)} broken"
    )
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
