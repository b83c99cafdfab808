"""PEN's pool with real programs: HTTP over three nginx on ports of their own, an emergency nginx, the agents' words.

The topology is that of inside_daemon.py; one daemon serves all tests, in the order of the file. Which row of the seed
systems a test is for: docs/anchors.md.
"""

import contextlib
import http.client
import shutil
import subprocess
import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from socketserver import StreamRequestHandler, ThreadingTCPServer

import pytest

from tests.daemon_stage import Daemon, folder, wait_until
from tests.kernel.inside_daemon import (
    CLIENT,
    DIRECTOR,
    PATIENCE,
    ROUTER,
    SERVERS,
    SETUP,
    VIP,
    Stage,
    saved,
)
from tests.netns.segment import inside

CLIENTS = tuple(f"198.51.100.{number}" for number in (200, 201, 202))
SITES = {"rs1": "192.0.2.11:8081", "rs2": "192.0.2.12:8082", "rs3": "192.0.2.13:8083", "sorry": "192.0.2.99:8099"}
NGINX = """
worker_processes 1;
pid {base}/pid;
error_log {base}/error.log;
events {{ worker_connections 64; }}
http {{
  log_format who '$remote_addr "$http_x_forwarded_for"';
  server {{
    listen {site};
    location / {{ access_log {base}/access.log who; return 200 {name}; }}
    location = /check.txt {{ access_log off; return 200 fine; }}
  }}
}}
"""
CHECKS = """
[check.page]
type = "http"
path = "/check.txt"
body = "fine"
interval = 0.5
timeout = 0.5
fall = 2
rise = 2

[check.says]
type = "agent"
port = 9001
interval = 0.5
timeout = 0.5
fall = 3
rise = 1
"""


def configuration(more: str = "", checks: str = '"page"', weight: int = 1, when_down: str = "remove") -> str:
    rows = ", ".join(
        f'{{ name = "{name}", address = "{site.split(":")[0]}", port = {site.split(":")[1]}, weight = {weight} }}'
        for name, site in SITES.items()
        if name != "sorry"
    )
    sorry = '{ address = "192.0.2.99", port = 8099 }'
    return (
        f'{ROUTER}{CHECKS}\n[virtual_service.web]\naddress = "{VIP}"\nport = 80\nscheduler = "rr"\n'
        f'forwarding_method = "masquerading"\ncheck = [{checks}]\nwhen_down = "{when_down}"\n'
        f"sorry_server = {sorry}\n{more}\nreal_servers = [{rows}]\n"
    )


@dataclass
class Nginx:
    name: str
    base: Path

    def start(self) -> None:
        self.base.mkdir(exist_ok=True)
        conf = self.base / "nginx.conf"
        conf.write_text(NGINX.format(base=self.base, site=SITES[self.name], name=self.name))
        self._run()

    def stop(self) -> None:
        self._run("-s", "stop")
        assert wait_until(lambda: not (self.base / "pid").exists(), PATIENCE)

    def _run(self, *arguments: str) -> None:
        command = ["ip", "netns", "exec", SERVERS, "nginx", "-c", str(self.base / "nginx.conf"), *arguments]
        subprocess.run(command, check=True, capture_output=True)

    def log(self) -> list[str]:
        return (self.base / "access.log").read_text().splitlines()


@dataclass
class Agents:
    """What the agent on each real server says; by default that all is well."""

    words: dict[str, str] = field(default_factory=dict)

    def open(self) -> ThreadingTCPServer:
        words = self.words

        class Answer(StreamRequestHandler):
            def handle(self) -> None:
                said = words.get(self.connection.getsockname()[0], "up")
                self.wfile.write(f"{said}\n".encode() if said else b"")

        with inside(SERVERS):
            server = ThreadingTCPServer(("0.0.0.0", 9001), Answer)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        return server


@dataclass
class Pool(Stage):
    sites: dict[str, Nginx] = field(default_factory=dict)
    agents: Agents = field(default_factory=Agents)

    def has(self, **weights: int) -> None:
        """The kernel's table holds exactly these, with these weights."""
        wanted = sorted(f"{SITES[name]} -m -w {weight}" for name, weight in weights.items())

        def shown() -> list[str]:
            return sorted(line.partition(" -r ")[2] for line in saved() if " -r " in line)

        assert wait_until(lambda: shown() == wanted, PATIENCE, 0.1), (saved(), wanted, self.daemon.log[-2000:])

    def get(
        self, source: str = CLIENTS[0], headers: dict[str, str] | None = None, at: tuple[str, int] = (VIP, 80)
    ) -> str:
        client = http.client.HTTPConnection(*at, timeout=10, source_address=(source, 0))
        with inside(CLIENT):
            client.connect()
        with contextlib.closing(client):
            client.request("GET", "/", headers=headers or {})
            return client.getresponse().read().decode()


@pytest.fixture(scope="module")
def pool() -> Iterator[Pool]:
    with folder() as base:
        sites = {name: Nginx(name, base / name) for name in SITES}
        try:
            for line in SETUP.strip().splitlines():
                subprocess.run(["ip", *line.split()], check=True)
            for address in CLIENTS[1:]:
                subprocess.run(["ip", "-n", CLIENT, "addr", "add", f"{address}/24", "dev", "eth0"], check=True)
            for each in sites.values():
                each.start()
            daemon = Daemon(base, DIRECTOR)
            found = Pool(daemon, {}, sites)
            server = found.agents.open()
            daemon.write(configuration())
            daemon.start()
            yield found
            daemon.stop()
            server.shutdown()
        finally:
            for each in sites.values():
                with contextlib.suppress(subprocess.CalledProcessError):
                    each.stop()
            for name in (DIRECTOR, SERVERS, CLIENT):
                subprocess.run(["ip", "netns", "del", name], check=False)


def test_thirty_requests_are_ten_for_each_and_the_logs_name_the_client(pool: Pool) -> None:
    """Round robin over mapped ports. The client's address needs no header, so a forged one changes nothing."""
    pool.has(rs1=1, rs2=1, rs3=1)
    forged = {"X-Forwarded-For": "203.0.113.66"}
    answers = Counter(pool.get(CLIENTS[number % 3], forged if number % 2 else {}) for number in range(30))
    assert answers == {"rs1": 10, "rs2": 10, "rs3": 10}

    def logged() -> Counter[str]:
        return Counter(line.split()[0] for name in ("rs1", "rs2", "rs3") for line in pool.sites[name].log())

    assert wait_until(lambda: logged() == dict.fromkeys(CLIENTS, 10), PATIENCE), logged()  # written after the answer


def test_ten_requests_of_one_client_meet_one_server(pool: Pool) -> None:
    pool.reload(configuration("persistence_timeout = 60"))
    assert wait_until(lambda: any(line.endswith("-s rr -p 60") for line in saved()), PATIENCE)
    met = [Counter(pool.get(source) for _ in range(10)) for source in CLIENTS]
    assert [list(each.values()) for each in met] == [[10]] * 3
    pool.reload(configuration())


def test_the_emergency_server_answers_when_all_three_are_stopped(pool: Pool) -> None:
    for name in ("rs1", "rs2", "rs3"):
        pool.sites[name].stop()
    pool.has(sorry=1)
    assert pool.get() == "sorry"
    pool.sites["rs2"].start()
    pool.has(rs2=1)
    assert pool.get() == "rs2"
    pool.sites["rs1"].start()
    pool.sites["rs3"].start()
    pool.has(rs1=1, rs2=1, rs3=1)


def test_a_server_that_drops_all_syns_is_out_and_comes_back(pool: Pool) -> None:
    """PEN's blacklist: nobody is sent there any more once the checks have waited in vain, `fall` times."""
    rule = ["rule", "add", "from", "192.0.2.13", "blackhole"]  # what it would answer is dropped; it refuses nothing
    subprocess.run(["ip", "-n", SERVERS, *rule], check=True)
    pool.has(rs1=1, rs2=1)
    assert Counter(pool.get() for _ in range(10)) == {"rs1": 5, "rs2": 5}
    assert "no answer to the connection within 0.5 s" in pool.cause("real_server", "web/rs3")
    rule[1] = "delete"
    subprocess.run(["ip", "-n", SERVERS, *rule], check=True)
    pool.has(rs1=1, rs2=1, rs3=1)
    assert {pool.get() for _ in range(6)} == {"rs1", "rs2", "rs3"}


AT_PEN = ("198.51.100.1", 8000)


@contextlib.contextmanager
def pen(*options: str) -> Iterator[None]:
    """PEN itself on the same director, before the same three."""
    servers = [site for name, site in SITES.items() if name != "sorry"]
    command = ["ip", "netns", "exec", DIRECTOR, "pen", "-f", *options, ":".join(map(str, AT_PEN)), *servers]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)

    def listens() -> bool:
        told = subprocess.run(["ip", "netns", "exec", DIRECTOR, "ss", "-Hltn"], check=True, capture_output=True)
        return b":8000 " in told.stdout

    try:
        assert wait_until(listens, PATIENCE)
        yield
    finally:
        process.kill()
        process.wait()


@pytest.mark.skipif(shutil.which("pen") is None, reason="needs the package pen")
def test_pen_itself_and_the_service_share_alike(pool: Pool) -> None:
    """Round robin and client memory, side by side. What differs: behind PEN the real server sees the director."""
    ours: list[object] = []
    theirs: list[object] = []
    with pen("-r"):
        for at, found in ((AT_PEN, theirs), ((VIP, 80), ours)):
            found.append(Counter(pool.get(CLIENTS[number % 3], at=at) for number in range(30)))
        assert wait_until(lambda: "192.0.2.1" in {line.split()[0] for line in pool.sites["rs1"].log()}, PATIENCE)
    pool.reload(configuration("persistence_timeout = 60"))
    assert wait_until(lambda: any(line.endswith("-s rr -p 60") for line in saved()), PATIENCE)
    with pen():
        for at, found in ((AT_PEN, theirs), ((VIP, 80), ours)):
            found.append([sorted(Counter(pool.get(source, at=at) for _ in range(10)).values()) for source in CLIENTS])
    pool.reload(configuration())
    assert ours == theirs == [Counter(rs1=10, rs2=10, rs3=10), [[10]] * 3]


def test_an_agent_halves_its_weight_and_what_it_said_last_stands(pool: Pool) -> None:
    """BalanceNG's bngagent: 50 % is half of the weight; a wish stands while the agent says nothing of weights."""
    pool.reload(configuration("dynamic_weight = { step = 100 }", '"page", "says"', weight=20))
    pool.has(rs1=20, rs2=20, rs3=20)
    pool.agents.words["192.0.2.12"] = "50%"
    pool.has(rs1=20, rs2=10, rs3=20)
    pool.agents.words["192.0.2.12"] = "up"
    pool.agents.words["192.0.2.11"] = "25%"
    pool.has(rs1=5, rs2=10, rs3=20)
    pool.agents.words["192.0.2.12"] = "drain # backup runs"
    pool.has(rs1=5, rs2=0, rs3=20)
    pool.agents.words["192.0.2.12"] = "ready 100%"
    pool.agents.words["192.0.2.11"] = "down"
    pool.has(rs2=20, rs3=20)
    pool.agents.words["192.0.2.13"] = "50%"
    pool.has(rs2=20, rs3=10)
    pool.agents.words["192.0.2.13"] = ""  # it closes and says nothing
    seen: list[int] = []

    def is_out() -> bool:
        found = [int(line.rpartition(" ")[2]) for line in saved() if SITES["rs3"] in line]
        seen.extend(found)
        return not found

    assert wait_until(is_out, PATIENCE)
    assert set(seen) == {10}
    pool.has(rs2=20)
