"""One epoll for all probes."""

import asyncio
import socket

from haagent.probes.poller import Poller


def test_events_reach_the_callback_of_their_socket_until_it_is_forgotten() -> None:
    async def work() -> list[str]:
        poller, heard = Poller(asyncio.get_running_loop()), []
        a, b = socket.socketpair()
        poller.watch(a.fileno(), lambda events: heard.append("a"))
        poller.watch(b.fileno(), lambda events: heard.append("b"))
        poller.drain()
        a.send(b"x")
        poller.drain()
        poller.forget(b.fileno())
        a.send(b"y")
        poller.drain()
        poller.close()
        a.close()
        b.close()
        return heard

    heard = asyncio.run(work())
    assert sorted(heard[:2]) == ["a", "b"]
    assert heard[2:] == ["b"]


def test_the_loop_drives_it() -> None:
    async def work() -> int:
        loop = asyncio.get_running_loop()
        poller, heard = Poller(loop), loop.create_future()
        a, b = socket.socketpair()
        with a, b:
            poller.watch(a.fileno(), heard.set_result)
            events = await heard
            poller.close()
            return int(events)

    assert asyncio.run(work()) > 0
