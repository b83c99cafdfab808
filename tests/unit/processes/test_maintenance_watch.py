"""The files of a directory, and what happens when it cannot be read."""

import asyncio
from pathlib import Path

from haagent.processes.maintenance_watch import MaintenanceWatch, names


def test_changes_are_told_once(tmp_path: Path) -> None:
    told: list[frozenset[str]] = []
    watch = MaintenanceWatch(lambda: str(tmp_path), told.append)

    async def story() -> None:
        await watch.look()
        tmp_path.joinpath("rs1").touch()
        await watch.look()
        await watch.look()
        tmp_path.joinpath("rs1").unlink()
        await watch.look()

    asyncio.run(story())
    assert told == [frozenset({"rs1"}), frozenset()]


def test_a_directory_that_is_not_there_is_empty_and_none_is_none(tmp_path: Path) -> None:
    told: list[frozenset[str]] = []
    asyncio.run(MaintenanceWatch(lambda: "", told.append).look())
    asyncio.run(MaintenanceWatch(lambda: f"{tmp_path}/none", told.append).look())
    assert told == []
    assert names(f"{tmp_path}/none") == frozenset()


def test_what_cannot_be_read_leaves_things_as_they_are(tmp_path: Path) -> None:
    told: list[frozenset[str]] = []
    directory = tmp_path / "d"
    directory.mkdir()
    directory.joinpath("rs1").touch()
    where = [str(directory)]
    watch = MaintenanceWatch(lambda: where[0], told.append)
    asyncio.run(watch.look())
    where[0] = str(directory / "rs1")  # no directory
    asyncio.run(watch.look())
    assert told == [frozenset({"rs1"})]
    assert watch.problem == (
        f"the maintenance directory {directory}/rs1 cannot be read: Not a directory; everything stays as it is"
    )
    where[0] = ""  # a reload without it
    asyncio.run(watch.look())
    assert (told[1:], watch.problem) == ([frozenset()], "")
