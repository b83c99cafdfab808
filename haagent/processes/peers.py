"""The peers' side of operators' words: each director calls each other one, and listens. It decides nothing.

An exchange hands over everything that is known, in both directions; the words' versions decide (pool/operator.py), so
the order and the number of exchanges do not matter. Every `interval`, and at once after a change.
"""

import asyncio
import contextlib
import os
import secrets
import struct
import time
from collections.abc import Callable
from pathlib import Path

from haagent.config.model import Endpoint, Peers
from haagent.core.hearing import Hearing
from haagent.pool.operator import Overrides
from haagent.processes.frames import frame
from haagent.processes.peer_message import (
    CHALLENGE_SIZE,
    LEAST_SECRET,
    NONCE_SIZE,
    SIZE_LIMIT,
    Direction,
    Healths,
    Told,
    challenge,
    nonce_of,
    opened,
    sealed,
)
from haagent.processes.private_file import read_private
from haagent.snapshot import PeerStatus

TIMEOUT = 5.0  # seconds for a whole exchange
AT_ONCE = 8  # conversations with callers
LOST_AFTER = 3  # failures in a row that make a problem


def read_secret(path: Path) -> bytes | str:
    """The secret without the line end, or a sentence that says what to do."""
    octets = read_private(str(path), "the peers' secret")
    if isinstance(octets, str):
        return octets
    secret = octets.strip()
    if len(secret) < LEAST_SECRET:
        return f"the peers' secret {path} is too short: give it {LEAST_SECRET} octets or more (openssl rand -hex 32)"
    return secret


class PeerExchange:
    """`start` begins, `changed` tells the others at once, `close` ends. `words` gives what is known here, `heard` gets
    what a peer knows; `healths` and `saw` likewise for what is made of the real servers, `hearings` and `heard_there`
    for what is heard of the virtual routers."""

    def __init__(
        self,
        name: str,
        peers: Peers,
        secret: bytes,
        words: Callable[[], Overrides],
        heard: Callable[[Overrides], None],
        complain: Callable[[str], None],
        *,
        healths: Callable[[], Healths] = dict,
        saw: Callable[[str, Healths], None] = lambda director, healths: None,
        hearings: Callable[[], tuple[Hearing, ...]] = tuple,
        heard_there: Callable[[str, tuple[Hearing, ...]], None] = lambda director, hearings: None,
    ) -> None:
        self._name, self._peers, self._secret = name, peers, secret
        self._words, self._heard, self._complain = words, heard, complain
        self._healths, self._saw = healths, saw
        self._hearings, self._heard_there = hearings, heard_there
        self._failures: dict[str, int] = {}
        self._statuses: dict[str, PeerStatus] = {}
        self._wakes: dict[str, asyncio.Event] = {}
        self._tasks: list[asyncio.Task[None]] = []
        self._conversations = 0
        self._server: asyncio.Server | None = None
        self._listening = ""  # why not

    def start(self) -> None:
        for endpoint in self._peers.addresses:
            if endpoint.director == self._name:
                self._tasks.append(asyncio.create_task(self._listen(endpoint)))
            else:
                self._wakes[endpoint.director] = asyncio.Event()
                self._tasks.append(asyncio.create_task(self._call_again(endpoint)))

    def changed(self) -> None:
        for wake in self._wakes.values():
            wake.set()

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        if self._server:
            self._server.close()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def statuses(self) -> tuple[PeerStatus, ...]:
        return tuple(self._statuses[name] for name in sorted(self._statuses))

    def problems(self) -> tuple[str, ...]:
        found = [
            f"the director {status.name} does not hear what operators say here: {status.detail}"
            for status in self.statuses()
            if self._failures.get(status.name, 0) >= LOST_AFTER
        ]
        return (*found, self._listening) if self._listening and self._server is None else tuple(found)

    # ------------------------------------------------------------------ we call

    async def _call_again(self, endpoint: Endpoint) -> None:
        wake = self._wakes[endpoint.director]
        while True:
            wake.clear()
            failure = await self._call_once(endpoint)
            self._note(endpoint, failure)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._peers.interval):
                    await wake.wait()

    async def _call_once(self, endpoint: Endpoint) -> str:
        """Why the exchange failed; empty: it did not."""
        try:
            async with asyncio.timeout(TIMEOUT):
                reader, writer = await asyncio.open_connection(endpoint.address, endpoint.port)
                try:
                    told = await self._call(reader, writer)
                finally:
                    writer.close()
        except TimeoutError:
            return f"no answer within {TIMEOUT:g} s"
        except (asyncio.IncompleteReadError, ConnectionResetError):
            return "it ended the conversation: look into its log"
        except OSError as error:
            return os.strerror(error.errno) if error.errno else str(error)
        if isinstance(told, str):
            return told
        if told.director != endpoint.director:
            return f"it calls itself {told.director}"
        self._take(told)
        return ""

    async def _call(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> Told | str:
        theirs = nonce_of(await reader.readexactly(CHALLENGE_SIZE))
        if isinstance(theirs, str):
            return theirs
        ours = secrets.token_bytes(NONCE_SIZE)
        writer.write(self._frame("call", theirs, ours))
        await writer.drain()
        return opened("answer", self._secret, theirs + ours, await _read_frame(reader))

    def _note(self, endpoint: Endpoint, failure: str) -> None:
        before = self._failures.get(endpoint.director, 0)
        self._failures[endpoint.director] = before + 1 if failure else 0
        if failure and before == 0:
            self._complain(f"no exchange with the director {endpoint.director}: {failure}")
        known = self._statuses.get(endpoint.director)
        at = time.time() if not failure else (known.at if known else 0.0)
        self._statuses[endpoint.director] = PeerStatus(
            name=endpoint.director,
            address=f"{endpoint.address} port {endpoint.port}",
            reachable=not failure,
            at=at,
            detail=failure or "agrees",
        )

    # ------------------------------------------------------------------ we are called

    async def _listen(self, endpoint: Endpoint) -> None:
        """The address may come later, so try until it is there."""
        while True:
            try:
                self._server = await asyncio.start_server(self._serve, endpoint.address, endpoint.port)
            except OSError as error:
                self._listening = f"peers cannot reach {endpoint.address} port {endpoint.port}: {error.strerror}"
                await asyncio.sleep(self._peers.interval)
            else:
                return

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._conversations >= AT_ONCE:
            writer.close()
            return
        self._conversations += 1
        try:
            async with asyncio.timeout(TIMEOUT):
                failure = await self._answer(reader, writer)
            if failure:
                self._complain(f"{writer.get_extra_info('peername')[0]} called as a peer: {failure}")
        except (TimeoutError, OSError, asyncio.IncompleteReadError):
            pass  # its own call fails, and it says so
        finally:
            self._conversations -= 1
            writer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> str:
        ours = secrets.token_bytes(NONCE_SIZE)
        writer.write(challenge(ours))
        await writer.drain()
        told = opened("call", self._secret, ours, await _read_frame(reader))
        if isinstance(told, str):
            return told
        if told.director not in self._wakes:
            return f"it calls itself {told.director}, which is none of our peers"
        self._take(told)
        writer.write(self._frame("answer", ours + told.nonce, b""))
        await writer.drain()
        return ""

    # ------------------------------------------------------------------ both

    def _frame(self, direction: Direction, nonces: bytes, nonce: bytes) -> bytes:
        words, healths, hearings = self._words(), self._healths(), self._hearings()
        return frame(sealed(direction, self._secret, nonces, self._name, nonce, words, healths, hearings))

    def _take(self, told: Told) -> None:
        self._heard(told.overrides)
        self._saw(told.director, told.healths)
        self._heard_there(told.director, told.hearings)


async def _read_frame(reader: asyncio.StreamReader) -> bytes:
    """Raises IncompleteReadError, also for a frame that is longer than any of ours."""
    (length,) = struct.unpack(">I", await reader.readexactly(4))
    if length > SIZE_LIMIT:
        raise asyncio.IncompleteReadError(b"", length)
    return await reader.readexactly(length)
