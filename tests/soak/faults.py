"""What a soak does to a pair: each fault is something that happens to directors, and how it is made good again.

`play` returns when the fault is over; whoever calls it then waits until all is as it was.
"""

import os
import random
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass

from haagent.lab.stage import Stage

DIRECTOR_PROCESSES = ("director", "vrrp", "prober", "observer")
INTERFACE = "eth1"


@dataclass(frozen=True, slots=True)
class Fault:
    """`words` is what is printed."""

    words: str
    play: Callable[[Stage], None]


def draw(random_source: random.Random, stage: Stage) -> Fault:
    """One fault, with everything about it chosen."""
    director = random_source.choice(sorted(stage.configs))
    server = random_source.choice(stage.names("real-server"))
    duration = round(random_source.uniform(0.2, 6.0), 1)
    process = random_source.choice(DIRECTOR_PROCESSES)
    makers: tuple[Callable[[], Fault], ...] = (
        lambda: Fault(f"{director}: kill -9 of {process}", lambda it: kill(it, director, process)),
        lambda: Fault(f"{director}: {process} halted {duration} s", lambda it: pause(it, director, process, duration)),
        lambda: Fault(f"{director}: cable cut for {duration} s", lambda it: cut(it, director, duration)),
        lambda: Fault(f"{director}: reload", lambda it: command(it, director, "reload")),
        lambda: Fault(f"{director}: ipvsadm -C", lambda it: command(it, director, "ipvsadm", "-C")),
        lambda: Fault(f"{director}: the virtual address deleted", lambda it: forget_address(it, director)),
        lambda: Fault(f"{server}: web server killed for {duration} s", lambda it: kill_server(it, server, duration)),
        lambda: Fault(f"{server}: cable cut for {duration} s", lambda it: cut(it, server, duration)),
        lambda: Fault(f"{server}: drained on {director}, enabled again", lambda it: drain(it, director, server)),
    )
    return random_source.choice(makers)()


def pids(stage: Stage, director: str) -> dict[str, int]:
    """The daemon's processes by name."""
    found = {}
    for each in stage.lab.processes(director):
        for name in DIRECTOR_PROCESSES:
            if f"haagent.processes.{name}" in each.arguments:
                found[name] = each.pid
    return found


def kill(stage: Stage, director: str, process: str) -> None:
    if pid := pids(stage, director).get(process):
        os.kill(pid, signal.SIGKILL)


def pause(stage: Stage, director: str, process: str, duration: float) -> None:
    if pid := pids(stage, director).get(process):
        os.kill(pid, signal.SIGSTOP)
        try:
            watch(stage, duration)
        finally:
            try:
                os.kill(pid, signal.SIGCONT)
            except ProcessLookupError:
                pass  # the supervisor found it silent and started another one


def cut(stage: Stage, node: str, duration: float) -> None:
    stage.lab.link_down(node, INTERFACE)
    try:
        watch(stage, duration)
    finally:
        stage.lab.link_up(node, INTERFACE)


def kill_server(stage: Stage, server: str, duration: float) -> None:
    stage.lab.kill_node(server)
    watch(stage, duration)
    command(stage, server, "nginx")


def drain(stage: Stage, director: str, server: str) -> None:
    service = stage.configs[director].virtual_services[0].name
    haagent(stage, director, "drain", f"{service}/{server}")
    watch(stage, 1.0)
    haagent(stage, director, "enable", f"{service}/{server}")


def forget_address(stage: Stage, director: str) -> None:
    """On a Backup director there is none: nothing happens."""
    for router in stage.configs[director].virtual_routers:
        for each in router.virtual_addresses:
            address = f"{each.address}/{each.prefix_length}"
            stage.lab.run(director, ["ip", "address", "del", address, "dev", router.interface], timeout=30)


def command(stage: Stage, node: str, *words: str) -> None:
    if words[0] == "reload":
        haagent(stage, node, "reload")
        return
    stage.lab.run(node, words, timeout=60)


def haagent(stage: Stage, director: str, *words: str) -> None:
    where = ["-c", "/etc/haagent/haagent.conf.d", "--name", director]
    stage.lab.run(director, ["haagent", words[0], *where, *words[1:]], timeout=60)


def watch(stage: Stage, seconds: float) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        time.sleep(0.1)
        stage.look()
