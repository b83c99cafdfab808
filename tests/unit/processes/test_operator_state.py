"""Operators' words on disk: a crash at any byte leaves the old or the new ones."""

import errno
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from haagent.pool.operator import Override, Overrides, Version
from haagent.processes.operator_state import RealFiles, decode, encode, read, write

OLD: Overrides = {("web", "rs1"): Override(admin="drained", deadline=99.5, actor="ann", version=Version(3, "d1"))}
NEW: Overrides = {
    **OLD,
    ("web", "rs2"): Override(weight=7, until=12.25, at=1.5, actor="bob", version=Version(4, "d2")),
    ("mail", "rs1"): Override(version=Version(5, "d2")),
}


class Crash(BaseException):
    """The power goes."""


class Dying(RealFiles):
    """Lets that many steps happen; one step writes one octet."""

    def __init__(self, steps: int) -> None:
        self.steps = steps

    def _step(self) -> None:
        if self.steps == 0:
            raise Crash
        self.steps -= 1

    def create(self, path: Path) -> int:
        self._step()
        return super().create(path)

    def write(self, descriptor: int, octets: bytes) -> int:
        self._step()
        return super().write(descriptor, octets[:1])

    def sync(self, descriptor: int) -> None:
        self._step()
        super().sync(descriptor)

    def rename(self, old: Path, new: Path) -> None:
        self._step()
        super().rename(old, new)

    def sync_directory(self, path: Path) -> None:
        self._step()
        super().sync_directory(path)


class Full(RealFiles):
    """Every step fails from the given one on, as on a full or broken disk."""

    def __init__(self, failing: str) -> None:
        self.failing = failing

    def write(self, descriptor: int, octets: bytes) -> int:
        if self.failing == "write":
            raise OSError(errno.ENOSPC, "No space left on device")
        return super().write(descriptor, octets)

    def sync(self, descriptor: int) -> None:
        if self.failing == "sync":
            raise OSError(errno.EIO, "Input/output error")
        super().sync(descriptor)

    def rename(self, old: Path, new: Path) -> None:
        if self.failing == "rename":
            raise OSError(errno.EIO, "Input/output error")
        super().rename(old, new)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "d1" / "operator.json"


def test_what_is_written_is_read(path: Path) -> None:
    assert read(path) == ({}, "")
    assert write(path, NEW) is None
    assert read(path) == (NEW, "")


def test_a_crash_at_any_step_leaves_the_old_or_the_new_words(path: Path) -> None:
    found = []
    for steps in range(10_000):
        assert write(path, OLD) is None
        try:
            write(path, NEW, Dying(steps))
        except Crash:
            words, problem = read(path)
            assert problem == ""
            found.append(words == NEW)
            assert words in (OLD, NEW)
        else:
            break
    assert len(found) == len(encode(NEW)) + 4  # create, every octet, sync, rename, sync of the directory
    assert found == sorted(found)
    assert found[-1]  # only the directory was not synced
    assert not found[-2]


@pytest.mark.parametrize("failing", ["write", "sync", "rename"])
def test_a_full_disk_is_a_sentence_and_the_old_words_stay(path: Path, failing: str) -> None:
    assert write(path, OLD) is None
    assert "cannot be written" in (write(path, NEW, Full(failing)) or "")
    assert read(path) == (OLD, "")
    assert write(path, NEW) is None
    assert read(path) == (NEW, "")


def test_every_prefix_of_a_file_is_told_as_broken_and_put_aside(path: Path) -> None:
    octets = encode(NEW)
    path.parent.mkdir()
    for length in range(len(octets)):
        path.write_bytes(octets[:length])
        words, problem = read(path, puts_aside=False)
        assert words == {}
        assert "is broken" in problem
    assert "kept as operator.json.broken" in read(path)[1]
    assert not path.exists()
    assert path.with_name("operator.json.broken").read_bytes() == octets[:-1]


@given(st.binary(max_size=200))
def test_any_octets_are_words_or_a_value_error(octets: bytes) -> None:
    try:
        decode(octets)
    except ValueError:
        pass


def test_fields_of_a_later_version_are_passed_over(path: Path) -> None:
    path.parent.mkdir()
    path.write_bytes(b'{"words":[{"service":"web","server":"rs1","override":{"admin":"drained","later":1}}],"more":2}')
    assert read(path) == ({("web", "rs1"): Override(admin="drained")}, "")
