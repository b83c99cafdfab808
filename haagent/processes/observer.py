"""The observer process: shows the director's newest snapshot to an SNMP master agent. It decides nothing.

    python -m haagent.processes.observer --socket PATH --user USER --agentx ADDRESS --alive-fd N

It connects to the director's internal socket as root, says Hello, and goes on without privileges; so what the AgentX
master's socket asks of USER shows, and is reported in words. It ends (status 0) when the director closes the socket,
when the other end of the --alive-fd pipe closes, and on SIGTERM. It writes nothing but the traceback of a fault of its
own: what people should read goes to the director as ObserverReported.
"""

import argparse
import asyncio
import os
import pwd
import random
import signal
import socket
import sys
from typing import Any, Final, assert_never

from haagent.agentx.events import (
    BytesReceived,
    Connect,
    Connected,
    ConnectionFailed,
    DeadlinePassed,
    Disconnect,
    Event,
    NotificationRaised,
    Report,
    Send,
    Stopped,
)
from haagent.agentx.session import Session
from haagent.mib import haagent as mib
from haagent.mib.tree import Tree
from haagent.processes import messages
from haagent.processes.agentx_address import TcpAddress, UnixAddress, parse_address, why_not
from haagent.processes.frames import FrameReader, frame
from haagent.processes.messages import AgreementChanged, RouterChanged, ServiceChanged, SnapshotTaken
from haagent.snapshot import Snapshot

READ_SIZE: Final = 1 << 20


class Link(asyncio.Protocol):
    """One connection to the master; what an older one still says is not heard."""

    def __init__(self, observer: "Observer") -> None:
        self._observer = observer

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._observer.link_made(self, transport)

    def data_received(self, data: bytes) -> None:
        self._observer.link_said(self, BytesReceived(data))

    def connection_lost(self, exc: Exception | None) -> None:
        self._observer.link_said(self, ConnectionFailed("the master closed the connection"))


class Observer:
    """Wires the session to the clock, the master's socket and the director."""

    def __init__(self, loop: asyncio.AbstractEventLoop, reports: asyncio.StreamWriter, address: str) -> None:
        self._loop = loop
        self._reports = reports
        self._address = address
        self._target = parse_address(address)
        self._snapshot: Snapshot | None = None
        self._tree: Tree | None = None  # of the newest snapshot, once somebody has asked
        self._session: Session | None = None  # from the first snapshot on
        self._said = ""
        self._wake_up: asyncio.TimerHandle | None = None
        self._connecting: asyncio.Task[None] | None = None
        self._link: Link | None = None
        self._transport: asyncio.Transport | None = None
        if not address:
            self._report(False, "no AgentX master is configured")
        elif self._target is None:
            self._report(False, f'cannot use "{address}": an AgentX master is unix:/path or tcp:host:port')

    # --------------------------------------------------------------- from the director

    def hear(self, message: messages.ToObserver) -> None:
        match message:
            case SnapshotTaken(snapshot=snapshot):
                self._snapshot, self._tree = snapshot, None
                if self._session is None and self._target is not None:
                    description = f"haagent {snapshot.version}"
                    chance = random.Random()
                    self._session = Session(mib.ROOT, description, self._serve, chance, self._loop.time())
                    self.deliver(DeadlinePassed())
            case RouterChanged() as changed:
                varbinds = mib.router_state_change(
                    director=self._snapshot.director if self._snapshot else "",
                    name=changed.name,
                    interface=changed.interface,
                    vrid=changed.vrid,
                    state=changed.state,
                    previous=changed.previous,
                    reason=changed.reason,
                )
                self.deliver(NotificationRaised(varbinds))
            case ServiceChanged() as changed:
                varbinds = mib.service_state_change(
                    director=self._snapshot.director if self._snapshot else "",
                    name=changed.name,
                    state=changed.state,
                    previous=changed.previous,
                    reason=changed.reason,
                )
                self.deliver(NotificationRaised(varbinds))
            case AgreementChanged() as changed:
                varbinds = mib.router_agreement_change(
                    director=self._snapshot.director if self._snapshot else "",
                    name=changed.name,
                    interface=changed.interface,
                    vrid=changed.vrid,
                    router_state=changed.router_state,
                    state=changed.state,
                    previous=changed.previous,
                    evidence=changed.evidence,
                )
                self.deliver(NotificationRaised(varbinds))
            case _:
                assert_never(message)

    def _serve(self) -> Tree:
        if self._tree is None:
            self._tree = mib.build(self._snapshot) if self._snapshot else Tree()
        return self._tree

    # ------------------------------------------------------------------ from the master

    def link_made(self, link: Link, transport: asyncio.Transport) -> None:
        if self._connecting is None:  # given up in the same moment
            transport.abort()
            return
        self._link, self._transport = link, transport
        self.deliver(Connected())

    def link_said(self, link: Link, event: Event) -> None:
        if link is self._link:
            self.deliver(event)

    # ---------------------------------------------------------------------- the session

    def deliver(self, event: Event) -> None:
        """One event through the session; its effects executed in order; the wake-up armed for what it says now."""
        if self._session is None:
            return
        for effect in self._session.handle(event, self._loop.time()):
            match effect:
                case Send(data=data):
                    if self._transport is not None:
                        self._transport.write(data)
                case Connect():
                    self._connecting = self._loop.create_task(self._connect())
                case Disconnect():
                    self._disconnect()
                case Report(connected=connected, detail=detail):
                    self._report(connected, self._in_words(connected, detail))
                case _:
                    assert_never(effect)
        self._arm()

    def _in_words(self, connected: bool, detail: str) -> str:
        if connected:
            return f"AgentX registered with {self._address}"
        return detail if self._address in detail else f"{self._address}: {detail}"

    def _arm(self) -> None:
        """The only wake-up; after each event, since any may move the deadline."""
        if self._wake_up is not None:
            self._wake_up.cancel()
            self._wake_up = None
        if self._session is not None and (deadline := self._session.next_deadline) is not None:
            self._wake_up = self._loop.call_at(deadline, self.deliver, DeadlinePassed())

    async def _connect(self) -> None:
        try:
            match self._target:
                case UnixAddress(path):
                    await self._loop.create_unix_connection(lambda: Link(self), path)
                case TcpAddress(host, port):
                    await self._loop.create_connection(lambda: Link(self), host, port)
        except OSError as fault:
            self.deliver(ConnectionFailed(why_not(self._address, fault)))

    def _disconnect(self) -> None:
        if self._connecting is not None:
            self._connecting.cancel()
        if self._transport is not None:
            if self._transport.get_write_buffer_size():
                self._transport.abort()  # nobody reads there
            else:
                self._transport.close()
        self._connecting = self._link = self._transport = None

    def _report(self, connected: bool, detail: str) -> None:
        """To the director, once for each change."""
        if detail != self._said:
            self._said = detail
            self._reports.write(frame(messages.encode(messages.ObserverReported(connected=connected, detail=detail))))


async def converse(connection: socket.socket, agentx: str, alive: int | None) -> None:
    """Until the director, or whoever holds the other end of `alive`, is gone, or SIGTERM. Raises on a fault of ours."""
    loop = asyncio.get_running_loop()
    over: asyncio.Future[None] = loop.create_future()

    def end() -> None:
        if not over.done():
            over.set_result(None)

    def fail(_: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """A callback raised: rather a new process than one that silently shows an old view."""
        if not over.done():
            over.set_exception(context.get("exception") or RuntimeError(context["message"]))

    loop.set_exception_handler(fail)
    loop.add_signal_handler(signal.SIGTERM, end)
    if alive is not None:
        loop.add_reader(alive, end)
    reader, writer = await asyncio.open_unix_connection(sock=connection)
    observer = Observer(loop, writer, agentx)
    listening = loop.create_task(listen(reader, observer))
    await asyncio.wait((listening, over), return_when=asyncio.FIRST_COMPLETED)
    observer.deliver(Stopped())
    listening.cancel()
    for ended in (listening, over):
        if ended.done() and not ended.cancelled():
            ended.result()  # raises what went wrong
    writer.transport.abort()


async def listen(reader: asyncio.StreamReader, observer: Observer) -> None:
    frames = FrameReader()
    try:
        while data := await reader.read(READ_SIZE):
            for payload in frames.feed(data):
                observer.hear(messages.decode_to_observer(payload))
    except ConnectionError:
        pass  # the director was killed


def drop_privileges(name: str) -> None:
    """From root to the named user and its groups, or to nobody where it does not exist; else no change.

    The groups stay, so that an operator can let the user in at the master's socket by a group.
    """
    if os.geteuid() != 0:
        return
    try:
        user = pwd.getpwnam(name)
    except KeyError:
        user = pwd.getpwnam("nobody")
    os.setgroups(os.getgrouplist(user.pw_name, user.pw_gid))
    os.setgid(user.pw_gid)
    os.setuid(user.pw_uid)


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="haagent.processes.observer")
    parser.add_argument("--socket", required=True, help="the director's internal socket")
    parser.add_argument("--user", default="nobody", help="whom to run as after connecting")
    parser.add_argument("--agentx", default="", help="the AgentX master, unix:/path or tcp:host:port; empty: none")
    parser.add_argument("--alive-fd", type=int, help="a pipe that closes when the supervisor is gone")
    options = parser.parse_args(arguments)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the terminal's ^C is the director's to handle
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    connection.connect(options.socket)
    connection.sendall(frame(messages.encode(messages.Hello(process="observer", pid=os.getpid()))))
    drop_privileges(options.user)
    connection.setblocking(False)
    asyncio.run(converse(connection, options.agentx, options.alive_fd))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
