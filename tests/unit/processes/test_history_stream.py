"""Followers get every entry once and in order, from any number on, however slow they are."""

import asyncio
from pathlib import Path

import pytest

from haagent.processes import history, history_stream
from haagent.processes.history import Entry, History
from haagent.processes.history_stream import HistoryStream


def append(stream: HistoryStream, count: int = 1) -> None:
    for _ in range(count):
        assert isinstance(stream.append(1.0, "router", "web", "backup", "active", "because"), Entry)


async def collect(stream: HistoryStream, limit: int, since: int | None, until: int, *, pause: float = 0.0) -> list[int]:
    """Sequence numbers as they come, up to `until`."""
    numbers: list[int] = []
    async for entries in stream.follow(limit, since):
        numbers += [entry.sequence for entry in entries]
        if numbers and numbers[-1] >= until:
            return numbers
        await asyncio.sleep(pause)
    return numbers


def test_from_a_number_on_and_then_what_comes(tmp_path: Path) -> None:
    async def play() -> list[int]:
        stream = HistoryStream(History(tmp_path / "h"))
        append(stream, 10)
        following = asyncio.create_task(collect(stream, 100, 4, 30))
        for _ in range(20):
            await asyncio.sleep(0)
            append(stream)
        return await following

    assert asyncio.run(play()) == list(range(4, 31))


def test_a_follower_that_is_slower_than_the_events_misses_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history_stream, "FOLLOWER_LIMIT", 3)

    async def play() -> list[int]:
        stream = HistoryStream(History(tmp_path / "h"))
        append(stream, 5)
        following = asyncio.create_task(collect(stream, 100, 1, 205, pause=0.002))
        for _ in range(10):
            await asyncio.sleep(0.003)
            append(stream, 20)
        return await following

    assert asyncio.run(play()) == list(range(1, 206))


def test_over_a_rotation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is still kept comes without a gap; the file is read while it becomes the older one."""
    monkeypatch.setattr(history, "SIZE_LIMIT", 4000)
    monkeypatch.setattr(history_stream, "FOLLOWER_LIMIT", 2)

    async def play() -> list[int]:
        stream = HistoryStream(History(tmp_path / "h"))
        append(stream, 20)
        following = asyncio.create_task(collect(stream, 100, 1, 400))
        for _ in range(380):
            await asyncio.sleep(0.0005)
            append(stream)
        return await asyncio.wait_for(following, 20)

    assert asyncio.run(play()) == list(range(1, 401))


def test_after_a_restart_the_numbers_go_on(tmp_path: Path) -> None:
    async def play() -> list[int]:
        append(HistoryStream(History(tmp_path / "h")), 3)
        stream = HistoryStream(History(tmp_path / "h"))
        append(stream, 2)
        return [entry.sequence for entry in await stream.kept(0, 2)]

    assert asyncio.run(play()) == [2, 3, 4, 5]


@pytest.mark.parametrize(("limit", "wanted"), [(0, [6]), (2, [4, 5, 6])])
def test_the_last_few_and_then_what_comes(tmp_path: Path, limit: int, wanted: list[int]) -> None:
    async def play() -> list[int]:
        stream = HistoryStream(History(tmp_path / "h"))
        append(stream, 5)
        following = asyncio.create_task(collect(stream, limit, None, 6))
        await asyncio.sleep(0.05)
        append(stream)
        return await following

    assert asyncio.run(play()) == wanted


def test_who_goes_away_is_forgotten(tmp_path: Path) -> None:
    async def play() -> int:
        stream = HistoryStream(History(tmp_path / "h"))
        append(stream)
        following = stream.follow(1, None)
        assert len(await anext(following)) == 1
        await following.aclose()
        return len(stream._followers)

    assert asyncio.run(play()) == 0
