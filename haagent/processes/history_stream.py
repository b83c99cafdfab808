"""One ordered stream of events: the history file, and whoever follows it, without a gap and without a duplicate.

Sequence numbers ascend over restarts. A follower gets what is on file from a number on, then what is added.
"""

import asyncio
from collections.abc import AsyncGenerator

from haagent.processes.history import Entry, History

FOLLOWER_LIMIT = 1000  # entries that wait for a client; further ones it gets from the file


class HistoryStream:
    """The history's only writer while the director runs."""

    def __init__(self, history: History) -> None:
        self._history = history
        self._followers: set[asyncio.Queue[Entry]] = set()

    def append(
        self, at: float, subject: str, name: str, previous: str, state: str, cause: str, actor: str = "haagent"
    ) -> Entry | str:
        """The entry as written, or why it could not be. A slow follower loses the oldest here, and sees the gap."""
        entry = self._history.append(at, subject, name, previous, state, cause, actor)
        if isinstance(entry, Entry):
            for follower in self._followers:
                if follower.full():
                    follower.get_nowait()
                follower.put_nowait(entry)
        return entry

    async def kept(self, limit: int, since: int | None) -> list[Entry]:
        """The last `limit`, or all from `since` on."""
        if since is None:
            return await asyncio.to_thread(self._history.last, limit)
        return await asyncio.to_thread(self._history.since, since)

    async def follow(self, limit: int, since: int | None) -> AsyncGenerator[list[Entry], None]:
        """First what is kept, then without end what is new.

        The queue is there before the file is read: no entry is lost between the two, and none told twice.
        """
        queue: asyncio.Queue[Entry] = asyncio.Queue(maxsize=FOLLOWER_LIMIT)
        self._followers.add(queue)
        try:
            entries = await self.kept(limit, since)
            yield entries
            told = entries[-1].sequence if entries else since - 1 if since is not None else None
            while True:
                entry = await queue.get()
                if told is not None and entry.sequence <= told:
                    continue
                missed: list[Entry] = []
                if told is not None and entry.sequence > told + 1:  # the queue was full, or the disk was
                    kept = await asyncio.to_thread(self._history.since, told + 1)
                    missed = [each for each in kept if each.sequence < entry.sequence]
                yield [*missed, entry]
                told = entry.sequence
        finally:
            self._followers.discard(queue)
