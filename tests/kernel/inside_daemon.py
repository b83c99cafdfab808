"""The daemon on a real IPVS: from probes to the kernel's table to a client's page. ipvsadm is the oracle.

One topology and one daemon serve most of the tests, in the order of the file, since Python starts slowly in the
user-mode kernel. The director stands between client and real servers (masquerading):

    client 198.51.100.200 ── 198.51.100.1 director 192.0.2.1 ── 192.0.2.11, .12, .13 real servers, .99 sorry server

The servers are threads of this process with their sockets in the real servers' namespace: a test says what they answer.
"""

import asyncio
import contextlib
import ctypes
import os
import socket
import subprocess
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pytest

from haagent.control.requests import Reload, ReloadAnswer
from haagent.ipvs.plan import Owned
from haagent.ipvs.table import Destination, DestinationKey, Forwarding, Service, ServiceKey
from haagent.linux.ipvs import Ipvs
from haagent.processes.table_keeper import Level, TableKeeper
from haagent.snapshot import Snapshot
from tests.daemon_stage import Daemon, folder, wait_until
from tests.netns.segment import inside

VIP = "198.51.100.100"
PATIENCE = 30.0
PREFIX = f"hk{os.getpid() % 100000}"
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
-n {DIRECTOR} addr add 192.0.2.1/24 dev eth1
-n {CLIENT} addr add 198.51.100.200/24 dev eth0
-n {SERVERS} addr add 192.0.2.11/24 dev eth0
-n {SERVERS} addr add 192.0.2.12/24 dev eth0
-n {SERVERS} addr add 192.0.2.13/24 dev eth0
-n {SERVERS} addr add 192.0.2.99/24 dev eth0
-n {DIRECTOR} link set eth0 up
-n {DIRECTOR} link set eth1 up
-n {CLIENT} link set eth0 up
-n {SERVERS} link set eth0 up
-n {SERVERS} route add default via 192.0.2.1
"""
ROUTER = f"""
[virtual_router.web]
interface = "eth0"
vrid = 51
priority = {{ d1 = 200, d2 = 100 }}
advertisement_interval = 0.2
virtual_addresses = ["{VIP}/24"]
"""
CHECKS = """
[check.page]
type = "http"
path = "/check.txt"
host = "www.example.com"
body = "fine"
interval = 0.5
timeout = 0.5
fall = 3
rise = 2

[check.alive]
type = "tcp"
port = 9000
interval = 0.5
timeout = 0.5
fall = 3
rise = 2
"""
WEB = f"""
[virtual_service.web]
address = "{VIP}"
port = 80
scheduler = "rr"
forwarding_method = "masquerading"
check = ["page"]
sorry_server = {{ address = "192.0.2.99", port = 8080 }}
real_servers = [
  {{ name = "rs1", address = "192.0.2.11", port = 8080 }},
  {{ name = "rs2", address = "192.0.2.12", port = 8080, weight = 2 }},
  {{ name = "rs3", address = "192.0.2.13", port = 8080 }},
]
"""
NAMES = f"""
[virtual_service.names]
address = "{VIP}"
port = 53
protocol = "udp"
scheduler = "rr"
forwarding_method = "masquerading"
check = ["alive"]
real_servers = [{{ name = "ns1", address = "192.0.2.11", port = 5353 }}]
"""
BASE = ROUTER + CHECKS + WEB + NAMES
RS1, RS2, RS3, SORRY = (
    f"-a -t {VIP}:80 -r 192.0.2.{host}:8080 -m -w {weight}" for host, weight in ((11, 1), (12, 2), (13, 1), (99, 1))
)
SERVICE, NS = f"-A -t {VIP}:80 -s rr", f"-a -u {VIP}:53 -r 192.0.2.11:5353 -m -w 1"
NS_SERVICE = f"-A -u {VIP}:53 -s rr"
FOREIGN = (  # a service that we know nothing of, and a destination that we know nothing of in our own
    "-A -t 198.51.100.1:99 -s rr",
    "-a -t 198.51.100.1:99 -r 192.0.2.50:99 -m -w 3",
    f"-a -t {VIP}:80 -r 192.0.2.77:8080 -m -w 0",
)
ALL = sorted([SERVICE, RS1, RS2, RS3, NS_SERVICE, NS, *FOREIGN])


def ipvsadm(*arguments: str) -> str:
    command = ["ip", "netns", "exec", DIRECTOR, "ipvsadm", *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def saved() -> list[str]:
    return sorted(line.rstrip() for line in ipvsadm("-Sn").splitlines())


def add_foreign() -> None:
    for line in FOREIGN:
        ipvsadm(*line.split())


class RealServer:
    """Answers `GET /check.txt` as told, any other GET with its name, and each other line with its name too."""

    def __init__(self, name: str, address: str, port: int = 8080) -> None:
        self.name, self.address, self.port = name, address, port
        self.status, self.body = 200, "all is fine here"
        self.good = self.bad = 0  # checks answered
        self._listener: socket.socket | None = None
        self.open()

    def open(self) -> None:
        with inside(SERVERS):
            self._listener = socket.create_server((self.address, self.port), backlog=64)
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def refuse(self) -> None:
        """Nobody listens any more; connections that are open go on."""
        if self._listener is not None:
            self._listener.shutdown(socket.SHUT_RDWR)
            self._listener.close()
            self._listener = None

    def heal(self) -> None:
        self.status, self.body = 200, "all is fine here"
        if self._listener is None:
            self.open()

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError), connection, connection.makefile("rwb") as stream:
            while line := stream.readline():
                if not line.startswith(b"GET"):
                    stream.write(self.name.encode() + b"\n")
                    stream.flush()
                    continue
                while stream.readline().strip():
                    pass
                status, body = 200, f"served by {self.name}"
                if b"/check.txt" in line:
                    status, body = self.status, self.body
                stream.write(f"HTTP/1.1 {status} X\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode())
                stream.flush()
                if b"/check.txt" in line:
                    if status == 200 and "fine" in body:
                        self.good += 1
                    else:
                        self.bad += 1


@dataclass
class Sample:
    table: list[str]
    counts: dict[str, tuple[int, int]]  # by server: good, bad, as they were after the table was read


@dataclass
class Stage:
    daemon: Daemon
    servers: dict[str, RealServer]

    def status(self) -> Snapshot:
        status = self.daemon.status()
        assert status is not None, self.daemon.log
        return status

    def until(self, *lines: str) -> None:
        """The kernel's table is exactly this, and what we know nothing of."""
        wanted = sorted([*lines, *FOREIGN])
        assert wait_until(lambda: saved() == wanted, PATIENCE, 0.1), (saved(), self.daemon.log[-3000:])

    def reload(self, text: str) -> None:
        self.daemon.write(text)
        answer = self.daemon.ask(Reload())
        assert answer == ReloadAnswer(), answer

    @contextlib.contextmanager
    def sampling(self) -> Iterator[list[Sample]]:
        """Reads the table again and again meanwhile."""
        samples: list[Sample] = []
        over = threading.Event()

        def look() -> None:
            while not over.is_set():
                table = saved()
                counts = {name: (each.good, each.bad) for name, each in self.servers.items()}
                samples.append(Sample(table, counts))
                time.sleep(0.05)

        thread = threading.Thread(target=look)
        thread.start()
        try:
            yield samples
        finally:
            over.set()
            thread.join()

    def connect(self) -> socket.socket:
        """A client's connection to the service."""
        with inside(CLIENT):
            return socket.create_connection((VIP, 80), timeout=10)

    def connected_to(self, name: str) -> socket.socket:
        """Until the scheduler gives us that one."""
        for _ in range(12):
            connection = self.connect()
            if talk(connection) == name:
                return connection
            connection.close()
        raise AssertionError(f"no connection reached {name}")

    def page(self) -> str:
        with self.connect() as connection:
            connection.sendall(b"GET / HTTP/1.1\r\nHost: www.example.com\r\n\r\n")
            return connection.recv(4096).decode().rpartition("\r\n")[2]

    def cause(self, subject: str, name: str) -> str:
        """The newest entry of the history about it."""
        entries = [each for each in self.daemon.history() if (each.subject, each.name) == (subject, name)]
        return f"{entries[-1].state}: {entries[-1].cause}" if entries else ""


def talk(connection: socket.socket) -> str:
    connection.sendall(b"who are you\n")
    return connection.recv(100).decode().strip()


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    with folder() as base:
        try:
            for line in SETUP.strip().splitlines():
                subprocess.run(["ip", *line.split()], check=True)
            subprocess.run(["ip", "netns", "exec", DIRECTOR, "sysctl", "-qw", "net.ipv4.ip_forward=1"], check=True)
            servers = {f"rs{n}": RealServer(f"rs{n}", f"192.0.2.1{n}") for n in (1, 2, 3)}
            servers["sorry"] = RealServer("sorry", "192.0.2.99")
            servers["alive"] = RealServer("alive", "192.0.2.11", 9000)
            daemon = Daemon(base, DIRECTOR)
            daemon.write(BASE)
            yield Stage(daemon, servers)
            if daemon.process is not None:
                daemon.stop()
        finally:
            for name in (DIRECTOR, SERVERS, CLIENT):
                subprocess.run(["ip", "netns", "del", name], check=False)


@pytest.fixture(autouse=True)
def healed(request: pytest.FixtureRequest) -> Iterator[None]:
    """After each test everything is as it was at first, so that each can be read alone."""
    yield
    if "stage" not in request.fixturenames:
        return
    stage = request.getfixturevalue("stage")
    for server in stage.servers.values():
        server.heal()


# ------------------------------------------------------------------------------------ start


def test_plan_before_the_start_lists_what_would_be_done_in_order(stage: Stage) -> None:
    ipvsadm("-A", "-t", f"{VIP}:80", "-s", "wlc")  # of another kind, to be set right
    add_foreign()
    done = stage.daemon.run("plan")
    assert done.returncode == 2, done.stderr
    lines = [" ".join(line.split()) for line in done.stdout.splitlines()]
    assert [line for line in lines if line.split()[1] in ("service", "destination")] == [
        f"+ service udp {VIP}:53 rr",
        f"~ service tcp {VIP}:80 wlc -> rr",
        f"+ destination tcp {VIP}:80 -> 192.0.2.99:8080 masquerading weight 1",  # until a real server is proven
    ]
    assert stage.daemon.run("plan", "--json").returncode == 2


def test_a_server_enters_the_table_only_after_rise_good_results(stage: Stage) -> None:
    with stage.sampling() as samples:
        stage.daemon.start()
        stage.until(SERVICE, RS1, RS2, RS3, NS_SERVICE, NS)
    seen: set[str] = set()
    for sample in samples:
        for name, line in (("rs1", RS1), ("rs2", RS2), ("rs3", RS3)):
            if line in sample.table:
                seen.add(name)
                assert sample.counts[name][0] >= 2, sample
    assert seen == {"rs1", "rs2", "rs3"}
    assert RS1 not in samples[0].table
    assert wait_until(lambda: stage.status().problems == (), PATIENCE), stage.status().problems
    assert stage.cause("real_server", "web/rs1").startswith("up: page: HTTP 200")


def test_clients_are_answered_through_another_port(stage: Stage) -> None:
    assert wait_until(lambda: stage.daemon.state() == "active", PATIENCE)
    assert {stage.page() for _ in range(12)} == {"served by rs1", "served by rs2", "served by rs3"}


# ------------------------------------------------------------------------------------ verdicts


def test_a_server_that_refuses_leaves_and_comes_back(stage: Stage) -> None:
    stage.servers["rs3"].refuse()
    stage.until(SERVICE, RS1, RS2, NS_SERVICE, NS)
    server = stage.daemon.server("web", "rs3")
    assert server is not None
    assert (server.health, server.weight) == ("down", None)
    assert "refused" in server.reason
    assert {stage.page() for _ in range(8)} == {"served by rs1", "served by rs2"}
    assert stage.status().problems == (f"real server rs3 of web is down: {server.reason}",)
    stage.servers["rs3"].heal()
    stage.until(SERVICE, RS1, RS2, RS3, NS_SERVICE, NS)


def test_a_wrong_status_and_a_wrong_body_take_a_server_out_after_fall_with_the_sentence(stage: Stage) -> None:
    before = {name: stage.servers[name].bad for name in ("rs1", "rs2")}
    with stage.sampling() as samples:
        stage.servers["rs1"].status = 503
        stage.servers["rs2"].body = "under construction"
        stage.until(SERVICE, RS3, NS_SERVICE, NS)
    for sample in samples:
        for name, line in (("rs1", RS1), ("rs2", RS2)):
            assert line in sample.table or sample.counts[name][1] - before[name] >= 3, sample
    reasons = {name: server.reason for name in ("rs1", "rs2") if (server := stage.daemon.server("web", name))}
    assert reasons["rs1"].startswith("page: HTTP 503")
    assert "fine" in reasons["rs2"]
    stage.servers["rs1"].heal()
    stage.servers["rs2"].heal()
    stage.until(SERVICE, RS1, RS2, RS3, NS_SERVICE, NS)


def test_the_sorry_server_serves_while_no_real_server_does(stage: Stage) -> None:
    for name in ("rs1", "rs2", "rs3"):
        stage.servers[name].status = 500
    stage.until(SERVICE, SORRY, NS_SERVICE, NS)
    assert stage.page() == "served by sorry"
    status = stage.status()
    assert next(each for each in status.services if each.name == "web").state == "sorry"
    assert "virtual service web is sorry: no real server is in service" in status.problems
    stage.servers["rs2"].heal()
    stage.until(SERVICE, RS2, NS_SERVICE, NS)
    assert stage.page() == "served by rs2"
    stage.servers["rs1"].heal()
    stage.servers["rs3"].heal()
    stage.until(SERVICE, RS1, RS2, RS3, NS_SERVICE, NS)


def test_a_udp_service_with_a_tcp_check(stage: Stage) -> None:
    with inside(SERVERS):
        answering = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        answering.bind(("192.0.2.11", 5353))
    with inside(CLIENT):
        asking = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with answering, asking:
        for each in (answering, asking):
            each.settimeout(10)
        asking.sendto(b"question", (VIP, 53))
        question, client = answering.recvfrom(100)
        assert (question, client[0]) == (b"question", "198.51.100.200")
        answering.sendto(b"answer", client)
        assert asking.recvfrom(100) == (b"answer", (VIP, 53))
    stage.servers["alive"].refuse()
    stage.until(SERVICE, RS1, RS2, RS3, NS_SERVICE)
    stage.servers["alive"].heal()
    stage.until(SERVICE, RS1, RS2, RS3, NS_SERVICE, NS)


# ------------------------------------------------------------------------------------ reload and audits


def test_a_reload_that_changes_one_weight_changes_only_that(stage: Stage) -> None:
    with stage.connect() as connection:
        name = talk(connection)
        with stage.sampling() as samples:
            stage.reload(BASE.replace("port = 8080, weight = 2 }", "port = 8080, weight = 7 }"))
            stage.until(SERVICE, RS1, RS2.replace("-w 2", "-w 7"), RS3, NS_SERVICE, NS)
        others = {line for line in ALL if line != RS2}
        assert all(others <= set(sample.table) for sample in samples)
        assert talk(connection) == name
        stage.reload(BASE)
        stage.until(SERVICE, RS1, RS2, RS3, NS_SERVICE, NS)
        assert talk(connection) == name
    assert stage.status().table_repairs == 0


def test_a_service_that_is_removed_leaves_the_table(stage: Stage) -> None:
    stage.reload(ROUTER + CHECKS + WEB)
    stage.until(SERVICE, RS1, RS2, RS3)
    stage.reload(ROUTER)
    wanted = sorted([SERVICE, *FOREIGN])  # kept for the destination in it that is not ours
    assert wait_until(lambda: saved() == wanted, PATIENCE), saved()
    stage.reload(BASE)
    stage.until(SERVICE, RS1, RS2, RS3, NS_SERVICE, NS)


def test_a_service_that_somebody_else_made_is_taken_over_without_moving_a_flow(stage: Stage) -> None:
    theirs = (f"-A -t {VIP}:83 -s rr", f"-a -t {VIP}:83 -r 192.0.2.11:8080 -m -w 5")
    for line in theirs:
        ipvsadm(*line.split())
    judged = theirs[1].replace("-w 5", "-w 1")
    time.sleep(2.5)  # it is seen at an audit
    with stage.sampling() as samples:
        stage.reload(
            BASE + f'[virtual_service.taken]\naddress = "{VIP}"\nport = 83\nscheduler = "rr"\ncheck = ["other"]\n'
            'real_servers = [{ name = "rs1", address = "192.0.2.11", port = 8080 }]\n'
            'forwarding_method = "masquerading"\n'
            '[check.other]\ntype = "http"\ninterval = 0.5\ntimeout = 0.5\n'
        )
        stage.until(SERVICE, RS1, RS2, RS3, NS_SERVICE, NS, theirs[0], judged)
    for sample in samples:
        assert theirs[0] in sample.table
        assert len({theirs[1], judged} & set(sample.table)) == 1, sample
    stage.reload(BASE)
    stage.until(SERVICE, RS1, RS2, RS3, NS_SERVICE, NS)


def test_a_cleared_table_is_healed_and_counted(stage: Stage) -> None:
    before = stage.status().table_repairs
    assert before == 0  # audits went by all the time; nobody else had changed anything of ours
    ipvsadm("-C")
    wanted = sorted([SERVICE, RS1, RS2, RS3, NS_SERVICE, NS])
    assert wait_until(lambda: saved() == wanted, PATIENCE), saved()
    assert wait_until(lambda: stage.status().table_repairs == 6, PATIENCE), stage.status().table_repairs
    assert stage.cause("table", "ipvs") == "repaired: 6 changes by somebody else undone"
    ipvsadm("-e", "-t", f"{VIP}:80", "-r", "192.0.2.11:8080", "-m", "-w", "9")
    assert wait_until(lambda: saved() == wanted, PATIENCE), saved()
    assert wait_until(lambda: stage.status().table_repairs == 7, PATIENCE)
    add_foreign()
    stage.until(*wanted)


def test_a_sorry_server_on_the_director_itself_is_not_set_again_and_again(stage: Stage) -> None:
    before = stage.status().table_repairs
    own = (
        f'[virtual_service.own]\naddress = "{VIP}"\nport = 81\nforwarding_method = "direct_routing"\n'
        'sorry_server = { address = "198.51.100.1" }\nreal_servers = []\n'
    )
    stage.reload(BASE + own)
    lines = (f"-A -t {VIP}:81 -s wlc", f"-a -t {VIP}:81 -r 198.51.100.1:81")
    assert wait_until(lambda: any(line.startswith(lines[1]) for line in saved()), PATIENCE), saved()
    for _ in range(4):
        time.sleep(1.1)  # older than a second: asking for the status reads the kernel again
        assert stage.status().table_repairs == before
    stage.reload(BASE)
    stage.until(SERVICE, RS1, RS2, RS3, NS_SERVICE, NS)


def test_a_scheduler_that_the_kernel_lacks_is_one_problem_of_one_service(stage: Stage) -> None:
    lacking = WEB.replace("virtual_service.web", "virtual_service.lacking").replace("port = 80\n", "port = 82\n")
    stage.reload(BASE + lacking.replace('"rr"', '"twos"'))
    sentence = "the kernel has no scheduler 'twos': `modprobe ip_vs_twos` would load it"
    assert wait_until(lambda: stage.status().problems == (sentence,), PATIENCE), stage.status().problems
    stage.until(SERVICE, RS1, RS2, RS3, NS_SERVICE, NS)
    assert stage.page().startswith("served by rs")
    stage.reload(BASE)
    assert wait_until(lambda: stage.status().problems == (), PATIENCE), stage.status().problems


# ------------------------------------------------------------------------------------ faults


def test_the_prober_is_killed(stage: Stage) -> None:
    before = stage.daemon.pids()
    with stage.sampling() as samples:
        stage.daemon.kill("prober")
        assert wait_until(lambda: stage.daemon.pids().get("prober", before["prober"]) != before["prober"], PATIENCE)
        assert wait_until(stage.daemon.is_complete, PATIENCE)
    assert all(sample.table == ALL for sample in samples)
    stage.servers["rs1"].status = 404
    stage.until(SERVICE, RS2, RS3, NS_SERVICE, NS)
    stage.servers["rs1"].heal()
    stage.until(SERVICE, RS1, RS2, RS3, NS_SERVICE, NS)


def test_everything_is_killed_and_started_again(stage: Stage) -> None:
    """No flow moves; what died meanwhile goes after `fall`, what was out stays out until proven."""
    stage.servers["rs3"].status = 500
    stage.until(SERVICE, RS1, RS2, NS_SERVICE, NS)
    with stage.connected_to("rs1") as connection:
        with stage.sampling() as samples:
            stage.daemon.kill_all()
            assert stage.daemon.pids() == {}
            stage.servers["rs2"].body = "broken"
            stage.servers["rs3"].heal()
            started = {each: (server.good, server.bad) for each, server in stage.servers.items()}
            stage.daemon.start()
            assert talk(connection) == "rs1"
            stage.until(SERVICE, RS1, RS3, NS_SERVICE, NS)
        assert wait_until(lambda: stage.daemon.state() == "active", PATIENCE)
        assert talk(connection) == "rs1"
    steady = {SERVICE, RS1, NS_SERVICE, NS, *FOREIGN}
    for sample in samples:
        assert steady <= set(sample.table), sample
        assert RS2 in sample.table or sample.counts["rs2"][1] - started["rs2"][1] >= 3, sample
        assert RS3 not in sample.table or sample.counts["rs3"][0] - started["rs3"][0] >= 2, sample
        assert set(sample.table) <= {*ALL}, sample
    stage.servers["rs2"].heal()
    stage.until(SERVICE, RS1, RS2, RS3, NS_SERVICE, NS)
    assert stage.status().table_repairs == 0


def test_plan_of_a_settled_daemon_says_so(stage: Stage) -> None:
    done = stage.daemon.run("plan")
    assert (done.returncode, done.stdout) == (0, "nothing to change\n"), done.stderr


def test_a_clean_stop_leaves_the_table(stage: Stage) -> None:
    assert saved() == ALL
    assert stage.daemon.stop() == 0
    assert saved() == ALL
    assert stage.daemon.pids() == {}
    assert (
        VIP
        not in subprocess.run(["ip", "-n", DIRECTOR, "-4", "addr"], check=True, capture_output=True, text=True).stdout
    )


# ------------------------------------------------------------------------------------ the table keeper alone

KEY = ServiceKey(6, bytes((192, 0, 2, 100)), 80)
A, B = (DestinationKey(bytes((192, 0, 2, n)), 80) for n in (11, 12))
CLONE_NEWNET = 0x40000000
ONE = Destination(Forwarding.DIRECT_ROUTING, 1)


def keep(keeper: TableKeeper, level: Level) -> tuple[int, Sequence[str]]:
    keeper.audit_now()
    observed = keeper.round(level)
    return observed.repairs, observed.failures


def test_only_what_somebody_else_changed_is_a_repair() -> None:
    def here(*arguments: str) -> None:
        subprocess.run(arguments, check=True)

    assert ctypes.CDLL(None).unshare(CLONE_NEWNET) == 0  # where no interface was ever up no destination is taken
    ipvs = Ipvs.open()
    assert isinstance(ipvs, Ipvs)

    async def make() -> TableKeeper:
        return TableKeeper(ipvs, 30.0, lambda _: None)

    keeper = asyncio.run(make())
    level = Level({KEY: Service("rr", destinations={A: ONE, B: ONE})}, Owned())
    here("ipvsadm", "-A", "-t", "192.0.2.100:80", "-s", "wlc")
    repairs, failures = keep(keeper, level)
    assert repairs == 0  # an adopted table is no drift
    assert len(failures) == 2
    here("ip", "link", "set", "lo", "up")
    assert keep(keeper, level) == (0, ())  # ours, late
    here("ipvsadm", "-d", "-t", "192.0.2.100:80", "-r", "192.0.2.11:80")
    heavier = Level({KEY: Service("rr", destinations={A: ONE, B: Destination(ONE.forwarding, 2)})}, Owned())
    assert keep(keeper, heavier) == (1, ())  # one theirs, one ours, in one round
    assert keep(keeper, heavier) == (0, ())
    here("ipvsadm", "-d", "-t", "192.0.2.100:80", "-r", "192.0.2.11:80")
    raced = keeper.round(Level({KEY: Service("rr", destinations={A: Destination(ONE.forwarding, 3), B: ONE})}, Owned()))
    assert (raced.repairs, raced.failures) == (1, ())  # no audit was due: the refused change made us look again
    here("ipvsadm", "-C")
    assert keep(keeper, heavier) == (3, ())
    ipvs.close()
