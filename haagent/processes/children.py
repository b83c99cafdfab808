"""The director's internal socket: where vrrp, prober and observer connect, say hello, and get their levels.

One connection for each kind of process; a newer one replaces an older one. Payloads are octets here: JSON for vrrp,
msgpack for the others; `director.py` gives them their meaning.
"""

import asyncio
import contextlib
import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

import msgspec

from haagent.processes.frames import FrameError, FrameReader, frame
from haagent.processes.messages import Hello

Name = Literal["vrrp", "prober", "observer"]
READ_SIZE = 262144
BACKLOG_LIMIT = 4 << 20  # octets that a child has not read yet


class Listener(Protocol):
    """What the director wants to hear."""

    def child_connected(self, hello: Hello) -> None: ...
    def child_said(self, process: Name, payload: bytes) -> None: ...
    def child_lost(self, process: Name) -> None: ...


@dataclass(frozen=True, slots=True)
class Connection:
    hello: Hello
    writer: asyncio.StreamWriter


class Children:
    """`start` raises OSError where the socket cannot be made."""

    def __init__(self, path: Path, listener: Listener, complain: Callable[[str], None]) -> None:
        self._path, self._listener, self._complain = path, listener, complain
        self._connections: dict[Name, Connection] = {}
        self._server: asyncio.AbstractServer | None = None
        self._inode = 0

    async def start(self) -> None:
        self._path.unlink(missing_ok=True)
        previous = os.umask(0o177)  # root alone: the children connect before they drop their privileges
        try:
            self._server = await asyncio.start_unix_server(self._serve, self._path)
        finally:
            os.umask(previous)
        self._inode = self._path.stat().st_ino

    def hello_of(self, process: Name) -> Hello | None:
        connection = self._connections.get(process)
        return connection.hello if connection else None

    def is_behind(self, process: Name) -> bool:
        """Whether it does not read what it was sent (it is stopped, or too slow): what is only news may be left out."""
        connection = self._connections.get(process)
        return connection is not None and connection.writer.transport.get_write_buffer_size() > BACKLOG_LIMIT

    def send(self, process: Name, payload: bytes) -> None:
        """Nothing where the process is not connected: it gets its levels when it says hello."""
        connection = self._connections.get(process)
        if connection:
            connection.writer.write(frame(payload))

    async def close(self) -> None:
        if self._server:
            self._server.close()
        for connection in self._connections.values():
            connection.writer.close()
        unlink_own(self._path, self._inode)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        frames, name = FrameReader(), None
        try:
            while data := await reader.read(READ_SIZE):
                for payload in frames.feed(data):
                    if name is None:
                        name = self._greet(payload, writer)
                    elif self._is_current(name, writer):
                        self._listener.child_said(name, payload)
        except FrameError as error:
            self._complain(f"{name or 'a child'} sent no frame: {error}")
        except (ConnectionError, msgspec.DecodeError, ValueError) as error:
            self._complain(f"{name or 'a child'} is disconnected: {error}")
        finally:
            writer.close()
            if name and self._is_current(name, writer):
                del self._connections[name]
                self._listener.child_lost(name)

    def _is_current(self, name: Name, writer: asyncio.StreamWriter) -> bool:
        """Not so where a newer connection of the same kind of process took over."""
        connection = self._connections.get(name)
        return connection is not None and connection.writer is writer

    def _greet(self, payload: bytes, writer: asyncio.StreamWriter) -> Name:
        hello = _decode_hello(payload)
        previous = self._connections.get(hello.process)
        if previous:
            previous.writer.close()
        self._connections[hello.process] = Connection(hello, writer)
        with contextlib.suppress(AttributeError):  # a level may be large: never let it wait for drain()
            writer.transport.set_write_buffer_limits(high=1 << 26)
        self._listener.child_connected(hello)
        return hello.process


def unlink_own(path: Path, inode: int) -> None:
    """Remove our socket's name, unless a successor has put its own there already."""
    with contextlib.suppress(FileNotFoundError):
        if path.stat().st_ino == inode:
            path.unlink()


def _decode_hello(payload: bytes) -> Hello:
    """Raises msgspec.DecodeError or ValueError on anything else."""
    if payload[:1] == b"{":  # vrrp speaks JSON
        return msgspec.convert(json.loads(payload), Hello)
    return msgspec.msgpack.decode(payload, type=Hello)
