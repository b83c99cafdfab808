"""haagent, keepalived and ldirectord run the same pools through the same failures; their kernel tables must be alike.

Each has a network namespace of its own, so an IPVS table of its own; the real servers are the same for all. What each
step must lead to and which differences are known: twins.py. ipvsadm is the oracle for where a step ends; on the way
the tables are sampled by netlink.
"""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping
from ipaddress import ip_address
from pathlib import Path

import pytest

from haagent.control.requests import Reload
from haagent.linux.ipvs import Ipvs
from tests.daemon_stage import Daemon, folder, wait_until
from tests.kernel.twins import SERVERS, SERVICES, START, STEPS, TWINS, Step, Twin, lines
from tests.netns.segment import inside

PREFIX = f"hw{os.getpid() % 100000}"
LAN = f"{PREFIX}-rs"
PATIENCE = 60.0
CALM = 2.5  # seconds: more than two rounds of every twin's checks, in which a table must stay as it is
NAMES = {address: name for name, address in SERVERS.items()}
VIPS = {address: name for name, (address, _) in SERVICES.items()}


def netns(twin: Twin) -> str:
    return f"{PREFIX}-{twin}"


def ip(batch: str) -> None:
    for line in batch.splitlines():
        subprocess.run(["ip", *line.split()], check=True)


def saved(twin: Twin) -> list[str]:
    command = ["ip", "netns", "exec", netns(twin), "ipvsadm", "-Sn"]
    told = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return sorted(line.rstrip() for line in told.splitlines())


class Twins:
    def __init__(self, base: Path) -> None:
        self.base = base
        self.haagent = Daemon(base, netns("haagent"))
        self.processes: dict[Twin, subprocess.Popen[bytes]] = {}

    def write(self, weights: Mapping[str, int]) -> None:
        self.haagent.write(haagent_conf(weights))
        self.base.joinpath("keepalived.conf").write_text(keepalived_conf(weights))
        self.base.joinpath("ldirectord.cf").write_text(ldirectord_conf(weights, self.base))

    def start(self) -> None:
        self.haagent.start()
        keepalived = ["keepalived", "-n", "-l", "-C", "-D", "-f", f"{self.base}/keepalived.conf"]
        keepalived += ["-p", f"{self.base}/keepalived.pid", "-c", f"{self.base}/checkers.pid"]
        self._spawn("keepalived", keepalived)
        self._spawn("ldirectord", ["ldirectord", f"{self.base}/ldirectord.cf", "start"])

    def _spawn(self, twin: Twin, command: list[str]) -> None:
        with self.base.joinpath(f"{twin}.log").open("ab") as log:
            self.processes[twin] = subprocess.Popen(
                ["ip", "netns", "exec", netns(twin), *command], stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )

    def reload(self, weights: Mapping[str, int]) -> None:
        self.write(weights)
        self.haagent.ask(Reload())
        for process in self.processes.values():
            process.send_signal(signal.SIGHUP)

    def stop(self) -> None:
        for process in self.processes.values():
            process.terminate()
        self.haagent.stop()
        for process in self.processes.values():
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(10)
            process.kill()

    def logs(self) -> str:
        return "\n".join(
            f"--- {path.name}\n{path.read_text(errors='replace')[-3000:]}" for path in sorted(self.base.glob("*.log"))
        )


class Page:
    """A real server: any request is answered with a status and a sentence, and the connection closed."""

    def __init__(self, address: str) -> None:
        self._address, self._status = address, "200"
        self._listener: socket.socket | None = None
        self.become("fine")

    def become(self, state: str) -> None:
        """`fine`, `dead`, or a status."""
        self._status = "200" if state == "fine" else state
        if state == "dead" and self._listener is not None:
            self._listener.shutdown(socket.SHUT_RDWR)
            self._listener.close()
            self._listener = None
        elif state != "dead" and self._listener is None:
            with inside(LAN):
                self._listener = socket.create_server((self._address, 80), backlog=64)
            threading.Thread(target=self._serve, args=(self._listener,), daemon=True).start()

    def _serve(self, listener: socket.socket) -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with contextlib.suppress(OSError), connection, connection.makefile("rb") as stream:
                connection.settimeout(2.0)
                while stream.readline().strip():
                    pass
                body = "all is fine here"
                head = f"HTTP/1.0 {self._status} X\r\nContent-Type: text/plain\r\nContent-Length: {len(body)}"
                connection.sendall(f"{head}\r\n\r\n{body}".encode())


def haagent_conf(weights: Mapping[str, int]) -> str:
    text = '[check.page]\ntype = "http"\npath = "/check.txt"\nbody = "fine"\n'
    text += "interval = 1\ntimeout = 1\nfall = 3\nrise = 1\n"
    for name, (address, scheduler) in SERVICES.items():
        rows = ", ".join(
            f'{{ name = "{server}", address = "{SERVERS[server]}", weight = {weight} }}'
            for server, weight in weights.items()
        )
        text += f"""
[virtual_service.{name}]
address = "{address}"
port = 80
scheduler = "{scheduler}"
forwarding_method = "masquerading"
when_down = "{"quiesce" if name == "calm" else "remove"}"
check = ["page"]
sorry_server = {{ address = "{SERVERS["sorry"]}", port = 80 }}
real_servers = [{rows}]
"""
    return text


def keepalived_conf(weights: Mapping[str, int]) -> str:
    text = ""
    for name, (address, scheduler) in SERVICES.items():
        text += f"virtual_server {address} 80 {{\n  delay_loop 1\n  lvs_sched {scheduler}\n  lvs_method NAT\n"
        text += f"  protocol TCP\n  sorry_server {SERVERS['sorry']} 80\n"
        for server, weight in weights.items():
            text += f"  real_server {SERVERS[server]} 80 {{\n    weight {weight}\n"
            text += "    inhibit_on_failure\n" if name == "calm" else ""
            text += "    HTTP_GET {\n      url {\n        path /check.txt\n        status_code 200\n      }\n"
            text += "      connect_timeout 5\n      retry 0\n      delay_before_retry 1\n    }\n  }\n"
        text += "}\n"
    return text


def ldirectord_conf(weights: Mapping[str, int], base: Path) -> str:
    text = "checktimeout = 5\nnegotiatetimeout = 5\ncheckinterval = 1\nsupervised = yes\n"
    text += f'logfile = "{base}/ldirectord-own.log"\n'
    for name, (address, scheduler) in SERVICES.items():
        text += f"virtual = {address}:80\n"
        text += "".join(f"\treal = {SERVERS[server]}:80 masq {weight}\n" for server, weight in weights.items())
        text += f"\tfallback = {SERVERS['sorry']}:80 masq\n\tscheduler = {scheduler}\n\tprotocol = tcp\n"
        text += f"\tquiescent = {'yes' if name == 'calm' else 'no'}\n"
        text += '\tservice = http\n\tchecktype = negotiate\n\trequest = "check.txt"\n\treceive = "fine"\n'
    return text


class Sampler:
    """What every twin's table holds, again and again: the entries "service/server" with a weight."""

    def __init__(self) -> None:
        self.seen: dict[Twin, list[frozenset[str]]] = {twin: [] for twin in TWINS}
        self._sockets = {}
        for twin in TWINS:
            with inside(netns(twin)):
                opened = Ipvs.open()
            assert isinstance(opened, Ipvs), opened
            self._sockets[twin] = opened
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> "Sampler":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()
        for each in self._sockets.values():
            each.close()

    def _run(self) -> None:
        while not self._ended.wait(0.05):
            for twin, sock in self._sockets.items():
                observed = sock.observe()
                if not isinstance(observed, tuple):
                    continue
                entries = frozenset(
                    f"{VIPS[str(ip_address(key.address))]}/{NAMES[str(ip_address(at.address))]}"
                    for key, service in observed[0].items()
                    for at, destination in service.destinations.items()
                    if destination.weight
                )
                if not self.seen[twin] or self.seen[twin][-1] != entries:
                    self.seen[twin].append(entries)


@pytest.fixture
def twins() -> Iterator[Twins]:
    batch = f"netns add {LAN}\n-n {LAN} link add br0 type bridge\n-n {LAN} link set br0 up\n"
    batch += "".join(f"-n {LAN} addr add {address}/24 dev br0\n" for address in SERVERS.values())
    for number, twin in enumerate(TWINS, 1):
        batch += f"netns add {netns(twin)}\n-n {netns(twin)} link set lo up\n"
        batch += f"-n {netns(twin)} link add eth0 type veth peer name v{number} netns {LAN}\n"
        batch += f"-n {LAN} link set v{number} master br0 up\n-n {netns(twin)} addr add 192.0.2.{number}/24 dev eth0\n"
        batch += f"-n {netns(twin)} link set eth0 up\n"
        batch += "".join(f"-n {netns(twin)} addr add {address}/32 dev lo\n" for address, _ in SERVICES.values())
    ip(batch)
    with folder() as base:
        found = Twins(base)
        try:
            yield found
        finally:
            found.stop()
            for name in (LAN, *(netns(twin) for twin in TWINS)):
                subprocess.run(["ip", "netns", "delete", name], check=False)


def serving(step: Step, twin: Twin) -> frozenset[str]:
    return frozenset(
        f"{service}/{server}" for service, pool in step.pools(twin).items() for server, weight in pool.items() if weight
    )


def oddities(table: frozenset[str], old: frozenset[str], new: frozenset[str]) -> set[str]:
    """What serves in neither end, what does not serve though it does in both, and a service without anybody."""
    found = set((table - (old | new)) | ((old & new) - table))
    for service in SERVICES:
        each = [{entry for entry in ends if entry.startswith(f"{service}/")} for ends in (table, old, new)]
        if not each[0] and each[1] and each[2]:
            found.add(f"{service}/nobody")
    return found


@pytest.mark.timeout(360)
@pytest.mark.skipif(shutil.which("ldirectord") is None, reason="ldirectord is not installed")
def test_three_daemons_make_the_same_tables_of_the_same_failures(twins: Twins) -> None:
    servers = {name: Page(address) for name, address in SERVERS.items()}
    twins.write(START)
    twins.start()
    wrong: list[str] = []
    before: Step | None = None
    for step in STEPS:
        with Sampler() as sampler:
            for name, state in step.servers.items():
                servers[name].become(state)
            if step.configured is not None:
                twins.reload(step.configured)
            patience = PATIENCE + (40.0 if before is None else 0.0)
            wait_until(lambda step=step: all(saved(t) == lines(step.pools(t)) for t in TWINS), patience, 0.3)  # type: ignore[misc]
            time.sleep(CALM)
        for twin in TWINS:
            found, expected = saved(twin), lines(step.pools(twin))
            if found != expected:
                gone, more = sorted(set(expected) - set(found)), sorted(set(found) - set(expected))
                wrong.append(f"{step.what}: {twin}: missing {gone}, in place of that {more}")
            if before is not None:
                old, new = serving(before, twin), serving(step, twin)
                odd = {each for table in sampler.seen[twin] for each in oddities(table, old, new)}
                allowed = step.passing[twin].entries if twin in step.passing else frozenset()
                print(step.what, twin, "on the way:", [sorted(table) for table in sampler.seen[twin]])
                if not odd <= allowed:
                    wrong.append(f"{step.what}: {twin}: on the way {sorted(odd - allowed)}")
        before = step
    if wrong:
        print(twins.logs())
    assert wrong == []
