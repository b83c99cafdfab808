"""The files in the maintenance directory, once a second. It decides nothing: pool/maintenance.py says whom they mean.

Polled, in a thread: a directory on a file system of another machine raises no inotify events, and may hang.
"""

import asyncio
import os
from collections.abc import Callable

INTERVAL = 1.0


class MaintenanceWatch:
    """`directory` gives the configured one ("": none), `changed` is called with the files' names where they changed."""

    def __init__(self, directory: Callable[[], str], changed: Callable[[frozenset[str]], None]) -> None:
        self._directory, self._changed = directory, changed
        self._files = frozenset[str]()
        self.problem = ""

    async def run(self) -> None:
        while True:
            await self.look()
            await asyncio.sleep(INTERVAL)

    async def look(self) -> None:
        """What cannot be read leaves things as they are: nobody is put back into service by a broken mount."""
        directory = self._directory()
        found = await asyncio.to_thread(names, directory) if directory else frozenset[str]()
        if isinstance(found, str):
            self.problem = found
            return
        self.problem = ""
        if found != self._files:
            self._files = found
            self._changed(found)


def names(directory: str) -> frozenset[str] | str:
    """Or why they cannot be read. A directory that does not exist is an empty one: making it is part of the work."""
    try:
        return frozenset(os.listdir(directory))
    except FileNotFoundError:
        return frozenset()
    except OSError as error:
        return f"the maintenance directory {directory} cannot be read: {error.strerror}; everything stays as it is"
