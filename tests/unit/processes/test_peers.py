"""Two and three directors on the loopback agree on what operators said, and say so where they cannot."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from haagent.config.model import Endpoint, Peers
from haagent.core.hearing import Hearing
from haagent.pool.operator import Override, Overrides, merge, said
from haagent.processes.peer_message import Healths
from haagent.processes.peers import PeerExchange, read_secret

SECRET = b"0123456789abcdef"
ONE, TWO = ("web", "rs1"), ("web", "rs2")


class Director:
    def __init__(self, name: str, peers: Peers, secret: bytes = SECRET) -> None:
        self.name, self.words, self.complaints = name, {}, []  # type: ignore[var-annotated]
        self.healths: Healths = {("web", name): "up"}
        self.seen: dict[str, Healths] = {}
        self.heard_there: dict[str, tuple[Hearing, ...]] = {}
        self.exchange = PeerExchange(
            name,
            peers,
            secret,
            lambda: self.words,
            self.hear,
            self.complaints.append,
            healths=lambda: self.healths,
            saw=self.seen.__setitem__,
            hearings=lambda: (Hearing(router=name, state="active", since=0.0, at=0.0, priority=1, interval=1.0),),
            heard_there=self.heard_there.__setitem__,
        )

    def hear(self, theirs: Overrides) -> None:
        self.words = merge(self.words, theirs)

    def say(self, key: tuple[str, str], word: Override) -> None:
        self.words = said(self.words, [key], word, self.name)
        self.exchange.changed()


def free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return [each.getsockname()[1] for each in sockets]


def peers_of(*names: str, interval: float = 0.2) -> Peers:
    return Peers(
        addresses=tuple(Endpoint(n, "127.0.0.1", p) for n, p in zip(names, free_ports(len(names)), strict=True)),
        interval=interval,
    )


@contextlib.asynccontextmanager
async def running(*directors: Director) -> AsyncIterator[None]:
    for each in directors:
        each.exchange.start()
    try:
        yield
    finally:
        for each in directors:
            await each.exchange.close()


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not holds():  # noqa: ASYNC110
            await asyncio.sleep(0.02)


def test_what_one_hears_all_know() -> None:
    async def play() -> None:
        peers = peers_of("d1", "d2", "d3")
        d1, d2, d3 = (Director(name, peers) for name in ("d1", "d2", "d3"))
        async with running(d1, d2, d3):
            d1.say(ONE, Override(admin="drained"))
            d2.say(TWO, Override(weight=5))
            await until(lambda: d1.words == d2.words == d3.words and len(d1.words) == 2)
            d3.say(ONE, Override())
            await until(lambda: all(each.words[ONE].is_automatic for each in (d1, d2, d3)))
            await until(lambda: all(status.reachable for status in d1.exchange.statuses()))
            assert d1.exchange.problems() == ()
            d1.healths = {("web", "d1"): "down"}
            await until(lambda: d2.seen["d1"] == d3.seen["d1"] == d1.healths)
            assert d1.seen == {"d2": d2.healths, "d3": d3.healths}

    asyncio.run(play())


def test_who_was_away_hears_it_when_it_is_back() -> None:
    async def play() -> None:
        peers = peers_of("d1", "d2")
        d1 = Director("d1", peers)
        async with running(d1):
            d1.say(ONE, Override(admin="disabled"))
            await until(lambda: d1.exchange.problems() != ())
            (problem,) = d1.exchange.problems()
            assert problem == "the director d2 does not hear what operators say here: Connection refused"
            d2 = Director("d2", peers)
            async with running(d2):
                await until(lambda: d2.words == d1.words and d1.exchange.problems() == ())

    asyncio.run(play())


def test_each_hears_what_the_others_hear() -> None:
    async def play() -> None:
        peers = peers_of("d1", "d2")
        d1, d2 = Director("d1", peers), Director("d2", peers)
        async with running(d1, d2):
            await until(lambda: set(d1.heard_there) == {"d2"} and set(d2.heard_there) == {"d1"})
            assert d1.heard_there["d2"][0].router == "d2"

    asyncio.run(play())


def test_another_secret_is_told_on_both_sides() -> None:
    async def play() -> None:
        peers = peers_of("d1", "d2")
        d1, d2 = Director("d1", peers), Director("d2", peers, b"another secret!!")
        async with running(d1, d2):
            d1.say(ONE, Override(admin="drained"))
            await until(lambda: d1.exchange.problems() != ())
            assert any("it has another secret" in each for each in d2.complaints)
            assert d2.words == {}

    asyncio.run(play())


@pytest.mark.parametrize(
    "octets", [b"", b"GET / HTTP/1.1\r\n\r\n", b"\xff" * 64, b"\0\0\0\0", b"\0\0\0\x50" + bytes(80)]
)
def test_strangers_do_no_harm(octets: bytes) -> None:
    async def play() -> None:
        peers = peers_of("d1", "d2")
        d1 = Director("d1", peers)
        async with running(d1):
            await asyncio.sleep(0.1)
            for _ in range(20):
                _, writer = await asyncio.open_connection("127.0.0.1", peers.addresses[0].port)
                writer.write(octets)
                writer.close()
            d2 = Director("d2", peers)
            async with running(d2):
                d2.say(ONE, Override(weight=3))
                await until(lambda: ONE in d1.words)

    asyncio.run(play())


def test_an_address_that_is_not_there_is_told_and_tried_again() -> None:
    async def play() -> None:
        peers = Peers(addresses=(Endpoint("d1", "203.0.113.9", 5406),), interval=0.2)
        d1 = Director("d1", peers)
        async with running(d1):
            await until(lambda: any("203.0.113.9 port 5406" in each for each in d1.exchange.problems()))

    asyncio.run(play())


def test_the_secret(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    assert "No such file" in str(read_secret(path))
    path.write_text("0123456789abcdef\n")
    path.chmod(0o644)
    assert "chmod 600" in str(read_secret(path))
    path.chmod(0o600)
    assert read_secret(path) == SECRET
    path.write_text("short\n")
    assert "too short" in str(read_secret(path))
