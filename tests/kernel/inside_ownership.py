"""`ipvsadm` as the concurrent editor of the daemon's table: healed, only reported, ignored, adopted, removed; and a
reload that lets connections run out. One director with masquerading, in the test's own namespace."""

import contextlib
import socket
import struct
import subprocess
from collections.abc import Iterator

import pytest

from haagent.control.requests import Reload, ReloadAnswer
from tests.daemon_stage import Daemon, folder, wait_until
from tests.kernel.nat_stage import REAL, VIP, Stage, staged

PATIENCE = 40.0
FOREIGN = "tcp 203.0.113.9:80"
DIRECTOR = 'audit_interval = 2\ndrift = "{drift}"\nforeign = "{foreign}"\n'


def service(*names: str, more: str = "") -> str:
    servers = ", ".join(f'{{ name = "{name}", address = "{REAL[name]}" }}' for name in names)
    return f"""
[virtual_service.web]
address = "{VIP}"
port = 80
scheduler = "rr"
forwarding_method = "masquerading"
{more}
real_servers = [{servers}]
"""


@pytest.fixture
def stage() -> Iterator[Stage]:
    with staged() as found:
        found.listen(80)
        yield found


@pytest.fixture
def daemon() -> Iterator[Daemon]:
    with folder() as base:
        found = Daemon(base, "")
        try:
            yield found
        finally:
            if found.process is not None:
                found.stop()


def start(daemon: Daemon, text: str, *, drift: str = "heal", foreign: str = "ignore") -> None:
    daemon.write(DIRECTOR.format(drift=drift, foreign=foreign) + text)
    daemon.start()
    assert wait_until(lambda: f"-a -t {VIP}:80 -r {REAL['rs1']}:80 -m -w 1" in saved(), PATIENCE), daemon.log[-3000:]
    assert wait_until(daemon.is_complete, PATIENCE), daemon.log[-3000:]


def ipvsadm(*arguments: str) -> None:
    subprocess.run(["ipvsadm", *arguments], check=True)


def saved() -> str:
    told = subprocess.run(["ipvsadm", "-Sn"], check=True, capture_output=True, text=True).stdout
    return "\n".join(line.rstrip() for line in told.splitlines())


def listed() -> str:
    """Real servers with their weight, active and inactive connections."""
    told = subprocess.run(["ipvsadm", "-Ln"], check=True, capture_output=True, text=True).stdout
    return "\n".join(" ".join(line.split()) for line in told.splitlines())


def others(daemon: Daemon) -> list[tuple[str, str, str, str]]:
    return [
        (each.name, each.previous, each.state, each.cause) for each in daemon.history() if each.actor == "somebody else"
    ]


def is_told(daemon: Daemon, name: str, state: str, words: str) -> bool:
    return any(each[0] == name and state in each[2] and words in each[3] for each in others(daemon))


def test_an_edit_is_healed_and_named_and_a_foreign_entry_stays(daemon: Daemon) -> None:
    start(daemon, service("rs1", "rs2"))
    before = saved()
    rs1 = f"tcp {VIP}:80 -> {REAL['rs1']}:80"
    ipvsadm("-e", "-t", f"{VIP}:80", "-r", f"{REAL['rs1']}:80", "-m", "-w", "7")
    assert wait_until(lambda: is_told(daemon, rs1, "weight 7", "somebody else changed it: it is set right"), PATIENCE)
    assert wait_until(lambda: saved() == before, PATIENCE), saved()
    ipvsadm("-C")
    assert wait_until(lambda: is_told(daemon, f"tcp {VIP}:80", "absent", "somebody else removed it"), PATIENCE)
    assert wait_until(lambda: saved() == before, PATIENCE), saved()
    ipvsadm("-A", "-t", "203.0.113.9:80", "-s", "rr")
    ipvsadm("-a", "-t", f"{VIP}:80", "-r", f"{REAL['rs3']}:80", "-m")
    assert wait_until(lambda: is_told(daemon, FOREIGN, "rr", "somebody else added it: it is left so"), PATIENCE)
    foreign = (f"tcp {VIP}:80 -> {REAL['rs3']}:80", FOREIGN)
    assert wait_until(lambda: (s := daemon.status()) and s.table_foreign == foreign, PATIENCE), daemon.status()
    status = daemon.run("status").stdout
    assert "2 entries are not haagent's" in status
    assert FOREIGN in status
    assert "-A -t 203.0.113.9:80 -s rr" in saved()


def test_an_edit_is_only_reported_until_a_reload(daemon: Daemon) -> None:
    start(daemon, service("rs1", "rs2"), drift="report")
    rs1 = f"tcp {VIP}:80 -> {REAL['rs1']}:80"
    ipvsadm("-e", "-t", f"{VIP}:80", "-r", f"{REAL['rs1']}:80", "-m", "-w", "7")
    assert wait_until(lambda: is_told(daemon, rs1, "weight 7", "it is left so"), PATIENCE), others(daemon)
    assert wait_until(lambda: (s := daemon.status()) and s.table_left == (rs1,), PATIENCE), daemon.status()
    assert f"{REAL['rs1']}:80 -m -w 7" in saved()
    status = daemon.run("status")
    assert status.returncode == 2
    assert 'drift = "report" leaves them so' in status.stdout
    # what we want ourselves of another entry is done, and of the edited one too
    assert daemon.run("weight", "rs2", "3").returncode == 0
    assert wait_until(lambda: f"{REAL['rs2']}:80 -m -w 3" in saved(), PATIENCE)
    assert f"{REAL['rs1']}:80 -m -w 7" in saved()
    assert daemon.run("drain", "rs1").returncode == 0
    assert wait_until(lambda: f"{REAL['rs1']}:80 -m -w 7" not in saved(), PATIENCE), saved()
    assert daemon.run("enable", "rs1").returncode == 0
    ipvsadm("-C")
    assert wait_until(lambda: is_told(daemon, f"tcp {VIP}:80", "absent", "it is left so"), PATIENCE)
    assert saved() == ""
    assert isinstance(daemon.ask(Reload()), ReloadAnswer)
    assert wait_until(lambda: f"-a -t {VIP}:80 -r {REAL['rs1']}:80 -m -w 1" in saved(), PATIENCE), saved()
    assert wait_until(lambda: (s := daemon.status()) and s.table_left == (), PATIENCE)


@pytest.mark.parametrize(("foreign", "old", "new"), [("adopt", False, True), ("remove", False, False)])
def test_a_foreign_service_from_before_and_one_from_later(daemon: Daemon, foreign: str, old: bool, new: bool) -> None:
    ipvsadm("-A", "-t", "203.0.113.9:80", "-s", "rr")
    start(daemon, service("rs1"), foreign=foreign)
    assert wait_until(lambda: ("203.0.113.9:80" in saved()) is old, PATIENCE), saved()
    ipvsadm("-A", "-t", "203.0.113.10:80", "-s", "rr")
    assert wait_until(lambda: is_told(daemon, "tcp 203.0.113.10:80", "rr", "somebody else added it"), PATIENCE)
    assert wait_until(lambda: ("203.0.113.10:80" in saved()) is new, PATIENCE), saved()


def test_a_reload_lets_connections_run_out(stage: Stage, daemon: Daemon) -> None:
    more = "removal_time = 300"
    start(daemon, service("rs1", "rs2", more=more))
    with contextlib.ExitStack() as stack:
        held: dict[str, list[socket.socket]] = {}
        for _ in range(4):
            client = stack.enter_context(stage.connect())
            held.setdefault(client.recv(64).decode().strip(), []).append(client)
        assert set(held) == {"rs1", "rs2"}
        daemon.write(DIRECTOR.format(drift="heal", foreign="ignore") + service("rs1", more=more))
        assert isinstance(daemon.ask(Reload()), ReloadAnswer)
        assert wait_until(lambda: f"{REAL['rs2']}:80 -m -w 0" in saved(), PATIENCE), saved()
        assert set(stage.ask_many(6)) == {"rs1"}
        assert wait_until(lambda: (s := daemon.status()) and [e.name for e in s.table_leaving] == ["web/rs2"], PATIENCE)
        assert "leaving  web/rs2" in daemon.run("status").stdout
        assert not any(each.state == "removed" for each in daemon.history())
        assert f"{REAL['rs2']}:80 Masq 0 2 0" in listed()
        for client in held["rs2"]:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            client.close()  # a reset: the kernel forgets it after 10 s, not 2 minutes
        assert wait_until(lambda: REAL["rs2"] not in saved(), PATIENCE), saved()
    ends = [(each.name, each.cause) for each in daemon.history() if each.state == "removed"]
    assert ends == [("web/rs2", "its last connection is closed")]
