"""One epoll and one timer for all probes."""

import asyncio
import select
import socket
import time

from haagent.probes.poller import GRAIN, Poller, Watch, next_grain


def never(_: float) -> None:
    raise AssertionError("no deadline was due")


def test_events_reach_the_callback_of_their_socket_until_it_is_forgotten() -> None:
    async def work() -> list[str]:
        poller, heard = Poller(asyncio.get_running_loop()), []
        a, b = socket.socketpair()
        far = time.monotonic() + 1000.0
        poller.watch(Watch(a.fileno(), far, lambda events: heard.append("a"), never))
        poller.watch(Watch(b.fileno(), far, lambda events: heard.append("b"), never))
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


def test_the_loop_drives_it_more_than_once() -> None:
    async def work() -> None:
        loop = asyncio.get_running_loop()
        poller, masks, over = Poller(loop), [], loop.create_future()

        def on_events(events: int) -> None:
            masks.append(events)
            if len(masks) == 1:
                b.send(b"x")
            else:
                over.set_result(None)

        a, b = socket.socketpair()
        with a, b:
            poller.watch(Watch(a.fileno(), time.monotonic() + 1000.0, on_events, never))
            await over
            poller.close()
        assert masks[0] == select.EPOLLOUT
        assert masks[1] & select.EPOLLIN

    asyncio.run(work())


def test_deadlines_come_in_their_order_and_not_for_the_forgotten() -> None:
    async def work() -> list[int]:
        loop = asyncio.get_running_loop()
        poller, order, over = Poller(loop), [], loop.create_future()
        pairs = [socket.socketpair() for _ in range(4)]
        now = time.monotonic()

        def watch(index: int) -> Watch:
            def on_deadline(late: float) -> None:
                assert late >= 0
                order.append(index)
                poller.forget(pairs[index][0].fileno())
                if index == 0:
                    over.set_result(None)

            return Watch(pairs[index][0].fileno(), now + 0.2 - index * 0.05, lambda events: None, on_deadline)

        for index in range(4):
            poller.watch(watch(index))
        poller.forget(pairs[2][0].fileno())
        await over
        poller.close()
        for a, b in pairs:
            a.close()
            b.close()
        return order

    assert asyncio.run(work()) == [3, 1, 0]


def test_the_grid() -> None:
    assert next_grain(GRAIN * 1.5) == GRAIN * 2
    for at in (0.0, 0.123, 1234.5678, 98765.4321):
        assert at <= next_grain(at) < at + GRAIN
