"""Runs the scripts, looks at the files and counts the processes that virtual routers follow. pool/watched.py judges.

A script runs as its user, in a process group of its own, which is killed at the timeout. Files and processes are
polled, in a thread: they may be on a file system that hangs.
"""

import asyncio
import contextlib
import os
import pwd
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping

from haagent.config.model import FileTrack, ProcessTrack, ScriptTrack, WatchedTrack
from haagent.pool.watched import Memory, Observation, after_count, after_look, after_run

LOOK_INTERVAL = 0.5  # seconds
CONTENT = 64  # octets of a file that are read
_COMM = 15  # characters of a name that the kernel keeps
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class Trackers:
    """`changed` gets everything that is known, whenever something of it changes."""

    def __init__(self, changed: Callable[[Mapping[WatchedTrack, Observation]], None]) -> None:
        self._changed = changed
        self._tasks: dict[WatchedTrack, asyncio.Task[None]] = {}
        self._memories: dict[WatchedTrack, Memory] = {}

    def set_tracks(self, tracks: Iterable[WatchedTrack]) -> None:
        """The whole wanted set; what is known of those that stay stays."""
        wanted = set(tracks)
        for track in self._tasks.keys() - wanted:
            self._tasks.pop(track).cancel()
            self._memories.pop(track, None)
        for track in wanted - self._tasks.keys():
            self._tasks[track] = asyncio.create_task(self._follow(track))

    async def close(self) -> None:
        tasks = list(self._tasks.values())
        self._tasks.clear()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _follow(self, track: WatchedTrack) -> None:
        while True:
            before = self._memories.get(track, Memory())
            after = self._memories[track] = await observe(track, before)
            if after.shown != before.shown:
                self._changed({each: memory.shown for each, memory in self._memories.items()})
            await asyncio.sleep(track.interval if isinstance(track, ScriptTrack) else LOOK_INTERVAL)


async def observe(track: WatchedTrack, memory: Memory) -> Memory:
    match track:
        case ScriptTrack():
            return after_run(track, memory, await run(track))
        case FileTrack():
            exists, content = await asyncio.to_thread(look, track.file)
            return Memory(after_look(track, exists, content))
        case ProcessTrack():
            count = await asyncio.to_thread(processes, track.process)
            return after_count(track, memory, count, time.monotonic())


async def run(track: ScriptTrack) -> str:
    """How it failed; empty: it did not."""
    try:
        account = pwd.getpwnam(track.user)
    except KeyError:
        return f"cannot be run: there is no user {track.user}"
    is_us = account.pw_uid == os.geteuid()  # then there is nothing to give up
    try:
        process = await asyncio.create_subprocess_exec(
            *track.script,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            cwd="/",
            env={"PATH": _PATH, "LANG": "C.UTF-8"},
            user=None if is_us else account.pw_uid,
            group=None if is_us else account.pw_gid,
            extra_groups=None if is_us else os.getgrouplist(account.pw_name, account.pw_gid),
        )
    except (OSError, ValueError, subprocess.SubprocessError) as error:
        return f"cannot be run: {getattr(error, 'strerror', None) or error}"
    try:
        async with asyncio.timeout(track.timeout):
            code = await process.wait()
    except TimeoutError:
        return f"did not end within {track.timeout:g} s"
    finally:  # of a script that has ended: what it left running in its group
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        if process.returncode is None:
            await process.wait()
    if code == 0:
        return ""
    return f"was killed by signal {-code}" if code < 0 else f"failed with exit status {code}"


def look(path: str) -> tuple[bool, str]:
    """Whether it exists, and its first octets. One that cannot be read is there, and says nothing."""
    if not os.path.lexists(path):
        return False, ""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return True, ""
    try:
        return True, os.read(descriptor, CONTENT).decode(errors="replace")
    except OSError:
        return True, ""
    finally:
        os.close(descriptor)


def processes(name: str, proc: str = "/proc") -> int:
    """How many run under that name; a zombie does not."""
    names: Counter[str] = Counter()
    for entry in os.listdir(proc):
        if entry.isdigit():
            with contextlib.suppress(OSError), open(f"{proc}/{entry}/stat", encoding="utf-8", errors="replace") as file:
                comm, _, rest = file.read().partition("(")[2].rpartition(")")
                if not rest.startswith((" Z", " X")):
                    names[comm] += 1
    return names[name[:_COMM]]
