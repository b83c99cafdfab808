"""A client, a director and real servers for tests of pools with real traffic; the director is the caller's namespace.

    client 198.51.100.200-.219 ── 198.51.100.1 director 192.0.2.1 ── 192.0.2.11-.17 real servers, .99 sorry server
           2001:db8:c::200        2001:db8:c::1       2001:db8:5::1 2001:db8:5::11-::14

The client's side of the director is a bridge: the user-mode kernel of Debian 12 has IPVS, but of nftables the bridge
family alone, and there the production rules are played. Their place in a router's path: tests/netns/test_nftables.py.

Virtual addresses are 198.51.100.100, .101 and 2001:db8:c::100. The real servers share a namespace and are told apart by
the address at which they are reached. Everything runs in this process: sockets are opened in the namespaces.
"""

import contextlib
import itertools
import os
import select
import socket
import subprocess
import threading
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

from haagent.config.load import load
from haagent.config.model import Config
from haagent.core.core import Core
from haagent.core.effects import Record, SetVirtualServices
from haagent.core.events import ConfigLoaded, Event, HealthChanged, RoutersObserved, TableObserved
from haagent.ipvs.plan import Owned
from haagent.linux.ipvs import Ipvs
from haagent.processes.table_keeper import Level, TableKeeper
from tests.netns.segment import inside

VIP, VIP2, VIP6 = "198.51.100.100", "198.51.100.101", "2001:db8:c::100"
CLIENTS = tuple(f"198.51.100.{number}" for number in range(200, 220))
CLIENT6 = "2001:db8:c::200"
REAL = {f"rs{number}": f"192.0.2.{10 + number}" for number in range(1, 8)} | {"sorry": "192.0.2.99"}
REAL6 = {f"rs{number}": f"2001:db8:5::{10 + number}" for number in range(1, 5)}
NAMES = {address: name for table in (REAL, REAL6) for name, address in table.items()}
SCTP = 132
SO_RCVBUFFORCE = 33
PATIENCE = 5.0
_RUNS = itertools.count()


class Stage:
    """The three hosts and what the tests do with them."""

    def __init__(self) -> None:
        run = next(_RUNS)
        self.client, self.servers = (f"hx{os.getpid()}-{run}{word}" for word in ("cl", "rs"))
        for path in ("net/ipv4/ip_forward", "net/ipv6/conf/all/forwarding"):
            Path("/proc/sys", path).write_text("1")
        Path("/proc/sys/net/ipv6/conf/default/accept_dad").write_text("0")
        _ip(
            f"""
netns add {self.client}
netns add {self.servers}
link add br0 type bridge
link add eth0 type veth peer name eth0 netns {self.client}
link set eth0 master br0
link add eth1 type veth peer name eth0 netns {self.servers}
addr add 198.51.100.1/24 dev br0
addr add {VIP}/32 dev br0
addr add {VIP2}/32 dev br0
addr add 192.0.2.1/24 dev eth1
addr add 2001:db8:c::1/64 dev br0 nodad
addr add {VIP6}/128 dev br0 nodad
addr add 2001:db8:5::1/64 dev eth1 nodad
link set br0 up
link set eth0 up
link set eth1 up
"""
        )
        for netns, v4, v6, gateway in (
            (self.client, CLIENTS, (CLIENT6,), ""),
            (self.servers, REAL.values(), REAL6.values(), "1"),
        ):
            lines = [f"addr add {each}/24 dev eth0" for each in v4]
            lines += [f"addr add {each}/64 dev eth0 nodad" for each in v6]
            lines += ["link set lo up", "link set eth0 up"]
            lines += ["route add default via 192.0.2.1", "route add default via 2001:db8:5::1"] if gateway else []
            _ip("\n".join(lines), netns)
        self._listeners: list[socket.socket] = []
        self._datagrams: dict[str, socket.socket] = {}
        self._ended = False
        threading.Thread(target=self._serve, daemon=True).start()

    def close(self) -> None:
        self._ended = True
        for each in (*self._listeners, *self._datagrams.values()):
            each.close()
        _ip(f"netns delete {self.client}\nnetns delete {self.servers}")

    # ------------------------------------------------------------------ real servers

    def listen(self, *ports: int) -> None:
        """All real servers answer a connection with their name."""
        with inside(self.servers):
            for port in ports:
                listener = socket.socket(socket.AF_INET6, socket.SOCK_STREAM)
                listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
                listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                listener.bind(("::", port))
                listener.listen(512)
                listener.setblocking(False)
                self._listeners.append(listener)

    def listen_to_sctp(self, port: int) -> None:
        """Each on a socket of its own: one for all would offer all their addresses to the client, to choose from."""
        with inside(self.servers):
            for address in REAL.values():
                listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, SCTP)
                listener.bind((address, port))
                listener.listen(16)
                listener.setblocking(False)
                self._listeners.append(listener)

    def _serve(self) -> None:
        held: list[socket.socket] = []  # open until the client goes
        while not self._ended:
            watched = [*(each for each in self._listeners if each.fileno() >= 0), *held]
            with contextlib.suppress(OSError, ValueError):
                for each in select.select(watched, [], [], 0.05)[0]:
                    if each in held:
                        held.remove(each)
                        each.close()
                        continue
                    while True:
                        try:
                            connection, _ = each.accept()
                        except BlockingIOError:
                            break
                        connection.send(NAMES[_local(connection)].encode() + b"\n")
                        held.append(connection)

    def hear_datagrams(self, port: int, names: Iterable[str] = REAL) -> None:
        with inside(self.servers):
            for name in names:
                each = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
                each.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 4 << 20)
                each.bind((REAL[name], port))
                each.setblocking(False)
                self._datagrams[name] = each

    def stop_hearing(self, name: str) -> None:
        self._datagrams.pop(name).close()

    def heard(self, silence: float = 0.3) -> dict[bytes, str]:
        """Who got which datagram, by its content, since the last call; listens until nothing comes for so long."""
        found: dict[bytes, str] = {}
        while select.select(list(self._datagrams.values()), [], [], silence)[0]:
            found |= self._read()
        return found

    def _read(self) -> dict[bytes, str]:
        found: dict[bytes, str] = {}
        for name, each in self._datagrams.items():
            with contextlib.suppress(BlockingIOError):
                while True:
                    found[each.recv(64)] = name
        return found

    # ------------------------------------------------------------------ the client

    def connect(
        self, address: str = VIP, port: int = 80, source: str = "", protocol: int = socket.IPPROTO_TCP
    ) -> socket.socket:
        """A connection that stands; raises OSError."""
        with inside(self.client):
            family = socket.AF_INET6 if ":" in address else socket.AF_INET
            client = socket.socket(family, socket.SOCK_STREAM, protocol)
        client.settimeout(PATIENCE)
        try:
            if source:
                client.bind((source, 0))
            client.connect((address, port))
        except OSError:
            client.close()
            raise
        return client

    def ask(self, address: str = VIP, port: int = 80, source: str = "", protocol: int = socket.IPPROTO_TCP) -> str:
        """The name of the real server that answered; raises OSError."""
        with self.connect(address, port, source, protocol) as client:
            return client.recv(64).decode().strip()

    def ask_many(self, count: int, address: str = VIP, port: int = 80, source: str = "") -> Counter[str]:
        return Counter(self.ask(address, port, source) for _ in range(count))

    def flows(self, count: int, port: int = 53, address: str = VIP) -> dict[bytes, str]:
        """One datagram from each of so many client ports: who got it; those that nobody got are absent."""
        found: dict[bytes, str] = {}
        for number in range(count):
            # The kernel hashes the sum of address and port: the same ports from neighbouring addresses are the same.
            client, local = CLIENTS[number // 2000], 20000 + number
            with inside(self.client):
                sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            with sender, contextlib.suppress(ConnectionRefusedError):
                sender.bind((client, local))
                sender.sendto(f"{client}:{local}".encode(), (address, port))
            if number % 100 == 99:
                found |= self._read()
        return found | self.heard()


class Clients:
    """Asks again and again until told to stop; counts the answers, and what was no answer."""

    def __init__(self, stage: Stage) -> None:
        self.answers: Counter[str] = Counter()
        self.failures: list[str] = []
        self._stage, self._ended = stage, threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> "Clients":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._ended.is_set():
            try:
                self.answers[self._stage.ask()] += 1
            except OSError as error:
                self.failures.append(str(error))

    def wait_for(self, name: str) -> None:
        """Until one more answer came from this server."""
        before = self.answers[name]
        for _ in range(500):
            if self.answers[name] > before:
                return
            threading.Event().wait(0.01)
        raise AssertionError(f"no answer from {name}: {self.answers}, {self.failures[-3:]}")


class Director:
    """The production core and table keeper on this namespace's kernel, without the processes around them."""

    def __init__(self, ipvs: Ipvs, directory: Path) -> None:
        self.core, self.keeper = Core(), TableKeeper(ipvs, 30.0, lambda _: None)
        self.records: list[Record] = []
        self.failures: tuple[str, ...] = ()
        self.level = Level({}, Owned())
        self._directory = directory
        self.now = 1.0

    def load(self, text: str) -> None:
        (self._directory / "a.toml").write_text('[director]\nnames = ["d1"]\n' + text)
        config = load(self._directory, "d1")
        assert isinstance(config, Config), [str(error) for error in config]
        self.deliver(ConfigLoaded(config))

    def judge(self, **healths: str) -> None:
        """Verdicts by the real server's name, in all services, in this order."""
        for name, health in healths.items():
            for (_, server), probes in list(self.core.probing.probes_of.items()):
                for probe in probes if server == name else ():
                    self.deliver(HealthChanged(probe, health, health))  # type: ignore[arg-type]

    def role(self, **states: str) -> None:
        self.deliver(RoutersObserved(states))

    def deliver(self, event: Event) -> None:
        self.now += 1.0
        for effect in self.core.handle(event, self.now):
            match effect:
                case Record():
                    self.records.append(effect)
                case SetVirtualServices():
                    self.level = Level(effect.table, effect.owned, effect.marks)
                    observed = self.keeper.round(self.level)
                    self.failures = observed.failures
                    self.core.handle(observed, self.now)

    def audit(self) -> TableObserved:
        """Read the kernel, and undo what somebody else did."""
        self.keeper.audit_now()
        return self.keeper.round(self.level)


def marks_family() -> str:
    """The nftables family in which this kernel can mark what arrives."""
    made = subprocess.run(["nft", "add table inet probe; delete table inet probe"], capture_output=True, check=False)
    return "bridge" if made.returncode else "inet"


@contextlib.contextmanager
def staged() -> Iterator[Stage]:
    stage = Stage()
    try:
        yield stage
    finally:
        stage.close()


def _ip(batch: str, netns: str = "") -> None:
    where = ["-n", netns] if netns else []
    subprocess.run(["ip", *where, "-batch", "-"], input=batch, text=True, check=True)


def _local(connection: socket.socket) -> str:
    """The address at which the client was served."""
    address = str(connection.getsockname()[0])
    return address.removeprefix("::ffff:")


def saved() -> list[str]:
    """The kernel's table as ipvsadm sees it."""
    told = subprocess.run(["ipvsadm", "-Sn"], check=True, capture_output=True, text=True).stdout
    return sorted(line.rstrip() for line in told.splitlines())
