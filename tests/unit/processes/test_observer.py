"""The real observer process, over real sockets, with the test as its director and as its AgentX master."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from haagent.agentx import codec
from haagent.agentx import pdu as p
from haagent.agentx.varbind import Kind, SearchRange, Varbind
from haagent.mib import haagent as mib
from haagent.processes import messages
from haagent.processes.frames import FrameReader, frame
from haagent.processes.messages import Hello, ObserverReported, RouterChanged, SnapshotTaken
from haagent.snapshot import Snapshot

SNAPSHOT = Snapshot(director="d1", version="0.1.0", at=10.0, started_at=0.0)
CHANGED = RouterChanged(
    name="web", interface="eth0", ifindex=2, vrid=51, state="active", previous="backup", reason="silence"
)
NAME = (*mib.DIRECTOR, 1, 0)


class Director:
    """Listens on the internal socket and starts observers."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "internal.sock"
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.listener.bind(str(self.path))
        self.listener.listen()
        self.listener.settimeout(60)
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, agentx: str) -> Hello:
        self.alive, other_end = os.pipe()[::-1]
        self.process = subprocess.Popen(
            [
                *(sys.executable, "-m", "haagent.processes.observer", "--socket", str(self.path)),
                *("--user", "no-such-user", "--agentx", agentx, "--alive-fd", str(other_end)),
            ],
            pass_fds=(other_end,),
            stderr=subprocess.PIPE,
        )
        os.close(other_end)
        self.connection, _ = self.listener.accept()
        self.connection.settimeout(60)
        self.frames, self.received = FrameReader(), []
        hello = self.hear()
        assert isinstance(hello, Hello)
        return hello

    def hear(self) -> messages.FromObserver:
        while not self.received:
            data = self.connection.recv(65536)
            assert data, "the observer closed the connection"
            self.received += [messages.decode_from_observer(payload) for payload in self.frames.feed(data)]
        return self.received.pop(0)

    def report(self) -> ObserverReported:
        message = self.hear()
        assert isinstance(message, ObserverReported)
        return message

    def say(self, message: messages.ToObserver) -> None:
        self.connection.sendall(frame(messages.encode(message)))

    def ended(self) -> tuple[int, bytes]:
        assert self.process is not None
        _, errors = self.process.communicate(timeout=60)
        return self.process.returncode, errors

    def close(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.communicate()
        self.listener.close()


class Master:
    """An AgentX master with one subagent; its socket admits everybody unless told otherwise."""

    def __init__(self, path: Path) -> None:
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.listener.bind(str(path))
        path.chmod(0o666)
        self.listener.listen()
        self.listener.settimeout(60)
        self.address = f"unix:{path}"

    def accept(self) -> None:
        self.connection, _ = self.listener.accept()
        self.connection.settimeout(60)
        self.reader, self.received = codec.PduReader(), []

    def hear(self) -> p.Pdu:
        while not self.received:
            data = self.connection.recv(65536)
            assert data, "the subagent closed the connection"
            self.received += self.reader.feed(data)
        pdu = self.received.pop(0)
        assert isinstance(pdu, p.Pdu)
        return pdu

    def say(self, body: p.Body, packet_id: int) -> None:
        self.connection.sendall(codec.encode(p.Pdu(body, 1, 0, packet_id)))

    def register(self) -> list[p.Body]:
        """Takes the session up to its registration; what was asked."""
        asked = []
        self.accept()
        for _pdu in range(3):
            pdu = self.hear()
            asked.append(pdu.body)
            self.say(p.Response(), pdu.packet_id)
        return asked


@pytest.fixture
def folder() -> Iterator[Path]:
    """One that a user without privileges can enter, unlike tmp_path."""
    path = Path(tempfile.mkdtemp(prefix="haagent-observer-"))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path)


@pytest.fixture
def director(folder: Path) -> Iterator[Director]:
    director = Director(folder)
    yield director
    director.close()


@pytest.fixture
def master(folder: Path) -> Iterator[Master]:
    master = Master(folder / "master")
    yield master
    master.listener.close()


def registered(director: Director, master: Master) -> None:
    director.start(master.address)
    director.say(SnapshotTaken(SNAPSHOT))
    master.register()
    assert director.report() == ObserverReported(connected=True, detail=f"AgentX registered with {master.address}")


def test_it_says_hello_registers_one_subtree_and_runs_without_privileges(director: Director, master: Master) -> None:
    hello = director.start(master.address)
    assert director.process is not None
    assert hello == Hello(process="observer", pid=director.process.pid)
    director.say(SnapshotTaken(SNAPSHOT))
    opening, capabilities, register = master.register()
    assert opening == p.Open(0, mib.ROOT, b"haagent 0.1.0")
    assert capabilities == p.AddAgentCaps(mib.ROOT, b"haagent 0.1.0")
    assert register == p.Register(mib.ROOT)
    assert director.report().connected
    if os.geteuid() == 0:
        status = Path(f"/proc/{director.process.pid}/status").read_text()
        assert "0" not in next(line for line in status.splitlines() if line.startswith("Uid:")).split()[1:]
        assert "0" not in next(line for line in status.splitlines() if line.startswith("Groups:")).split()[1:]


def test_it_answers_from_the_newest_snapshot(director: Director, master: Master) -> None:
    registered(director, master)
    get = p.Get((SearchRange(NAME),))
    master.say(get, 1)
    assert master.hear().body == p.Response(varbinds=(Varbind(NAME, Kind.OCTET_STRING, b"d1"),))
    director.say(SnapshotTaken(Snapshot(director="d2", version="0.1.0", at=10.0, started_at=0.0)))
    director.say(CHANGED)
    notify = master.hear()  # by now it has the second one
    assert isinstance(notify.body, p.Varbinds)
    assert notify.body.varbinds == mib.router_state_change(
        director="d2", name="web", interface="eth0", vrid=51, state="active", previous="backup", reason="silence"
    )
    master.say(p.Response(), notify.packet_id)
    master.say(get, 2)
    assert master.hear().body == p.Response(varbinds=(Varbind(NAME, Kind.OCTET_STRING, b"d2"),))


def test_a_master_that_ends_is_found_again_and_what_happened_meanwhile_is_dropped(
    director: Director, master: Master
) -> None:
    registered(director, master)
    master.connection.close()
    lost = director.report()
    assert lost == ObserverReported(connected=False, detail=f"{master.address}: the master closed the connection")
    director.say(CHANGED)
    master.register()
    assert director.report().connected
    master.say(p.Get((SearchRange(NAME),)), 1)
    assert isinstance(master.hear().body, p.Response)  # and no Notify before it


def test_a_master_that_speaks_something_else_is_left(director: Director, master: Master) -> None:
    registered(director, master)
    master.connection.sendall(b"220 mail.example.com ESMTP\r\n")
    assert director.report().detail == f"{master.address}: the master sent what is no AgentX"
    master.register()
    assert director.report().connected


@pytest.mark.skipif(os.geteuid() != 0, reason="root alone has privileges to drop")
def test_a_socket_that_the_user_may_not_enter_is_reported_with_the_remedy(director: Director, folder: Path) -> None:
    closed = folder / "agentx"
    closed.mkdir(mode=0o700)
    master = Master(closed / "master")
    director.start(master.address)
    director.say(SnapshotTaken(SNAPSHOT))
    report = director.report()
    assert not report.connected
    assert report.detail == (
        f"cannot connect to {master.address}: permission denied; "
        "add `agentXPerms 0660 0755 nobody nogroup` to snmpd.conf and restart snmpd"
    )
    master.listener.close()


def test_no_socket_is_reported_and_found_when_it_comes(director: Director, folder: Path) -> None:
    address = f"unix:{folder / 'later'}"
    director.start(address)
    director.say(SnapshotTaken(SNAPSHOT))
    assert director.report() == ObserverReported(
        connected=False,
        detail=f"cannot connect to {address}: no such socket; is snmpd running, with `master agentx` in snmpd.conf?",
    )
    master = Master(folder / "later")
    master.register()
    assert director.report().connected
    master.listener.close()


def test_nobody_listening_on_tcp_is_reported(director: Director) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    director.start(f"tcp:127.0.0.1:{port}")
    director.say(SnapshotTaken(SNAPSHOT))
    assert director.report().detail.startswith(f"cannot connect to tcp:127.0.0.1:{port}: connection refused;")


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("", "no AgentX master is configured"),
        ("705", 'cannot use "705": an AgentX master is unix:/path or tcp:host:port'),
    ],
)
def test_without_a_usable_address_there_is_no_subagent(director: Director, address: str, words: str) -> None:
    director.start(address)
    assert director.report() == ObserverReported(connected=False, detail=words)
    director.say(SnapshotTaken(SNAPSHOT))
    director.say(CHANGED)
    director.connection.close()
    assert director.ended() == (0, b"")


def test_it_ends_with_the_director(director: Director, master: Master) -> None:
    registered(director, master)
    director.connection.close()
    assert master.hear().body == p.Close(p.CloseReason.SHUTDOWN)
    assert director.ended() == (0, b"")


def test_it_ends_with_the_supervisor(director: Director, master: Master) -> None:
    registered(director, master)
    os.close(director.alive)
    assert master.hear().body == p.Close(p.CloseReason.SHUTDOWN)
    assert director.ended() == (0, b"")


def test_it_ends_on_sigterm_and_not_on_the_terminals_interrupt(director: Director, master: Master) -> None:
    registered(director, master)
    assert director.process is not None
    director.process.send_signal(signal.SIGINT)
    master.say(p.Get((SearchRange(NAME),)), 1)
    assert isinstance(master.hear().body, p.Response)
    director.process.send_signal(signal.SIGTERM)
    assert master.hear().body == p.Close(p.CloseReason.SHUTDOWN)
    assert director.ended() == (0, b"")
