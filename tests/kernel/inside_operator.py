"""Operators' words, connection sync and kernel parameters on a real IPVS; ipvsadm and /proc/sys are the oracles.

The topology is that of inside_daemon.py; one daemon serves all tests, in the order of the file.
"""

import signal
import socket
import struct
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import pytest

from haagent.control.requests import Operate, OperateAnswer, Refused
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
    ipvsadm,
    saved,
    talk,
)

CONFIG = f"""
{ROUTER}
[connection_sync]
interface = "eth0"
sync_id = 7

[sysctl]
set = {{ "net.ipv4.vs.sync_refresh_period" = 10 }}

[check.alive]
type = "tcp"
interval = 0.5
timeout = 0.5
fall = 3
rise = 1

[virtual_service.web]
address = "{VIP}"
port = 80
scheduler = "rr"
forwarding_method = "masquerading"
check = ["alive"]
real_servers = [
  {{ name = "rs1", address = "192.0.2.11", port = 8080 }},
  {{ name = "rs2", address = "192.0.2.12", port = 8080, weight = 2 }},
]
"""
RS1, RS2 = (f"-a -t {VIP}:80 -r 192.0.2.{host}:8080 -m -w {weight}" for host, weight in ((11, 1), (12, 2)))
DRAINED = RS1[:-1] + "0"
BEFORE = {
    "net.ipv4.ip_forward": "0",
    "net.ipv4.vs.expire_nodest_conn": "0",
    "net.ipv4.vs.sync_refresh_period": "0",
}
WANTED = {"net.ipv4.ip_forward": "1", "net.ipv4.vs.expire_nodest_conn": "1", "net.ipv4.vs.sync_refresh_period": "10"}


def sysctl(*arguments: str) -> str:
    command = ["ip", "netns", "exec", DIRECTOR, "sysctl", "-n", *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def sysctls() -> dict[str, str]:
    return dict(zip(WANTED, sysctl(*WANTED).split("\n"), strict=True))


def daemons() -> list[str]:
    return [line.split(" (")[0] for line in ipvsadm("-L", "--daemon").splitlines() if line.strip()]


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    with folder() as base:
        try:
            for line in SETUP.strip().splitlines():
                subprocess.run(["ip", *line.split()], check=True)
            sysctl("-w", *(f"{name}={value}" for name, value in BEFORE.items()))
            servers = {f"rs{n}": RealServer(f"rs{n}", f"192.0.2.1{n}") for n in (1, 2)}
            daemon = Daemon(base, DIRECTOR)
            daemon.write(CONFIG)
            yield Stage(daemon, servers)
            if daemon.process is not None:
                daemon.stop()
        finally:
            for name in (DIRECTOR, SERVERS, CLIENT):
                subprocess.run(["ip", "netns", "del", name], check=False)


def until(*lines: str, patience: float = PATIENCE) -> None:
    wanted = sorted([f"-A -t {VIP}:80 -s rr", *lines])
    assert wait_until(lambda: saved() == wanted, patience, 0.1), saved()


def say(stage: Stage, verb: str, server: str = "web/rs1", **more: object) -> None:
    answer = stage.daemon.ask(Operate(verb=verb, server=server, **more))  # type: ignore[arg-type]
    assert isinstance(answer, OperateAnswer), answer


def rs1(stage: Stage) -> RealServerStatus:
    found = stage.daemon.server("web", "rs1")
    assert found is not None
    return found


def words(stage: Stage) -> list[tuple[str, str, str]]:
    return [(each.name, each.state, each.actor) for each in stage.daemon.history() if each.subject == "operator"]


def test_plan_shows_parameters_with_their_reasons_and_the_sync_daemons(stage: Stage) -> None:
    done = stage.daemon.run("plan")
    lines = [" ".join(line.split()) for line in done.stdout.splitlines()]
    assert "~ sysctl net.ipv4.ip_forward 0 -> 1 (web masquerades, so answers are routed through this director)" in lines
    assert "~ sysctl net.ipv4.vs.sync_refresh_period 0 -> 10 ([sysctl] set says so)" in lines
    assert [line for line in lines if line.startswith("+ sync")] == [
        f"+ sync {role} eth0, sync id 7, group 224.0.0.81, port 8848" for role in ("sender", "receiver")
    ], lines
    assert not any("sloppy" in line for line in lines)  # connections are synced


def test_a_start_sets_them_and_leaves_no_plan(stage: Stage) -> None:
    stage.daemon.start()
    until(RS1, RS2)
    assert sysctls() == WANTED
    assert daemons() == ["master sync daemon", "backup sync daemon"]
    assert "syncid=7" in ipvsadm("-L", "--daemon")
    assert wait_until(lambda: stage.daemon.state() == "active", PATIENCE)
    done = stage.daemon.run("plan")
    assert done.stdout == "nothing to change\n"


def test_an_audit_heals_both(stage: Stage) -> None:
    before = stage.status().table_repairs
    sysctl("-w", "net.ipv4.vs.expire_nodest_conn=0")
    ipvsadm("--stop-daemon", "master")
    assert wait_until(lambda: sysctls() == WANTED and len(daemons()) == 2, PATIENCE), (sysctls(), daemons())
    assert wait_until(lambda: stage.status().table_repairs == before + 2, 5), stage.status().table_repairs


def test_a_drained_server_keeps_its_connection_and_gets_no_other(stage: Stage) -> None:
    held = stage.connected_to("rs1")
    done = stage.daemon.run("drain", "web/rs1")
    assert (done.returncode, done.stdout) == (0, "web/rs1 is drained\n"), done.stderr
    until(DRAINED, RS2)
    assert talk(held) == "rs1"
    for _ in range(6):
        with stage.connect() as other:
            assert talk(other) == "rs2"
    # `status` shows counts that are up to a second old
    assert wait_until(lambda: (said := rs1(stage).override) is not None and said.connections_left == 1, PATIENCE)
    status = rs1(stage)
    assert (status.admin, status.weight) == ("drained", 0)
    assert words(stage) == [("web/rs1", "drained", "root")]
    stage.held = held  # type: ignore[attr-defined]


def test_it_stays_drained_when_the_director_is_killed_and_over_a_reload(stage: Stage) -> None:
    with stage.sampling() as samples:
        killed = stage.daemon.kill("director")
        assert wait_until(lambda: stage.daemon.pids().get("director", killed) != killed, PATIENCE)
        assert wait_until(stage.daemon.is_complete, PATIENCE)
        assert wait_until(lambda: stage.daemon.server("web", "rs1") is not None and rs1(stage).health == "up", PATIENCE)
        stage.reload(CONFIG.replace("weight = 2", "weight = 3"))
        until(DRAINED, RS2[:-1] + "3")
        time.sleep(1)
    assert all(DRAINED in sample.table for sample in samples), samples
    assert talk(stage.held) == "rs1"  # type: ignore[attr-defined]
    assert rs1(stage).admin == "drained"
    assert daemons() == ["master sync daemon", "backup sync daemon"]  # adopted
    stage.reload(CONFIG)


def test_it_leaves_the_table_when_the_last_connection_is_gone(stage: Stage) -> None:
    held: socket.socket = stage.held  # type: ignore[attr-defined]
    held.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    held.close()  # a reset, which the kernel forgets after 10 s; after FINs it counts as inactive for 120 s
    until(RS2)
    assert rs1(stage).admin == "disabled"
    assert words(stage)[-1] == ("web/rs1", "disabled", "haagent")
    assert stage.status().problems == ()


def test_enable_brings_it_back(stage: Stage) -> None:
    say(stage, "enable")
    until(RS1, RS2)
    assert rs1(stage).override is None


def test_the_last_server_is_taken_out_only_by_force(stage: Stage) -> None:
    say(stage, "disable", "rs2")
    until(RS1)
    verbs: tuple[Literal["drain", "disable"], ...] = ("drain", "disable")
    for verb in verbs:
        answer = stage.daemon.ask(Operate(verb=verb, server="rs1"))
        assert isinstance(answer, Refused)
        assert "--force" in answer.reason
    until(RS1)
    say(stage, "disable", "rs1", force=True)
    until()
    say(stage, "enable", "", service="web")
    until(RS1, RS2)


def test_a_deadline_ends_a_drain_whatever_is_left(stage: Stage) -> None:
    held = stage.connected_to("rs1")
    say(stage, "drain", deadline=time.time() + 4)
    until(DRAINED, RS2)
    assert talk(held) == "rs1"
    until(RS2)
    assert rs1(stage).admin == "disabled"
    say(stage, "enable")
    until(RS1, RS2)
    held.close()


def test_a_weight_that_ends_by_itself(stage: Stage) -> None:
    done = stage.daemon.run("weight", "rs1", "9", "--for", "8s")
    assert (done.returncode, done.stdout) == (0, "web/rs1 is weight 9\n"), done.stderr
    until(RS1[:-1] + "9", RS2)
    until(RS1, RS2)
    assert words(stage)[-2:] == [("web/rs1", "weight 9", "root"), ("web/rs1", "enabled", "haagent")]


def test_words_that_cannot_be_stored_change_nothing(stage: Stage) -> None:
    aside = stage.daemon.base / "state" / "d1" / "operator.json.new"
    aside.mkdir()  # so that no file can be written there
    try:
        answer = stage.daemon.ask(Operate(verb="drain", server="rs1"))
        assert isinstance(answer, Refused)
        assert "nothing is changed" in answer.reason
        assert RS1 in saved()
        assert any("operator.json" in problem for problem in stage.status().problems)
    finally:
        aside.rmdir()
    say(stage, "enable")
    assert stage.status().problems == ()


def test_a_server_that_a_reload_removes_keeps_its_word_which_is_reported(stage: Stage) -> None:
    say(stage, "drain", keep=True)
    until(DRAINED, RS2)
    row = next(line for line in CONFIG.splitlines() if '"rs1"' in line)
    stage.reload(CONFIG.replace(row, ""))
    until(RS2)
    assert any("web/rs1" in problem for problem in stage.status().problems), stage.status().problems
    stage.reload(CONFIG)
    until(DRAINED, RS2)  # known to be up no more: out until proven, and then drained
    say(stage, "enable")
    until(RS1, RS2)


def test_a_clean_stop_gives_the_parameters_and_daemons_back(stage: Stage) -> None:
    table = saved()
    assert stage.daemon.stop(signal.SIGTERM) == 0
    assert sysctls() == BEFORE
    assert daemons() == []
    assert saved() == table


def test_after_a_crash_the_first_values_are_still_known(stage: Stage) -> None:
    stage.daemon.start()
    assert wait_until(lambda: sysctls() == WANTED, PATIENCE)
    stage.daemon.kill_all()
    assert sysctls() == WANTED
    assert Path(stage.daemon.base / "state" / "d1" / "kernel.json").exists()
    stage.daemon.start()
    assert wait_until(stage.daemon.is_complete, PATIENCE)
    assert stage.daemon.stop() == 0
    assert sysctls() == BEFORE
    assert daemons() == []


def test_two_directors_agree_and_the_backup_does_not_end_the_actives_drain(stage: Stage) -> None:
    base = stage.daemon.base
    secret = base / "secret"
    secret.write_text("0123456789abcdef\n")
    secret.chmod(0o600)
    addresses = '{ d1 = "198.51.100.1:5406", d2 = "198.51.100.200:5406" }'
    text = CONFIG + f'\n[peers]\naddresses = {addresses}\nsecret_file = "{secret}"\ninterval = 0.5\n'
    stage.daemon.write(text)
    other = Daemon(base, CLIENT, name="d2")
    stage.daemon.start()
    until(RS1, RS2)
    assert wait_until(lambda: stage.daemon.state() == "active", PATIENCE)
    held = stage.connected_to("rs1")  # the client's side is d2's kernel from now on
    other.start()
    try:
        assert wait_until(other.is_complete, PATIENCE), other.log
        assert wait_until(lambda: other.state() == "backup", PATIENCE)
        answer = other.ask(Operate(verb="drain", server="rs1"))  # said to the Backup
        assert isinstance(answer, OperateAnswer), answer
        until(DRAINED, RS2)
        assert rs1(stage).admin == "drained"
        time.sleep(5)  # two audits and ten exchanges
        assert talk(held) == "rs1"
        for each in (stage.daemon, other):
            found = each.server("web", "rs1")
            assert found is not None
            assert found.admin == "drained"
        held.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        held.close()
        until(RS2)

        def admin() -> str:
            found = other.server("web", "rs1")
            return found.admin if found else ""

        assert wait_until(lambda: admin() == "disabled", PATIENCE)
        status = stage.daemon.status()
        assert status is not None
        assert [(peer.name, peer.reachable) for peer in status.peers] == [("d2", True)]
        other.stop()
        assert wait_until(lambda: any("the director d2" in each for each in stage.status().problems), PATIENCE)
        say(stage, "enable")
        until(RS1, RS2)
        other.start()
        assert wait_until(lambda: admin() == "enabled", PATIENCE)  # it was away, and hears it
    finally:
        other.stop()
        stage.daemon.stop()
