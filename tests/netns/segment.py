"""A segment to try VRRP on: hosts (network namespaces) on one bridge, real processes in them, and a client that looks.

Used by the tests of this folder and by bench/outage.py. Everything has the segment's prefix in its name and goes with
`close()`; processes are ended by their own pid.
"""

import contextlib
import itertools
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from haagent.processes.frames import FrameReader, frame
from haagent.processes.vrrp_messages import (
    FromVrrp,
    Malformed,
    RouterReport,
    RoutersReported,
    SetRouters,
    ToVrrp,
    Transitioned,
    decode_from_vrrp,
    encode,
)
from haagent.vrrp.settings import RouterSettings
from haagent.vrrp.virtual_router import Address

ROOT = Path(__file__).resolve().parents[2]
_CLONE_NEWNET = 0x40000000
_numbers = itertools.count()


def wait_until(predicate: Callable[[], object], timeout: float = 10.0, interval: float = 0.02) -> bool:
    """Poll until true; the caller asserts the final state."""
    end = time.monotonic() + timeout
    while True:
        if predicate():
            return True
        if time.monotonic() >= end:
            return False
        time.sleep(interval)


def address(text: str) -> Address:
    host, _, length = text.partition("/")
    return socket.inet_aton(host), int(length or 32)


def router(name: str = "web", **changes: object) -> RouterSettings:
    """Settings that suit a test: eth0, VRID 51, one address, advertisements every 0.1 s."""
    values: dict[str, object] = {
        "name": name,
        "interface": "eth0",
        "vrid": 51,
        "priority": 100,
        "advertisement_interval": 0.1,
        "virtual_addresses": (address("192.0.2.100/24"),),
        **changes,
    }
    return RouterSettings(**values)  # type: ignore[arg-type]


def run(*command: str, netns: str = "", check: bool = True) -> str:
    """Output of a command, in a namespace."""
    prefix = ("ip", "netns", "exec", netns) if netns else ()
    done = subprocess.run((*prefix, *command), capture_output=True, text=True, check=False)
    if check and done.returncode:
        raise AssertionError(f"{' '.join(command)} in {netns or 'root'}: {done.returncode}: {done.stderr}{done.stdout}")
    return done.stdout


@contextlib.contextmanager
def inside(netns: str) -> Iterator[None]:
    """This thread in another network namespace, to open sockets there."""
    libc = __import__("ctypes").CDLL(None, use_errno=True)
    with open("/proc/thread-self/ns/net") as home, open(f"/run/netns/{netns}") as there:
        if libc.setns(there.fileno(), _CLONE_NEWNET):
            raise OSError("setns failed")
        try:
            yield
        finally:
            libc.setns(home.fileno(), _CLONE_NEWNET)


@dataclass
class Host:
    """One machine of the segment: eth0 on the bridge."""

    netns: str
    ip: str
    port: str  # the bridge's end of its link

    def run(self, *command: str, check: bool = True) -> str:
        return run(*command, netns=self.netns, check=check)

    def addresses(self) -> list[str]:
        """IPv4 on eth0, as "address/length", the kernel's order."""
        return re.findall(r"inet (\S+)", self.run("ip", "-4", "addr", "show", "dev", "eth0", check=False))

    def has(self, ip: str) -> bool:
        return any(each.split("/")[0] == ip for each in self.addresses())

    def mac(self) -> str:
        found = re.search(r"link/ether (\S+)", self.run("ip", "link", "show", "dev", "eth0"))
        assert found
        return found[1]

    def neighbour(self, ip: str) -> str:
        """The MAC that this host's cache has for `ip`; "" unknown."""
        found = re.search(r"lladdr (\S+)", self.run("ip", "neigh", "show", ip))
        return found[1] if found else ""

    def ping(self, ip: str) -> bool:
        done = subprocess.run(
            ("ip", "netns", "exec", self.netns, "ping", "-c1", "-W1", ip), capture_output=True, check=False
        )
        return done.returncode == 0


class Segment:
    """`hosts` by name; addresses 192.0.2.1, .2, ... in the order given."""

    def __init__(self, *names: str, prefix: str = "hv", prefix_length: int = 24) -> None:
        self.prefix = f"{prefix}{os.getpid() % 100000}x{next(_numbers)}"
        self.bridge = f"{self.prefix}-br"
        self.hosts: dict[str, Host] = {}
        self.processes: list[subprocess.Popen[bytes]] = []
        self.directors: list[Director] = []
        run("ip", "netns", "add", self.bridge)
        try:
            run(
                "ip", "link", "add", "br0", "type", "bridge", "mcast_snooping", "0", "stp_state", "0", netns=self.bridge
            )
            run("ip", "link", "set", "br0", "up", netns=self.bridge)
            for number, name in enumerate(names, 1):
                self._add(name, f"192.0.2.{number}", prefix_length)
        except BaseException:
            self.close()
            raise

    def _add(self, name: str, ip: str, prefix_length: int) -> None:
        host = Host(f"{self.prefix}-{name}", ip, f"p-{name}")
        self.hosts[name] = host
        run("ip", "netns", "add", host.netns)
        host.run("ip", "link", "set", "lo", "up")
        self.plug(name)
        host.run("ip", "addr", "add", f"{ip}/{prefix_length}", "dev", "eth0")

    def plug(self, name: str) -> None:
        """A new eth0 for the host, up, without address."""
        host = self.hosts[name]
        host.run(*f"ip link add eth0 type veth peer name {host.port} netns {self.bridge}".split())
        run(*f"ip link set {host.port} master br0 up".split(), netns=self.bridge)
        host.run("ip", "link", "set", "eth0", "up")

    def unplug(self, name: str) -> None:
        """The interface itself goes."""
        self.hosts[name].run("ip", "link", "del", "eth0")

    def cut(self, name: str) -> None:
        """The cable is out: no carrier on the host's side."""
        run("ip", "link", "set", self.hosts[name].port, "down", netns=self.bridge)

    def heal(self, name: str) -> None:
        run("ip", "link", "set", self.hosts[name].port, "up", netns=self.bridge)

    def isolate(self, name: str) -> None:
        """Frames are dropped but the carrier stays: neither side notices anything but silence."""
        run("bridge", "link", "set", "dev", self.hosts[name].port, "state", "0", netns=self.bridge)

    def join(self, name: str) -> None:
        run("bridge", "link", "set", "dev", self.hosts[name].port, "state", "3", netns=self.bridge)

    def owners(self, ip: str = "192.0.2.100") -> list[str]:
        """Names of the hosts that hold the address."""
        return [name for name, host in self.hosts.items() if host.has(ip)]

    # ---------------------------------------------------------------- processes

    def start(self, name: str, *command: str, **options: object) -> "subprocess.Popen[bytes]":
        process: subprocess.Popen[bytes] = subprocess.Popen(
            ("ip", "netns", "exec", self.hosts[name].netns, *command),
            **options,  # type: ignore[call-overload]
        )
        self.processes.append(process)
        return process

    def start_vrrp(self, name: str, path: Path, *routers: RouterSettings, options: Sequence[str] = ()) -> "Vrrp":
        """Our vrrp process with a director that the test plays. `path`: a directory for socket and log."""
        director = Director(path / f"{name}.sock")
        self.directors.append(director)
        if routers:
            director.say(SetRouters(routers))
        return self.restart_vrrp(name, director, options)

    def restart_vrrp(self, name: str, director: "Director", options: Sequence[str] = ()) -> "Vrrp":
        process = self.start(
            name, sys.executable, "-m", "haagent.processes.vrrp", "--socket", str(director.path), *options, cwd=ROOT
        )
        return Vrrp(process, director)

    def start_keepalived(
        self,
        name: str,
        path: Path,
        priority: int,
        addresses: Sequence[str] = ("192.0.2.100/24",),
        extra: str = "",
        interval: float = 0.1,
        vrid: int = 51,
        excluded: Sequence[str] = (),
    ) -> "subprocess.Popen[bytes]":
        """Debian's keepalived, VRRPv3, in the foreground with its files under `path`."""
        config = path / f"keepalived-{name}-{next(_numbers)}.conf"
        lists = "".join(
            f"  {key} {{\n{''.join(f'    {each} dev eth0' + chr(10) for each in values)}  }}\n"
            for key, values in (("virtual_ipaddress", addresses), ("virtual_ipaddress_excluded", excluded))
            if values
        )
        config.write_text(
            "global_defs {\n  vrrp_version 3\n  vrrp_garp_master_refresh 60\n}\n"
            f"vrrp_instance web {{\n  state BACKUP\n  interface eth0\n  virtual_router_id {vrid}\n"
            f"  priority {priority}\n  advert_int {interval:g}\n{extra}\n{lists}}}\n"
        )
        log = open(path / f"keepalived-{name}.log", "ab")  # noqa: SIM115 - lives as long as the process
        return self.start(
            name,
            "keepalived",
            "-n",
            "-l",
            "-G",  # without a syslog socket it would write to the machine's console, which can take milliseconds a line
            "-P",
            "-f",
            str(config),
            "-p",
            f"{config}.pid",
            "-r",
            f"{config}.vrrp.pid",
            "-c",
            f"{config}.checkers.pid",
            stdout=log,
            stderr=subprocess.STDOUT,
        )

    def close(self) -> None:
        for process in reversed(self.processes):
            end(process, signal.SIGKILL)
        for director in self.directors:
            director.close()
        for netns in (*(host.netns for host in self.hosts.values()), self.bridge):
            for pid in run("ip", "netns", "pids", netns, check=False).split():  # keepalived's children
                with contextlib.suppress(ProcessLookupError):
                    os.kill(int(pid), signal.SIGKILL)
            run("ip", "netns", "del", netns, check=False)

    def __enter__(self) -> "Segment":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def end(process: "subprocess.Popen[bytes]", number: int = signal.SIGTERM, timeout: float = 10.0) -> int:
    """Signal one process that we started and wait for it. A stopped one is continued first."""
    if process.poll() is None:
        process.send_signal(number)
        process.send_signal(signal.SIGCONT)
    return process.wait(timeout)


class Director:
    """The director's end of the internal socket, played by the test: says levels again to whoever connects."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.heard: list[FromVrrp] = []
        self.garbage: list[Malformed] = []
        self.connections = 0
        self._levels: dict[type, ToVrrp] = {}
        self._connection: socket.socket | None = None
        self._listener: socket.socket | None = None
        self._lock = threading.Lock()
        self.open()

    def open(self) -> None:
        self.path.unlink(missing_ok=True)
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listener.bind(str(self.path))
        self._listener.listen(4)
        threading.Thread(target=self._serve, args=(self._listener,), daemon=True).start()

    def close(self) -> None:
        """The director is gone."""
        with self._lock:
            for each in (self._listener, self._connection):
                if each is not None:
                    with contextlib.suppress(OSError):
                        each.shutdown(socket.SHUT_RDWR)
                    each.close()
            self._listener = self._connection = None

    def say(self, message: ToVrrp) -> None:
        with self._lock:
            self._levels[type(message)] = message
            if self._connection is not None:
                with contextlib.suppress(OSError):  # it died: its successor hears the levels on connecting
                    self._connection.sendall(frame(encode(message)))

    def tell(self, message: ToVrrp) -> None:
        """Once, now: no level."""
        with self._lock:
            assert self._connection is not None
            self._connection.sendall(frame(encode(message)))

    def _serve(self, listener: socket.socket) -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with self._lock:
                self._connection = connection
                self.connections += 1
                for level in self._levels.values():
                    connection.sendall(frame(encode(level)))
            reader = FrameReader()
            with contextlib.suppress(OSError):
                while octets := connection.recv(1 << 16):
                    for payload in reader.feed(octets):
                        message = decode_from_vrrp(payload)
                        if isinstance(message, Malformed):
                            self.garbage.append(message)
                        else:
                            self.heard.append(message)

    def transitions(self, name: str = "web") -> list[tuple[str, str]]:
        return [
            (each.state, each.reason)
            for each in list(self.heard)
            if isinstance(each, Transitioned) and each.router == name
        ]

    def state(self, name: str = "web") -> str:
        states = [state for state, _ in self.transitions(name)]
        return states[-1] if states else ""

    def report(self, name: str = "web") -> RouterReport | None:
        found = [
            r for each in list(self.heard) if isinstance(each, RoutersReported) for r in each.routers if r.name == name
        ]
        return found[-1] if found else None


@dataclass
class Vrrp:
    process: "subprocess.Popen[bytes]"
    director: Director

    @property
    def pid(self) -> int:
        return self.process.pid  # `ip netns exec` becomes the command


def write_routers(path: Path, *routers: RouterSettings) -> Path:
    """For `--routers`, where no director is played."""
    path.write_bytes(encode(SetRouters(routers)))
    return path
