"""Thousands of real servers: what loading, planning, reloading and auditing cost.

    python -m bench.scale [--servers 40000]

Natively, pure code and one thread, in CPU time: the whole of a configuration (load, check, plan) with its peak memory;
one verdict at 10,000 destinations from the core to the plan; a reload with one changed weight. On a kernel with IPVS
(user-mode where this one has none): the reload's netlink messages, and what an audit of 10,000 destinations costs every
30 s. Asserts nothing about time; the message count is asserted in tests/kernel/inside_faults.py.
"""

import argparse
import ctypes
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from haagent.config.load import load
from haagent.config.model import Config
from haagent.core.core import Core
from haagent.core.effects import Effect, SetVirtualServices
from haagent.core.events import ConfigLoaded, HealthChanged, TableObserved
from haagent.ipvs.plan import Owned, apply, plan, recognised
from haagent.ipvs.table import Table
from haagent.lab.uml import kernel_has_ipvs, stream_in_uml
from haagent.linux.ipvs import Ipvs
from haagent.processes.table_keeper import Level, TableKeeper

POOL = 100  # real servers in each service
AUDIT_INTERVAL = 30.0
CLONE_NEWNET = 0x40000000


def configuration(servers: int, heavier: str = "", *, checked: bool = True) -> str:
    """`heavier` names a real server whose weight is 2."""
    check = '["c"]' if checked else "[]"
    parts = ['[director]\nnames = ["d1"]\n[check.c]\ntype = "tcp"\n']
    for number in range(servers // POOL):
        names = [f"s{number}r{server}" for server in range(POOL)]
        rows = ",\n".join(
            f'{{ name = "{name}", address = "198.{18 + number // 250}.{number % 250}.{1 + at}"'
            + (", weight = 2 }" if name == heavier else " }")
            for at, name in enumerate(names)
        )
        parts.append(
            f'[virtual_service.s{number}]\naddress = "203.0.{113 + number // 250}.{1 + number % 250}"\nport = 80\n'
            f'forwarding_method = "direct_routing"\ncheck = {check}\nreal_servers = [\n{rows}]\n'
        )
    return "".join(parts)


def loaded(directory: Path, text: str) -> Config:
    (directory / "a.toml").write_text(text)
    config = load(directory, "d1")
    assert isinstance(config, Config), config[:3]
    return config


def level_of(effects: list[Effect]) -> SetVirtualServices:
    return next(effect for effect in reversed(effects) if isinstance(effect, SetVirtualServices))


def cpu_ms(work: Callable[[], object], rounds: int = 1) -> float:
    """Median CPU time of this process."""
    took = []
    for _ in range(rounds):
        start = time.process_time()
        work()
        took.append(time.process_time() - start)
    return statistics.median(took) * 1000


def line(what: str, value: str) -> None:
    print(f"{what:<66}{value:>14}", flush=True)


def whole(servers: int) -> None:
    """In a process of its own, for its peak memory."""
    with tempfile.TemporaryDirectory() as scratch:
        text = configuration(servers)
        start = time.process_time()
        config = loaded(Path(scratch), text)
        read = time.process_time()
        core = Core()
        first = level_of(core.handle(ConfigLoaded(config), 1.0))
        changes = plan({}, first.table, first.owned)
        done = time.process_time()
    line(f"{servers} real servers: load and check", f"{(read - start) * 1000:.0f} ms")
    line("  the core's first level and its plan", f"{(done - read) * 1000:.0f} ms")
    line("  together (CPU)", f"{done - start:.2f} s")
    line("  peak resident memory", f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MiB")
    assert len(changes) == servers // POOL  # services; no server is proven yet


def changes_at(servers: int) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        one, two = (loaded(Path(scratch), configuration(servers, heavier)) for heavier in ("", "s7r7"))
    core = Core()
    core.handle(ConfigLoaded(one), 1.0)
    probes = list(core.probing.probes)

    def judge_all() -> None:
        for probe in probes:
            core.handle(HealthChanged(probe, "up", "connected"), 2.0)

    took = cpu_ms(judge_all)
    line(f"{servers} real servers: the first verdict of each", f"{took / servers:.2f} ms each")
    first = level_of(core.handle(HealthChanged(probes[0], "down", "refused"), 3.0))
    kernel = recognised(apply({}, plan({}, first.table, first.owned)), first.table)
    core.handle(TableObserved(kernel, {}, 0, ()), 4.0)
    parts: dict[str, list[float]] = {"verdict to level": [], "plan": [], "observed": []}
    for round_ in range(11):
        begun = time.process_time()
        effects = core.handle(HealthChanged(probes[0], "up" if round_ % 2 == 0 else "down", "again"), 5.0 + round_)
        level = level_of(effects)
        decided = time.process_time()
        changes = plan(kernel, level.table, level.owned)
        kernel = recognised(apply(kernel, changes), level.table)  # as the table keeper notes it
        planned = time.process_time()
        core.handle(TableObserved(kernel, {}, 0, ()), 5.5 + round_)
        ended = time.process_time()
        assert len(changes) == 1
        for name, seconds in zip(parts, (decided - begun, planned - decided, ended - planned), strict=True):
            parts[name].append(seconds * 1000)
    medians = {name: statistics.median(values) for name, values in parts.items()}
    line(f"{servers} destinations: one verdict, from the core to the plan", f"{sum(medians.values()):.1f} ms")
    for name, median in medians.items():
        line(f"  {name}", f"{median:.1f} ms")
    configs = (two, one)
    reloads = []
    for round_ in range(4):
        begun = time.process_time()
        level = level_of(core.handle(ConfigLoaded(configs[round_ % 2]), 20.0 + round_))
        changes = plan(kernel, level.table, level.owned)
        reloads.append((time.process_time() - begun) * 1000)
        assert len(changes) == 1
        kernel = recognised(apply(kernel, changes), level.table)  # as the table keeper notes it
    line(f"{servers} real servers: a reload with one new weight, core and plan", f"{statistics.median(reloads):.0f} ms")


def in_kernel(servers: int) -> None:
    if ctypes.CDLL(None).unshare(CLONE_NEWNET) != 0:
        sys.exit("needs root: makes a network namespace of its own")
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)  # without any address IPVS refuses destinations
    ipvs = Ipvs.open()
    if isinstance(ipvs, str):
        sys.exit(ipvs)
    with tempfile.TemporaryDirectory() as scratch:
        one, two = (loaded(Path(scratch), configuration(servers, heavier, checked=False)) for heavier in ("", "s7r7"))
    core, sent = Core(), 0
    send = ipvs.apply

    def counted(changes):  # type: ignore[no-untyped-def]
        nonlocal sent
        sent += len(changes)
        return send(changes)

    ipvs.apply = counted  # type: ignore[method-assign]
    keeper = TableKeeper(ipvs, AUDIT_INTERVAL, lambda _: None)
    for name, config in (("first", one), ("reload", two)):
        sent = 0
        level = level_of(core.handle(ConfigLoaded(config), 1.0))
        start = time.perf_counter()
        observed = keeper.round(Level(level.table, level.owned))
        took = time.perf_counter() - start
        assert observed.failures == (), observed.failures[:3]
        core.handle(observed, 2.0)
        what = "programmed" if name == "first" else "reload with one new weight"
        line(f"{servers} destinations, {what}: netlink changes sent", str(sent))
        line("  time of the round", f"{took * 1000:.0f} ms")
    wanted = Level(level.table, level.owned)

    def audit() -> None:
        keeper.audit_now()
        observed = keeper.round(wanted)
        core.handle(observed, 3.0)

    took = cpu_ms(audit, 5)
    line(f"audit of {servers} destinations: CPU, kernel and core", f"{took:.0f} ms")
    line(f"  every {AUDIT_INTERVAL:.0f} s, of one core", f"{took / AUDIT_INTERVAL / 10:.2f} %")
    table: Table = ipvs.observe()[0]  # type: ignore[index]
    assert plan(table, wanted.table, Owned()) == []


def main() -> int:
    parser = argparse.ArgumentParser(description="What thousands of real servers cost.")
    parser.add_argument("--servers", type=int, default=40_000)
    parser.add_argument("--part", choices=["whole", "changes", "kernel"])
    arguments = parser.parse_args()
    match arguments.part:
        case "whole":
            whole(arguments.servers)
        case "changes":
            for servers in dict.fromkeys((10_000, arguments.servers)):
                changes_at(servers)
        case "kernel":
            in_kernel(10_000)
        case _:
            return all_parts(arguments.servers)
    return 0


def all_parts(servers: int) -> int:
    here = [sys.executable, "-m", "bench.scale"]
    failed = [
        subprocess.run([*here, "--servers", str(servers), "--part", part]).returncode for part in ("whole", "changes")
    ]
    kernel = [*here, "--part", "kernel"]
    if kernel_has_ipvs():
        failed.append(subprocess.run(kernel).returncode)
    else:
        print("in the user-mode kernel, where system calls cost several times as much:", flush=True)
        failed.append(stream_in_uml(kernel, timeout=600, env={"PYTHONPATH": str(Path(__file__).parents[1])}))
    return 1 if any(failed) else 0


if __name__ == "__main__":
    sys.exit(main())
