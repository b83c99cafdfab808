"""Objects per second of `snmpbulkwalk -Cr50` over the real servers: haagent's observer beside keepalived's subagent.

    python -m bench.snmp [--servers 60] [--rounds 5]

Both sit behind one snmpd, which turns each GETBULK into GETNEXT requests, so the master's own cost is in both numbers.
keepalived fills its table of real servers only with IPVS: where this kernel has none the comparison runs inside the
user-mode kernel, where system calls cost several times the native price: read the ratio. Ours alone is also measured
natively, with the CPU time that the observer spends on one object, and how long a snapshot of 10,000 rows keeps it.
"""

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from haagent.lab.uml import inside_uml, kernel_has_ipvs, stream_in_uml, uml_available
from haagent.mib import haagent as mib
from haagent.processes.messages import SnapshotTaken, decode_to_observer, encode
from tests.snmp_stage import Stage, snapshot, wait_for

TICKS = os.sysconf("SC_CLK_TCK")
OURS = "." + ".".join(str(number) for number in mib.REAL_SERVER_ENTRY)
THEIRS = ".1.3.6.1.4.1.9586.100.5.3.4.1"  # realServerTable of KEEPALIVED-MIB
REAL_SERVER = "  real_server {address} 80 {{ weight 1 }}\n"
KEEPALIVED = """\
global_defs {{
  router_id bench
  snmp_socket {socket}
  enable_snmp_checker
}}
virtual_server 198.51.100.100 80 {{
  lb_algo wlc
  lb_kind DR
  protocol TCP
{servers}
}}
"""


def cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def walk(stage: Stage, start: str) -> tuple[int, float]:
    """Objects and seconds of one walk."""
    began = time.perf_counter()
    output = stage.walk("-On", "-Cr50", tool="snmpbulkwalk", start=start)
    return output.count("\n.1.") + 1, time.perf_counter() - began


def shown(name: str, objects: int, rates: list[float]) -> float:
    median = statistics.median(rates)
    rounds = "  ".join(f"{rate:7.0f}" for rate in rates)
    print(f"  {name:<11} {median:7.0f} objects/s   ({objects} objects; rounds: {rounds})", flush=True)
    return median


def serve(stage: Stage, servers: int) -> None:
    """`snapshot` makes two services: half of the servers each."""
    stage.say(SnapshotTaken(snapshot(servers // 2)))
    wait_for(lambda: stage.report().connected)


def alone(servers: int, rounds: int) -> None:
    with Stage() as stage:
        serve(stage, servers)
        walk(stage, OURS)
        cpu, rates, objects = cpu_seconds(stage.observer.pid), [], 0
        for _round in range(rounds):
            objects, seconds = walk(stage, OURS)
            rates.append(objects / seconds)
        cpu = cpu_seconds(stage.observer.pid) - cpu
    shown("haagent", objects, rates)
    print(f"  the observer spends {cpu / (objects * rounds) * 1e6:.0f} us of CPU on an object")
    payload = encode(SnapshotTaken(snapshot(5000)))
    began = time.perf_counter()
    message = decode_to_observer(payload)
    assert isinstance(message, SnapshotTaken)
    decoded = time.perf_counter()
    mib.build(message.snapshot)
    built = time.perf_counter()
    print(f"  10,000 real servers: {(decoded - began) * 1e3:.1f} ms to read the snapshot, ", end="")
    print(f"{(built - decoded) * 1e3:.1f} ms to order it, once for each snapshot that somebody asks about", flush=True)


@contextmanager
def keepalived(stage: Stage, servers: int) -> Iterator[None]:
    file = stage.folder / "keepalived.conf"
    lines = "".join(REAL_SERVER.format(address=f"198.51.100.{n + 1}") for n in range(servers))
    file.write_text(KEEPALIVED.format(socket=stage.address, servers=lines))
    file.chmod(0o644)
    pid_files = ["-p", f"{stage.folder}/keepalived.pid", "-c", f"{stage.folder}/checkers.pid"]
    inside = ["ip", "netns", "exec", stage.namespace]
    log = (stage.folder / "keepalived.log").open("wb")
    command = [*inside, "keepalived", "-C", "-x", "-n", "-l", "-f", str(file), *pid_files]
    process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        wait_for(lambda: stage.walk("-On", start=THEIRS).count("\n") > servers)
        yield
    except AssertionError:
        print((stage.folder / "keepalived.log").read_text()[-3000:])
        raise
    finally:
        process.terminate()
        process.wait(30)


def compare(servers: int, rounds: int) -> None:
    with Stage() as stage:
        serve(stage, servers)
        with keepalived(stage, servers):
            rates: dict[str, list[float]] = {"haagent": [], "keepalived": []}
            objects = {}
            for name, start in (("haagent", OURS), ("keepalived", THEIRS)) * rounds:
                objects[name], seconds = walk(stage, start)
                rates[name].append(objects[name] / seconds)
    medians = {name: shown(name, objects[name], rates[name]) for name in rates}
    print(f"  haagent / keepalived: {medians['haagent'] / medians['keepalived']:.2f}", flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--servers", type=int, default=60)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--part", choices=["all", "native", "compare"], default="all")
    options = parser.parse_args()
    if options.part == "native":
        alone(options.servers, options.rounds)
        return 0
    if options.part == "compare":
        compare(options.servers, options.rounds)
        return 0
    print(f"SNMP: walking the table of {options.servers} real servers through snmpd")
    for tool in ("snmpd", "snmptrapd", "snmpbulkwalk", "keepalived"):
        if shutil.which(tool) is None:
            raise SystemExit(f"{tool} is not installed: apt-get install snmpd snmptrapd snmp keepalived")
    print(" natively, haagent alone:", flush=True)
    alone(options.servers, options.rounds)
    if kernel_has_ipvs() or inside_uml():
        print(" both, in this kernel:", flush=True)
        compare(options.servers, options.rounds)
        return 0
    if missing := uml_available():
        raise SystemExit(missing)
    print(
        " both, in one boot of the user-mode kernel (several times slower than native; the ratio counts):", flush=True
    )
    numbers = ["--servers", str(options.servers), "--rounds", str(options.rounds)]
    return stream_in_uml([sys.executable, "-m", "bench.snmp", *numbers, "--part", "compare"], timeout=600)


if __name__ == "__main__":
    sys.exit(main())
