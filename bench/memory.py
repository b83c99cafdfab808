"""Resident memory of every haagent process with 100 services of 10 real servers each, all checked by HTTP.

    python -m bench.memory [--services 100] [--servers 10] [--seconds 20]

The daemon runs as it does in production, in a network namespace, on a kernel with IPVS (user-mode where this one has
none). The real servers are one nginx on 10 addresses. Prints RSS (what `ps` shows; libraries shared by the processes
counted in each) and PSS (shared pages divided among their users), so that the sum of PSS is what the host pays.
"""

import argparse
import ctypes
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from haagent.lab.uml import kernel_has_ipvs, stream_in_uml

CLONE_NEWNET = 0x40000000
ROOT = Path(__file__).parents[1]


def configuration(scratch: Path, services: int, servers: int) -> str:
    text = f"""
[director]
names = ["d1"]
runtime_directory = "{scratch}/run"
state_directory = "{scratch}/state"

[virtual_router.web]
interface = "eth0"
vrid = 51
virtual_addresses = [{", ".join(f'"203.0.113.{n}/32"' for n in range(1, services + 1))}]

[check.http]
type = "http"
"""
    for service in range(1, services + 1):
        rows = ", ".join(f'{{ name = "rs{n}", address = "198.51.100.{10 + n}" }}' for n in range(1, servers + 1))
        text += f"""
[virtual_service.s{service}]
address = "203.0.113.{service}"
port = 80
forwarding_method = "direct_routing"
check = ["http"]
real_servers = [ {rows} ]
"""
    return text


def set_up(servers: int) -> None:
    """eth0 for the router and the probes; the real servers' addresses on lo."""
    commands = ["ip link set lo up", "ip link add eth0 type veth peer name eth1"]
    commands += [f"ip link set {name} up" for name in ("eth0", "eth1")]
    commands += ["ip address add 198.51.100.1/24 dev eth0"]
    commands += [f"ip address add 198.51.100.{10 + n}/32 dev lo" for n in range(1, servers + 1)]
    for command in commands:
        subprocess.run(command.split(), check=True)


def start_nginx(scratch: Path) -> subprocess.Popen[bytes]:
    (scratch / "nginx.conf").write_text(
        f"daemon off; pid {scratch}/nginx.pid; error_log /dev/null; events {{}} "
        f"http {{ access_log off; server {{ listen 80; location / {{ return 200 ok; }} }} }}"
    )
    return subprocess.Popen(["nginx", "-c", str(scratch / "nginx.conf")])


def memory(pid: int) -> tuple[int, int]:
    """RSS and PSS in KiB (proc(5), smaps_rollup)."""
    rows = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:])
    return int(rows["Rss"].split()[0]), int(rows["Pss"].split()[0])


def processes_of(supervisor: int) -> dict[str, int]:
    children = Path(f"/proc/{supervisor}/task/{supervisor}/children").read_text().split()
    found = {"supervisor": supervisor}
    for pid in map(int, children):
        words = Path(f"/proc/{pid}/cmdline").read_bytes().decode().split("\0")
        found[next(word.rpartition(".")[2] for word in words if word.startswith("haagent.processes."))] = pid
    return found


def measure(services: int, servers: int, seconds: float) -> int:
    if ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWNET):
        print(os.strerror(ctypes.get_errno()), file=sys.stderr)
        return 1
    with tempfile.TemporaryDirectory(prefix="haagent-bench-") as folder:
        scratch = Path(folder)
        scratch.chmod(0o755)
        (scratch / "conf").mkdir()
        (scratch / "conf" / "all.toml").write_text(configuration(scratch, services, servers))
        set_up(servers)
        nginx = start_nginx(scratch)
        daemon = subprocess.Popen(
            [sys.executable, "-m", "haagent", "run", "-c", str(scratch / "conf"), "--name", "d1"],
            stderr=subprocess.DEVNULL,
        )
        try:
            return report(daemon.pid, services * servers, seconds)
        finally:
            for process in (daemon, nginx):
                process.send_signal(signal.SIGTERM)
                process.wait(30)


def report(supervisor: int, wanted: int, seconds: float) -> int:
    """Once every destination is in the kernel, and `seconds` later."""
    end = time.monotonic() + 120
    while time.monotonic() < end and destinations() < wanted:
        time.sleep(0.5)
    if destinations() < wanted:
        print(f"only {destinations()} of {wanted} destinations came into service", file=sys.stderr)
        return 1
    time.sleep(seconds)
    total = [0, 0]
    print(f"  {'process':12} {'RSS':>10} {'PSS':>10}")
    for name, pid in processes_of(supervisor).items():
        rss, pss = memory(pid)
        total = [total[0] + rss, total[1] + pss]
        print(f"  {name:12} {rss / 1024:7.1f} MiB {pss / 1024:7.1f} MiB")
    print(f"  {'together':12} {total[0] / 1024:7.1f} MiB {total[1] / 1024:7.1f} MiB")
    return 0


def destinations() -> int:
    return subprocess.run(["ipvsadm", "-Sn"], capture_output=True, text=True, check=True).stdout.count("-a ")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--services", type=int, default=100)
    parser.add_argument("--servers", type=int, default=10)
    parser.add_argument("--seconds", type=float, default=20.0, help="of running before the measurement")
    options = parser.parse_args()
    if not kernel_has_ipvs():
        numbers = [f"--services={options.services}", f"--servers={options.servers}", f"--seconds={options.seconds}"]
        command = [sys.executable, "-m", "bench.memory", *numbers]
        return stream_in_uml(command, timeout=600, env={"PYTHONPATH": str(ROOT)})
    return measure(options.services, options.servers, options.seconds)


if __name__ == "__main__":
    raise SystemExit(main())
