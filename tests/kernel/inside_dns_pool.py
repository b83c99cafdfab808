"""The PEN scenario: a UDP pool of two name servers that fail in the ways in which such pools die without a word.

Two bind9 behind IPVS, asked without a break. One is stopped, hangs, answers SERVFAIL, or serves an old zone; a probe of
the port, or none, would let clients run into it. What is proven is counted, not timed: the server is out of the
kernel's table after `fall` probes, and of the queries that began after that none is lost or answered wrongly. Clients
that ask from a new port each time and one that keeps its port (a forwarder, whose flow IPVS remembers) do the asking.

    clients 198.51.100.200 ── 198.51.100.1 director 192.0.2.1 ── 192.0.2.11 ns1, .12 ns2
"""

import contextlib
import os
import signal
import socket
import struct
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from haagent.probes.dns_message import TYPES, Message, decode, encode_query
from tests.daemon_stage import Daemon, folder, wait_until
from tests.netns.segment import inside

VIP, NAMES = "198.51.100.100", {"ns1": "192.0.2.11", "ns2": "192.0.2.12"}
PREFIX = f"hn{os.getpid() % 100000}"
DIRECTOR, SERVERS, CLIENT = f"{PREFIX}-dir", f"{PREFIX}-rs", f"{PREFIX}-cl"
SETUP = f"""
netns add {DIRECTOR}
netns add {SERVERS}
netns add {CLIENT}
-n {DIRECTOR} link set lo up
-n {SERVERS} link set lo up
-n {DIRECTOR} link add eth0 type veth peer name eth0 netns {CLIENT}
-n {DIRECTOR} link add eth1 type veth peer name eth0 netns {SERVERS}
-n {DIRECTOR} addr add 198.51.100.1/24 dev eth0
-n {DIRECTOR} addr add {VIP}/32 dev eth0
-n {DIRECTOR} addr add 192.0.2.1/24 dev eth1
-n {CLIENT} addr add 198.51.100.200/24 dev eth0
-n {SERVERS} addr add 192.0.2.11/24 dev eth0
-n {SERVERS} addr add 192.0.2.12/24 dev eth0
-n {DIRECTOR} link set eth0 up
-n {DIRECTOR} link set eth1 up
-n {CLIENT} link set eth0 up
-n {SERVERS} link set eth0 up
-n {SERVERS} route add default via 192.0.2.1
"""
SERIAL, OLD = 2026112500, 2026112499
FALL = 3
POOL = f"""
[check.zone]
type = "dns"
query = "example.com"
record_type = "SOA"
authoritative = true
minimum_serial = {SERIAL}
interval = 0.5
timeout = 0.5
fall = {FALL}
rise = 2

[virtual_service.names]
address = "{VIP}"
port = 53
protocol = "udp"
scheduler = "rr"
forwarding_method = "masquerading"
check = ["zone"]
real_servers = [
  {{ name = "ns1", address = "192.0.2.11" }},
  {{ name = "ns2", address = "192.0.2.12" }},
]
"""
NAMED = """
options {{
  directory "{folder}"; pid-file none; listen-on {{ {address}; }}; listen-on-v6 {{ none; }}; recursion no;
  dnssec-validation no; session-keyfile "{folder}/session.key"; notify no;
}};
controls {{ }};
zone "example.com" {{ type primary; file "{file}"; }};
"""
ZONE = "$TTL 60\n@ SOA ns1 admin {serial} 3600 600 86400 60\n@ NS ns1\nns1 A 192.0.2.11\n"
PATIENCE = 60.0
ENOUGH = 100  # queries of each client after the server is out


class NameServer:
    """One bind9, and the ways in which it breaks."""

    def __init__(self, base: Path, name: str) -> None:
        self.name, self.address, self._folder = name, NAMES[name], base / name
        self._folder.mkdir()
        self._process: subprocess.Popen[bytes] | None = None
        self._serials = 0

    def start(self) -> None:
        self._write(SERIAL)
        with (self._folder / "log").open("ab") as log:
            command = ["ip", "netns", "exec", SERVERS, "named", "-g", "-n", "1", "-c", str(self._folder / "named.conf")]
            self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def _write(self, serial: int, *, is_there: bool = True) -> None:
        """Each serial in a file of its own: named compares times of files by the second."""
        self._serials += 1
        file = f"zone-{self._serials}"
        if is_there:
            (self._folder / file).write_text(ZONE.format(serial=serial))
        text = NAMED.format(folder=self._folder, address=self.address, file=file)
        (self._folder / "named.conf").write_text(text)

    def signal(self, number: int) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    def stop(self) -> None:
        if self._process is not None:
            self.signal(signal.SIGCONT)
            self._process.kill()
            self._process.wait(30)
            self._process = None

    def hang(self) -> None:
        self.signal(signal.SIGSTOP)

    def lose_its_zone(self) -> None:
        """The zone is configured and cannot be loaded: SERVFAIL."""
        self._write(SERIAL, is_there=False)
        self.signal(signal.SIGHUP)

    def serve_an_old_zone(self) -> None:
        self._write(OLD)
        self.signal(signal.SIGHUP)


class Probes:
    """Counts the director's own questions to each server, by listening on their wire."""

    def __init__(self) -> None:
        with inside(SERVERS):
            self._wire = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(0x0800))
            self._wire.bind(("eth0", 0x0800))
        self.count = dict.fromkeys(NAMES, 0)
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        wanted = {socket.inet_aton(address): name for name, address in NAMES.items()}
        ours = socket.inet_aton("192.0.2.1")
        while packet := self._next():
            if packet[9] == socket.IPPROTO_UDP and packet[12:16] == ours and packet[16:20] in wanted:
                start = (packet[0] & 15) * 4
                if struct.unpack_from("!H", packet, start + 2)[0] == 53:
                    self.count[wanted[packet[16:20]]] += 1

    def _next(self) -> bytes:
        """Empty: the wire is gone."""
        try:
            return self._wire.recv(2048)
        except OSError:
            return b""


class Client:
    """Asks without a break. `keeps_port`: always from the same port, so that IPVS has a flow of it."""

    def __init__(self, *, keeps_port: bool) -> None:
        self._keeps_port = keeps_port
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self.asked: list[tuple[float, str]] = []  # when it began, what was wrong

    def __enter__(self) -> "Client":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _run(self) -> None:
        with contextlib.ExitStack() as kept:
            asking = kept.enter_context(self._open())
            number = 0
            while not self._ended.is_set():
                number = number % 65535 + 1
                at = time.monotonic()
                if self._keeps_port:
                    self.asked.append((at, ask(asking, number)))
                else:
                    with self._open() as fresh:
                        self.asked.append((at, ask(fresh, number)))
                self._ended.wait(0.02)

    @staticmethod
    def _open() -> socket.socket:
        with inside(CLIENT):
            made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        made.settimeout(2.0)
        made.connect((VIP, 53))
        return made

    def since(self, at: float) -> list[str]:
        return [wrong for began_at, wrong in list(self.asked) if began_at >= at]


def ask(asking: socket.socket, number: int) -> str:
    """One query; empty: the right answer came."""
    try:
        asking.send(encode_query(number, "example.com", TYPES["SOA"], recursion=False, edns=0))
        while True:
            message = decode(asking.recv(4096))
            if isinstance(message, Message) and message.id == number:
                break
    except OSError as error:
        return str(error)
    if message.rcode != "NOERROR" or not message.answers:
        return message.rcode
    serial = int(message.answers[0].text.split()[2])
    return "" if serial >= SERIAL else f"serial {serial}"


@dataclass
class Stage:
    daemon: Daemon
    servers: dict[str, NameServer]
    probes: Probes

    def pool(self) -> set[str]:
        saved = subprocess.run(
            ["ip", "netns", "exec", DIRECTOR, "ipvsadm", "-Sn"], check=True, capture_output=True, text=True
        ).stdout
        return {name for name, address in NAMES.items() if f"-r {address}:53 " in saved}

    def until(self, *names: str) -> None:
        assert wait_until(lambda: self.pool() == set(names), PATIENCE), (self.pool(), self.daemon.log[-3000:])


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    with folder() as base:
        servers: dict[str, NameServer] = {}
        try:
            for line in SETUP.strip().splitlines():
                subprocess.run(["ip", *line.split()], check=True)
            subprocess.run(["ip", "netns", "exec", DIRECTOR, "sysctl", "-qw", "net.ipv4.ip_forward=1"], check=True)
            Path("/run/named").mkdir(exist_ok=True)
            servers |= {name: NameServer(base, name) for name in NAMES}
            for each in servers.values():
                each.start()
            daemon = Daemon(base, DIRECTOR)
            daemon.write(POOL)
            stage = Stage(daemon, servers, Probes())
            daemon.start()
            stage.until("ns1", "ns2")
            yield stage
            daemon.stop()
        finally:
            for each in servers.values():
                each.stop()
            for name in (DIRECTOR, SERVERS, CLIENT):
                subprocess.run(["ip", "netns", "del", name], check=False)


@pytest.fixture(autouse=True)
def healed(stage: Stage) -> Iterator[None]:
    yield
    stage.servers["ns2"].stop()
    stage.servers["ns2"].start()
    stage.until("ns1", "ns2")


Break = Callable[[NameServer], None]


@pytest.mark.parametrize(
    ("break_", "met", "sentence"),
    [
        (NameServer.stop, {"[Errno 111] Connection refused", "timed out"}, "zone: port unreachable (192.0.2.12:53)"),
        (NameServer.hang, {"timed out"}, "zone: no answer within 0.5 s"),
        (NameServer.lose_its_zone, {"SERVFAIL"}, "zone: SERVFAIL for example.com SOA, wanted NOERROR"),
        (
            NameServer.serve_an_old_zone,
            {f"serial {OLD}"},
            f"zone: the serial of example.com is {OLD}, wanted at least {SERIAL}",
        ),
    ],
    ids=["stopped", "hung", "servfail", "serial"],
)
def test_a_broken_name_server_is_out_after_fall_probes_and_costs_no_query_from_then_on(
    stage: Stage, break_: Break, met: set[str], sentence: str
) -> None:
    with Client(keeps_port=False) as roaming, Client(keeps_port=True) as forwarder:
        assert wait_until(lambda: len(roaming.asked) > 20 < len(forwarder.asked), PATIENCE)
        assert {wrong for _, wrong in (*roaming.asked, *forwarder.asked)} == {""}
        broken_at, probed = time.monotonic(), stage.probes.count["ns2"]
        break_(stage.servers["ns2"])
        stage.until("ns1")
        out_at = time.monotonic()
        needed = stage.probes.count["ns2"] - probed
        for each in (roaming, forwarder):
            assert wait_until(lambda each=each: len(each.since(out_at)) > ENOUGH, PATIENCE)  # type: ignore[misc]
        # One more may have been under way when it broke, one more went out before we saw the table
        assert FALL <= needed <= FALL + 2
        assert set(roaming.since(broken_at)) - {""} <= met
        assert "" in roaming.since(broken_at)
        assert len(roaming.since(broken_at)) > len(roaming.since(out_at))
        before = [wrong for at, wrong in roaming.asked if broken_at <= at < out_at]
        assert (
            set(before) & met or len(before) < 20
        )  # the load did meet the fault, unless the machine let it ask little
        assert set(roaming.since(out_at)) == {""}
        assert set(forwarder.since(out_at)) == {""}
    server = stage.daemon.server("names", "ns2")
    assert server is not None
    assert (server.health, server.reason) == ("down", sentence)
