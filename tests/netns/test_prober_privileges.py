"""The prober process after root: what it keeps while a check needs it, what it gives up, and what its programs get."""

import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from msgspec.structs import replace

from haagent.config.checks import Check, ExecCheck, IcmpCheck, TcpCheck
from haagent.linux.capabilities import KILL, NET_ADMIN, NET_RAW, SETGID, SETUID
from haagent.processes.frames import FrameReader, frame
from haagent.processes.messages import HealthReported, Hello, Probe, SetProbes, decode_from_prober, encode
from tests.daemon_stage import wait_until

pytestmark = pytest.mark.root
QUICK = {"interval": 0.1, "timeout": 0.1, "fall": 1, "rise": 1}
PLAIN = TcpCheck(name="plain", **QUICK)
MARKED = TcpCheck(name="marked", mark=7, **QUICK)
PING = IcmpCheck(name="ping", **QUICK)
STATUS = ExecCheck(
    name="status",
    interval=5.0,
    timeout=5.0,
    rise=1,
    command=("/bin/sh", "-c", "echo $(id -un) $(grep -E '^Cap(Eff|Prm|Amb)' /proc/self/status | cut -f2)"),
)  # fmt: skip


class Prober:
    """The process, and this test as its director."""

    def __init__(self, process: subprocess.Popen[bytes], connection: socket.socket) -> None:
        self.process, self._connection, self._frames = process, connection, FrameReader()
        connection.settimeout(20)
        assert isinstance(self.hear(), Hello)

    def name(self, *checks: Check) -> None:
        probes = tuple(Probe(id=id, check=check, address="127.0.0.1", port=7) for id, check in enumerate(checks))
        self._connection.sendall(frame(encode(SetProbes(probes))))

    def hear(self) -> object:
        """The next message; None: it is gone."""
        while data := self._connection.recv(65536):
            for payload in self._frames.feed(data):
                return decode_from_prober(payload)
        return None

    def details(self, count: int) -> dict[int, str]:
        found: dict[int, str] = {}
        while len(found) < count:
            said = self.hear()
            assert isinstance(said, HealthReported), said
            found[said.id] = said.detail
        return found

    def capabilities(self, which: str) -> set[int]:
        text = Path(f"/proc/{self.process.pid}/status").read_text()
        found = re.search(rf"^Cap{which}:\t([0-9a-f]+)$", text, re.MULTILINE)
        assert found is not None
        return {number for number in range(64) if int(found[1], 16) >> number & 1}


@pytest.fixture
def namespace() -> Iterator[str]:
    name = f"hp-p{os.getpid()}"
    subprocess.run(["ip", "netns", "add", name], check=True, timeout=30)
    try:
        subprocess.run(["ip", "-n", name, "link", "set", "lo", "up"], check=True, timeout=30)
        yield name
    finally:
        subprocess.run(["ip", "netns", "delete", name], check=False, timeout=30)


@contextmanager
def prober(namespace: str, folder: Path) -> Iterator[Prober]:
    path = folder / "internal.sock"
    path.unlink(missing_ok=True)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(str(path))
        listener.listen()
        command = [sys.executable, "-m", "haagent.processes.prober", "--socket", str(path), "--user", "nobody"]
        process = subprocess.Popen(["ip", "netns", "exec", namespace, *command])
        try:
            connection, _ = listener.accept()
            with connection:
                yield Prober(process, connection)
        finally:
            process.kill()
            process.wait(timeout=30)


def no_ping_sockets(namespace: str) -> None:
    subprocess.run(
        ["ip", "netns", "exec", namespace, "sysctl", "-qw", "net.ipv4.ping_group_range=1 0"], check=True, timeout=30
    )


def test_nothing_is_kept_for_checks_that_need_nothing(namespace: str, tmp_path: Path) -> None:
    with prober(namespace, tmp_path) as subject:
        subject.name(PLAIN)
        assert subject.details(1) == {0: "connection refused (127.0.0.1:7)"}
        for which in ("Eff", "Prm", "Inh", "Amb"):
            assert subject.capabilities(which) == set(), which
        assert Path(f"/proc/{subject.process.pid}").stat().st_uid != 0


def test_a_mark_keeps_net_admin_alone_and_its_programs_get_nothing(namespace: str, tmp_path: Path) -> None:
    with prober(namespace, tmp_path) as subject:
        subject.name(MARKED, STATUS)
        details = subject.details(2)
        assert details[0] == "connection refused (127.0.0.1:7)"  # not "it may not set the mark"
        assert re.fullmatch(r"exit code 0: nobody( 0+)+", details[1]), details[1]
        assert subject.capabilities("Eff") == subject.capabilities("Prm") == {NET_ADMIN}
        assert subject.capabilities("Amb") == subject.capabilities("Inh") == set()


def test_a_program_of_another_user_gets_nothing_and_ends_at_the_deadline(namespace: str, tmp_path: Path) -> None:
    other = replace(STATUS, name="other", user="daemon")
    script = ("/bin/sh", "-c", "echo $$; sleep 600")
    hangs = replace(STATUS, name="hangs", user="daemon", timeout=1.0, fall=1, command=script)
    with prober(namespace, tmp_path) as subject:
        subject.name(other, hangs, replace(STATUS, name="none", user="nosuchuser"))
        details = subject.details(3)
        assert re.fullmatch(r"exit code 0: daemon( 0+)+", details[0]), details[0]
        ended = re.fullmatch(r'it did not end within 1 s \(it wrote "(\d+)"\)', details[1])
        assert ended is not None, details[1]
        assert details[2] == "this director cannot probe: there is no user nosuchuser"
        assert subject.capabilities("Eff") == subject.capabilities("Prm") == {SETUID, SETGID, KILL}
        assert subject.capabilities("Amb") == subject.capabilities("Inh") == set()
        assert wait_until(lambda: not Path(f"/proc/{ended[1]}").exists())


def test_a_ping_keeps_net_raw_where_the_kernel_gives_no_ping_socket(namespace: str, tmp_path: Path) -> None:
    no_ping_sockets(namespace)
    with prober(namespace, tmp_path) as subject:
        subject.name(PING)
        assert subject.details(1) == {0: "echo reply"}
        assert subject.capabilities("Eff") == subject.capabilities("Prm") == {NET_RAW}


def test_a_ping_socket_needs_nothing(namespace: str, tmp_path: Path) -> None:
    subprocess.run(
        ["ip", "netns", "exec", namespace, "sysctl", "-qw", "net.ipv4.ping_group_range=0 2147483647"],
        check=True,
        timeout=30,
    )
    with prober(namespace, tmp_path) as subject:
        subject.name(PING)
        assert subject.details(1) == {0: "echo reply"}
        assert subject.capabilities("Prm") == set()


def test_what_was_given_up_takes_a_new_process(namespace: str, tmp_path: Path) -> None:
    with prober(namespace, tmp_path) as subject:
        subject.name(MARKED)
        subject.details(1)
        subject.name(PLAIN)  # from now on without
        subject.details(1)
        assert subject.capabilities("Prm") == set()
        subject.name(MARKED)
        while subject.hear() is not None:
            pass
        assert subject.process.wait(timeout=20) == 0
    with prober(namespace, tmp_path) as subject:  # as the supervisor does
        subject.name(MARKED)
        assert subject.details(1) == {0: "connection refused (127.0.0.1:7)"}
