"""The prober process: runs the checks that the director names and reports what it finds. It decides nothing.

    python -m haagent.processes.prober --socket PATH --user USER --alive-fd N

It connects to the director's internal socket as root, says Hello, and goes on without privileges. It ends (status 0)
when the director closes the socket, when the other end of the --alive-fd pipe closes, on SIGTERM, and when the director
names a check that needs a privilege which it gave up: the next one keeps it. It writes nothing but the traceback of a
fault of its own.
"""

import argparse
import asyncio
import gc
import os
import pwd
import resource
import signal
import socket
import sys
import time
import traceback
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, assert_never

import uvloop

from haagent.config.checks import ExecCheck, IcmpCheck, WireCheck
from haagent.health.budget import Budget
from haagent.health.core import ProberCore
from haagent.health.effects import Diagnose, Effect, Report, StartProbe, StopProbe
from haagent.health.events import DeadlinePassed, Event, ProbeFinished, ProbesSet
from haagent.health.probe import Probe, ProbeResult
from haagent.linux import capabilities
from haagent.linux.capabilities import KILL, NET_ADMIN, NET_RAW, SETGID, SETUID
from haagent.probes.begin import begin, prepared
from haagent.probes.exchange import Done, Running
from haagent.probes.notes import notes
from haagent.probes.poller import Poller
from haagent.probes.spares import FEW
from haagent.processes import messages
from haagent.processes.diagnoser import Diagnoser
from haagent.processes.frames import FrameReader, frame

CONCURRENT = 10_000  # probes at one time; the others queue, their deadlines start when they do
EACH_ADDRESS = 64  # of them
RESERVED = 32 + FEW  # descriptors that are not probes
EARLY = 0.001  # seconds by which uvloop, which counts milliseconds, may wake us before the instant
AT_ONCE = 64  # probes that start before the answers of others are looked for; a slot has fewer
OTHER_USER = frozenset((SETUID, SETGID, KILL))  # to start a program as somebody else, and to end it
PRIVILEGES = OTHER_USER | {NET_ADMIN, NET_RAW}  # that a check may need
READ_SIZE = 1 << 20


class Prober:
    """Wires the core to the clock, the probes and the director."""

    def __init__(self, loop: asyncio.AbstractEventLoop, reports: asyncio.StreamWriter) -> None:
        self._loop = loop
        self._reports = reports
        self._core = ProberCore()
        self._poller = Poller(loop)
        concurrent = min(CONCURRENT, resource.getrlimit(resource.RLIMIT_NOFILE)[0] - RESERVED)
        self._budget = Budget(concurrent, EACH_ADDRESS)
        self._running: dict[int, Running] = {}
        self._prepared: dict[int, Callable[[Poller, Done], Running]] = {}
        self._diagnoser = Diagnoser(lambda probe, done: begin(probe, self._poller, done), self.deliver)
        self._wake_up: asyncio.TimerHandle | None = None
        self._wake_up_at: float | None = None

    def deliver(self, event: Event) -> None:
        """One event through the core; its effects executed in order; the wake-up armed for what the core says now."""
        if isinstance(event, ProbesSet):
            self._prepared.clear()
        self._execute(self._core.handle(event, time.monotonic()))
        self._arm()

    def _execute(self, effects: list[Effect]) -> None:
        for effect in effects:
            match effect:
                case StartProbe(probe=probe):
                    self._start(probe)
                case StopProbe(id=id):
                    self._stop(id)
                case Report():
                    self._report(effect)
                case Diagnose():
                    self._diagnoser.take(effect)
                case _:
                    assert_never(effect)

    def _arm(self) -> None:
        """The only wake-up; after each event, since any may move the deadline. Firing forgets it, early or not."""
        deadline = self._core.next_deadline()
        if deadline == self._wake_up_at:
            return
        if self._wake_up is not None:
            self._wake_up.cancel()
        self._wake_up, self._wake_up_at = None, deadline
        if deadline is not None:
            self._wake_up = self._loop.call_at(deadline + EARLY, self._on_wake_up)

    def _on_wake_up(self) -> None:
        """Few start, then those that were answered meanwhile go on; the first must not wait for the last."""
        self._wake_up = self._wake_up_at = None
        self._poller.announce_turn()
        effects = self._core.handle(DeadlinePassed(), time.monotonic())
        for first in range(0, len(effects), AT_ONCE):
            self._execute(effects[first : first + AT_ONCE])
            self._poller.drain()
        self._poller.turn()
        self._arm()

    def _start(self, probe: Probe) -> None:
        if self._budget.admits(probe):
            self._begin(probe)
        else:
            self._budget.ask(probe)
            self._start_queued()

    def _begin(self, probe: Probe) -> None:
        begun = self._prepared.get(probe.id)
        if begun is None:
            begun = self._prepared[probe.id] = prepared(probe)
        self._running[probe.id] = begun(self._poller, partial(self._on_result, probe.id))

    def _stop(self, id: int) -> None:
        exchange = self._running.pop(id, None)
        if exchange is not None:
            exchange.close()
            self._budget.give_back(id)
            self._start_queued()
        else:
            self._budget.forget(id)

    def _on_result(self, id: int, result: ProbeResult | Exception) -> None:
        del self._running[id]
        self._budget.give_back(id)
        finished = ProbeFinished(id, result if isinstance(result, ProbeResult) else fault(result))
        if effects := self._core.handle(finished, time.monotonic()):
            self._execute(effects)  # no result moves the deadline: nothing to arm
        self._start_queued()

    def _start_queued(self) -> None:
        while (probe := self._budget.take()) is not None:
            self._begin(probe)

    def _report(self, said: Report) -> None:
        report = messages.HealthReported(
            id=said.id,
            health=said.health,
            detail=said.detail,
            at=time.monotonic(),
            weight=said.weight,
            failure=said.failure,
            cause=said.cause,
        )
        self._reports.write(frame(messages.encode(report)))

    def remember(self, asked: messages.WhyAsked) -> None:
        """Tells what is remembered, without secrets."""
        found = {id: self._core.remembered(id, notes) for id in asked.ids}
        self._reports.write(frame(messages.encode(messages.Remembered(asked.serial, found))))

    def close(self) -> None:
        """Abandons everything."""
        running, self._running = self._running, {}
        for exchange in running.values():
            exchange.close()
        if self._wake_up is not None:
            self._wake_up.cancel()
        self._poller.close()


def fault(raised: Exception) -> ProbeResult:
    """A fault in a probe's own code must not stop the checking of all the others, nor count against the server."""
    traceback.print_exception(raised)
    return ProbeResult(False, f"this director cannot probe: a fault in haagent, {type(raised).__name__}", local=True)


def probes_of(message: messages.SetProbes) -> ProbesSet:
    return ProbesSet(
        tuple(Probe(p.id, p.check, p.address, p.port, p.health, p.through, p.mark, p.interval) for p in message.probes)
    )


class Privileges:
    """What is kept of root's until the director has said what is to be probed; from then on only what that needs."""

    def __init__(self, kept: frozenset[int]) -> None:
        self._kept = kept
        self._given_up = frozenset[int]()

    def suffice(self, wanted: frozenset[int]) -> bool:
        """False: something that was given up is wanted, so a new process must take over."""
        if wanted & self._given_up:
            return False
        if self._kept:
            keep = self._kept & wanted
            capabilities.hold(keep, effective=keep)
            self._given_up |= self._kept - keep
            self._kept = keep
        return True


async def converse(connection: socket.socket, alive: int | None, privileges: Privileges) -> None:
    """Until the director, or whoever holds the other end of `alive`, is gone, or SIGTERM. Raises on a fault of ours."""
    loop = asyncio.get_running_loop()
    over: asyncio.Future[None] = loop.create_future()

    def end() -> None:
        if not over.done():
            over.set_result(None)

    def fail(_: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """A callback raised: rather a new process than one that silently checks nothing."""
        if not over.done():
            over.set_exception(context.get("exception") or RuntimeError(context["message"]))

    loop.set_exception_handler(fail)
    loop.add_signal_handler(signal.SIGTERM, end)
    if alive is not None:
        loop.add_reader(alive, end)
    reader, writer = await asyncio.open_unix_connection(sock=connection)
    prober = Prober(loop, writer)
    listening = loop.create_task(listen(reader, prober, privileges))
    await asyncio.wait((listening, over), return_when=asyncio.FIRST_COMPLETED)
    prober.close()
    for ended in (listening, over):
        if ended.done():
            ended.result()  # raises what went wrong
    writer.transport.abort()


async def listen(reader: asyncio.StreamReader, prober: Prober, privileges: Privileges) -> None:
    frames = FrameReader()
    try:
        while data := await reader.read(READ_SIZE):
            for payload in frames.feed(data):
                said = messages.decode_to_prober(payload)
                if isinstance(said, messages.WhyAsked):
                    prober.remember(said)
                    continue
                probes = probes_of(said)
                if not privileges.suffice(needed(probes.probes, has_paths=said.has_paths)):
                    return
                prober.deliver(probes)
                # What probes need stays until they change: no collection has to walk over it. What the former ones
                # needed goes first, for what is frozen is never collected: each reload would leave its garbage.
                gc.unfreeze()
                gc.collect()
                gc.freeze()
    except ConnectionError:
        pass  # the director was killed


def needed(probes: Iterable[Probe], *, has_paths: bool = False) -> frozenset[int]:
    """SO_MARK needs CAP_NET_ADMIN; an echo request CAP_NET_RAW, where net.ipv4.ping_group_range does not admit us.
    SO_BINDTODEVICE of a new socket needs nothing (since Linux 5.7). A program of another user: setuid(2), kill(2)."""
    wanted: set[int] = {NET_ADMIN} if has_paths else set()
    for probe in probes:
        if isinstance(probe.check, WireCheck) and probe.check.mark:
            wanted.add(NET_ADMIN)
        if isinstance(probe.check, IcmpCheck) and not may_ping():
            wanted.add(NET_RAW)
        if isinstance(probe.check, ExecCheck) and probe.check.user:
            wanted |= OTHER_USER
    return frozenset(wanted)


def may_ping() -> bool:
    try:
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM, socket.IPPROTO_ICMP).close()
    except PermissionError:
        return False
    except OSError:
        return True
    return True


def drop_privileges(name: str) -> Privileges:
    """From root to the named user, or to nobody where it does not exist; no change when not started as root."""
    if os.geteuid() != 0:
        return Privileges(frozenset())
    try:
        user = pwd.getpwnam(name)
    except KeyError:
        user = pwd.getpwnam("nobody")
    return Privileges(capabilities.become(user.pw_uid, user.pw_gid, PRIVILEGES))


def raise_descriptor_limit() -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="haagent.processes.prober")
    parser.add_argument("--socket", required=True, help="the director's internal socket")
    parser.add_argument("--user", default="nobody", help="whom to run as after connecting")
    parser.add_argument("--alive-fd", type=int, help="a pipe that closes when the supervisor is gone")
    options = parser.parse_args(arguments)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the terminal's ^C is the director's to handle
    raise_descriptor_limit()
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    connection.connect(options.socket)
    connection.sendall(frame(messages.encode(messages.Hello(process="prober", pid=os.getpid()))))
    privileges = drop_privileges(options.user)
    connection.setblocking(False)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(converse(connection, options.alive_fd, privileges))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
