"""Sockets that serve one try after the other."""

import asyncio
import select
import socket

import pytest

from haagent.config.model import HttpCheck, TcpCheck
from haagent.health.probe import ProbeResult
from haagent.probes import http, tcp
from haagent.probes.poller import Poller
from haagent.probes.spares import FEW, RESET_ON_CLOSE, Spares, stream

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
CHECK = HttpCheck(name="web", timeout=5.0, interval=5.0)
LOOPBACK = {socket.AF_INET: "127.0.0.1", socket.AF_INET6: "::1"}


def connected(server: socket.socket, *, speaks_first: bool = False) -> socket.socket:
    made = stream(server.family is socket.AF_INET6, speaks_first)
    made.connect_ex(server.getsockname()[:2])
    select.select([], [made], [], 10)
    return made


@pytest.mark.parametrize("family", LOOPBACK)
def test_what_is_kept_is_reset_and_connects_again_from_another_port(family: socket.AddressFamily) -> None:
    is_ipv6 = family is socket.AF_INET6
    with socket.create_server((LOOPBACK[family], 0), family=family) as server:
        spares, used = Spares(), connected(server)
        accepted, peer = server.accept()
        descriptor = used.fileno()
        assert spares.keep(used, is_ipv6, False)
        with accepted, pytest.raises(ConnectionResetError):
            accepted.recv(1)
        assert spares.take(is_ipv6, True) is None
        assert spares.take(not is_ipv6, False) is None
        again = spares.take(is_ipv6, False)
        assert again is used
        assert again.fileno() == descriptor
        again.connect_ex(server.getsockname()[:2])
        accepted, second_peer = server.accept()
        with accepted:
            assert second_peer != peer
            again.send(b"x")
            assert accepted.recv(10) == b"x"
        assert spares.take(is_ipv6, False) is None
        again.close()


def test_a_few_are_kept() -> None:
    spares = Spares()
    made = [stream(False, False) for _ in range(FEW + 1)]
    assert [spares.keep(each, False, False) for each in made] == [True] * FEW + [False]
    made[-1].close()
    spares.close()
    assert {each.fileno() for each in made} == {-1}


async def serve(answers: list[bytes]) -> asyncio.Server:
    async def one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        answer = answers.pop(0)
        if answer:
            writer.write(answer)
            await writer.drain()
        else:
            peer = writer.get_extra_info("socket")
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
        writer.close()

    return await asyncio.start_server(one, "127.0.0.1", 0)


def test_no_try_hears_of_the_one_before_it() -> None:
    """Passed, reset, cut off and refused connections in turn, over the same few sockets."""

    async def work() -> list[ProbeResult]:
        poller = Poller(asyncio.get_running_loop())
        server = await serve([ANSWER, b"", ANSWER, ANSWER[:-1], ANSWER, ANSWER + b"x", ANSWER])
        port = server.sockets[0].getsockname()[1]
        results = []
        with socket.socket() as closed:
            closed.bind(("127.0.0.1", 0))
            for _ in range(7):
                results.append(await http.probe(CHECK, "127.0.0.1", port, poller))
                refused = await tcp.probe(TcpCheck(name="tcp"), "127.0.0.1", closed.getsockname()[1], poller)
                assert "connection refused" in refused.detail
                assert "refused" in (await http.probe(CHECK, "127.0.0.1", closed.getsockname()[1], poller)).detail
        server.close()
        poller.close()
        return results

    good, reset, again, cut, third, extra, last = asyncio.run(work())
    assert [each.detail for each in (good, again, third, last)] == ["HTTP 200"] * 4
    assert "connection reset" in reset.detail
    assert "cut off after 1 of 2 octets" in cut.detail
    assert extra.passed
