"""CPU per HTTP check: haagent's prober beside keepalived's checker process, in the same boot of the same kernel.

    python bench/checks.py [--servers 300] [--seconds 15] [--rounds 3]

keepalived runs no checker without IPVS, so where this kernel has none the comparison runs inside the user-mode kernel.
System calls cost several times the native price there: read the ratio, not the microseconds. ours alone is also
measured natively. Both check the same addresses (127.0.x.y, one nginx) once a second for status 200. Counted are user
and system time of the one process that checks, less its idle rate, and the requests that nginx's stub_status saw.
The user-mode kernel samples these times at its ticks (100 a second): work that keeps step with them is seen always or
never. haagent's turns come every 23 ms and keepalived's checks start at random phases, so neither keeps step.
"""

import argparse
import os
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from haagent.config.model import HttpCheck
from haagent.lab.uml import inside_uml, kernel_has_ipvs, stream_in_uml, uml_available
from haagent.processes.frames import FrameReader, frame
from haagent.processes.messages import HealthReported, Probe, SetProbes, decode_from_prober, encode

PORT = 8080
TICKS = os.sysconf("SC_CLK_TCK")
SETTLE_TIME = 4.0  # after the first checks, before the clock starts

NGINX = """
daemon off; worker_processes 1; pid {folder}/nginx.pid; error_log {folder}/nginx.log;
events {{ worker_connections 4096; }}
http {{
  access_log off;
  server {{
    listen {port} backlog=4096;
    location / {{ return 200 "webserverisworking\\n"; }}
    location = /requests {{ stub_status; }}
  }}
}}
"""
KEEPALIVED_SERVICE = """
virtual_server 192.0.2.1 80 {{
  delay_loop {interval}
  lb_algo wlc
  lb_kind NAT
  protocol TCP
{real_servers}
}}
"""
KEEPALIVED_SERVER = """
  real_server {address} {port} {{
    HTTP_GET {{ url {{ path / status_code 200 }} connect_timeout 1 }}
  }}
"""


def addresses(count: int) -> list[str]:
    return [f"127.0.{1 + index // 250}.{1 + index % 250}" for index in range(count)]


def cpu_seconds(pid: int) -> float:
    """User and system time of a process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def requests_seen() -> int:
    """Requests that nginx handled so far; asking is one more."""
    with urllib.request.urlopen(f"http://127.0.0.1:{PORT}/requests", timeout=10) as answer:
        return int(answer.read().split(b"requests\n")[1].split()[2])


@contextmanager
def ended(process: subprocess.Popen[bytes]) -> Iterator[subprocess.Popen[bytes]]:
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=30)


@contextmanager
def nginx(folder: Path) -> Iterator[None]:
    file = folder / "nginx.conf"
    file.write_text(NGINX.format(folder=folder, port=PORT))
    with ended(subprocess.Popen(["nginx", "-c", str(file)], stderr=subprocess.DEVNULL)) as process:
        for _ in range(100):
            try:
                requests_seen()
                break
            except OSError:
                if process.poll() is not None:
                    raise SystemExit(f"nginx did not start: {(folder / 'nginx.log').read_text()}") from None
                time.sleep(0.1)
        yield


@contextmanager
def haagent(folder: Path, servers: int) -> Iterator[int]:
    """The prober, with this process as its director; gives the prober's process id."""
    path = folder / "internal.sock"
    path.unlink(missing_ok=True)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(str(path))
        listener.listen()
        command = [sys.executable, "-m", "haagent.processes.prober", "--socket", str(path), "--user", "nobody"]
        with ended(subprocess.Popen(command)) as process:
            connection, _ = listener.accept()
            check = HttpCheck(name="web", interval=1.0, timeout=1.0)
            probes = [
                Probe(id=id, check=check, address=address, port=PORT) for id, address in enumerate(addresses(servers))
            ]
            connection.sendall(frame(encode(SetProbes(tuple(probes)))))
            down: list[str] = []
            threading.Thread(target=lambda: listen(connection, down), daemon=True).start()
            yield process.pid
            if down:
                print(f"  haagent: {len(down)} failed checks, the last: {down[-1]}")


def listen(connection: socket.socket, failures: list[str]) -> None:
    frames = FrameReader()
    while data := connection.recv(65536):
        for message in map(decode_from_prober, frames.feed(data)):
            if isinstance(message, HealthReported) and message.detail != "HTTP 200":
                failures.append(message.detail)


@contextmanager
def keepalived(folder: Path, servers: int) -> Iterator[int]:
    """Gives the process id of its checker process."""
    file = folder / "keepalived.conf"
    real_servers = "".join(KEEPALIVED_SERVER.format(address=a, port=PORT) for a in addresses(max(servers, 1)))
    file.write_text(KEEPALIVED_SERVICE.format(interval=1 if servers else 3600, real_servers=real_servers))
    file.chmod(0o644)
    pid_files = ["-p", f"{folder}/keepalived.pid", "-c", f"{folder}/checkers.pid"]
    with ended(subprocess.Popen(["keepalived", "-C", "-n", "-f", str(file), *pid_files])) as process:
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
        for _ in range(100):
            if pids := children.read_text().split():
                break
            time.sleep(0.1)
        else:
            raise SystemExit("keepalived started no checker process")
        yield int(pids[0])


def measure(pid: int, seconds: float) -> tuple[float, int]:
    """CPU seconds and requests while `seconds` pass."""
    cpu, requests = cpu_seconds(pid), requests_seen()
    time.sleep(seconds)
    return cpu_seconds(pid) - cpu, requests_seen() - requests - 1


def per_check(pid: int, seconds: float, idle_rate: float, servers: int) -> float:
    """Microseconds."""
    while requests_seen() == 0:
        time.sleep(0.1)
    time.sleep(SETTLE_TIME)
    cpu, checks = measure(pid, seconds)
    if not 0.8 <= checks / (servers * seconds) <= 1.2:
        print(f"  only {checks} checks in {seconds:g} s where {servers * seconds:g} were wanted")
    return (cpu - idle_rate * seconds) / max(checks, 1) * 1e6


def compare(servers: int, seconds: float, rounds: int) -> None:
    subjects = {"haagent": haagent, "keepalived": keepalived}
    with tempfile.TemporaryDirectory(prefix="haagent-bench-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        with nginx(folder):
            idle = {}
            for subject, run in subjects.items():
                with run(folder, 0) as pid:
                    time.sleep(SETTLE_TIME)
                    cpu, _ = measure(pid, seconds / 2)
                    idle[subject] = cpu / (seconds / 2)
            costs: dict[str, list[float]] = {subject: [] for subject in subjects}
            for _ in range(rounds):
                for subject, run in subjects.items():
                    with run(folder, servers) as pid:
                        costs[subject].append(per_check(pid, seconds, idle[subject], servers))
    for subject, values in costs.items():
        shown = "  ".join(f"{value:6.0f}" for value in values)
        print(f"  {subject:<11} {statistics.median(values):6.0f} us per check   (rounds: {shown})")
    ratio = statistics.median(costs["haagent"]) / statistics.median(costs["keepalived"])
    print(f"  haagent / keepalived: {ratio:.2f}", flush=True)


def alone(servers: int, seconds: float, rounds: int) -> None:
    """Ours only, natively, in a network namespace of its own."""
    with tempfile.TemporaryDirectory(prefix="haagent-bench-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        with nginx(folder):
            values = []
            for _ in range(rounds):
                with haagent(folder, servers) as pid:
                    values.append(per_check(pid, seconds, 0.0, servers))
    shown = "  ".join(f"{value:6.0f}" for value in values)
    print(f"  haagent     {statistics.median(values):6.0f} us per check   (rounds: {shown})", flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--servers", type=int, default=300)
    parser.add_argument("--seconds", type=float, default=15.0)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--part", choices=["all", "native", "compare"], default="all")
    options = parser.parse_args()
    load = (options.servers, options.seconds, options.rounds)
    numbers = ["--servers", str(load[0]), "--seconds", str(load[1]), "--rounds", str(load[2])]
    again = [sys.executable, __file__, *numbers, "--part"]
    if options.part == "native":
        alone(*load)
        return 0
    if options.part == "compare":
        compare(*load)
        return 0
    print(f"CPU per HTTP check, {load[0]} real servers, one check a second each")
    for tool in ("nginx", "keepalived", "unshare"):
        if shutil.which(tool) is None:
            raise SystemExit(f"{tool} is not installed: apt-get install nginx-light keepalived util-linux")
    print(" natively, haagent alone:", flush=True)
    in_namespace = 'ip link set lo up && exec "$@"'
    subprocess.run(["unshare", "--net", "sh", "-c", in_namespace, "sh", *again, "native"], check=True)
    if kernel_has_ipvs() or inside_uml():
        print(" both, in this kernel:", flush=True)
        return subprocess.run(["unshare", "--net", "sh", "-c", in_namespace, "sh", *again, "compare"]).returncode
    if missing := uml_available():
        raise SystemExit(missing)
    print(
        " both, in one boot of the user-mode kernel (several times slower than native; the ratio counts):", flush=True
    )
    per_round = 2 * (options.seconds + SETTLE_TIME + 10)
    return stream_in_uml([*again, "compare"], timeout=120 + per_round * (options.rounds + 1))


if __name__ == "__main__":
    sys.exit(main())
