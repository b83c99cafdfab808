"""Judgement on a real IPVS: slow start, maintenance files, several checks, damping, wishes. ipvsadm is the oracle.

The topology is that of inside_daemon.py; one daemon serves all tests, in the order of the file.
"""

import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from haagent.snapshot import RealServerStatus
from tests.daemon_stage import Daemon, folder, wait_until
from tests.kernel.inside_daemon import (
    CLIENT,
    DIRECTOR,
    PATIENCE,
    ROUTER,
    SERVERS,
    SETUP,
    VIP,
    RealServer,
    Stage,
    saved,
)
from tests.netns.segment import inside

CHECK = """
[check.{name}]
type = "tcp"
interval = 0.3
timeout = 0.3
fall = 2
rise = 1
{more}
"""
WEB = """
[virtual_service.web]
address = "{vip}"
port = 80
scheduler = "wrr"
forwarding_method = "masquerading"
check = ["alive"]
{more}
real_servers = [
  {{ name = "rs1", address = "192.0.2.11", port = 8080, weight = 32 }},
  {{ name = "rs2", address = "192.0.2.12", port = 8080, weight = 32 }},
]
"""
MANY = """
[virtual_service.many]
address = "{vip}"
port = 81
scheduler = "wrr"
forwarding_method = "masquerading"
check = ["alive", "one", "two"]
require = {require}
real_servers = [{{ name = "rs3", address = "192.0.2.13", port = 8080 }}]
"""
CHECKS = "".join(
    CHECK.format(name=name, more=more) for name, more in (("alive", ""), ("one", "port = 9001"), ("two", "port = 9002"))
)
ASKS = """
[check.load]
type = "exec"
command = ["/bin/cat", "{file}"]
output = "json"
interval = 0.5
timeout = 0.5
"""


def head(base: Path) -> str:
    """Into the table [director], which the daemon's stage has opened."""
    return f'maintenance_directory = "{base}/maintenance"\n' + ROUTER + CHECKS


def web(base: Path, more: str = "") -> str:
    return head(base) + WEB.format(vip=VIP, more=more)


SLOW = 'slow_start = { mode = "doubling", time = 4 }'
DAMPED = "damping = { half_life = 3, suppress = 3, reuse = 1, maximum_time = 20 }"


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    with folder() as base:
        try:
            for line in SETUP.strip().splitlines():
                subprocess.run(["ip", *line.split()], check=True)
            servers = {f"rs{n}": RealServer(f"rs{n}", f"192.0.2.1{n}") for n in (1, 2, 3)}
            servers |= {name: RealServer(name, "192.0.2.13", port) for name, port in (("one", 9001), ("two", 9002))}
            base.joinpath("maintenance").mkdir()
            daemon = Daemon(base, DIRECTOR)
            daemon.write(web(base, SLOW))
            yield Stage(daemon, servers)
            if daemon.process is not None:
                daemon.stop()
        finally:
            for name in (DIRECTOR, SERVERS, CLIENT):
                subprocess.run(["ip", "netns", "del", name], check=False)


def weight(host: int, port: int = 80) -> int | None:
    """Of one real server in the kernel; None: it is not there."""
    for line in saved():
        if f"-a -t {VIP}:{port} -r 192.0.2.{host}:8080 " in line:
            return int(line.rpartition(" ")[2])
    return None


def until(host: int, wanted: int | None, port: int = 80) -> None:
    assert wait_until(lambda: weight(host, port) == wanted, PATIENCE, 0.1), (saved(), wanted)


def sampled(until_weight: int) -> list[int | None]:
    """The weights of rs1 that were seen on the way, each once."""
    seen: list[int | None] = []
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end and (not seen or seen[-1] != until_weight):
        now = weight(11)
        if not seen or seen[-1] != now:
            seen.append(now)
        time.sleep(0.02)
    return seen


def status_of(stage: Stage, name: str) -> RealServerStatus:
    found = stage.daemon.server("web", name)
    assert found is not None
    return found


def test_a_server_that_comes_back_warms_up_in_the_kernel(stage: Stage) -> None:
    stage.daemon.start()
    until(11, 32)
    until(12, 32)
    stage.servers["rs1"].refuse()
    until(11, None)
    stage.servers["rs1"].heal()
    seen = [each for each in sampled(32) if each is not None]
    assert seen == sorted(seen)
    assert set(seen) <= {1, 2, 4, 8, 16, 32}
    assert seen[0] <= 2
    assert len(seen) >= 4, seen
    assert weight(12) == 32


def test_a_second_failure_starts_anew(stage: Stage) -> None:
    stage.servers["rs1"].refuse()
    until(11, None)
    stage.servers["rs1"].heal()
    assert wait_until(lambda: (weight(11) or 0) >= 4, PATIENCE, 0.05)
    stage.servers["rs1"].refuse()
    until(11, None)
    stage.servers["rs1"].heal()
    seen = [each for each in sampled(32) if each is not None]
    assert seen[0] <= 2
    assert seen == sorted(seen)


def test_a_maintenance_file_drains_and_its_removal_brings_back(stage: Stage) -> None:
    file = stage.daemon.base / "maintenance" / "192.0.2.11:8080"
    file.touch()
    until(11, 0)
    status = status_of(stage, "rs1")
    assert status.judgement is not None
    assert (status.admin, status.judgement.maintenance_file, status.health) == ("drained", "192.0.2.11:8080", "up")
    assert "DRAINED by the file 192.0.2.11:8080" in stage.daemon.run("status").stdout
    stage.daemon.run("drain", "web/rs1", "--keep")
    file.unlink()
    time.sleep(1.5)
    assert weight(11) == 0  # the operator's word stands
    stage.daemon.run("enable", "web/rs1")
    until(11, 32)
    said = [(each.state, each.actor) for each in stage.daemon.history() if each.subject == "operator"]
    assert said == [
        ("drained", "maintenance_directory"),
        ("drained", "root"),
        ("enabled", "maintenance_directory"),
        ("enabled", "root"),
    ]


def test_a_flapping_server_is_kept_out_with_the_sentence(stage: Stage) -> None:
    stage.reload(web(stage.daemon.base, DAMPED))
    until(11, 32)
    for _ in range(2):
        stage.servers["rs1"].refuse()
        assert wait_until(lambda: status_of(stage, "rs1").health == "down", PATIENCE)
        stage.servers["rs1"].heal()
        assert wait_until(lambda: status_of(stage, "rs1").health == "up", PATIENCE)
    until(11, None)
    problem = next(each for each in stage.status().problems if "rs1" in each)
    assert problem.startswith("real server rs1 of web is kept out: it flaps: penalty "), problem
    assert "eligible again in" in problem
    judgement = status_of(stage, "rs1").judgement
    assert judgement is not None
    assert judgement.eligible_at > 0
    stage.servers["rs2"].refuse()  # the last healthy one is never kept out
    until(11, 32)
    stage.servers["rs2"].heal()
    until(12, 32)
    until(11, 32)  # its penalty decays
    assert stage.status().problems == ()


@pytest.mark.parametrize(
    ("require", "broken", "serves"),
    [
        ('"all"', (), True),
        ('"all"', ("two",), False),
        ("2", ("two",), True),
        ("2", ("one", "two"), False),
        ('"any"', ("one", "two"), True),
        ('"any"', ("rs3", "one", "two"), False),
    ],
)
def test_so_many_checks_must_pass(stage: Stage, require: str, broken: tuple[str, ...], serves: bool) -> None:
    for name in ("rs3", "one", "two"):
        stage.servers[name].heal()
    stage.reload(web(stage.daemon.base) + MANY.format(vip=VIP, require=require))
    until(13, 1, 81)
    for name in broken:
        stage.servers[name].refuse()
    if not serves:
        until(13, None, 81)
        return
    assert wait_until(lambda: sum(check.health == "down" for check in many(stage).checks) == len(broken), PATIENCE), (
        many(stage)
    )
    assert weight(13, 81) == 1


def many(stage: Stage) -> RealServerStatus:
    found = stage.daemon.server("many", "rs3")
    assert found is not None
    return found


def test_a_program_says_which_share_its_server_can_bear(stage: Stage) -> None:
    file = stage.daemon.base / "load"
    file.write_text('{"up": true, "weight": 25}')
    text = web(stage.daemon.base, "dynamic_weight = { floor = 10, step = 50, minimum_interval = 1 }")
    text = text.replace('check = ["alive"]', 'check = ["alive", "load"]') + ASKS.format(file=file)
    stage.reload(text)
    until(11, 8)
    file.write_text('{"up": true, "weight": 100}')
    seen = [each for each in sampled(32) if each is not None]
    assert seen in ([8, 24, 32], [24, 32]), seen
    file.write_text('{"up": true, "weight": 0}')
    # everybody asked for nothing, so each keeps the least
    until(11, 1)


# ------------------------------------------------------------------------------------------------ the pool or me

FIRST, SECOND, POOL = f"{DIRECTOR}1", f"{DIRECTOR}2", f"{SERVERS}2"
PAIR = f"""
netns add {FIRST}
netns add {SECOND}
netns add {POOL}
-n {FIRST} link set lo up
-n {SECOND} link set lo up
-n {POOL} link set lo up
-n {FIRST} link add eth0 type veth peer name eth0 netns {SECOND}
-n {FIRST} addr add 203.0.113.1/24 dev eth0
-n {SECOND} addr add 203.0.113.2/24 dev eth0
-n {POOL} link add eth0 type bridge
-n {FIRST} link add eth1 type veth peer name one netns {POOL}
-n {SECOND} link add eth1 type veth peer name two netns {POOL}
-n {POOL} link set one master eth0
-n {POOL} link set two master eth0
-n {FIRST} addr add 192.0.2.1/24 dev eth1
-n {SECOND} addr add 192.0.2.2/24 dev eth1
-n {POOL} addr add 192.0.2.11/24 dev eth0
-n {POOL} addr add 192.0.2.12/24 dev eth0
-n {FIRST} link set eth0 up
-n {SECOND} link set eth0 up
-n {FIRST} link set eth1 up
-n {SECOND} link set eth1 up
-n {POOL} link set one up
-n {POOL} link set two up
-n {POOL} link set eth0 up
"""
PEERS = """
[peers]
addresses = {{ d1 = "203.0.113.1:7007", d2 = "203.0.113.2:7007" }}
secret_file = "{base}/secret"
interval = 0.3
"""


def greet(listener: socket.socket) -> None:
    while True:
        connection, _ = listener.accept()
        connection.close()


@pytest.fixture
def pair() -> Iterator[tuple[Daemon, Daemon]]:
    with folder() as base:
        try:
            for line in PAIR.strip().splitlines():
                subprocess.run(["ip", *line.split()], check=True)
            for host in (11, 12):
                with inside(POOL):
                    listener = socket.create_server((f"192.0.2.{host}", 8080), backlog=64)
                threading.Thread(target=greet, args=(listener,), daemon=True).start()
            secret = base / "secret"
            secret.write_text("0123456789abcdef")
            secret.chmod(0o600)
            daemons = Daemon(base, FIRST, "d1"), Daemon(base, SECOND, "d2")
            daemons[0].write(PEERS.format(base=base) + CHECKS + WEB.format(vip=VIP, more=""))
            for daemon in daemons:
                daemon.start()
            yield daemons
            for daemon in daemons:
                daemon.stop()
        finally:
            for name in (FIRST, SECOND, POOL):
                subprocess.run(["ip", "netns", "del", name], check=False)


def problems(daemon: Daemon) -> tuple[str, ...]:
    status = daemon.status()
    return status.problems if status else ("no answer",)


def test_a_director_that_alone_reaches_nobody_says_that_it_is_at_fault(
    pair: tuple[Daemon, Daemon],
) -> None:
    one, two = pair
    assert wait_until(lambda: problems(one) == problems(two) == (), 2 * PATIENCE, 0.3), (problems(one), problems(two))
    subprocess.run(["ip", "-n", POOL, "link", "set", "one", "nomaster"], check=True)
    sentence = "this director is at fault, not the pool web: all its 2 real servers are down here, and d2 sees "
    assert wait_until(lambda: any(each.startswith(sentence) for each in problems(one)), PATIENCE, 0.3), problems(one)
    assert not any("at fault" in each for each in problems(two))
    subprocess.run(["ip", "-n", POOL, "link", "set", "two", "nomaster"], check=True)  # now it is both
    assert wait_until(lambda: len(problems(two)) >= 3, PATIENCE, 0.3), problems(two)
    assert wait_until(lambda: not any("at fault" in each for each in problems(one)), PATIENCE, 0.3), problems(one)
    assert not any("at fault" in each for each in problems(two))
