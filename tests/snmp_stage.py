"""A stage for SNMP: a network namespace with Debian's snmpd and snmptrapd, a real observer, and a stand-in director.

Nothing of the host's SNMP configuration is read, nothing is written outside one temporary folder.
"""

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from itertools import count
from pathlib import Path

from haagent.mib import haagent as mib
from haagent.processes import messages
from haagent.processes.frames import FrameReader, frame
from haagent.snapshot import RealServerStatus, RouterCounters, RouterStatus, ServiceStatus, Snapshot

MIBS = Path(__file__).parents[1] / "mibs"
ROOT = "." + ".".join(str(number) for number in mib.ROOT)
NUMBERS = count()
PATIENCE = 60.0  # seconds until a stage that hangs is a failure

SNMPD_CONF = """\
agentaddress udp:127.0.0.1:161
rocommunity public 127.0.0.1
rwcommunity private 127.0.0.1
master agentx
agentXSocket {socket}
{permissions}
trap2sink 127.0.0.1 public
dontLogTCPWrappersConnects yes
"""


def snapshot(servers: int = 3, *, in_service: int | None = None) -> Snapshot:
    """Two virtual routers and two services with that many real servers each."""
    counters = RouterCounters(active_transitions=3, advertisements_sent=5_000_000_000, discarded={"ttl": 4})
    routers = tuple(
        RouterStatus(
            name=name,
            interface="eth0",
            ifindex=2,
            vrid=vrid,
            state="active",
            reason="no other director is heard",
            since=990.0,
            priority=200,
            effective_priority=150,
            preempt=True,
            advertisement_interval=0.1,
            primary_address="192.0.2.1",
            active_address="192.0.2.1",
            virtual_addresses=("198.51.100.100/24",),
            counters=counters,
        )
        for name, vrid in (("web", 51), ("mail", 52))
    )

    def server(number: int) -> RealServerStatus:
        return RealServerStatus(
            name=f"rs{number}",
            address=f"198.51.100.{number % 254 + 1}" if number % 2 else f"2001:db8::{number:x}",
            port=80,
            forwarding_method="direct_routing",
            health="up" if number % 3 else "down",
            since=900.0,
            reason="HTTP 200" if number % 3 else "connection refused",
            configured_weight=1,
            weight=1 if number % 3 else None,
            active_connections=number,
            incoming_bytes=(1 << 33) + number,
        )

    services = tuple(
        ServiceStatus(
            name=name,
            address="198.51.100.100",
            port=port,
            protocol="tcp",
            scheduler="wlc",
            forwarding_method="direct_routing",
            state="serving",
            since=999.5,
            in_service=servers if in_service is None else in_service,
            real_servers=tuple(server(number) for number in range(1, servers + 1)),
        )
        for name, port in (("web", 80), ("tls", 443))
    )
    return Snapshot(
        director="d1",
        version="0.1.0",
        at=1000.0,
        started_at=400.0,
        routers=routers,
        services=services,
        problems=("one",),
    )


class Stage:
    """A context manager; leaves nothing behind."""

    def __init__(self, *, tcp: bool = False, permissions: str = "agentXPerms 0660 0755 nobody nogroup") -> None:
        self.namespace = f"hx-snmp-{os.getpid()}-{next(NUMBERS)}"
        self.folder = Path(tempfile.mkdtemp(prefix="haagent-snmp-"))
        self.address = "tcp:127.0.0.1:705" if tcp else f"unix:{self.folder}/agentx/master"
        self._permissions = permissions
        self.snmpd: subprocess.Popen[bytes] | None = None
        self._processes: list[subprocess.Popen[bytes]] = []
        self._frames, self._received = FrameReader(), list[messages.FromObserver]()
        self._environment = os.environ | {
            "SNMP_PERSISTENT_DIR": f"{self.folder}/persistent",
            "SNMPCONFPATH": str(self.folder),
            "MIBS": "",
        }

    def __enter__(self) -> "Stage":
        self.folder.chmod(0o755)
        socket_ = self.address if self.address.startswith("tcp:") else self.address.removeprefix("unix:")
        (self.folder / "snmpd.conf").write_text(SNMPD_CONF.format(socket=socket_, permissions=self._permissions))
        (self.folder / "snmptrapd.conf").write_text("disableAuthorization yes\n")
        try:
            subprocess.run(["ip", "netns", "add", self.namespace], check=True)
            subprocess.run(["ip", "-n", self.namespace, "link", "set", "lo", "up"], check=True)
            self.start_snmpd()
            log = f"{self.folder}/traps.log"
            self._start(
                "snmptrapd", "-f", "-Lf", log, "-C", "-c", "snmptrapd.conf", "-OQ", *names(), "udp:127.0.0.1:162"
            )
            wait_for(lambda: "NET-SNMP version" in self.traps())
            self._start_observer()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        for process in reversed(self._processes):
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        subprocess.run(["ip", "netns", "del", self.namespace], check=False)
        shutil.rmtree(self.folder)

    def _inside(self, *command: str) -> list[str]:
        return ["ip", "netns", "exec", self.namespace, *command]

    def _start(self, *command: str) -> "subprocess.Popen[bytes]":
        process = subprocess.Popen(
            self._inside(*command),
            cwd=self.folder,
            env=self._environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        self._processes.append(process)
        return process

    def start_snmpd(self) -> None:
        log = self.folder / "snmpd.log"
        log.unlink(missing_ok=True)
        self.snmpd = self._start("snmpd", "-f", "-LF", "0-6", str(log), "-C", "-c", "snmpd.conf")
        wait_for(lambda: log.exists() and "NET-SNMP version" in log.read_text())

    def kill_snmpd(self) -> None:
        """As the kernel would: no Close is said, the socket stays behind."""
        assert self.snmpd is not None
        self.snmpd.kill()
        self.snmpd.wait()

    def _start_observer(self) -> None:
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        listener.bind(str(self.folder / "internal.sock"))
        listener.listen()
        listener.settimeout(PATIENCE)
        module = ("-m", "haagent.processes.observer", "--socket", f"{self.folder}/internal.sock")
        self.observer = subprocess.Popen(
            self._inside(sys.executable, *module, "--user", "nobody", "--agentx", self.address), cwd=MIBS.parent
        )
        self._processes.append(self.observer)
        self._director, _ = listener.accept()
        self._director.settimeout(PATIENCE)
        listener.close()

    def say(self, message: messages.ToObserver) -> None:
        self._director.sendall(frame(messages.encode(message)))

    def report(self) -> messages.ObserverReported:
        """The next one."""
        while True:
            while not self._received:
                data = self._director.recv(65536)
                assert data, "the observer closed the connection"
                self._received += [messages.decode_from_observer(payload) for payload in self._frames.feed(data)]
            message = self._received.pop(0)
            if isinstance(message, messages.ObserverReported):
                return message

    def tool(self, *command: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            self._inside(*command), capture_output=True, text=True, env=self._environment, timeout=PATIENCE, check=False
        )

    def walk(self, *options: str, tool: str = "snmpwalk", start: str = ROOT) -> str:
        """What the tool prints; raises on an error."""
        run = self.tool(tool, "-v2c", "-c", "public", *options, "127.0.0.1", start)
        assert (run.returncode, run.stderr) == (0, ""), run
        return run.stdout

    def traps(self) -> str:
        log = self.folder / "traps.log"
        return log.read_text() if log.exists() else ""


def names() -> tuple[str, ...]:
    """Options of Net-SNMP's tools that make them read our MIB."""
    return "-m", "HAAGENT-MIB", "-M", f"{MIBS / 'smi'}:{MIBS}"


def wait_for(condition: Callable[[], bool]) -> None:
    until = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < until, "it did not come"
        time.sleep(0.02)
