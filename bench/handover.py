"""What a planned move costs the clients: a haagent pair beside a keepalived pair, and a haagent handover.

    python -m bench.handover [--rounds 5] [--intervals 1.0 0.1]

Same topology, same run, rounds alternating: two directors and a client on one bridge. The client asks every 2 ms over
UDP and counts; the outage is the time around the longest row of lost requests, and the slowest answer is printed beside
it, for a request that waits is no better. Clean stop: SIGTERM to the Active director. Handover: haagent's own word;
keepalived has none. The noise is the slowest answer of a pair that is left alone. Nothing is asserted.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from haagent.processes.vrrp_messages import HandOver
from tests.netns.load import Load
from tests.netns.segment import Segment, end, router, wait_until

VIRTUAL = "192.0.2.100"
ACTIVE_PRIORITY, BACKUP_PRIORITY = 200, 100
PATIENCE = 5.0  # seconds after the word, beside the intervals
KINDS = ("haagent stop", "haagent handover", "haagent alone", "keepalived stop")


def round_(kind: str, segment: Segment, folder: Path, interval: float) -> Load | None:
    """A fresh pair, calm, the word, the load until the other one has it. None: the pair was not calm."""
    processes: list[subprocess.Popen[bytes]] = []
    directors = []
    try:
        for name, priority in (("d1", ACTIVE_PRIORITY), ("d2", BACKUP_PRIORITY)):
            if kind.startswith("keepalived"):
                processes.append(segment.start_keepalived(name, folder, priority, interval=interval))
                continue
            vrrp = segment.start_vrrp(name, folder, router(priority=priority, advertisement_interval=interval))
            processes.append(vrrp.process)
            directors.append(vrrp.director)
        if not wait_until(lambda: segment.owners() == ["d1"], 10 + 10 * interval, 0.1):
            return None
        time.sleep(1.0 + interval)
        segment.hosts["client"].ping(VIRTUAL)
        with Load(segment.hosts["client"], VIRTUAL, segment.hosts["d1"], segment.hosts["d2"]) as load:
            if kind.endswith("alone"):
                time.sleep(1.5)
                return load
            if kind.endswith("handover"):
                directors[0].tell(HandOver("web"))
            else:
                processes[0].terminate()
            wait_until(lambda: segment.owners() == ["d2"], PATIENCE + 4 * interval)
            time.sleep(0.5)
        return load
    finally:
        for director in directors:
            director.close()
            segment.directors.remove(director)
        for process in reversed(processes):
            end(process, timeout=10 + 5 * interval)
        for name in ("d1", "d2"):
            segment.hosts[name].run("ip", "addr", "del", f"{VIRTUAL}/24", "dev", "eth0", check=False)


def compare(interval: float, rounds: int) -> None:
    outages: dict[str, list[float]] = {kind: [] for kind in KINDS}
    slowest: dict[str, list[float]] = {kind: [] for kind in KINDS}
    lost: dict[str, list[int]] = {kind: [] for kind in KINDS}
    with Segment("d1", "d2", "client", prefix="hbo") as segment, tempfile.TemporaryDirectory() as folder:
        for _ in range(rounds):
            for kind in KINDS:
                load = round_(kind, segment, Path(folder), interval)
                if load is None:
                    print(f"{kind}: the pair did not settle; one round is missing", flush=True)
                    continue
                outages[kind].append(load.outage * 1000)
                slowest[kind].append(load.slowest * 1000)
                lost[kind].append(load.lost)
    for kind in KINDS:
        if values := sorted(outages[kind]):
            print(
                f"{interval * 1000:6.0f} ms  {kind:17} outage median {statistics.median(values):7.1f} ms"
                f"  ({values[0]:6.1f} .. {values[-1]:6.1f})  slowest answer {statistics.median(slowest[kind]):5.1f} ms"
                f"  requests lost {sum(lost[kind])} in {len(values)} rounds",
                flush=True,
            )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--intervals", type=float, nargs="+", default=[1.0, 0.1], help="seconds")
    options = parser.parse_args()
    if os.geteuid() != 0:
        print("bench/handover.py: makes network namespaces: run it as root", file=sys.stderr)
        return 77
    for interval in options.intervals:
        compare(interval, options.rounds)
    return 0


if __name__ == "__main__":
    sys.exit(main())
