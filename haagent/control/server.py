"""The control socket: JSON lines in, answers out. Who may connect is the file's mode and the peer's credentials."""

import asyncio
import contextlib
import grp
import os
import pwd
import socket
import struct
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from pathlib import Path

from haagent.control.requests import Answer, History, Refused, Request, decode_request, encode

LINE_LIMIT = 65536
Handler = Callable[[Request, str], AsyncIterator[Answer]]  # the second is the user who asks


class ControlServer:
    """`start` raises OSError where the socket cannot be made."""

    def __init__(self, path: Path, group: str, handler: Handler) -> None:
        self._path, self._group, self._handler = path, group, handler
        self._server: asyncio.AbstractServer | None = None
        self._inode = 0

    async def start(self) -> str | None:
        """A sentence where the group does not exist: root alone may connect then."""
        self._path.unlink(missing_ok=True)
        with _umask(0o177):
            self._server = await asyncio.start_unix_server(self._serve, self._path, limit=LINE_LIMIT)
        self._inode = self._path.stat().st_ino
        try:
            os.chown(self._path, -1, grp.getgrnam(self._group).gr_gid)
        except KeyError:
            return f"the group {self._group} does not exist: only root may use the control socket"
        except PermissionError:
            return None  # not root: the socket is for this user alone
        self._path.chmod(0o660)
        return None

    async def close(self) -> None:
        if self._server:
            self._server.close()
        with contextlib.suppress(FileNotFoundError):  # not a successor's, which is another file by the same name
            if self._path.stat().st_ino == self._inode:
                self._path.unlink()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            try:
                line = await reader.readline()
                if refusal := refuse(writer.get_extra_info("socket"), self._group):
                    await _send(writer, Refused(refusal))
                elif line:
                    request = decode_request(line)
                    answers = self._handler(request, user(writer.get_extra_info("socket")))
                    if isinstance(request, History) and request.follow:
                        await _while_heard(reader, _send_all(writer, answers))
                    else:
                        await _send_all(writer, answers)
            except (ValueError, RecursionError) as error:  # msgspec.DecodeError is a ValueError
                await _send(writer, Refused(f"not a request: {error}"))
            finally:
                writer.close()


def refuse(peer: socket.socket, group: str) -> str | None:
    """Why the process at the other end may not ask; None: root, our own user, or a member of the group."""
    uid, gid = credentials(peer)
    if uid in (0, os.geteuid()):
        return None
    try:
        wanted = grp.getgrnam(group).gr_gid
        groups = os.getgrouplist(pwd.getpwuid(uid).pw_name, gid)
    except KeyError:
        return "only root may use the control socket"
    return None if wanted in groups else f"only root and members of {group} may use the control socket"


def user(peer: socket.socket) -> str:
    """The name of the user at the other end; "uid 1234" where it has none."""
    uid, _ = credentials(peer)
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"uid {uid}"


def credentials(peer: socket.socket) -> tuple[int, int]:
    """User and group of the process that connected."""
    size = struct.calcsize("3i")
    _, uid, gid = struct.unpack("3i", peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, size))
    return uid, gid


async def _while_heard(reader: asyncio.StreamReader, sending: Coroutine[None, None, None]) -> None:
    """An answer without end is over when its listener goes, not only when there is something to tell."""
    task, gone = asyncio.create_task(sending), asyncio.create_task(reader.read())
    await asyncio.wait((task, gone), return_when=asyncio.FIRST_COMPLETED)
    for each in (task, gone):
        each.cancel()
    await asyncio.wait((task, gone))
    if not task.cancelled():
        task.result()


async def _send_all(writer: asyncio.StreamWriter, answers: AsyncIterator[Answer]) -> None:
    async for answer in answers:
        await _send(writer, answer)


async def _send(writer: asyncio.StreamWriter, answer: Answer) -> None:
    writer.write(encode(answer) + b"\n")
    await writer.drain()


@contextlib.contextmanager
def _umask(mask: int) -> Iterator[None]:
    previous = os.umask(mask)
    try:
        yield
    finally:
        os.umask(previous)
