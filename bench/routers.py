"""255 virtual routers at 100 ms on one interface, between two directors, beside everything that a busy director does.

    python -m bench.routers [--seconds 60] [--keepalived-seconds 20] [--routers 255]

Counted are false takeovers: nobody fails, so every router that changes its state once all have settled is one. The CPU
is user and system time of the one process that speaks VRRP, of the Active director and of the Backup, as a share of a
processor. keepalived runs the same configuration beside the same load, after us. Ten minutes: `--seconds 600`.
"""

import argparse
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.checks import cpu_seconds
from bench.load import full_load
from haagent.processes.vrrp_messages import Transitioned
from haagent.vrrp.settings import RouterSettings
from tests.netns.segment import Segment, address, router, wait_until

INTERVAL = 0.1
PRIORITIES = {"d1": 200, "d2": 100}
SUBNETS = ("198.51.100", "203.0.113")
SETTLE_TIME = 60.0


@dataclass
class Running:
    """One program on both directors."""

    processes: list[int]  # those that speak VRRP: Active, Backup
    transitions: Callable[[], int]  # of all routers of both, so far


def virtual(number: int) -> str:
    return f"{SUBNETS[(number - 1) // 250]}.{(number - 1) % 250 + 1}"


def settings(number: int, priority: int) -> RouterSettings:
    return router(
        f"r{number}",
        vrid=number,
        priority=priority,
        advertisement_interval=INTERVAL,
        virtual_addresses=(address(f"{virtual(number)}/24"),),
    )


@contextmanager
def haagent(segment: Segment, folder: Path, routers: int) -> Iterator[Running]:
    pairs = [
        segment.start_vrrp(name, folder, *(settings(number, priority) for number in range(1, routers + 1)))
        for name, priority in PRIORITIES.items()
    ]

    def transitions() -> int:
        heard = [each for vrrp in pairs for each in list(vrrp.director.heard)]
        return sum(isinstance(each, Transitioned) and each.state != each.previous for each in heard)

    yield Running([vrrp.pid for vrrp in pairs], transitions)
    for vrrp in pairs:
        stop(vrrp.process)


@contextmanager
def keepalived(segment: Segment, folder: Path, routers: int) -> Iterator[Running]:
    parents: list[subprocess.Popen[bytes]] = []
    logs = []
    for name, priority in PRIORITIES.items():
        instances = "".join(
            f"vrrp_instance r{number} {{\n state BACKUP\n interface eth0\n virtual_router_id {number}\n"
            f" priority {priority}\n advert_int {INTERVAL:g}\n virtual_ipaddress {{\n  {virtual(number)}/24\n }}\n}}\n"
            for number in range(1, routers + 1)
        )
        file = folder / f"keepalived-{name}.conf"
        file.write_text("global_defs {\n vrrp_version 3\n}\n" + instances)
        logs.append(folder / f"keepalived-{name}.log")
        pids = ("-p", f"{file}.pid", "-r", f"{file}.vrrp.pid", "-c", f"{file}.checkers.pid")
        with open(logs[-1], "wb") as log:
            command = ("keepalived", "-n", "-l", "-G", "-P", "-f", str(file), *pids)
            parents.append(segment.start(name, *command, stdout=log, stderr=subprocess.STDOUT))

    def children() -> list[int]:
        found = [Path(f"/proc/{each.pid}/task/{each.pid}/children").read_text().split() for each in parents]
        return [int(each[0]) for each in found if each]

    wait_until(lambda: len(children()) == len(parents))

    def transitions() -> int:
        return sum(len(re.findall(rb"Entering (?:MASTER|BACKUP) STATE", log.read_bytes())) for log in logs)

    yield Running(children(), transitions)
    for each in parents:
        stop(each)


def stop(process: "subprocess.Popen[bytes]") -> None:
    process.terminate()
    process.wait(30)


PROGRAMS = {"haagent": haagent, "keepalived": keepalived}


def measure(kind: str, seconds: float, routers: int) -> None:
    wanted = {virtual(number) for number in range(1, routers + 1)}
    with Segment(*PRIORITIES, prefix="hr") as segment, tempfile.TemporaryDirectory() as folder:
        for number, host in enumerate(segment.hosts.values(), 251):
            for subnet in SUBNETS:
                host.run("ip", "addr", "add", f"{subnet}.{number}/24", "dev", "eth0")

        def settled() -> bool:
            active, backup = ({each.split("/")[0] for each in host.addresses()} for host in segment.hosts.values())
            return wanted <= active and not wanted & backup

        with PROGRAMS[kind](segment, Path(folder), routers) as running:
            if not wait_until(settled, SETTLE_TIME, 0.5):
                print(f"{kind}: the routers had not settled after {SETTLE_TIME:.0f} s", flush=True)
            with full_load() as done:
                before, spent = running.transitions(), [cpu_seconds(each) for each in running.processes]
                began = time.monotonic()
                time.sleep(seconds)
                took = time.monotonic() - began
                spent = [cpu_seconds(each) - so_far for each, so_far in zip(running.processes, spent, strict=True)]
                changes = running.transitions() - before
        active, backup = (100 * each / took for each in spent)
        print(
            f"{routers} routers at {INTERVAL * 1000:.0f} ms  {kind:10} {changes} changes of state in {took:.0f} s,"
            f" CPU {active:5.1f} % as Active, {backup:5.1f} % as Backup\n{'':27}{done.sentence}",
            flush=True,
        )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60.0, help="of haagent (default: 60)")
    parser.add_argument("--keepalived-seconds", type=float, default=20.0, help="0: haagent alone (default: 20)")
    parser.add_argument("--routers", type=int, default=255)
    options = parser.parse_args()
    if os.geteuid() != 0:
        print("bench.routers: makes network namespaces: run it as root", file=sys.stderr)
        return 77
    for kind, seconds in (("haagent", options.seconds), ("keepalived", options.keepalived_seconds)):
        if seconds:
            measure(kind, seconds, options.routers)
    return 0


if __name__ == "__main__":
    sys.exit(main())
