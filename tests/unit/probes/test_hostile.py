"""Servers that mean harm, over real sockets: every check ends within its deadline and keeps little of what it hears."""

import asyncio
import gzip
import socket
import struct
import subprocess
import sys
import time
import tracemalloc
from collections.abc import Awaitable, Callable

import msgspec
import pytest

from haagent.config.checks import Check, DnsCheck, GrpcCheck, HttpCheck, ImapCheck, PostgresqlCheck, SmtpCheck
from haagent.health.probe import Probe, ProbeResult
from haagent.probes.begin import begin
from haagent.probes.poller import Poller
from tests.probe_play import DATAGRAMS, STREAMS

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
TIMEOUT = 1.0
BOUND = 10.0  # seconds; the machine may be busy


async def one_try(check: Check, port: int) -> ProbeResult:
    loop = asyncio.get_running_loop()
    poller, done = Poller(loop), loop.create_future()
    running = begin(Probe(1, check, "127.0.0.1", port), poller, done.set_result)
    try:
        result = await done
    finally:
        running.close()
        poller.close()
    assert isinstance(result, ProbeResult), result
    return result


def ask(serve: Serve, *checks: Check) -> list[ProbeResult]:
    """All of them at one time."""

    async def run() -> list[ProbeResult]:
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        try:
            return await asyncio.gather(*(one_try(check, port) for check in checks))
        finally:
            server.close()

    began_at = time.monotonic()
    results = asyncio.run(run())
    assert time.monotonic() - began_at < BOUND
    assert not any(result.local for result in results), results
    return results


async def hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read()


async def forever(writer: asyncio.StreamWriter, octets: bytes, pause: float) -> None:
    try:
        while True:
            writer.write(octets)
            await writer.drain()
            await asyncio.sleep(pause)
    except (ConnectionError, RuntimeError):
        pass


async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await forever(writer, b"2", 0.01)


async def flood(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await forever(writer, b"2" * 60000, 0)


async def flood_of_lines(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await forever(writer, b"220-x\r\n" * 9000, 0)


async def reset(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


async def close(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.close()


ENDLESS = {  # begins as the protocol wants it, and then does not end
    "headers": (HttpCheck, b"HTTP/1.1 200 OK\r\n", b"X-Name: value\r\n" * 4000),
    "one_header": (HttpCheck, b"HTTP/1.1 200 OK\r\nX-Name: ", b"value" * 12000),
    "status_line": (HttpCheck, b"HTTP/1.1 200 ", b"OK" * 30000),
    "interim_answers": (HttpCheck, b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 2000),
    "chunks": (HttpCheck, b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"5\r\nhello\r\n" * 5000),
    "chunk_extension": (HttpCheck, b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;", b"x=y;" * 15000),
    "trailers": (HttpCheck, b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n", b"X: y\r\n" * 9000),
    "body": (HttpCheck, b"HTTP/1.0 200 OK\r\n\r\n", b"webserver" * 6000),
    "greeting": (SmtpCheck, b"", b"220-mx.example.com\r\n" * 3000),
    "untagged": (ImapCheck, b"* OK hi\r\n", b"* 1 EXISTS\r\n" * 5000),
    "settings": (GrpcCheck, b"", b"\0\0\0\4\0\0\0\0\0" * 6000),
    "pings": (GrpcCheck, b"\0\0\0\4\0\0\0\0\0", b"\0\0\x08\6\0\0\0\0\0" + bytes(8)),
    "notices": (PostgresqlCheck, b"", b"N\0\0\0\x0bSNOTE\0\0" * 5000),
}


@pytest.mark.parametrize("pause", [0.0, 0.01], ids=["fast", "dripping"])
@pytest.mark.parametrize("name", ENDLESS)
def test_an_answer_without_end_is_down_in_time_and_is_not_kept(name: str, pause: float) -> None:
    kind, first, again = ENDLESS[name]

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(first)
        await forever(writer, again if not pause else again[: max(1, len(again) // 4000)], pause)

    check = kind(name="c", timeout=0.3 if pause else TIMEOUT)
    if kind is HttpCheck:
        check = msgspec.structs.replace(check, body="never in it")
    elif kind in (PostgresqlCheck, ImapCheck):
        check = msgspec.structs.replace(check, user="probe", password="x")
    tracemalloc.start()
    try:
        [result] = ask(serve, check)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert not result.passed, result
    assert result.detail.isprintable()
    assert peak < 16_000_000


FLOOD = """
import socket, sys
server = socket.socket(fileno=int(sys.argv[1]))
_, peer = server.recvfrom(2048)
while True:
    try:
        server.sendto(bytes(2), peer)
    except OSError:
        pass
"""


def test_a_flood_of_datagrams_does_not_outlast_the_deadline() -> None:
    """Answers to other questions, faster than they can be read: each is looked at and thrown away."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        flooding = subprocess.Popen([sys.executable, "-c", FLOOD, str(server.fileno())], pass_fds=[server.fileno()])
        try:
            began_at = time.monotonic()
            check = DnsCheck(name="c", query="example.com", timeout=TIMEOUT)
            result = asyncio.run(one_try(check, server.getsockname()[1]))
            assert time.monotonic() - began_at < BOUND
        finally:
            flooding.kill()
            flooding.wait(30)
    assert not result.passed


WITH_PORTS = [check for check in DATAGRAMS if check.name != "icmp"]  # the kernel answers pings
PATIENT = [msgspec.structs.replace(check, timeout=TIMEOUT, interval=2.0) for check in STREAMS]


@pytest.mark.parametrize("serve", [hang, drip, flood, flood_of_lines, reset, close], ids=lambda serve: serve.__name__)
def test_streams(serve: Serve) -> None:
    for check, result in zip(PATIENT, ask(serve, *PATIENT), strict=True):
        assert not result.passed, (check, result)
        assert result.detail.isprintable(), (check, result)


@pytest.mark.parametrize("serve", [flood, flood_of_lines], ids=lambda serve: serve.__name__)
def test_a_flood_is_not_kept(serve: Serve) -> None:
    tracemalloc.start()
    try:
        for check in PATIENT:
            ask(serve, check)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 32_000_000  # the server's own buffers are in it; it sends more than that in each try


@pytest.mark.parametrize("check", WITH_PORTS, ids=lambda check: check.name)
def test_a_silent_port_is_never_up(check: Check) -> None:
    async def run() -> ProbeResult:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
            silent.bind(("127.0.0.1", 0))
            return await one_try(msgspec.structs.replace(check, timeout=0.1), silent.getsockname()[1])

    assert asyncio.run(run()) == ProbeResult(False, "no answer within 0.1 s")


@pytest.mark.parametrize("check", WITH_PORTS, ids=lambda check: check.name)
def test_a_closed_port_says_so(check: Check) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    result = asyncio.run(one_try(msgspec.structs.replace(check, timeout=2.0), port))
    assert result == ProbeResult(False, f"port unreachable (127.0.0.1:{port})")


def test_a_gzip_bomb_stays_what_it_is() -> None:
    """Never decompressed, and not asked for: so the text in it is not found, and the sentence says why."""
    bomb = gzip.compress(b"webserverisworking" + bytes(200_000_000), 1)
    heads = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heads.append(await reader.readuntil(b"\r\n\r\n"))
        head = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(bomb)
        try:
            writer.write(head + bomb)
            await writer.drain()
        except ConnectionError:
            pass

    tracemalloc.start()
    try:
        (result,) = ask(serve, HttpCheck(name="c", timeout=3.0, body="webserverisworking"))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert result == ProbeResult(
        False,
        f'HTTP 200 but the body ({len(bomb)} octets) does not contain "webserverisworking" (it is encoded: gzip)',
    )
    assert b"\r\nAccept-Encoding: identity\r\n" in heads[0]
    assert peak < 20_000_000
