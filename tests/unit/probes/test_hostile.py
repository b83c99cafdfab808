"""Servers that mean harm, over real sockets: every check ends within its deadline and keeps little of what it hears."""

import asyncio
import gzip
import socket
import struct
import time
import tracemalloc
from collections.abc import Awaitable, Callable

import msgspec
import pytest

from haagent.config.checks import Check, HttpCheck
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
