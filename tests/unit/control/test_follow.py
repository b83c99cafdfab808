"""An answer without end on the control socket."""

import asyncio
import socket

from haagent.control.requests import History, HistoryAnswer, encode
from haagent.control.server import ControlServer


def test_a_follower_that_goes_away_is_let_go_although_nothing_happens(tmp_path):
    """Else a quiet daemon would collect them until it has no descriptor left."""
    path, ended = tmp_path / "control.sock", asyncio.Event()

    async def endless(*_):
        try:
            yield HistoryAnswer(())
            await asyncio.Event().wait()
        finally:
            ended.set()

    def come_and_go():
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(str(path))
            connection.sendall(encode(History(follow=True)) + b"\n")
            assert connection.makefile("rb").readline()

    async def both():
        server = ControlServer(path, "root", endless)
        await server.start()
        await asyncio.to_thread(come_and_go)
        async with asyncio.timeout(20):
            await ended.wait()
        await server.close()

    asyncio.run(both())


def test_one_who_only_closes_his_writing_end_still_gets_a_finite_answer(tmp_path):
    path = tmp_path / "control.sock"

    async def slow(*_):
        await asyncio.sleep(0.05)
        yield HistoryAnswer(())

    def ask():
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(str(path))
            connection.sendall(encode(History()) + b"\n")
            connection.shutdown(socket.SHUT_WR)
            return connection.makefile("rb").readline()

    async def both():
        server = ControlServer(path, "root", slow)
        await server.start()
        try:
            return await asyncio.to_thread(ask)
        finally:
            await server.close()

    assert b'"answer":"history"' in asyncio.run(both())
