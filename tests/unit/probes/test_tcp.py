"""The TCP check on loopback."""

import asyncio
import errno
import resource
import socket

from haagent.config.model import TcpCheck
from haagent.health.probe import ProbeResult
from haagent.probes import tcp
from haagent.probes.poller import Poller

CHECK = TcpCheck(name="tcp", timeout=5.0)


def ask(address: str, port: int, check: TcpCheck = CHECK) -> ProbeResult:
    async def run() -> ProbeResult:
        poller = Poller(asyncio.get_running_loop())
        try:
            return await tcp.probe(check, address, port, poller)
        finally:
            poller.close()

    return asyncio.run(run())


def test_an_accepted_connection_passes_though_nobody_reads_it() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        assert ask("127.0.0.1", server.getsockname()[1]) == ProbeResult(True, "connected")


def test_refused() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
        assert ask("127.0.0.1", port) == ProbeResult(False, f"connection refused (127.0.0.1:{port})")


def test_a_full_backlog_answers_nothing() -> None:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen(0)
        port = server.getsockname()[1]
        fillers = [socket.socket() for _ in range(4)]
        for filler in fillers:
            filler.setblocking(False)
            assert filler.connect_ex(("127.0.0.1", port)) == errno.EINPROGRESS
        result = ask("127.0.0.1", port, TcpCheck(name="tcp", timeout=0.3))
        for filler in fillers:
            filler.close()
    assert result == ProbeResult(False, "no answer to the connection within 0.3 s")


def test_no_descriptors_is_trouble_of_this_director() -> None:
    async def run() -> ProbeResult:
        poller = Poller(asyncio.get_running_loop())
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (3, hard))
            return await tcp.probe(CHECK, "127.0.0.1", 80, poller)
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
            poller.close()

    expected = ProbeResult(False, "this director cannot probe: it is out of file descriptors", local=True)
    assert asyncio.run(run()) == expected


def test_what_the_kernel_refuses_at_once_is_trouble_of_this_director() -> None:
    result = ask("255.255.255.255", 80)
    assert result.local
    assert result.detail.startswith("this director cannot probe: ")
