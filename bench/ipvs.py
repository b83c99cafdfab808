"""How long it takes to program 100 services with 100 destinations each: haagent's client against `ipvsadm -R`.

    python bench/ipvs.py [--rounds 5]

Both in the same boot (user-mode kernel where this one has no IPVS), alternating, from an empty table each time. Ours is
what a running director does: observe, plan, apply; beside it the apply alone. `ipvsadm -R` reads its file, with its
process start. Prints medians, the ratio, and the spread of each as its own noise. Asserts nothing but the end: the
kernel holds the same table after both.
"""

import argparse
import ctypes
import statistics
import subprocess
import sys
import time
from ipaddress import ip_address
from pathlib import Path

from haagent.ipvs.plan import Owned, plan
from haagent.ipvs.table import Destination, DestinationKey, Forwarding, Service, ServiceKey, Table
from haagent.lab.uml import inside_uml, kernel_has_ipvs, stream_in_uml
from haagent.linux.ipvs import Ipvs

SERVICES, DESTINATIONS = 100, 100
CLONE_NEWNET = 0x40000000


def wanted_table() -> Table:
    pool = {
        DestinationKey(ip_address(f"198.51.100.{number}").packed, 80): Destination(Forwarding.DIRECT_ROUTING, 1)
        for number in range(1, DESTINATIONS + 1)
    }
    return {
        ServiceKey(6, ip_address(f"203.0.113.{number}").packed, 80): Service("wlc", destinations=pool)
        for number in range(1, SERVICES + 1)
    }


def clear() -> None:
    subprocess.run(["ipvsadm", "-C"], check=True)


def saved() -> str:
    return subprocess.run(["ipvsadm", "-Sn"], check=True, capture_output=True, text=True).stdout


def seconds_of_ours(ipvs: Ipvs, wanted: Table) -> tuple[float, float]:
    """From observe to the end, and of that the apply."""
    start = time.perf_counter()
    observed = ipvs.observe()
    assert isinstance(observed, tuple), observed
    changes = plan(observed[0], wanted, Owned())
    planned = time.perf_counter()
    failures = ipvs.apply(changes)
    end = time.perf_counter()
    assert failures == [], failures[:3]
    return end - start, end - planned


def seconds_of_ipvsadm(rules: str) -> float:
    path = Path("/tmp/haagent-bench-ipvs.rules")
    path.write_text(rules)
    with path.open() as given:
        start = time.perf_counter()
        subprocess.run(["ipvsadm", "-R"], check=True, stdin=given)
        end = time.perf_counter()
    path.unlink()
    return end - start


def line(name: str, values: list[float]) -> str:
    median = statistics.median(values)
    rate = SERVICES * DESTINATIONS / median
    spread = (max(values) - min(values)) / median
    return f"{name:<32}{median * 1000:9.1f} ms  {rate:9.0f} destinations/s  spread {spread:4.0%}"


def measure(rounds: int) -> None:
    if ctypes.CDLL(None).unshare(CLONE_NEWNET) != 0:
        sys.exit("needs root: makes a network namespace of its own")
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)  # without any address IPVS refuses destinations
    ipvs = Ipvs.open()
    if isinstance(ipvs, str):
        sys.exit(ipvs)
    wanted = wanted_table()
    seconds_of_ours(ipvs, wanted)  # also warms up
    rules = saved()
    clear()
    whole, applied, theirs = [], [], []
    for number in range(rounds):
        for ours in (True, False) if number % 2 == 0 else (False, True):
            if ours:
                took = seconds_of_ours(ipvs, wanted)
                whole.append(took[0])
                applied.append(took[1])
            else:
                theirs.append(seconds_of_ipvsadm(rules))
            assert sorted(saved().splitlines()) == sorted(rules.splitlines())
            clear()
    ratio = statistics.median(whole) / statistics.median(theirs)
    print(f"IPVS: {SERVICES} services with {DESTINATIONS} destinations each, medians of {rounds} alternating rounds")
    print(line("haagent: observe, plan, apply", whole))
    print(line("haagent: apply alone", applied))
    print(line("ipvsadm -R", theirs))
    print(f"haagent / ipvsadm: {ratio:.2f}  (below 1: haagent is faster)")
    if inside_uml():
        print("In the user-mode kernel system calls are dear, which favours batches: a native kernel narrows the gap.")


def main() -> int:
    parser = argparse.ArgumentParser(description="Program 10,000 IPVS destinations: haagent against ipvsadm -R.")
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    if not kernel_has_ipvs():
        root = str(Path(__file__).parents[1])
        command = [sys.executable, str(Path(__file__).resolve()), "--rounds", str(arguments.rounds)]
        return stream_in_uml(command, timeout=600, env={"PYTHONPATH": root})
    measure(arguments.rounds)
    return 0


if __name__ == "__main__":
    sys.exit(main())
