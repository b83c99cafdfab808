"""The real prober process, over a real socket, with the test as its director."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from haagent.config.model import HttpCheck, TcpCheck
from haagent.health.events import ProbesSet
from haagent.probes import tcp
from haagent.processes import messages, prober
from haagent.processes.frames import FrameReader, frame
from haagent.processes.messages import HealthReported, Hello, Probe, SetProbes

CHECK = TcpCheck(name="tcp", interval=0.1, timeout=0.5, rise=2, fall=3)


class Director:
    """Listens on the internal socket and starts probers."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "internal.sock"
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.listener.bind(str(self.path))
        self.listener.listen()
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> Hello:
        self.alive, other_end = os.pipe()[::-1]
        self.process = subprocess.Popen(
            [
                *(sys.executable, "-m", "haagent.processes.prober", "--socket", str(self.path)),
                *("--user", "no-such-user", "--alive-fd", str(other_end)),
            ],
            pass_fds=(other_end,),
            stderr=subprocess.PIPE,
        )
        os.close(other_end)
        self.listener.settimeout(60)
        self.connection, _ = self.listener.accept()
        self.connection.settimeout(60)
        self.frames, self.received = FrameReader(), []
        hello = self.hear()
        assert isinstance(hello, Hello)
        return hello

    def hear(self) -> messages.FromProber:
        while not self.received:
            data = self.connection.recv(65536)
            assert data, "the prober closed the connection"
            self.received += [messages.decode_from_prober(payload) for payload in self.frames.feed(data)]
        return self.received.pop(0)

    def set(self, *probes: Probe) -> None:
        self.connection.sendall(frame(messages.encode(SetProbes(probes))))

    def report(self) -> HealthReported:
        message = self.hear()
        assert isinstance(message, HealthReported)
        return message

    def until(self, id: int, health: str) -> HealthReported:
        while True:
            report = self.report()
            if report.id == id and report.health == health:
                return report

    def ended(self) -> tuple[int, bytes]:
        assert self.process is not None
        _, errors = self.process.communicate(timeout=60)
        return self.process.returncode, errors

    def close(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.communicate()
        self.listener.close()


@pytest.fixture
def director(tmp_path: Path) -> Iterator[Director]:
    director = Director(tmp_path)
    yield director
    director.close()


def target(port: int, id: int = 1, health: str = "unknown") -> Probe:
    return Probe(id=id, check=CHECK, address="127.0.0.1", port=port, health=health)  # type: ignore[arg-type]


def test_it_says_hello_and_runs_without_privileges(director: Director) -> None:
    hello = director.start()
    assert director.process is not None
    assert hello == Hello(process="prober", pid=director.process.pid)
    director.set()
    with socket.create_server(("127.0.0.1", 0)) as server:
        director.set(target(server.getsockname()[1]))
        director.report()  # by now it has dropped them
    status = Path(f"/proc/{director.process.pid}/status").read_text()
    uids = next(line for line in status.splitlines() if line.startswith("Uid:")).split()[1:]
    groups = next(line for line in status.splitlines() if line.startswith("Groups:")).split()[1:]
    if os.geteuid() == 0:
        assert "0" not in uids
        assert groups == []


def test_verdicts_change_with_the_real_server(director: Director) -> None:
    director.start()
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        director.set(target(port))
        first = director.report()
        assert (first.health, first.detail) == ("unknown", "connected")
        up = director.report()
        assert (up.health, up.detail) == ("up", "connected")
        assert up.at > first.at
    still_up = director.report()
    assert (still_up.health, still_up.detail) == ("up", f"connection refused (127.0.0.1:{port})")
    assert director.report().health == "down"
    with socket.create_server(("127.0.0.1", port)):
        assert director.report().health == "down"  # the sentence changed, the verdict not yet
        assert director.report().health == "up"


def test_http_and_a_set_that_replaces(director: Director) -> None:
    director.start()
    web = HttpCheck(name="web", interval=0.1, timeout=2.0)
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        director.set(Probe(id=7, check=web, address="127.0.0.1", port=port))
        accepted, _ = server.accept()
        assert accepted.recv(1000).startswith(b"GET / HTTP/1.1\r\n")
        director.set(target(port, id=8))  # 7 is abandoned while it waits
        with pytest.raises(ConnectionResetError):
            accepted.recv(1000)
        accepted.close()
        assert [director.report().id for _ in range(2)] == [8, 8]


def test_killed_and_restarted_it_keeps_the_verdict_it_is_given(director: Director) -> None:
    director.start()
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        director.set(target(port))
        director.until(1, "up")
        assert director.process is not None
        director.process.kill()
        director.ended()
        director.start()
        director.set(target(port, health="up"))
        first = director.report()
        assert (first.health, first.detail) == ("up", "connected")  # not unknown, and at the first result


def test_the_end_of_the_connection_ends_it(director: Director) -> None:
    director.start()
    director.set(target(1))
    director.report()
    director.connection.close()
    assert director.ended() == (0, b"")


def test_the_end_of_whoever_holds_the_pipe_ends_it(director: Director) -> None:
    director.start()
    director.set(target(1))
    director.report()
    os.close(director.alive)
    assert director.ended() == (0, b"")


def test_sigterm_ends_it_and_sigint_does_not(director: Director) -> None:
    director.start()
    assert director.process is not None
    director.set(target(1))
    director.report()
    director.process.send_signal(signal.SIGINT)
    director.set(target(1, id=2))
    assert director.until(2, "unknown").id == 2
    with socket.create_server(("127.0.0.1", 0)) as server:  # one in flight while it ends
        web = HttpCheck(name="web", interval=0.1, timeout=30.0)
        director.set(Probe(id=3, check=web, address="127.0.0.1", port=server.getsockname()[1]))
        server.accept()
        director.process.terminate()
        assert director.ended() == (0, b"")


def test_a_frame_that_is_none_ends_it_with_a_traceback(director: Director) -> None:
    director.start()
    director.connection.sendall(b"\xff\xff\xff\xff")
    status, errors = director.ended()
    assert status == 1
    assert b"FrameError" in errors


class Writer:
    """Collects what a prober in this process reports."""

    def __init__(self) -> None:
        self.frames, self.reports, self.news = FrameReader(), [], asyncio.Event()

    def write(self, data: bytes) -> None:
        self.reports += [messages.decode_from_prober(payload) for payload in self.frames.feed(data)]
        self.news.set()

    def up(self) -> set[int]:
        return {report.id for report in self.reports if report.health == "up"}


def test_beyond_the_limit_probes_queue_and_none_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prober, "CONCURRENT", 3)
    check = HttpCheck(name="web", interval=0.05, timeout=10.0)

    async def slow(reader: asyncio.StreamReader, peer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            await reader.readuntil(b"\r\n\r\n")
            await asyncio.sleep(0.05)
            peer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        peer.close()

    async def work() -> tuple[set[int], set[int]]:
        writer, running, queued, turns = Writer(), set(), set(), 0
        subject = prober.Prober(asyncio.get_running_loop(), writer)  # type: ignore[arg-type]
        server = await asyncio.start_server(slow, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]

        def probes(first: int) -> ProbesSet:
            wanted = (Probe(id=id, check=check, address="127.0.0.1", port=port) for id in range(first, 10))
            return prober.probes_of(SetProbes(tuple(wanted)))

        subject.deliver(probes(0))
        while not writer.up() >= set(range(1, 10)):
            await writer.news.wait()
            writer.news.clear()
            running.add(len(subject._running))
            queued.add(len(subject._budget))
            turns += 1
            if turns == 2:
                subject.deliver(ProbesSet(()))  # everything goes, queued or running
                assert not len(subject._budget)
                assert not subject._running
                subject.deliver(probes(1))
        subject.close()
        server.close()
        return running, queued

    running, queued = asyncio.run(work())
    assert max(running) == 3
    assert max(queued) > 0


def test_a_fault_in_a_probes_code_is_reported_and_stops_nothing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(tcp.TcpConversation, "connected", lambda self: 1 // 0)

    async def work() -> list[HealthReported]:
        writer = Writer()
        subject = prober.Prober(asyncio.get_running_loop(), writer)  # type: ignore[arg-type]
        with socket.create_server(("127.0.0.1", 0)) as server:
            subject.deliver(prober.probes_of(SetProbes((target(server.getsockname()[1], health="up"),))))
            await writer.news.wait()
            for _ in range(10):  # it goes on
                await asyncio.get_running_loop().run_in_executor(None, server.accept)
            subject.close()
        return writer.reports

    (report,) = asyncio.run(work())
    assert report.health == "up"
    assert report.detail == "this director cannot probe: a fault in haagent, ZeroDivisionError"
    assert "ZeroDivisionError" in capsys.readouterr().err


def capabilities_of(director: Director) -> int:
    assert director.process is not None
    status = Path(f"/proc/{director.process.pid}/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith("CapPrm:")).split()[1], 16)


def test_it_keeps_the_privilege_for_path_probes_before_there_are_any(director: Director) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root has privileges to keep")
    director.start()
    director.connection.sendall(frame(messages.encode(SetProbes((), has_paths=True))))
    with socket.create_server(("127.0.0.1", 0)) as server:
        director.connection.sendall(
            frame(messages.encode(SetProbes((target(server.getsockname()[1]),), has_paths=True)))
        )
        director.report()
        assert capabilities_of(director) == 1 << 12  # CAP_NET_ADMIN alone
        director.set(target(server.getsockname()[1]))
        director.set()


def test_a_prober_that_gave_the_privilege_up_makes_room_for_one_that_has_it(director: Director) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root has privileges to give up")
    director.start()
    with socket.create_server(("127.0.0.1", 0)) as server:
        director.set(target(server.getsockname()[1]))
        director.report()
        assert capabilities_of(director) == 0
        director.connection.sendall(frame(messages.encode(SetProbes((), has_paths=True))))
        assert director.ended() == (0, b"")


def test_it_tells_what_was_said_and_no_secret(director: Director) -> None:
    check = HttpCheck(name="page", interval=0.1, timeout=5.0, headers=(("Authorization", "Basic c2VjcmV0"),))
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        director.start()
        director.set(Probe(id=7, check=check, address="127.0.0.1", port=port))
        accepted, _ = server.accept()
        with accepted:
            accepted.recv(1000)
            accepted.sendall(b"HTTP/1.1 403 No\r\nSet-Cookie: sid=secret\r\nContent-Length: 0\r\n\r\n")
            report = director.report()
        assert (report.detail, report.cause[:27]) == ("HTTP 403, wanted 200", "the site forbids / to us: l")
        director.connection.sendall(frame(messages.encode(messages.WhyAsked(5, (7, 99)))))
        while not isinstance(said := director.hear(), messages.Remembered):
            pass
    assert said.serial == 5
    assert said.transcripts[99] == ()
    first = said.transcripts[7][0]
    assert first.sent.startswith(b"GET / HTTP/1.1\r\n")
    assert b"Authorization: ***\r\n" in first.sent
    assert b"Set-Cookie: ***\r\n" in first.received
    assert first.target == f"127.0.0.1:{port}"


def test_a_path_probe_without_a_way_is_our_own_trouble(director: Director) -> None:
    director.start()
    probe = Probe(id=1, check=CHECK, address="127.0.0.1", port=9, through="127.0.0.1", mark=5)
    director.connection.sendall(frame(messages.encode(SetProbes((probe,), has_paths=True))))
    report = director.report()
    assert (report.health, report.failure) == ("unknown", "local")
    assert "is the virtual address itself" in report.detail
