"""One epoll and one timer for all probes."""

import asyncio
import select
import socket
import time

from haagent.probes.poller import LONGEST_LOOK, Poller, Watch


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


def test_a_kept_descriptor_tells_of_new_events_alone() -> None:
    async def work() -> list[str]:
        poller, heard = Poller(asyncio.get_running_loop()), []
        a, b = socket.socketpair()
        far = time.monotonic() + 1000.0
        with a, b:
            poller.watch(Watch(a.fileno(), far, lambda events: heard.append("first"), never))
            poller.drain()
            poller.forget(a.fileno())
            b.send(b"x")
            poller.drain()
            poller.watch_kept(Watch(a.fileno(), far, lambda events: heard.append("second"), never))
            poller.drain()
            heard.append("silent")
            b.send(b"y")
            poller.drain()
            poller.close()
        return heard

    assert asyncio.run(work()) == ["first", "silent", "second"]


def test_it_looks_rarely_where_nothing_comes_and_not_at_all_where_nothing_is_watched() -> None:
    async def work() -> list[int]:
        poller, looks = Poller(asyncio.get_running_loop()), []
        a, b = socket.socketpair()
        with a, b:
            real = poller.drain
            poller.drain = lambda: (looks.append(1), real())[1]  # type: ignore[method-assign]
            poller.watch(Watch(a.fileno(), time.monotonic() + 1000.0, lambda events: None, never))
            await asyncio.sleep(0.3)
            seen = [len(looks)]
            poller.forget(a.fileno())
            await asyncio.sleep(0.1)
            seen.append(len(looks))
            await asyncio.sleep(0.1)
            seen.append(len(looks))
            poller.close()
        return seen

    watched, ended, idle = asyncio.run(work())
    assert 2 <= watched <= 5 + 0.3 / LONGEST_LOOK
    assert ended <= watched + 1
    assert idle == ended
