"""Everything that a busy director does beside VRRP, at once: the load under which the vrrp process is measured.

A prober with 2,000 HTTP checks of a second's interval (against one nginx), a walk of 10,000 real servers through snmpd
and the observer that never ends, a process that judges a server of 10,000 and plans again without a pause (the core and
the plan; the kernel's table is not there natively), and four processes that only burn. All at their normal priority.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from bench import checks, scale, snmp
from haagent.core.core import Core
from haagent.core.effects import SetVirtualServices
from haagent.core.events import ConfigLoaded, HealthChanged
from haagent.ipvs.plan import plan
from tests.snmp_stage import Stage

CHECKS, ROWS, DESTINATIONS, HOGS = 2000, 10_000, 10_000, 4
PLANNER_READY = "planning"
START_TIME = 60.0  # seconds that the planner may take to load its configuration


@dataclass
class Done:
    """What the load did meanwhile: without it a figure under load means nothing."""

    began: float = field(default_factory=time.monotonic)
    requests_before: int = 0
    objects: int = 0
    sentence: str = ""


@contextmanager
def hogs(count: int) -> Iterator[None]:
    busy = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(count)]
    try:
        yield
    finally:
        for each in busy:
            each.kill()
            each.wait()


@contextmanager
def planner() -> Iterator[None]:
    process = subprocess.Popen([sys.executable, "-m", "bench.load", "--plan"], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        assert process.stdout.readline().strip() == PLANNER_READY
        yield
    finally:
        process.kill()
        process.wait()


def plan_for_ever() -> None:
    """One server of 10,000 goes down and comes up; each verdict is planned for the whole table."""
    with tempfile.TemporaryDirectory() as scratch:
        config = scale.loaded(Path(scratch), scale.configuration(DESTINATIONS))
    core = Core()
    core.handle(ConfigLoaded(config), 1.0)
    probes = list(core.probing.probes)
    level = None
    for probe in probes:
        core.handle(HealthChanged(probe, "up", "connected"), 2.0)
    print(PLANNER_READY, flush=True)
    now = 3.0
    while True:
        for health in ("down", "up"):
            now += 1.0
            effects = core.handle(HealthChanged(probes[int(now) // 2 % len(probes)], health, health), now)  # type: ignore[arg-type]
            for effect in effects:
                if isinstance(effect, SetVirtualServices):
                    plan({} if level is None else level.table, effect.table, effect.owned)
                    level = effect


@contextmanager
def walking() -> Iterator[Done]:
    """`objects` grows while the walk goes round."""
    done, ended = Done(), threading.Event()
    with Stage() as stage:
        snmp.serve(stage, ROWS)

        def walk() -> None:
            while not ended.is_set():
                command = ("ip", "netns", "exec", stage.namespace, "snmpbulkwalk", "-v2c", "-cpublic", "-Cr50", "-On")
                process = subprocess.Popen(
                    (*command, "-t", "30", "127.0.0.1", snmp.OURS), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
                )
                assert process.stdout is not None
                for _ in process.stdout:
                    done.objects += 1
                    if ended.is_set():
                        process.kill()
                process.wait()

        thread = threading.Thread(target=walk, daemon=True)
        thread.start()
        try:
            yield done
        finally:
            ended.set()
            thread.join(10)


@contextmanager
def full_load() -> Iterator[Done]:
    """`sentence` is there afterwards."""
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        os.chmod(folder, 0o755)  # the prober is nobody
        stack.enter_context(checks.nginx(Path(folder)))
        stack.enter_context(planner())
        done = stack.enter_context(walking())
        stack.enter_context(checks.haagent(Path(folder), CHECKS))
        time.sleep(checks.SETTLE_TIME)
        stack.enter_context(hogs(HOGS))
        done.began, done.requests_before, before = time.monotonic(), checks.requests_seen(), done.objects
        yield done
        took = time.monotonic() - done.began
        done.sentence = (
            f"the load: {(checks.requests_seen() - done.requests_before - 1) / took:.0f} checks/s,"
            f" {(done.objects - before) / took:.0f} objects/s walked, {DESTINATIONS} destinations planned again and"
            f" again, {HOGS} hogs; {os.cpu_count()} processors"
        )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--plan", action="store_true", required=True)
    parser.parse_args()
    plan_for_ever()
