"""Scripts that are run, files that are looked at, processes that are counted: the real ones."""

import asyncio
import os
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path

import pytest

from haagent.config.model import FileTrack, ProcessTrack, ScriptTrack, WatchedTrack
from haagent.pool.watched import Observation
from haagent.processes.trackers import Trackers, look, processes, run


def script(*command: str, timeout: float = 5.0, user: str = "") -> ScriptTrack:
    return ScriptTrack(script=command, timeout=timeout, user=user or os.environ.get("USER", "root"))


@pytest.fixture
def me() -> str:
    import pwd

    return pwd.getpwuid(os.geteuid()).pw_name


@pytest.mark.parametrize(
    ("command", "wanted"),
    [
        (("/bin/true",), ""),
        (("/bin/false",), "failed with exit status 1"),
        (("/bin/sh", "-c", "kill -9 $$"), "was killed by signal 9"),
        (("/nowhere/check",), "cannot be run: No such file or directory"),
    ],
)
def test_how_a_script_ends(me: str, command: tuple[str, ...], wanted: str) -> None:
    assert asyncio.run(run(script(*command, user=me))) == wanted


def test_nobody_of_that_name(me: str) -> None:
    assert asyncio.run(run(script("/bin/true", user="no-such-user"))) == "cannot be run: there is no user no-such-user"


def test_the_whole_group_is_killed_at_the_timeout(me: str, tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    track = script("/bin/sh", "-c", f"sleep 60 & echo $! >{pid}; wait", timeout=0.5, user=me)
    assert asyncio.run(run(track)) == "did not end within 0.5 s"
    child = int(pid.read_text())
    until = time.monotonic() + 5
    while time.monotonic() < until and Path(f"/proc/{child}").exists():
        if ") Z" in Path(f"/proc/{child}/stat").read_text():
            break
        time.sleep(0.02)
    else:
        assert not Path(f"/proc/{child}").exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_it_runs_as_its_user(tmp_path: Path) -> None:
    tmp_path.chmod(0o777)
    for parent in tmp_path.parents:
        if parent.stat().st_uid == 0 and parent != Path("/"):
            parent.chmod(parent.stat().st_mode | 0o011)
    code = asyncio.run(run(script("/bin/sh", "-c", 'test "$(id -un)" = nobody && test -z "$HOME"', user="nobody")))
    assert code == ""


def test_look(tmp_path: Path) -> None:
    assert look(str(tmp_path / "none")) == (False, "")
    assert look(str(tmp_path)) == (True, "")  # a directory says nothing
    (tmp_path / "file").write_bytes(b"-20\xff")
    assert look(str(tmp_path / "file")) == (True, "-20\ufffd")
    os.mkfifo(tmp_path / "fifo")
    assert look(str(tmp_path / "fifo")) == (True, "")  # and nobody waits for its writer


def test_processes_are_counted_by_name(tmp_path: Path) -> None:
    program = tmp_path / "a-name-longer-than-15"
    program.symlink_to("/bin/sleep")
    assert processes(program.name) == 0
    running = subprocess.Popen([str(program), "60"])
    try:
        until = time.monotonic() + 5
        while processes(program.name) != 1 and time.monotonic() < until:
            time.sleep(0.02)
        assert processes(program.name) == 1
        running.kill()
        os.waitid(os.P_PID, running.pid, os.WEXITED | os.WNOWAIT)
        assert processes(program.name) == 0  # a zombie does not run
    finally:
        running.kill()
        running.wait()


def test_changes_are_told_and_what_goes_is_forgotten(tmp_path: Path) -> None:
    track = FileTrack(file=str(tmp_path / "maintenance"), fault=True)
    process = ProcessTrack(process="no-such-process", fault=True)
    told: list[Mapping[WatchedTrack, Observation]] = []

    async def play() -> None:
        trackers = Trackers(told.append)
        trackers.set_tracks([track, process])
        (tmp_path / "maintenance").touch()
        for _ in range(100):
            await asyncio.sleep(0.05)
            if told and len([each for each in told[-1].values() if each.cause]) == 2:
                break
        trackers.set_tracks([process])
        (tmp_path / "maintenance").unlink()
        await asyncio.sleep(0.7)
        await trackers.close()

    asyncio.run(play())
    assert told[-1] == {
        track: Observation(f"file {track.file} exists"),
        process: Observation("no process no-such-process runs"),
    }
