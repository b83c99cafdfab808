"""The history file: one JSON line for every transition, appended, kept to a bound of two files.

A line is written with one write() on an O_APPEND descriptor: a crash can lose the last line, never an earlier one.
"""

import contextlib
import os
from collections import deque
from collections.abc import Iterator
from pathlib import Path

import msgspec
from msgspec import Struct

SIZE_LIMIT = 8 * 1024 * 1024  # octets; then the file becomes FILE.1 and a new one begins


class Entry(Struct, frozen=True, kw_only=True):
    """One transition. `name` is "service/server" for a real server."""

    sequence: int
    at: float  # wall clock
    subject: str
    name: str
    previous: str
    state: str
    cause: str
    actor: str = "haagent"


class History:
    """Raises OSError from `open` alone; a failing append is reported as a sentence."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        last = None
        for last in self.entries():  # noqa: B007 - only the last one matters
            pass
        self._sequence = last.sequence if last else 0
        self._descriptor = self._open()

    def _open(self) -> int:
        descriptor = os.open(self.path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o640)
        size = os.fstat(descriptor).st_size
        if size and os.pread(descriptor, 1, size - 1) != b"\n":
            os.write(descriptor, b"\n")  # a crash cut the last line short: keep the next one apart from it
        return descriptor

    def append(
        self, at: float, subject: str, name: str, previous: str, state: str, cause: str, actor: str = "haagent"
    ) -> Entry | str:
        """The entry as written, or why it could not be."""
        self._sequence += 1
        entry = Entry(
            sequence=self._sequence,
            at=at,
            subject=subject,
            name=name,
            previous=previous,
            state=state,
            cause=cause,
            actor=actor,
        )
        try:
            os.write(self._descriptor, msgspec.json.encode(entry) + b"\n")
            if os.fstat(self._descriptor).st_size > SIZE_LIMIT:
                self._rotate()
        except OSError as error:
            return f"the history {self.path} cannot be written: {error.strerror}"
        return entry

    def _rotate(self) -> None:
        os.replace(self.path, self.path.with_name(self.path.name + ".1"))
        os.close(self._descriptor)
        self._descriptor = self._open()

    def last(self, limit: int) -> list[Entry]:
        """At most `limit` of them, oldest first."""
        return list(deque(self.entries(), max(0, limit)))

    def since(self, sequence: int) -> list[Entry]:
        """Those from this number on, as far as they are kept, oldest first."""
        return [entry for entry in self.entries() if entry.sequence >= sequence]

    def entries(self) -> Iterator[Entry]:
        """Oldest first, each once; a line that a crash cut short is skipped.

        The newer file is opened first: if it becomes the older one in that moment, it is read twice rather than not.
        """
        told = 0
        with contextlib.ExitStack() as stack:
            files = []
            for path in (self.path, self.path.with_name(self.path.name + ".1")):
                with contextlib.suppress(FileNotFoundError):
                    files.append(stack.enter_context(path.open("rb")))
            for lines in reversed(files):
                for line in lines:
                    try:
                        entry = msgspec.json.decode(line, type=Entry)
                    except (ValueError, RecursionError):  # msgspec's own error is a ValueError, that of bad UTF-8 too
                        continue
                    if entry.sequence > told:
                        told = entry.sequence
                        yield entry
