"""What the rows of bench/checks.py stand on: the prober with the bench as its director, the peers, and servers.

keepalived runs no checker, and ldirectord no check, without IPVS. Where the kernel has none they are given stand-ins: a
library that answers keepalived's IPVS calls with success (without_ipvs.c), an `ipvsadm` that does nothing. What checks
is theirs, unchanged.
"""

import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from haagent.config.model import HttpCheck
from haagent.health.schedule import Schedule
from haagent.health.transcript import Transcript
from haagent.processes.frames import FrameReader, frame
from haagent.processes.messages import (
    HealthReported,
    Probe,
    Remembered,
    SetProbes,
    WhyAsked,
    decode_from_prober,
    encode,
)

PORT = 8080
TICKS = os.sysconf("SC_CLK_TCK")
SETTLE_TIME = 4.0  # after the first checks, before the clock starts

NGINX = """
daemon off; worker_processes 1; worker_rlimit_nofile 65536; pid {folder}/nginx.pid; error_log {folder}/nginx.log;
events {{ worker_connections 16384; }}
http {{
  access_log off;
  server {{
    {listens}
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
LDIRECTORD = """checktimeout=1
checkinterval={interval}
quiescent=yes
virtual=192.0.2.1:80
{real_servers}
\tservice=http
\tscheduler=wlc
\tprotocol=tcp
\tchecktype=negotiate
\tcheckport={port}
\trequest="/"
\treceive="webserverisworking"
"""


def addresses(count: int) -> list[str]:
    return [f"127.{1 + index // 62500}.{1 + index // 250 % 250}.{1 + index % 250}" for index in range(count)]


def cpu_seconds(pid: int) -> float:
    """User and system time of a process so far, without its children (ldirectord's call ipvsadm, and check nothing)."""
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
def nginx(folder: Path, targets: Sequence[str] = ("0.0.0.0",)) -> Iterator[None]:
    listens = " ".join(f"listen {address}:{PORT} backlog=4096;" for address in targets)
    file = folder / "nginx.conf"
    file.write_text(NGINX.format(folder=folder, listens=listens))
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


class Prober:
    """The process, and this bench as its director."""

    def __init__(self, pid: int, connection: socket.socket, check: HttpCheck, targets: Sequence[str]) -> None:
        self.pid, self._connection, self._check = pid, connection, check
        self.failed: list[str] = []
        self.down: dict[int, tuple[float, str]] = {}  # by id: when it was reported, and why
        self.up: set[int] = set()
        self.tries: dict[tuple[int, float], Transcript] = {}  # what was remembered, by id and start
        self._schedule = Schedule()  # the same as the prober's
        for id in range(len(targets)):
            self._schedule.add(id, check.interval, 0.0)
        self._count = len(targets)
        probes = [Probe(id=id, check=check, address=address, port=PORT) for id, address in enumerate(targets)]
        connection.sendall(frame(encode(SetProbes(tuple(probes)))))
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        frames = FrameReader()
        with suppress(OSError):
            while data := self._connection.recv(1 << 20):
                now = time.monotonic()
                for message in map(decode_from_prober, frames.feed(data)):
                    match message:
                        case HealthReported(id=id, health=health, detail=detail):
                            if detail != "HTTP 200":
                                self.failed.append(detail)
                            if health == "down":
                                self.down.setdefault(id, (now, detail))
                            elif health == "up":
                                self.up.add(id)
                        case Remembered(transcripts=found):
                            self.tries.update({(id, each.at): each for id, tries in found.items() for each in tries})

    def sample(self, seconds: float, ids: Sequence[int]) -> list[tuple[float, float]]:
        """How late tries of these started, and ended, after their instant; seconds. Few are asked for at a
        time: the answer is the prober's work as well."""
        time.sleep(self._check.interval)
        self.tries.clear()
        since, until, chance = time.monotonic(), time.monotonic() + seconds, random.Random(1)
        serial = 0
        while time.monotonic() < until:
            serial += 1
            asked = tuple(chance.sample(ids, min(20, len(ids))))
            self._connection.sendall(frame(encode(WhyAsked(serial=serial, ids=asked))))
            time.sleep(chance.uniform(0.05, 0.15))
        wanted, interval = set(ids), self._check.interval
        found = []
        for (id, at), each in list(self.tries.items()):
            if id in wanted and at >= since:
                lag = (at - self._schedule.phase(id)) % interval
                found.append((lag, lag + each.ended_after))
        return found


@contextmanager
def prober(folder: Path, targets: Sequence[str], **settings: float) -> Iterator[Prober]:
    path = folder / "internal.sock"
    path.unlink(missing_ok=True)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(str(path))
        listener.listen()
        command = [sys.executable, "-m", "haagent.processes.prober", "--socket", str(path), "--user", "nobody"]
        with ended(subprocess.Popen(command, cwd=Path(__file__).parents[1])) as process:
            connection, _ = listener.accept()
            with connection:
                check = HttpCheck(name="web", **{"interval": 1.0, "timeout": 1.0, **settings})  # type: ignore[arg-type]
                yield Prober(process.pid, connection, check, targets)


@contextmanager
def haagent(folder: Path, servers: int) -> Iterator[int]:
    """Gives the prober's process id."""
    with prober(folder, addresses(servers)) as running:
        yield running.pid
        if running.failed:
            print(f"  haagent: {len(running.failed)} failed checks, the last: {running.failed[-1]}")


def stand_in(folder: Path) -> Path | None:
    """The library that answers IPVS calls; None: no C compiler."""
    library = folder / "without_ipvs.so"
    source = Path(__file__).with_name("without_ipvs.c")
    if shutil.which("cc") is None:
        return None
    subprocess.run(["cc", "-shared", "-fPIC", "-O2", "-o", str(library), str(source)], check=True)
    return library


@contextmanager
def keepalived(folder: Path, servers: int, *, has_ipvs: bool = True) -> Iterator[int]:
    """Gives the process id of its checker process."""
    file = folder / "keepalived.conf"
    real_servers = "".join(KEEPALIVED_SERVER.format(address=a, port=PORT) for a in addresses(max(servers, 1)))
    file.write_text(KEEPALIVED_SERVICE.format(interval=1 if servers else 3600, real_servers=real_servers))
    file.chmod(0o644)
    environment = os.environ if has_ipvs else {**os.environ, "LD_PRELOAD": f"{folder}/without_ipvs.so"}
    pid_files = ["-p", f"{folder}/keepalived.pid", "-c", f"{folder}/checkers.pid"]
    command = ["keepalived", "-C", "-n", "-f", str(file), *pid_files]
    with ended(subprocess.Popen(command, env=environment)) as process:
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
        for _ in range(100):
            if pids := children.read_text().split():
                break
            time.sleep(0.1)
        else:
            raise SystemExit("keepalived started no checker process")
        yield int(pids[0])


@contextmanager
def ldirectord(folder: Path, servers: int, *, has_ipvs: bool = True) -> Iterator[int]:
    """Gives its process id; it checks one server after the other."""
    file, nothing = folder / "ldirectord.cf", folder / "nothing"
    real_servers = "\n".join(f"\treal={address}:{PORT} masq" for address in addresses(max(servers, 1)))
    interval = 1 if servers else 3600
    file.write_text(LDIRECTORD.format(interval=interval, real_servers=real_servers, port=PORT))
    file.chmod(0o600)
    nothing.write_text("#!/bin/sh\n")
    nothing.chmod(0o755)
    hide = "true" if has_ipvs else f'mount --bind {nothing} "$(readlink -f "$(command -v ipvsadm)")"'
    script = f"{hide} && mount -t tmpfs none /run && exec ldirectord -d {file} start"
    command = ["unshare", "-m", "sh", "-c", script]
    with ended(subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)) as process:
        yield process.pid
