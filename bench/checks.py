"""What checks cost and how late they are: CPU per check, schedule lag, a hung half, detection, memory.

    python -m bench.checks [ROW ...] [--servers 300] [--seconds 15] [--rounds 3] [--many 10000]

cpu        haagent's prober beside keepalived's checker process and ldirectord, in one namespace of this kernel. Counted
           are user and system time of what checks, less its idle rate, and the requests that nginx saw.
uml        the same beside keepalived on a kernel with IPVS, in one boot of the user-mode kernel if this one has none.
           System calls cost several times the native price there, and times are sampled at its ticks: read the ratio.
           Nobody keeps step with the ticks (a slot of haagent's is 142.9 ms, keepalived starts at random phases).
lag        --many checks at a 2 s interval: how late after their instants tries start
hung       half of --servers accept and never answer: how late the verdicts on the others come, before and after
detection  servers are killed just after they answered: from then to the report, less interval x fall. It is the worst
           moment. "close": refused; "hang": it accepts and is silent, so the timeout counts
memory     what the prober grows by for each idle check
Instants come from the transcripts that `haagent why` shows, and from the prober's reports to this bench, its director.
"""

import argparse
import ctypes
import os
import random
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path

from bench.check_stage import (
    PORT,
    SETTLE_TIME,
    addresses,
    cpu_seconds,
    haagent,
    keepalived,
    ldirectord,
    nginx,
    prober,
    requests_seen,
    stand_in,
)
from haagent.lab.uml import inside_uml, kernel_has_ipvs, stream_in_uml, uml_available

CLONE_NEWNET = 0x40000000
ROOT = Path(__file__).parents[1]
ROWS = ("cpu", "uml", "lag", "hung", "detection", "memory")
Subject = Callable[[Path, int], AbstractContextManager[int]]


@contextmanager
def scratch() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="haagent-bench-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        yield folder


def measure(pid: int, seconds: float) -> tuple[float, int]:
    """CPU seconds and requests while `seconds` pass."""
    cpu, requests = cpu_seconds(pid), requests_seen()
    time.sleep(seconds)
    return cpu_seconds(pid) - cpu, requests_seen() - requests - 1


def per_check(pid: int, seconds: float, idle_rate: float) -> tuple[float, int]:
    """Microseconds, and how many checks there were."""
    before = requests_seen()
    while requests_seen() < before + 5:
        time.sleep(0.1)
    time.sleep(SETTLE_TIME)
    cpu, checks = measure(pid, seconds)
    return (cpu - idle_rate * seconds) / max(checks, 1) * 1e6, checks


def compare(subjects: dict[str, Subject], servers: int, seconds: float, rounds: int) -> None:
    with scratch() as folder:
        stand_in(folder)
        with nginx(folder):
            idle: dict[str, float] = {}
            costs: dict[str, list[float]] = {}
            for subject, run in subjects.items():
                with run(folder, 0) as pid:
                    time.sleep(SETTLE_TIME)
                    cpu, _ = measure(pid, seconds / 2)
                    idle[subject] = cpu / (seconds / 2)
            for _ in range(rounds):
                for subject, run in subjects.items():
                    with run(folder, servers) as pid:
                        cost, checks = per_check(pid, seconds, idle[subject])
                        costs.setdefault(subject, []).append(cost)
                        if not 0.8 <= checks / (servers * seconds) <= 1.2:
                            print(f"  {subject} made {checks} checks in {seconds:g} s, not {servers * seconds:g}")
    ours = statistics.median(costs["haagent"])
    for subject, values in costs.items():
        shown, median = "  ".join(f"{value:6.0f}" for value in values), statistics.median(values)
        ratio = "" if subject == "haagent" else f"   haagent / {subject}: {ours / median:.3g}"
        print(f"  {subject:<11} {median:6.0f} us per check   (rounds: {shown}){ratio}", flush=True)


def cpu(options: argparse.Namespace) -> None:
    subjects: dict[str, Subject] = {"haagent": haagent}
    has_ipvs = kernel_has_ipvs()
    print(f"CPU per HTTP check, {options.servers} real servers, one check a second each, natively")
    if not has_ipvs and shutil.which("cc") is None:
        print("  without keepalived: no IPVS here, and no C compiler for its stand-in")
    else:
        subjects["keepalived"] = partial(keepalived, has_ipvs=has_ipvs)
    if shutil.which("ldirectord") is None:
        print("  without ldirectord: not installed")
    else:
        subjects["ldirectord"] = partial(ldirectord, has_ipvs=has_ipvs)
    compare(subjects, options.servers, options.seconds, options.rounds)


def uml(options: argparse.Namespace) -> None:
    print(
        f"CPU per HTTP check, {options.servers} real servers, one check a second each, on a kernel with IPVS",
        flush=True,
    )
    if kernel_has_ipvs() or inside_uml():
        compare({"haagent": haagent, "keepalived": keepalived}, options.servers, options.seconds, options.rounds)
        return
    if missing := uml_available():
        print(f"  {missing}")
        return
    numbers = [f"--servers={options.servers}", f"--seconds={options.seconds}", f"--rounds={options.rounds}"]
    per_round = 2 * (options.seconds + SETTLE_TIME + 10)
    command = [sys.executable, "-m", "bench.checks", "uml", *numbers]
    stream_in_uml(command, timeout=120 + per_round * (options.rounds + 1), env={"PYTHONPATH": str(ROOT)})


def milliseconds(values: Sequence[float]) -> str:
    ordered = sorted(values)
    named = {"median": 0.5, "p90": 0.9, "p99": 0.99}
    shown = ", ".join(f"{name} {ordered[int(share * len(ordered))] * 1e3:.1f}" for name, share in named.items())
    return f"{shown}, worst {ordered[-1] * 1e3:.1f} ms"


def lag(options: argparse.Namespace) -> None:
    count = options.many
    print(f"Schedule lag, {count} checks at a 2 s interval on {os.cpu_count()} cores", flush=True)
    with scratch() as folder, nginx(folder), prober(folder, addresses(count), interval=2.0) as running:
        time.sleep(2 * SETTLE_TIME)
        used, requests = cpu_seconds(running.pid), requests_seen()
        found = running.sample(options.seconds, range(count))
        rate = (requests_seen() - requests) / (options.seconds + 2)
        used = (cpu_seconds(running.pid) - used) / (options.seconds + 2)
        print(f"  {milliseconds([start for start, _ in found])}   ({len(found)} tries seen)")
        print(f"  {rate:.0f} checks a second by {used * 100:.0f} % of a core; {len(running.failed)} failed")


@contextmanager
def answerer(targets: Sequence[str]) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "bench.answerer", str(PORT), *targets]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        yield process
        process.stdin.close()


def order(process: subprocess.Popen[str], orders: dict[str, str]) -> dict[str, float]:
    """When each was done."""
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write("".join(f"{address} {what}\n" for address, what in orders.items()))
    process.stdin.flush()
    done: dict[str, float] = {}
    while len(done) < len(orders):
        address, at = process.stdout.readline().split()
        done[address] = float(at)
    return done


def hung(options: argparse.Namespace) -> None:
    print(f"Verdicts on {options.servers // 2} of {options.servers} servers, after their instants, at 1 s", flush=True)
    targets = addresses(options.servers)
    others = range(0, options.servers, 2)
    medians: dict[str, list[float]] = {}
    for _ in range(options.rounds):
        with (
            scratch() as folder,
            nginx(folder, ["127.0.0.1", *(targets[id] for id in others)]),
            answerer(targets[1::2]) as servers,
            prober(folder, targets) as running,
        ):
            time.sleep(SETTLE_TIME)
            for half in ("answers", "hangs"):
                if half == "hangs":
                    order(servers, {targets[id]: "hang" for id in range(1, options.servers, 2)})
                    time.sleep(SETTLE_TIME)
                ends = [end for _, end in running.sample(options.seconds, others)]
                medians.setdefault(half, []).append(statistics.median(ends))
                print(f"  the other half {half:8} {milliseconds(ends)}", flush=True)
    more = [(late - early) * 1e3 for early, late in zip(medians["answers"], medians["hangs"], strict=True)]
    print(f"  a hung half delays the others by {', '.join(f'{each:.1f}' for each in more)} ms (medians, by rounds)")


def detection(options: argparse.Namespace) -> None:
    print(f"Detection of a killed server among {options.servers}, less interval (1 s) x fall (3)", flush=True)
    targets, timeout = addresses(options.servers), 0.2
    for what in ("close", "hang"):
        late: list[float] = []
        for trial in range(options.rounds):
            with (
                scratch() as folder,
                answerer(targets) as servers,
                prober(folder, targets, timeout=timeout, fall=3, rise=1) as running,
            ):
                while len(running.up) < options.servers:
                    time.sleep(0.2)
                killed = random.Random(trial).sample(range(options.servers), min(30, options.servers))
                done = order(servers, {targets[id]: what for id in killed})
                until = time.monotonic() + 10
                while time.monotonic() < until and not set(killed) <= running.down.keys():
                    time.sleep(0.2)
                late += [running.down[id][0] - done[targets[id]] - 3.0 for id in killed if id in running.down]
                if wrong := running.down.keys() - set(killed):
                    print(f"  {len(wrong)} servers that live were reported down")
        if what == "hang":
            late = [each - timeout for each in late]
        words = ", and the timeout of 200 ms" if what == "hang" else ""
        print(f"  {what:5} {milliseconds(late)}   ({len(late)} kills{words})", flush=True)


def resident(pid: int) -> int:
    """Octets of its own and shared (proc(5), smaps_rollup)."""
    rows = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:])
    return int(rows["Rss"].split()[0]) * 1024


def memory(options: argparse.Namespace) -> None:
    print(f"Memory of the prober, with 1 and with {options.many} checks at a 30 s interval", flush=True)
    sizes = []
    for count in (1, options.many):
        with scratch() as folder, nginx(folder), prober(folder, addresses(count), interval=30.0) as running:
            until = time.monotonic() + 75
            while time.monotonic() < until and len(running.up) < count:
                time.sleep(1)
            sizes.append(resident(running.pid))
    print(f"  {sizes[0] / 2**20:.1f} MiB, {sizes[1] / 2**20:.1f} MiB:", end="")
    print(f" {(sizes[1] - sizes[0]) / (options.many - 1):.0f} octets for each check", flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rows", nargs="*", metavar="ROW", help=f"one of {', '.join(ROWS)}; default: all")
    parser.add_argument("--servers", type=int, default=300)
    parser.add_argument("--seconds", type=float, default=15.0)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--many", type=int, default=10_000)
    options = parser.parse_args()
    wanted = options.rows or list(ROWS)
    if unknown := [row for row in wanted if row not in ROWS]:
        parser.error(f"no row is called {', '.join(unknown)}")
    for tool in ("nginx", "keepalived", "ip"):
        if shutil.which(tool) is None:
            raise SystemExit(f"{tool} is not installed: tools/packages test")
    if ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWNET):
        raise SystemExit(f"no network namespace: {os.strerror(ctypes.get_errno())}")
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    rows = {"cpu": cpu, "uml": uml, "lag": lag, "hung": hung, "detection": detection, "memory": memory}
    for row in wanted:
        rows[row](options)
    return 0


if __name__ == "__main__":
    sys.exit(main())
