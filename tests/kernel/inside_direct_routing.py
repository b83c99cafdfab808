"""The direct-routing truth on a real IPVS: two directors, three real servers, one fault at a time, and the sentence.

    d1 (Active) .1 ─┬─ switch ─┬─ .11 rs1   the one that is broken
    d2 (Backup) .2 ─┤          ├─ .12 rs2
    client    .200 ─┘          └─ .13 rs3   prepared by what `haagent recipe` prints, nothing else

198.51.100.0/24; the virtual address is .100. The real servers are nginx. Each test breaks rs1 as real servers were seen
broken, waits for the sentence on both directors, heals it, and waits until both say so. Packets that a filter of the
real server would drop are dropped by the switch: the user-mode kernel has nftables for bridges alone.
"""

import contextlib
import os
import re
import socket
import subprocess
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from haagent.control.requests import ServerWhy, Why, WhyAnswer
from haagent.snapshot import RealServerStatus
from tests.daemon_stage import Daemon, folder, wait_until
from tests.netns.segment import inside

VIP, TUNNELED, VIP6 = "198.51.100.100", "198.51.100.101", "2001:db8::100"
PATIENCE = 40.0
PREFIX = f"hx{os.getpid() % 100000}"
SWITCH = f"{PREFIX}-sw"
HOSTS = {"d1": 1, "d2": 2, "rs1": 11, "rs2": 12, "rs3": 13, "cl": 200}
CONFIG = f"""
[sysctl]
leave = ["net.ipv4.vs.sloppy_tcp", "net.ipv4.vs.conn_reuse_mode", "net.ipv4.vs.expire_nodest_conn"]

[virtual_router.web]
interface = "eth0"
vrid = 51
priority = {{ d1 = 200, d2 = 100 }}
advertisement_interval = 0.2
virtual_addresses = ["{VIP}/24", "{TUNNELED}/24"]

[check.page]
type = "http"
path = "/check.txt"
body = "webserverisworking"
interval = 1
timeout = 0.9
fall = 3
rise = 2

[check.named]
type = "http"
path = "/check.txt"
host = "www.example.com"
body = "webserverisworking"
interval = 5

[virtual_service.web]
address = "{VIP}"
port = 80
scheduler = "rr"
forwarding_method = "direct_routing"
check = ["page"]
path_check = true
real_servers = [
  {{ name = "rs1", address = "198.51.100.11" }},
  {{ name = "rs2", address = "198.51.100.12" }},
  {{ name = "rs3", address = "198.51.100.13" }},
]

[virtual_service.other]
address = "{VIP}"
port = 81
scheduler = "rr"
forwarding_method = "direct_routing"
check = ["named"]
real_servers = [{{ name = "rs3", address = "198.51.100.13" }}]

[virtual_service.six]
address = "{VIP6}"
port = 80
scheduler = "rr"
forwarding_method = "direct_routing"
check = ["page"]
path_check = true
real_servers = [{{ name = "six2", address = "2001:db8::12" }}]

[virtual_service.tunnel]
address = "{TUNNELED}"
port = 80
scheduler = "rr"
forwarding_method = "tunneling"
check = ["page"]
path_check = true
real_servers = [{{ name = "rs2", address = "198.51.100.12" }}]
"""
IP = socket.htons(0x0800)  # ETH_P_IP, in the order of the wire
EVERYWHERE = "listen 80; listen 81; listen [::]:80;"
PAGE = "location / {{ root {root}; }} location = /who {{ return 200 $remote_addr; }}"
NGINX = """
worker_processes 1;
pid {base}/pid;
error_log {base}/error.log;
events {{ worker_connections 64; }}
http {{ access_log off; default_type text/plain; {servers} }}
"""


def run(name: str, command: str, text: str | None = None, *, check: bool = True) -> str:
    """In that host's namespace."""
    done = subprocess.run(
        ["ip", "netns", "exec", f"{PREFIX}-{name}", *command.split()],
        input=text,
        capture_output=True,
        text=True,
        check=False,
    )
    assert not check or done.returncode == 0, (command, done.stdout, done.stderr)
    return done.stdout


def ip(words: str) -> None:
    subprocess.run(["ip", *words.split()], check=True)


@dataclass
class Server:
    """One real server's nginx."""

    name: str
    base: Path

    @property
    def page(self) -> Path:
        return self.base / "www" / "check.txt"

    def write(self, servers: str) -> None:
        (self.base / "nginx.conf").write_text(NGINX.format(base=self.base, servers=servers))

    def plain(self) -> str:
        return f"server {{ {EVERYWHERE} {PAGE.format(root=self.base / 'www')} }}"

    def start(self) -> None:
        self.page.parent.mkdir(parents=True)
        self.base.chmod(0o755)
        self.page.write_text("webserverisworking")
        self.write(self.plain())
        run(self.name, f"nginx -c {self.base}/nginx.conf")

    def serve(self, servers: str) -> None:
        """Stopped and started: a reload keeps the sockets of a narrower `listen` for a while."""
        self.stop()
        self.write(servers)
        run(self.name, f"nginx -c {self.base}/nginx.conf")

    def stop(self) -> None:
        run(self.name, f"nginx -c {self.base}/nginx.conf -s stop", check=False)
        assert wait_until(lambda: not (self.base / "pid").exists(), 20)


@dataclass
class Stage:
    directors: dict[str, Daemon]
    servers: dict[str, Server]

    def rs(self, director: str, name: str = "rs1") -> RealServerStatus:
        found = self.directors[director].server("web", name)
        assert found is not None, self.directors[director].log[-3000:]
        return found

    def both(self, predicate: Callable[[str], object]) -> None:
        for name in self.directors:
            assert wait_until(lambda name=name: predicate(name), PATIENCE, 0.3), (name, self.told(name))

    def told(self, director: str) -> list[str]:
        status = self.directors[director].status()
        assert status is not None, self.directors[director].log[-3000:]
        return [
            f"{service.name}/{each.name} {each.health} {each.path}: {each.reason} | {each.path_reason}"
            for service in status.services
            for each in service.real_servers
        ]

    def healthy(self) -> None:
        self.both(lambda d: all(self.rs(d, s).health == self.rs(d, s).path == "up" for s in self.servers))

    def named(self, sentence: str) -> None:
        """rs1 is out with this sentence, on both directors, and the others are not."""
        self.both(lambda d: self.rs(d).health == "down" and sentence in self.rs(d).reason)
        for d in self.directors:
            assert self.rs(d).weight is None or wait_until(lambda d=d: self.rs(d).weight is None, PATIENCE)
            assert {self.rs(d, s).health for s in ("rs2", "rs3")} == {"up"}, d

    def why(self, director: str) -> ServerWhy:
        answer = self.directors[director].ask(Why("web/rs1"))
        assert isinstance(answer, WhyAnswer), answer
        [server] = answer.servers
        return server


def mac(name: str) -> str:
    found = re.search(r"link/ether (\S+)", run(name, "ip link show dev eth0"))
    assert found
    return found[1]


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    with folder() as base, contextlib.ExitStack() as undo:
        ip(f"netns add {SWITCH}")
        undo.callback(ip, f"netns del {SWITCH}")
        ip(f"-n {SWITCH} link add br0 type bridge")
        ip(f"-n {SWITCH} link set br0 up")
        for name, number in HOSTS.items():
            netns = f"{PREFIX}-{name}"
            ip(f"netns add {netns}")
            undo.callback(ip, f"netns del {netns}")
            ip(f"-n {netns} link set lo up")
            ip(f"-n {netns} link add eth0 type veth peer name {name} netns {SWITCH}")
            ip(f"-n {SWITCH} link set {name} master br0")
            ip(f"-n {SWITCH} link set {name} up")
            ip(f"-n {netns} addr add 198.51.100.{number}/24 dev eth0")
            ip(f"-n {netns} addr add 2001:db8::{number}/64 dev eth0 nodad")
            ip(f"-n {netns} link set eth0 up")
        ip(f"-n {PREFIX}-d1 addr add {VIP6}/128 dev eth0 nodad preferred_lft 0")  # d1 is its Active director too
        servers = {name: Server(name, base / name) for name in ("rs1", "rs2", "rs3")}
        for name in ("rs1", "rs2"):
            run(name, "sysctl -qw net.ipv4.conf.all.arp_ignore=1 net.ipv4.conf.all.arp_announce=2")
            ip(f"-n {PREFIX}-{name} addr add {VIP}/32 dev lo")
        for server in servers.values():
            server.start()
            undo.callback(server.stop)
        directors = {name: Daemon(base, f"{PREFIX}-{name}", name) for name in ("d1", "d2")}
        directors["d1"].write(CONFIG)
        stage = Stage(directors, servers)
        for daemon in directors.values():
            daemon.start()
            undo.callback(lambda daemon=daemon: daemon.process.poll() is None and daemon.stop())
        yield stage


@pytest.fixture(autouse=True)
def healed(stage: Stage) -> Iterator[None]:
    """A test that fails leaves nothing broken for the next."""
    yield
    rs1 = stage.servers["rs1"]
    ip(f"-n {PREFIX}-rs1 addr replace {VIP}/32 dev lo")
    run("rs1", "sysctl -qw net.ipv4.conf.all.arp_ignore=1")
    run("sw", "nft flush ruleset")
    rs1.page.with_name("check.txt.txt").unlink(missing_ok=True)
    rs1.page.write_text("webserverisworking")
    if (rs1.base / "nginx.conf").read_text() != NGINX.format(base=rs1.base, servers=rs1.plain()):
        rs1.serve(rs1.plain())


# ---------------------------------------------------------------------------------------------- from a bare machine


def test_what_was_not_tested_is_never_ok(stage: Stage) -> None:
    for daemon in stage.directors.values():
        assert wait_until(daemon.is_complete, 60, 0.3), daemon.log
    other = stage.directors["d1"].server("other", "rs3")
    assert other is not None
    assert (other.path, other.path_reason) == ("not_tested", "path not tested: the service has no path_check")
    assert "path not tested: the service has no path_check" in stage.directors["d1"].run("status").stdout


def test_a_bare_server_is_named_and_the_recipe_makes_it_a_real_server(stage: Stage) -> None:
    silent = "answers on its own address, silent on the virtual address 198.51.100.100"
    for d in stage.directors:
        assert wait_until(lambda d=d: silent in stage.rs(d, "rs3").reason, PATIENCE, 0.3), stage.rs(d, "rs3")
        assert stage.rs(d, "rs3").checks[0].health == "up"
        assert stage.rs(d, "rs3").weight is None  # it never was in service
    script = stage.directors["d1"].run("recipe", "web", "--os", "linux", "--server", "rs3")
    assert script.returncode == 0, script.stderr
    run("rs3", "sh -e", script.stdout)
    stage.healthy()


def test_ipv6_and_tunnels_have_a_path_verdict_too(stage: Stage) -> None:
    def path(d: str, service: str) -> str:
        found = stage.directors[d].server(service, "six2" if service == "six" else "rs2")
        return f"{found.path} {found.health}: {found.path_reason}" if found else ""

    silent = f"down down: answers on its own address, silent on the virtual address {VIP6}"
    stage.both(lambda d: path(d, "six").startswith(silent))
    stage.both(lambda d: path(d, "tunnel").startswith("down down: answers on its own address, "))
    unknown = "it does not know the protocol: ipip is not set up there"
    assert wait_until(lambda: unknown in path("d1", "tunnel"), PATIENCE), path(
        "d1", "tunnel"
    )  # ICMP is limited by rate
    assert "silent on the virtual address" in path("d2", "tunnel")  # its kernel drops the server's ICMP message
    for service in ("six", "tunnel"):
        run("rs2", "sh -e", stage.directors["d1"].run("recipe", service, "--os", "linux").stdout)
    for service in ("six", "tunnel"):
        stage.both(lambda d, service=service: path(d, service).startswith("up up: page on "))
    assert run("cl", f"curl -gsS --max-time 5 http://{TUNNELED}/check.txt") == "webserverisworking"
    ip(f"-n {PREFIX}-rs2 link set tunl0 down")
    stage.both(lambda d: path(d, "tunnel").startswith("down down"))
    assert stage.rs("d1", "rs2").health == "up"  # direct routing to the same machine goes on
    ip(f"-n {PREFIX}-rs2 link set tunl0 up")
    stage.both(lambda d: path(d, "tunnel").startswith("up up"))


def test_healthy_stays_healthy_and_clients_are_served(stage: Stage) -> None:
    assert (stage.directors["d1"].state(), stage.directors["d2"].state()) == ("active", "backup")
    for _ in range(6):
        answer = run("cl", f"curl -sS --max-time 5 http://{VIP}/check.txt", check=False)
        assert answer == "webserverisworking"
    for name, daemon in stage.directors.items():
        assert wait_until(lambda daemon=daemon: daemon.status().problems == (), PATIENCE, 0.3), daemon.status().problems
        assert "; path ok" in daemon.run("status").stdout
        assert not [each for each in daemon.history() if each.state == "leak"], name
    table = run("d1", "ipvsadm -Sn")
    assert table.count("-A -f ") == 5
    assert f"-A -t {VIP}:80" in table
    assert {each.name for each in stage.directors["d1"].status().services} == {"web", "other", "six", "tunnel"}


def test_servers_see_the_client_and_their_answers_pass_the_director_by(stage: Stage) -> None:
    """What a packet socket on the Active director sees between the client and the virtual address: one direction."""
    client, address = (socket.inet_aton(text) for text in (f"198.51.100.{HOSTS['cl']}", VIP))
    with inside(f"{PREFIX}-d1"), contextlib.closing(socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, IP)) as watcher:
        watcher.bind(("eth0", socket.ntohs(IP)))
        watcher.setblocking(False)
        seen: Counter[str] = Counter()
        for _ in range(9):
            assert run("cl", f"curl -sS --max-time 5 http://{VIP}/who") == socket.inet_ntoa(client)
            with contextlib.suppress(BlockingIOError):
                while True:
                    packet = watcher.recv(2048)
                    seen["there"] += (packet[12:16], packet[16:20]) == (client, address)
                    seen["back"] += (packet[12:16], packet[16:20]) == (address, client)
    assert seen["there"] >= 9 * 2 * 3  # at least SYN, ACK and FIN of each, as they come and as they are sent on
    assert seen["back"] == 0


# ---------------------------------------------------------------------------------------------- the path


@contextlib.contextmanager
def dropped(rule: str) -> Iterator[None]:
    """By the switch."""
    chain = "add table bridge f\nadd chain bridge f c { type filter hook forward priority 0; }\n"
    run("sw", "nft -f -", f"{chain}add rule bridge f c {rule} drop\n")
    try:
        yield
    finally:
        run("sw", "nft delete table bridge f")


SILENT = (
    "answers on its own address, silent on the virtual address 198.51.100.100: the loopback address or weakhostreceive"
)


def test_half_broken_direct_routing_is_found_on_both_directors(stage: Stage) -> None:
    """M3: half of the clients would wait in vain while the plain check of the server's own address is green."""
    ip(f"-n {PREFIX}-rs1 addr del {VIP}/32 dev lo")
    stage.named(SILENT)
    for d in stage.directors:
        assert stage.rs(d).checks[0].health == "up"
        why = stage.why(d)
        own, path = why.probes
        assert (own.health, path.health, path.failing_step) == ("up", "down", "connection")
        assert path.through == "198.51.100.11"
        assert path.difference[0].startswith("it connected after ")
        assert path.tries[-1].source == f"198.51.100.{HOSTS[d]}"
    printed = stage.directors["d2"].run("why", "rs1")
    assert printed.returncode == 0
    for words in (
        "path         BROKEN",
        "first failing step: connection",
        "> GET /check.txt HTTP/1.1",
        "haagent recipe web",
    ):
        assert words in printed.stdout, printed.stdout
    for _ in range(4):
        assert run("cl", f"curl -sS --max-time 5 http://{VIP}/check.txt") == "webserverisworking"
    ip(f"-n {PREFIX}-rs1 addr add {VIP}/32 dev lo")
    stage.healthy()


def test_strong_host_receive(stage: Stage) -> None:
    with dropped(f'oifname "rs1" ip daddr {VIP}'):
        stage.named(SILENT)
    stage.healthy()


def test_a_reply_that_never_leaves(stage: Stage) -> None:
    with dropped(f'iifname "rs1" ip saddr {VIP}'):
        stage.named("the request is accepted and the reply never leaves: weakhostsend")
    stage.healthy()


def test_a_binding_without_the_virtual_address(stage: Stage) -> None:
    rs1 = stage.servers["rs1"]
    rs1.serve(rs1.plain().replace(EVERYWHERE, "listen 198.51.100.11:80;"))
    stage.named("refuses on the virtual address 198.51.100.100: the binding lacks the virtual address")
    assert stage.why("d1").probes[1].tries[-1].error == "ECONNREFUSED"
    rs1.serve(rs1.plain())
    stage.healthy()


def test_another_site_answers_on_the_virtual_address(stage: Stage) -> None:
    rs1 = stage.servers["rs1"]
    rs1.serve(rs1.plain() + f"server {{ listen {VIP}:80; return 404; }}")
    stage.named("passes on its own address, on the virtual address 198.51.100.100 page says HTTP 404, wanted 200")
    rs1.serve(rs1.plain())
    stage.healthy()


def test_an_arp_leak_is_named_with_the_server(stage: Stage) -> None:
    run("rs1", "sysctl -qw net.ipv4.conf.all.arp_ignore=0")
    leak = f"{mac('rs1')} (rs1) answers ARP for {VIP}: clients may bypass the directors"
    stage.both(lambda d: any(leak in each for each in stage.directors[d].status().problems))
    for d in stage.directors:
        assert stage.rs(d).health == "up"  # to take it out would not silence it
        assert any(leak in each for each in stage.why(d).arp)
    run("rs1", "sysctl -qw net.ipv4.conf.all.arp_ignore=1")
    stage.both(lambda d: stage.directors[d].status().problems == ())


# ---------------------------------------------------------------------------------------------- the page


def test_a_site_that_is_bound_to_a_host_name(stage: Stage) -> None:
    rs1 = stage.servers["rs1"]
    named = rs1.plain().replace(EVERYWHERE, "listen 80; server_name www.example.com;")
    rs1.serve("server { listen 80 default_server; return 404; } " + named)
    stage.named("HTTP 404 without a host name, fine with www.example.com: the site is bound to host names")
    rs1.serve(rs1.plain())
    stage.healthy()


def test_a_suffix_that_explorer_hid(stage: Stage) -> None:
    page = stage.servers["rs1"].page
    page.rename(page.with_name("check.txt.txt"))
    stage.named("/check.txt does not exist and /check.txt.txt does: Explorer hid the suffix")
    page.with_name("check.txt.txt").rename(page)
    stage.healthy()


def test_a_file_in_utf_16(stage: Stage) -> None:
    stage.servers["rs1"].page.write_text("webserverisworking", encoding="utf-16")
    stage.named("/check.txt is saved as UTF-16")
    assert "differs from the last good one: body: " in stage.directors["d1"].run("why", "web/rs1").stdout
    stage.servers["rs1"].page.write_text("webserverisworking")
    stage.healthy()


@pytest.mark.parametrize(
    ("does", "sentence"),
    [
        ("add_header WWW-Authenticate NTLM always; return 401;", "the site wants a login (NTLM) for /check.txt"),
        ("return 403;", "the site forbids /check.txt to us"),
        (
            "return 301 https://www.example.com$request_uri;",
            "redirects /check.txt to https://www.example.com/check.txt",
        ),
    ],
)
def test_a_site_that_does_not_give_the_page(stage: Stage, does: str, sentence: str) -> None:
    rs1 = stage.servers["rs1"]
    rs1.serve(f"server {{ {EVERYWHERE} {does} }}")
    stage.named(sentence)
    rs1.serve(rs1.plain())
    stage.healthy()


# ---------------------------------------------------------------------------------------------- what else there is


def test_why_of_a_router_and_of_nobody(stage: Stage) -> None:
    told = stage.directors["d1"].run("why", "web")
    assert told.returncode == 0, told.stderr
    for words in (
        "ACTIVE",
        "priority 200 as configured",
        "= 200 now",
        "advertisements sent",
        "router: backup -> active",
    ):
        assert words in told.stdout, told.stdout
    nobody = stage.directors["d1"].run("why", "rs9")
    assert nobody.returncode == 1
    assert 'there is no real server and no virtual router "rs9"; did you mean' in nobody.stderr


def test_report_shows_the_verdict_and_leaves_the_pool_alone(stage: Stage) -> None:
    stage.directors["d1"].write(CONFIG.replace("path_check = true", 'path_check = "report"'))
    for daemon in stage.directors.values():
        assert daemon.run("reload").returncode == 0, daemon.log
    ip(f"-n {PREFIX}-rs1 addr del {VIP}/32 dev lo")
    stage.both(lambda d: stage.rs(d).path == "down")
    for d, daemon in stage.directors.items():
        assert (stage.rs(d).health, stage.rs(d).weight) == ("up", 1)
        sentence = "the path to rs1 of web is broken: " + SILENT  # once the own address was asked again
        assert wait_until(lambda it=daemon, said=sentence: any(said in each for each in it.status().problems), PATIENCE)
    ip(f"-n {PREFIX}-rs1 addr add {VIP}/32 dev lo")
    stage.healthy()


def test_what_path_checks_changed_is_given_back(stage: Stage) -> None:
    parameter = "sysctl -n net.ipv4.conf.eth0.accept_local"
    assert run("d1", parameter).strip() == "1"
    assert run("d1", "ipvsadm -Sn").count("-A -f ") == 5
    stage.directors["d1"].write(CONFIG.replace("path_check = true", ""))
    assert stage.directors["d1"].run("reload").returncode == 0
    assert wait_until(lambda: run("d1", parameter).strip() == "0", PATIENCE)
    assert wait_until(lambda: "-A -f " not in run("d1", "ipvsadm -Sn"), PATIENCE)
