"""Runs what `haagent/hooks` wants: a process group of its own, an unprivileged user, a deadline, the event on stdin.

    core ── Record ──> history ──> HookRunner ──> Queue ──> command ──> exit status ──> history

Decides nothing. The command's exit status, and the last line that it printed where it failed, go into the history.
"""

import asyncio
import contextlib
import os
import pwd
import signal
import subprocess
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import msgspec

from haagent.config.model import Hook
from haagent.hooks.queue import Happened, Queue, StartCommand
from haagent.hooks.rivals import Rivals
from haagent.processes.history import Entry

OUTPUT_LIMIT = 2000  # octets of the end of a command's output that are kept
OUTPUT_PAUSE = 0.2  # seconds for the last output of a command whose own children still hold its end
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

Record = Callable[[str, str, str], None]
"""Name, state, cause of a history entry of the subject "hook"."""


@dataclass(frozen=True, slots=True)
class Ended:
    """How a command ended: a word and a sentence."""

    state: str  # "succeeded", "failed", "timed_out", "not_started"
    sentence: str


class Output:
    """The last of what a command writes. Read as it comes, so that the command never waits for us.

    A pipe of our own: asyncio's would stay open for as long as a child of the command holds its other end.
    """

    def __init__(self) -> None:
        self._reader, self.writer = os.pipe()
        os.set_blocking(self._reader, False)
        self._end = asyncio.Event()
        self._octets = bytearray()
        asyncio.get_running_loop().add_reader(self._reader, self._read)

    def close_writer(self) -> None:
        """Once the command has it."""
        os.close(self.writer)

    async def last_line(self) -> str:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(OUTPUT_PAUSE):
                await self._end.wait()
        lines = self._octets.decode(errors="replace").strip().splitlines()
        return lines[-1][-300:] if lines else ""

    def close(self) -> None:
        asyncio.get_running_loop().remove_reader(self._reader)
        os.close(self._reader)

    def _read(self) -> None:
        octets = os.read(self._reader, 65536)
        self._octets += octets
        del self._octets[:-OUTPUT_LIMIT]
        if not octets:
            asyncio.get_running_loop().remove_reader(self._reader)
            self._end.set()


class HookRunner:
    """One for the director. Every method returns at once, `close` excepted."""

    def __init__(self, director: str, record: Record, complain: Callable[[str], None]) -> None:
        self._director, self._record, self._complain = director, record, complain
        self._queue, self._rivals = Queue(), Rivals()
        self._tasks: set[asyncio.Task[None]] = set()
        self._groups: set[int] = set()  # process groups of running commands

    def set_hooks(self, hooks: Iterable[Hook]) -> None:
        wanted = tuple(hooks)
        for hook in wanted:
            if sentence := unfit(hook):
                self._complain(f"hook {hook.name}: {sentence}")
        self._start(self._queue.set_hooks(wanted))

    def happened(self, entry: Entry) -> None:
        """Everything that went into the history, or should have. A state that is only explained anew is no news."""
        if entry.previous != entry.state:
            self._start(self._queue.happened(_event(entry)))

    def router_reported(self, router: str, state: str, reason: str, received: int) -> None:
        """What the vrrp process says of a router although nothing may have changed."""
        self._rivals.reported(router, state, received, time.monotonic())
        if not self._queue.knows(("router", router)):  # this director has just started
            self._reassert(router, state, reason)

    def look_for_rivals(self, states: Callable[[str], tuple[str, str] | None]) -> None:
        """Now and then; `states` knows a router's state and its reason."""
        for router in self._rivals.due(time.monotonic()):
            known = states(router)
            if known and known[0] == "active":
                self._reassert(router, known[0], "another router spoke for the same VRID, and does not any more")

    async def close(self, grace: float) -> None:
        """Commands may end within `grace` seconds, then their process groups are killed, and none is started."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(grace):
                while self._tasks:
                    await asyncio.wait(self._tasks)
        self._queue.set_hooks(())
        for group in list(self._groups):
            _kill(group)
        if self._tasks:  # they are dead, and reaped in a moment
            await asyncio.wait(self._tasks, timeout=1.0)

    # ------------------------------------------------------------------ inside

    def _reassert(self, router: str, state: str, cause: str) -> None:
        event = Happened(0, time.time(), "router", router, state, state, cause)
        self._start(self._queue.reassert(event))

    def _start(self, commands: list[StartCommand]) -> None:
        for command in commands:
            task = asyncio.create_task(self._run(command))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _run(self, command: StartCommand) -> None:
        begun, event = time.monotonic(), command.event
        try:
            ended = await self._execute(command)
            sentence = f"{event.subject} {event.name} {event.state}: {ended.sentence}"
            sentence += f" after {time.monotonic() - begun:.2f} s"
            if command.overtaken:
                sentence += f"; {command.overtaken} older events were overtaken"
            self._record(f"{command.hook.name}/{event.name}", ended.state, sentence)
        finally:
            self._start(self._queue.finished(command))

    async def _execute(self, command: StartCommand) -> Ended:
        try:
            output = Output()
        except OSError as error:  # no descriptor is left
            return Ended("not_started", f"no pipe for its output: {error.strerror}")
        try:
            try:
                process = await self._spawn(command, output)
            finally:
                output.close_writer()
            if isinstance(process, str):
                return Ended("not_started", process)
            self._groups.add(process.pid)
            try:
                return await self._attend(command, process, output)
            finally:
                self._groups.discard(process.pid)
        finally:
            output.close()

    async def _spawn(self, command: StartCommand, output: Output) -> asyncio.subprocess.Process | str:
        """Or why it could not be started."""
        hook = command.hook
        try:
            account = pwd.getpwnam(hook.user)
            is_us = account.pw_uid == os.geteuid()  # then there is nothing to give up
            return await asyncio.create_subprocess_exec(
                *hook.command,
                stdin=asyncio.subprocess.PIPE,
                stdout=output.writer,
                stderr=output.writer,
                start_new_session=True,
                cwd="/",
                env=environment(self._director, command),
                user=None if is_us else account.pw_uid,
                group=None if is_us else account.pw_gid,
                extra_groups=None if is_us else os.getgrouplist(account.pw_name, account.pw_gid),
            )
        except KeyError:
            return f"there is no user {hook.user}"
        except (OSError, ValueError, subprocess.SubprocessError) as error:
            return f"{hook.command[0]} cannot be started: {getattr(error, 'strerror', None) or error}"

    async def _attend(self, command: StartCommand, process: asyncio.subprocess.Process, output: Output) -> Ended:
        assert process.stdin is not None
        with contextlib.suppress(ConnectionError):
            process.stdin.write(as_json(self._director, command))
            process.stdin.close()
        try:
            async with asyncio.timeout(command.hook.timeout):
                code = await process.wait()
        except TimeoutError:
            _kill(process.pid)
            await process.wait()
            return Ended("timed_out", f"killed with its process group at its timeout of {command.hook.timeout:g} s")
        if code == 0:
            return Ended("succeeded", "exit status 0")
        how = f"killed by signal {-code}" if code < 0 else f"exit status {code}"
        line = await output.last_line()
        return Ended("failed", f"{how}, {line!r}" if line else how)


def unfit(hook: Hook) -> str | None:
    """Why it could not run here; it may be mended without a reload."""
    try:
        pwd.getpwnam(hook.user)
    except KeyError:
        return f"there is no user {hook.user}: create it, or name another one as `user`"
    program = hook.command[0]
    if not os.path.isfile(program):
        return f"{program} does not exist"
    if not os.access(program, os.X_OK):
        return f"{program} is not executable"
    return None


def environment(director: str, command: StartCommand) -> dict[str, str]:
    """All of it: nothing of the daemon's own gets to a command."""
    event = command.event
    return {
        "PATH": PATH,
        "LANG": "C.UTF-8",
        "HAAGENT_DIRECTOR": director,
        "HAAGENT_HOOK": command.hook.name,
        "HAAGENT_SEQUENCE": str(event.sequence),
        "HAAGENT_AT": f"{event.at:.6f}",
        "HAAGENT_SUBJECT": event.subject,
        "HAAGENT_NAME": event.name,
        "HAAGENT_PREVIOUS": event.previous,
        "HAAGENT_STATE": event.state,
        "HAAGENT_CAUSE": event.cause.replace("\0", ""),
        "HAAGENT_REASSERTED": "1" if event.reasserted else "",
        "HAAGENT_OVERTAKEN": str(command.overtaken),
    }


def as_json(director: str, command: StartCommand) -> bytes:
    """One line: the fields of the history's entry, and what only a hook wants to know."""
    event = command.event
    return (
        msgspec.json.encode(
            {
                "director": director,
                "hook": command.hook.name,
                "sequence": event.sequence,
                "at": event.at,
                "subject": event.subject,
                "name": event.name,
                "previous": event.previous,
                "state": event.state,
                "cause": event.cause,
                "reasserted": event.reasserted,
                "overtaken": command.overtaken,
            }
        )
        + b"\n"
    )


def _event(entry: Entry) -> Happened:
    return Happened(entry.sequence, entry.at, entry.subject, entry.name, entry.previous, entry.state, entry.cause)


def _kill(group: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(group, signal.SIGKILL)
