"""The daemon as a whole, natively: two directors on a bridge, each process killed in turn, every signal and command.

No IPVS is needed here; what needs it is in tests/kernel/inside_daemon.py.
"""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec
import pytest

from haagent.lab.uml import kernel_has_ipvs
from haagent.processes.history import Entry
from haagent.snapshot import Snapshot
from tests.daemon_stage import ROOT, Daemon, folder, users_of, wait_until
from tests.netns.segment import Segment

pytestmark = [pytest.mark.root, pytest.mark.timeout(180)]

ADDRESS = "192.0.2.100"
ROUTER = """
[virtual_router.web]
interface = "eth0"
vrid = 51
priority = { d1 = 200, d2 = 100 }
advertisement_interval = 0.1
virtual_addresses = ["192.0.2.100/24"]
"""
CHECK = """
[check.page]
type = "http"
"""
OTHER_ROUTER = """
[virtual_router.other]
interface = "eth0"
vrid = 52
priority = { d1 = 100, d2 = 200 }
advertisement_interval = 0.1
virtual_addresses = ["192.0.2.101/24"]
"""


@dataclass
class Pair:
    segment: Segment
    d1: Daemon
    d2: Daemon

    def write(self, text: str) -> None:
        self.d1.write(text)

    def start(self) -> "Pair":
        """Both, until the rightful one is Active and every process is there."""
        self.d1.start()
        self.d2.start()
        assert wait_until(self.is_settled), self.d1.log + self.d2.log
        return self

    def is_settled(self) -> bool:
        return (
            self.d1.is_complete()
            and self.d2.is_complete()
            and (self.d1.state(), self.d2.state()) == ("active", "backup")
            and self.segment.owners() == ["d1"]
        )


@pytest.fixture
def base() -> Iterator[Path]:
    with folder() as path:
        yield path
        assert wait_until(lambda: not users_of(path), 10), users_of(path)  # no process outlives its test


@pytest.fixture
def pair(base: Path) -> Iterator[Pair]:
    with Segment("d1", "d2", prefix="hd") as segment:
        both = Pair(
            segment,
            Daemon(base, segment.hosts["d1"].netns, "d1"),
            Daemon(base, segment.hosts["d2"].netns, "d2"),
        )
        both.write(ROUTER + CHECK)
        yield both
        for daemon in (both.d1, both.d2):
            if daemon.process is not None:
                daemon.stop()
            assert "Traceback" not in daemon.log, daemon.log


def one_owner(pair: Pair, name: str) -> Callable[[], bool]:
    return lambda: pair.segment.owners() == [name]


# ------------------------------------------------------------------------------------ one process killed


def test_director_killed(pair: Pair) -> None:
    """The addresses stay, and vrrp does; the next director knows the state again and goes on with the history."""
    pair.start()
    before, entries, since = pair.d1.pids(), len(pair.d1.history()), pair.d1.router()
    pair.d1.kill("director")
    seen: list[list[str]] = []
    assert wait_until(
        lambda: seen.append(pair.segment.owners()) or pair.d1.pids().get("director") != before["director"]
    )
    assert wait_until(
        lambda: seen.append(pair.segment.owners()) or (pair.d1.is_complete() and pair.d1.state() == "active")
    )
    assert set(map(tuple, seen)) == {("d1",)}
    after, router = pair.d1.pids(), pair.d1.router()
    assert after["vrrp"] == before["vrrp"]
    assert after["director"] != before["director"]
    assert since is not None
    assert router is not None
    assert abs(router.since - since.since) < 1.0  # the machine never moved
    assert pair.d2.state() == "backup"
    history = pair.d1.history()
    assert len(history) > entries
    assert [each.sequence for each in history] == list(range(1, len(history) + 1))
    assert pair.d1.run("status").returncode == 0


@pytest.mark.parametrize("name", ["prober", "observer"])
def test_prober_or_observer_killed(pair: Pair, name: str) -> None:
    """It comes back, and nothing else notices."""
    pair.start()
    before = pair.d1.pids()
    pair.d1.kill(name)
    assert wait_until(lambda: pair.d1.pids().get(name, before[name]) != before[name] and pair.d1.is_complete())
    after = pair.d1.pids()
    assert {each: after[each] for each in after if each != name} == {
        each: before[each] for each in before if each != name
    }
    assert pair.is_settled()
    causes = [(each.name, each.state) for each in pair.d1.history() if each.subject == "process"]
    assert causes[-2:] == [(name, "lost"), (name, "running")]


def test_vrrp_killed(pair: Pair) -> None:
    """The peer takes over; the new vrrp process sweeps what the old one left, contends again, and one owner is left."""
    pair.start()

    def takeovers() -> int:
        return sum(1 for each in pair.d2.history() if (each.name, each.state) == ("web", "active"))

    before = takeovers()  # d2 may have been the first to start
    killed = pair.d1.kill("vrrp")
    assert wait_until(lambda: takeovers() == before + 1)
    assert wait_until(lambda: pair.d1.pids().get("vrrp", killed) != killed)
    assert wait_until(pair.is_settled), (pair.segment.owners(), pair.d1.log)
    assert pair.segment.owners() == ["d1"]


def test_vrrp_killed_while_both_own_the_address(pair: Pair) -> None:
    """The new process starts as Backup and sweeps first, so a healed split ends with one owner here too."""
    pair.start()
    pair.segment.isolate("d2")  # d2 hears nothing: both own it
    assert wait_until(lambda: pair.segment.owners() == ["d1", "d2"])
    pair.d1.kill("vrrp")
    pair.segment.join("d2")
    assert wait_until(pair.is_settled)


def test_supervisor_killed(pair: Pair) -> None:
    """Every child ends cleanly: priority 0 is said, the address is let go, no process and no socket stays."""
    pair.start()
    pair.d1.kill("supervisor")
    assert wait_until(one_owner(pair, "d2"))
    assert wait_until(lambda: not pair.d1.pids()), pair.d1.pids()
    router = pair.d2.router()
    assert router is not None
    assert router.counters.priority_zero_received
    assert router.reason == "192.0.2.1 let go (priority 0)"
    assert list(pair.d1.runtime.glob("*.sock")) == []


def test_everything_killed_and_started_again(pair: Pair) -> None:
    """The address that was left behind is swept, and the peer goes on to own it alone."""
    pair.start()
    pair.d1.kill_all()
    assert wait_until(lambda: pair.segment.owners() == ["d1", "d2"])  # a killed daemon cannot let go
    plan = pair.d1.run("plan", "--json")
    assert plan.returncode == 2
    assert [(step["action"], step["name"]) for step in json.loads(plan.stdout)] == [
        ("remove", "192.0.2.100/24 on eth0")
    ]
    pair.write(ROUTER + "preempt = false\n" + CHECK)
    pair.d1.start()
    assert wait_until(one_owner(pair, "d2"))
    assert wait_until(lambda: pair.d1.is_complete() and pair.d1.state() == "backup")
    assert pair.segment.owners() == ["d2"]


# ------------------------------------------------------------------------------------ signals and reload


def test_clean_stop(pair: Pair) -> None:
    pair.start()
    assert pair.d1.stop() == 0
    assert wait_until(one_owner(pair, "d2"))
    assert pair.d1.pids() == {}
    assert list(pair.d1.runtime.glob("*.sock")) == []
    router = pair.d2.router()
    assert router is not None
    assert router.counters.priority_zero_received
    assert router.reason == "192.0.2.1 let go (priority 0)"
    assert pair.d1.run("status").returncode == 1


@pytest.mark.parametrize("way", ["signal", "command"])
def test_a_valid_change_is_applied_without_a_role_change(pair: Pair, way: str) -> None:
    pair.start()
    pids, before = pair.d1.pids(), pair.d1.router()
    assert before is not None
    pair.write(ROUTER.replace("priority = { d1 = 200", "priority = { d1 = 210") + CHECK + OTHER_ROUTER)
    if way == "signal":
        assert pair.d1.process is not None
        pair.d1.process.send_signal(signal.SIGHUP)
    else:
        done = pair.d1.run("reload")
        assert (done.returncode, done.stdout) == (0, "reloaded\n")
    assert wait_until(lambda: (router := pair.d1.router()) and router.priority == 210)
    assert wait_until(lambda: pair.d1.state("other") == "active")  # alone: d2 was not reloaded
    after = pair.d1.router()
    assert after is not None
    assert abs(after.since - before.since) < 1.0
    assert after.counters.active_transitions == before.counters.active_transitions
    assert pair.d1.pids() == pids
    assert pair.d2.run("reload").returncode == 0
    assert wait_until(lambda: pair.segment.owners("192.0.2.101") == ["d2"])
    assert [each.name for each in (pair.d1.status() or pytest.fail("no status")).routers] == ["web", "other"]


def test_many_routers_are_all_in_status(pair: Pair) -> None:
    """Reports come a few at a time, and only of those that changed."""
    routers = "".join(
        f'[virtual_router.r{n}]\ninterface = "eth0"\nvrid = {n}\npriority = {{ d1 = 200, d2 = 100 }}\n'
        f'advertisement_interval = 0.2\nvirtual_addresses = ["192.0.2.{n}/24"]\n'
        for n in range(110, 130)
    )
    pair.write(routers)
    pair.d1.start()
    assert wait_until(
        lambda: (status := pair.d1.status()) and [each.state for each in status.routers] == ["active"] * 20
    ), pair.d1.log


def test_a_broken_file_changes_nothing(pair: Pair) -> None:
    pair.start()
    before = pair.d1.status()
    assert before is not None
    pair.write(ROUTER.replace("vrid = 51", "vrid = 0\nfoo = 1") + CHECK)
    done = pair.d1.run("reload", "--socket", str(pair.d1.runtime / "control.sock"))
    assert done.returncode == 1
    assert "site.toml:" in done.stderr
    assert "virtual_router.web.vrid" in done.stderr
    assert "virtual_router.web.foo" in done.stderr
    assert "2 errors; the running configuration stays" in done.stderr
    assert pair.d1.process is not None
    pair.d1.process.send_signal(signal.SIGHUP)
    assert wait_until(lambda: pair.d1.log.count("reload refused") == 2)
    after = pair.d1.status()
    assert after is not None
    assert [(r.vrid, r.state, r.priority) for r in after.routers] == [
        (r.vrid, r.state, r.priority) for r in before.routers
    ]
    assert pair.is_settled()


def test_an_error_that_only_the_peer_would_meet_is_refused_too(pair: Pair) -> None:
    broken = ROUTER.replace("d2 = 100", "d2 = 0")
    pair.write(broken)
    done = pair.d1.run("run")
    assert done.returncode == 1
    assert "priority" in done.stderr
    pair.write(ROUTER)
    pair.start()
    pair.write(broken)
    done = pair.d1.run("reload")
    assert done.returncode == 1
    assert "priority" in done.stderr


def test_director_killed_while_the_files_are_broken(pair: Pair) -> None:
    """A refused reload must not become a stop when the director dies later."""
    pair.start()
    before = pair.d1.pids()
    pair.write("nonsense = 1\n")
    pair.d1.kill("director")
    assert wait_until(lambda: pair.d1.pids().get("director", before["director"]) != before["director"])
    assert wait_until(pair.is_settled), pair.d1.log
    assert pair.d1.pids()["vrrp"] == before["vrrp"]
    assert "the configuration that ran before goes on" in pair.d1.log
    assert "nonsense" in pair.d1.log
    pair.write(ROUTER)


def test_the_runtime_directory_goes_while_the_daemon_runs(pair: Pair) -> None:
    """vrrp does not need it. The director says what is wrong, and comes back with the directory."""
    pair.start()
    before = pair.d1.pids()
    shutil.rmtree(pair.d1.runtime)
    pair.d1.kill("director")
    assert wait_until(lambda: f"no socket can be made in {pair.d1.runtime}: No such file or directory" in pair.d1.log)
    assert pair.segment.owners() == ["d1"]
    pair.d1.runtime.mkdir()
    assert wait_until(pair.is_settled), pair.d1.log
    assert pair.d1.pids()["vrrp"] == before["vrrp"]


def test_a_hangup_while_the_director_is_away_is_not_lost(pair: Pair) -> None:
    pair.start()
    pair.write(ROUTER.replace("d1 = 200", "d1 = 201"))
    pids = pair.d1.pids()
    pair.d1.kill("director")
    assert pair.d1.process is not None
    pair.d1.process.send_signal(signal.SIGHUP)
    assert wait_until(lambda: (router := pair.d1.router()) is not None and router.priority == 201)
    assert wait_until(
        lambda: "configuration d1 is running" in pair.d1.log.rpartition("process director")[2] and pair.is_settled()
    )
    assert pair.d1.pids()["vrrp"] == pids["vrrp"]
    assert pair.d1.log.count("the director process") == 1  # killed once, by us


# ------------------------------------------------------------------------------------ refusals


def test_a_broken_configuration_starts_nothing(pair: Pair) -> None:
    daemon, base = pair.d1, pair.d1.base
    daemon.write(ROUTER.replace("vrid = 51", "vrid = 300").replace("192.0.2.100/24", "192.0.2.300") + "[check.x]\n")
    done = daemon.run("run")
    assert done.returncode == 1
    assert "virtual_router.web.vrid" in done.stderr
    assert "virtual_addresses" in done.stderr
    assert "check.x" in done.stderr
    assert "3 errors" in done.stderr
    assert not (base / "run").exists()
    assert users_of(base) == {}


def test_a_missing_interface_is_waited_for(pair: Pair) -> None:
    pair.write(ROUTER.replace('"eth0"', '{ d1 = "eth7", d2 = "eth0" }'))
    pair.d1.start()
    assert wait_until(pair.d1.is_complete)
    assert "virtual router web waits: interface eth7 does not exist" in pair.d1.log
    assert wait_until(lambda: (router := pair.d1.router()) and "eth7" in router.reason)
    status = pair.d1.run("status")
    assert status.returncode == 2
    assert "INITIALIZE" in status.stdout
    assert "eth7" in status.stdout
    host = pair.segment.hosts["d1"]
    host.run("ip", "link", "set", "eth0", "down")
    host.run("ip", "link", "set", "eth0", "name", "eth7")
    host.run("ip", "link", "set", "eth7", "up")
    assert wait_until(lambda: pair.d1.state() == "active"), pair.d1.log
    assert "192.0.2.100/24" in host.run("ip", "-4", "addr", "show", "dev", "eth7")
    assert pair.d1.run("status").returncode == 0


AS_NOBODY = """
import importlib, os, sys
from haagent.cli.main import main
for verb in ("run", "status", "reload"):
    importlib.import_module("haagent.cli." + verb)
os.setgroups([]); os.setgid(int(sys.argv[1])); os.setuid(65534)
sys.exit(main(sys.argv[2:]))
"""


def as_nobody(daemon: Daemon, group: int, verb: str) -> "subprocess.CompletedProcess[str]":
    """The privileges go after the imports: the checkout may be where only root can read."""
    return subprocess.run(
        [sys.executable, "-c", AS_NOBODY, str(group), verb, "-c", str(daemon.config), "--name", "d1"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )


def test_without_privilege(base: Path) -> None:
    daemon = Daemon(base, "")
    daemon.write(ROUTER)
    done = as_nobody(daemon, 65534, "run")
    assert done.returncode == 1
    assert done.stderr == (
        "haagent: needs CAP_NET_ADMIN and CAP_NET_RAW: run as root, or grant them in the service's unit\n"
    )
    assert not (base / "run").exists()


def test_a_path_that_no_socket_can_have(pair: Pair) -> None:
    daemon, base = pair.d1, pair.d1.base
    daemon.config.joinpath("site.toml").write_text(
        f'[director]\nnames = ["d1"]\nruntime_directory = "{base}/{"r" * 100}"\nstate_directory = "{base}/state"\n'
    )
    done = daemon.run("run")
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "runtime_directory" in done.stderr


def test_a_second_daemon_of_the_same_director(pair: Pair) -> None:
    pair.start()
    before = pair.d1.pids()
    done = pair.d1.run("run")
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "director d1 runs already" in done.stderr
    pair.d1.kill("director")  # nor while nobody listens
    assert pair.d1.run("run").returncode == 1
    assert wait_until(pair.is_settled)
    assert pair.d1.pids()["vrrp"] == before["vrrp"]


@pytest.mark.skipif(kernel_has_ipvs(), reason="this kernel has IPVS: inside_daemon.py shows the other branch")
def test_a_virtual_service_without_ipvs(pair: Pair) -> None:
    daemon, base = pair.d1, pair.d1.base
    daemon.write(
        '[virtual_service.web]\naddress = "192.0.2.100"\nport = 80\nforwarding_method = "masquerading"\n'
        'real_servers = [{ name = "rs1", address = "192.0.2.11" }]\n' + ROUTER
    )
    for verb in ("run", "plan"):
        done = daemon.run(verb)
        assert done.returncode == 1
        assert done.stderr.startswith("haagent: the kernel has no IPVS: load the module with `modprobe ip_vs`")
        assert done.stderr.count("\n") == 1
    assert users_of(base) == {}


@pytest.mark.skipif(kernel_has_ipvs(), reason="this kernel has IPVS")
def test_a_reload_to_a_virtual_service_without_ipvs_is_refused(pair: Pair) -> None:
    pair.start()
    pair.write(
        ROUTER + '[virtual_service.web]\naddress = "192.0.2.100"\nport = 80\nforwarding_method = "masquerading"\n'
        'real_servers = [{ name = "rs1", address = "192.0.2.11" }]\n'
    )
    done = pair.d1.run("reload")
    assert done.returncode == 1
    assert "the kernel has no IPVS" in done.stderr
    assert pair.is_settled()


# ------------------------------------------------------------------------------------ the commands


def test_the_commands(pair: Pair) -> None:
    clean = pair.d1.run("plan")
    assert (clean.returncode, clean.stdout) == (0, "nothing to change\n")
    pair.segment.hosts["d1"].run("ip", "addr", "add", "192.0.2.100/24", "dev", "eth0")
    left = pair.d1.run("plan")
    assert left.returncode == 2
    assert "- address      192.0.2.100/24 on eth0" in left.stdout
    pair.start()
    assert pair.d1.run("plan").stdout == "nothing to change\n"
    as_json = pair.d1.run("status", "--json")
    snapshot = msgspec.json.decode(as_json.stdout, type=Snapshot)
    assert snapshot.director == "d1"
    assert {each.name for each in snapshot.processes} == {"vrrp", "director", "prober", "observer"}
    assert json.loads(as_json.stdout) == json.loads(msgspec.json.encode(snapshot))  # nothing beside the published shape
    assert "ACTIVE" in pair.d1.run("status").stdout
    lines = pair.d1.run("history").stdout.splitlines()
    assert any("backup -> active" in line for line in lines)
    told = pair.d1.run("history", "--json").stdout.splitlines()
    entries = [msgspec.json.decode(line, type=Entry) for line in told]
    assert len(entries) == len(lines)
    follower = subprocess.Popen(
        pair.d1.command("history", "-c", str(pair.d1.config), "--name", "d1", "--json", "--follow"),
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert follower.stdout is not None
        for _ in entries:
            follower.stdout.readline()
        assert pair.d1.run("reload").returncode == 0
        added = msgspec.json.decode(follower.stdout.readline(), type=Entry)
        assert (added.sequence, added.subject) == (entries[-1].sequence + 1, "configuration")
    finally:
        follower.send_signal(signal.SIGINT)
        assert follower.wait(10) == 0


def test_who_may_use_the_control_socket(pair: Pair) -> None:
    pair.start()
    refused = as_nobody(pair.d1, 65534, "status")
    assert refused.returncode == 1
    assert "permission denied; be root or a member of the control_group" in refused.stderr
    assert as_nobody(pair.d1, 100, "status").returncode == 0  # "users", the configured group


# ------------------------------------------------------------------------------------ the service manager


def test_what_the_service_manager_hears(pair: Pair) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(pair.d1.base / "notify"))
        manager.settimeout(20)
        pair.d1.environment = {"NOTIFY_SOCKET": str(pair.d1.base / "notify"), "WATCHDOG_USEC": "1000000"}
        pair.d1.start()
        heard: list[str] = []

        def until(word: str) -> str:
            while True:
                heard.append(manager.recv(4096).decode())
                if word in heard[-1]:
                    return heard[-1]

        assert pair.d1.process is not None
        assert f"MAINPID={pair.d1.process.pid}" in until("READY=1")
        assert pair.d1.status() is not None  # ready means that it answers
        for _ in range(3):
            until("WATCHDOG=1")
        pair.d1.process.send_signal(signal.SIGHUP)
        assert "MONOTONIC_USEC=" in until("RELOADING=1")
        until("READY=1")
        os.kill(pair.d1.pids()["director"], signal.SIGSTOP)
        silent_at = time.monotonic()
        pair.d1.process.send_signal(signal.SIGTERM)
        until("STOPPING=1")
        assert pair.d1.process.wait(30) == 0  # also where a child does not end by itself
        assert time.monotonic() > silent_at


def without(daemon: Daemon, capability: str) -> None:
    """From now on it starts without that one, as under a service manager that withholds it."""
    command = daemon.command

    def limited(*arguments: str) -> list[str]:
        words = command(*arguments)
        start = words.index(sys.executable)
        return [*words[:start], "setpriv", f"--bounding-set=-{capability}", "--inh-caps=-all", *words[start:]]

    daemon.command = limited  # type: ignore[method-assign]


def test_a_supervisor_that_may_not_kill_stops_all_the_same(pair: Pair) -> None:
    without(pair.d1, "kill")
    pair.start()
    prober = pair.d1.pids()["prober"]
    os.kill(prober, signal.SIGSTOP)
    assert pair.d1.stop() == 0
    assert f"the prober process (pid {prober}) does not end and we may not kill it: grant CAP_KILL" in pair.d1.log
    assert "Traceback" not in pair.d1.log
    assert pair.d1.pids() == {"prober": prober}
    os.kill(prober, signal.SIGCONT)
    assert wait_until(lambda: pair.d1.pids() == {})
