"""`make soak`: the pair of the demo, hurt again and again, must be whole again after each time, and must not grow.

    python -m tests.soak [--seconds 3600] [--faults N] [--seed S]

After every fault: one Active director, the rightful one; every real server in service on both directors; the client
answered. In the end: the daemons' memory and descriptors are what they were after the first tenth, give or take. On a
kernel without IPVS all of it happens inside the user-mode kernel. The seed replays the order of faults, not the timing.
"""

import argparse
import random
import sys
import time
from pathlib import Path

from haagent.lab.demo import configurations
from haagent.lab.namespaces import Lab, LabError
from haagent.lab.observed import in_service, is_settled
from haagent.lab.stage import DemoFailed, Stage, client
from haagent.lab.topology import Topology, parse
from haagent.lab.uml import inside_uml, kernel_has_ipvs, stream_in_uml, uml_available
from tests.soak.faults import draw, pids

TOPOLOGY = Path(__file__).parents[2] / "containerlab/pair-dr.clab.yml"
BOUND = 90.0  # seconds in which the pair must be whole again
WARM_UP = 5  # faults before memory and descriptors are first looked at
GROWTH = 1.25  # of all processes' memory together
MORE_DESCRIPTORS = 8  # of one process


def soak(stage: Stage, seconds: float, faults: int, seed: int) -> None:
    """DemoFailed where the pair does not become whole again, or grows."""
    random_source = random.Random(seed)
    real = set(stage.names("real-server"))
    rightful = max(stage.configs, key=lambda name: max(r.priority for r in stage.configs[name].virtual_routers))
    service = stage.configs[rightful].virtual_services[0]
    end = time.monotonic() + seconds

    def is_whole() -> bool:
        seen = stage.statuses
        everywhere = all(in_service(seen[name]) == real for name in stage.configs)
        return is_settled(seen) and stage.active() == rightful and everywhere and is_complete(stage)

    stage.until("the pair is whole", is_whole)
    first: dict[str, tuple[int, int]] = {}
    done = 0
    with client(stage, service.address, service.port):
        while done < faults and time.monotonic() < end:
            fault = draw(random_source, stage)
            done += 1
            stage.say(f"--- {done}: {fault.words}")
            fault.play(stage)
            stage.until(f"whole again after: {fault.words}", is_whole)
            healed_at = time.monotonic()
            stage.until("the client is answered", lambda at=healed_at: stage.is_answered(at))  # type: ignore[misc]
            stage.requests.clear()
            if done == min(WARM_UP, faults):
                first = sizes(stage)
    compare(stage, first, sizes(stage))
    stage.say(f"{done} faults with seed {seed}: the pair was whole again after each")


def is_complete(stage: Stage) -> bool:
    return all(seen is not None and all(each.running for each in seen.processes) for seen in stage.statuses.values())


def sizes(stage: Stage) -> dict[str, tuple[int, int]]:
    """Resident KiB and open descriptors by "director process"."""
    found = {}
    for director in stage.configs:
        for process, pid in pids(stage, director).items():
            pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
            found[f"{director} {process}"] = (pages * 4, len(list(Path(f"/proc/{pid}/fd").iterdir())))
    return found


def compare(stage: Stage, first: dict[str, tuple[int, int]], last: dict[str, tuple[int, int]]) -> None:
    for name, (resident, descriptors) in last.items():
        before = first.get(name, (resident, descriptors))
        stage.say(f"{name}: {before[0]} -> {resident} KiB, {before[1]} -> {descriptors} descriptors")
    grown = [name for name, each in last.items() if name in first and each[1] > first[name][1] + MORE_DESCRIPTORS]
    if grown:
        raise DemoFailed(f"more and more descriptors: {', '.join(grown)}")
    before, after = (sum(each[0] for each in found.values()) for found in (first, last))
    if after > GROWTH * before:
        raise DemoFailed(f"the daemons grew from {before} to {after} KiB")


def run(seconds: float, faults: int, seed: int) -> int:
    topology = parse(TOPOLOGY.read_text(), TOPOLOGY)
    assert isinstance(topology, Topology), topology
    started_at = time.monotonic()
    try:
        configs = configurations(topology)
        with Lab(topology) as lab:
            stage = Stage(lab, configs, BOUND, started_at)
            try:
                soak(stage, seconds, faults, seed)
            except DemoFailed:
                for name in configs:
                    print(f"\nThe end of {name}'s log:", *lab.log(name).splitlines()[-25:], sep="\n  ")
                raise
    except (DemoFailed, LabError) as error:
        print(f"\nThe soak failed (seed {seed}): {error}", flush=True)
        return 1
    return 0


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("--seconds", type=float, default=3600.0)
    parser.add_argument("--faults", type=int, default=1_000_000, help="at most so many")
    parser.add_argument("--seed", type=int, default=time.time_ns() % 1_000_000)
    options = parser.parse_args()
    if inside_uml() or kernel_has_ipvs():
        return run(options.seconds, options.faults, options.seed)
    if missing := uml_available():
        print(f"This kernel has no IPVS, and {missing}", file=sys.stderr)
        return 1
    words = ["--seconds", str(options.seconds), "--faults", str(options.faults), "--seed", str(options.seed)]
    return stream_in_uml([sys.executable, "-m", "tests.soak", *words], interactive=False)


if __name__ == "__main__":
    sys.exit(main())
