"""One try over TCP: cancelling it, and what a stall of our own makes of it."""

import asyncio
import contextlib
import socket
import threading
import time
from collections.abc import Awaitable, Callable

import pytest
import uvloop

from haagent.config.model import HttpCheck
from haagent.health.probe import ProbeResult
from haagent.probes import http
from haagent.probes.exchange import Exchange, converse
from haagent.probes.http import HttpConversation, question
from haagent.probes.poller import Poller

CHECK = HttpCheck(name="web", timeout=0.3)


def run(work: Callable[[Poller], Awaitable[ProbeResult]], uv: bool = False) -> ProbeResult:
    async def inside() -> ProbeResult:
        poller = Poller(asyncio.get_running_loop())
        try:
            return await work(poller)
        finally:
            poller.close()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop if uv else asyncio.new_event_loop) as runner:
        return runner.run(inside())


def test_cancelling_closes_the_connection_with_a_reset() -> None:
    async def work(poller: Poller) -> ProbeResult:
        with socket.create_server(("127.0.0.1", 0)) as server:
            results: list[ProbeResult | Exception] = []
            conversation = HttpConversation(question(CHECK, "127.0.0.1", 80))
            exchange = Exchange(*server.getsockname(), 30.0, conversation, poller, results.append)
            accepted, _ = server.accept()
            poller.drain()
            assert accepted.recv(1000).startswith(b"GET / HTTP/1.1\r\n")
            exchange.close()
            with pytest.raises(ConnectionResetError):  # SO_LINGER 0: no TIME_WAIT on either side
                accepted.recv(1000)
            accepted.close()
            await asyncio.sleep(0.05)
            assert results == []
            return ProbeResult(True, "")

    assert run(work).passed


@pytest.mark.parametrize("uv", [False, True])
def test_an_answer_that_waited_through_our_stall_outranks_the_deadline(uv: bool) -> None:
    """uvloop runs timers before it looks at sockets; the deadline must not win by that."""

    async def work(poller: Poller) -> ProbeResult:
        with socket.create_server(("127.0.0.1", 0)) as server:
            probing = asyncio.create_task(http.probe(CHECK, *server.getsockname(), poller))
            loop = asyncio.get_running_loop()
            accepted, _ = await loop.run_in_executor(None, server.accept)
            await loop.run_in_executor(None, accepted.recv, 1000)
            accepted.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
            time.sleep(0.6)  # noqa: ASYNC251  the stall
            result = await probing
            accepted.close()
            return result

    assert run(work, uv) == ProbeResult(True, "HTTP 200")


@pytest.mark.parametrize("uv", [False, True])
def test_a_deadline_that_we_slept_through_is_trouble_of_this_director(uv: bool) -> None:
    async def work(poller: Poller) -> ProbeResult:
        with socket.create_server(("127.0.0.1", 0)) as server:
            probing = asyncio.create_task(http.probe(CHECK, *server.getsockname(), poller))
            await asyncio.sleep(0.05)
            time.sleep(0.9)  # noqa: ASYNC251  the stall
            return await probing

    result = run(work, uv)
    assert result.local
    assert result.detail.startswith("this director cannot probe: it was 0.")
    assert result.detail.endswith(" s late")


def test_a_request_too_long_for_the_socket_is_sent_in_parts() -> None:
    path = "/" + "x" * 8_000_000
    received = bytearray()

    def serve(server: socket.socket) -> None:
        accepted, _ = server.accept()
        with accepted:
            while not received.endswith(b"\r\n\r\n"):
                received.extend(accepted.recv(1 << 20))
            accepted.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    async def work(poller: Poller) -> ProbeResult:
        check = HttpCheck(name="web", timeout=20.0, path=path)
        with socket.create_server(("127.0.0.1", 0)) as server:
            server_thread = threading.Thread(target=lambda: serve(server))
            server_thread.start()
            return await http.probe(check, *server.getsockname(), poller)

    assert run(work) == ProbeResult(True, "HTTP 200")
    assert received.startswith(b"GET /xxx")
    assert len(received) > 8_000_000


def test_a_fault_in_a_conversation_reaches_whoever_awaits() -> None:
    class Faulty(HttpConversation):
        def on_body(self, data: bytes) -> None:
            raise LookupError("ours")

    async def work(poller: Poller) -> ProbeResult:
        with socket.create_server(("127.0.0.1", 0)) as server:
            faulty = Faulty(question(CHECK, "127.0.0.1", 80))
            waiting = asyncio.create_task(converse(*server.getsockname(), 5.0, faulty, poller))
            await asyncio.sleep(0)
            accepted, _ = server.accept()
            accepted.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nok")
            with pytest.raises(Exception, match="on_body"):
                await waiting
            accepted.close()
            return ProbeResult(True, "")

    assert run(work).passed


# ---------------------------------------------------------------------------------------------- transcripts


def answering(octets: bytes) -> Callable[[Poller], Awaitable[ProbeResult]]:
    """A try at a server that says this."""

    async def work(poller: Poller) -> ProbeResult:
        with socket.create_server(("127.0.0.1", 0)) as server:

            def serve() -> None:
                accepted, _ = server.accept()
                with accepted, contextlib.suppress(ConnectionError):
                    accepted.recv(1000)
                    accepted.sendall(octets)
                    accepted.recv(1000)

            thread = threading.Thread(target=serve, daemon=True)
            thread.start()
            return await http.probe(HttpCheck(name="web", timeout=20.0), *server.getsockname(), poller)

    return work


def test_a_transcript_tells_what_was_said_and_when() -> None:
    answer = b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n"
    said = run(answering(answer)).transcript
    assert said is not None
    assert (said.passed, said.detail) == (False, "HTTP 503, wanted 200")
    assert said.sent.startswith(b"GET / HTTP/1.1\r\nHost: 127.0.0.1:")
    assert (said.received, said.received_octets) == (answer, len(answer))
    assert said.connected_after is not None
    assert said.first_octet_after is not None
    assert 0 <= said.connected_after <= said.first_octet_after <= said.ended_after


def test_a_transcript_is_bounded() -> None:
    said = run(answering(b"HTTP/1.1 200 OK\r\nContent-Length: 60000\r\n\r\n" + b"x" * 60000)).transcript
    assert said is not None
    assert len(said.received) == 2048
    assert said.received_octets > 60000


def test_a_refusal_has_its_errno_and_no_octets() -> None:
    async def work(poller: Poller) -> ProbeResult:
        with socket.create_server(("127.0.0.1", 0)) as server:
            address = server.getsockname()
        return await http.probe(CHECK, *address, poller)

    result = run(work)
    assert result.failure == "refused"
    assert result.transcript is not None
    assert (result.transcript.error, result.transcript.received) == ("ECONNREFUSED", b"")
    assert result.transcript.connected_after is None
