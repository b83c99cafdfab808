"""What operators said, on disk: STATE_DIRECTORY/NAME/operator.json.

The whole file is written to a new one, synced, renamed over the old one, and the directory synced: a crash at any byte
leaves the old or the new words. A file that cannot be read is put aside, never overwritten: somebody's drain is in it.
"""

import contextlib
import os
from pathlib import Path
from typing import Protocol

import msgspec
from msgspec import Struct

from haagent.pool.operator import Override, Overrides


class _Word(Struct, frozen=True):
    service: str
    server: str
    override: Override


class _Stored(Struct, frozen=True):
    words: tuple[_Word, ...] = ()


class Files(Protocol):
    """The steps of a durable write; a test lets each of them be the last. All raise OSError."""

    def create(self, path: Path) -> int: ...
    def write(self, descriptor: int, octets: bytes) -> int: ...
    def sync(self, descriptor: int) -> None: ...
    def close(self, descriptor: int) -> None: ...
    def rename(self, old: Path, new: Path) -> None: ...
    def sync_directory(self, path: Path) -> None: ...


class RealFiles:
    def create(self, path: Path) -> int:
        return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o640)

    def write(self, descriptor: int, octets: bytes) -> int:
        return os.write(descriptor, octets)

    def sync(self, descriptor: int) -> None:
        os.fsync(descriptor)

    def close(self, descriptor: int) -> None:
        os.close(descriptor)

    def rename(self, old: Path, new: Path) -> None:
        os.replace(old, new)

    def sync_directory(self, path: Path) -> None:
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def encode(overrides: Overrides) -> bytes:
    return msgspec.json.encode(_Stored(tuple(_Word(*key, word) for key, word in sorted(overrides.items(), key=_key))))


def decode(octets: bytes) -> Overrides:
    """Raises ValueError on anything else; RecursionError where it nests without end."""
    return {(each.service, each.server): each.override for each in msgspec.json.decode(octets, type=_Stored).words}


def read(path: Path, *, puts_aside: bool = True) -> tuple[Overrides, str]:
    """What is stored, nothing where there is no file yet; and a sentence where it could not be read."""
    try:
        return decode(path.read_bytes()), ""
    except FileNotFoundError:
        return {}, ""
    except OSError as error:
        return {}, f"{path} cannot be read: {error.strerror}; every real server is enabled"
    except (ValueError, RecursionError) as error:
        aside = path.with_name(path.name + ".broken")
        if not puts_aside:
            return {}, f"{path} is broken: {error}"
        with contextlib.suppress(OSError):
            os.replace(path, aside)
        return {}, f"{path} is broken: {error}; it is kept as {aside.name}, and every real server is enabled"


def write(path: Path, overrides: Overrides, files: Files | None = None) -> str | None:
    """Why it could not be written (then the old words are still there); None: it is on disk."""
    files = files or RealFiles()
    new = path.with_name(path.name + ".new")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = files.create(new)
        try:
            rest = encode(overrides)
            while rest:
                rest = rest[files.write(descriptor, rest) :]
            files.sync(descriptor)
        finally:
            files.close(descriptor)
        files.rename(new, path)
        files.sync_directory(path.parent)
    except OSError as error:
        return f"{path} cannot be written: {error.strerror}"
    return None


def _key(item: tuple[tuple[str, str], Override]) -> tuple[str, str]:
    return item[0]
