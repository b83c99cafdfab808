"""One try over TCP: connect, say something, listen, all under one total deadline, whatever the peer drips.

What is said and what the answer means is a `Conversation`; this file knows sockets and errors alone. Connections are
closed with SO_LINGER 0: thousands of checks a second would otherwise leave tens of thousands of sockets in TIME_WAIT.
An error that connect(2) returns at once was found by this director's own kernel (no route, no free port, a firewall
rule); one that comes later came from the network.
"""

import asyncio
import errno
import os
import select
import socket
import struct
import time
from collections.abc import Callable
from typing import Protocol

from haagent.health.probe import ProbeResult
from haagent.probes.poller import Poller, Watch

RECEIVE_SIZE = 16384
RESET_ON_CLOSE = struct.pack("ii", 1, 0)
READABLE = select.EPOLLIN | select.EPOLLRDHUP | select.EPOLLHUP | select.EPOLLERR
FINISHED = select.EPOLLRDHUP | select.EPOLLHUP | select.EPOLLERR
STALLED = 0.5  # of the timeout: a deadline noticed this late says that we were asleep, not that the peer was

LOCAL_TROUBLE = {
    errno.ENETUNREACH: "it has no route to {address}",
    errno.EHOSTUNREACH: "its routing table calls {address} unreachable",
    errno.EADDRNOTAVAIL: "it has no free source address and port for {address}",
    errno.EPERM: "a policy of its own kernel forbids the connection to {address}",
    errno.EACCES: "its routing table prohibits {address}",
    errno.EINVAL: "its routing table discards packets to {address}",  # a blackhole route says EINVAL
    errno.EMFILE: "it is out of file descriptors",
    errno.ENFILE: "it is out of file descriptors",
    errno.ENOBUFS: "it is out of memory for sockets",
    errno.ENOMEM: "it is out of memory for sockets",
}
REMOTE_TROUBLE = {
    errno.ECONNREFUSED: "connection refused",
    errno.ECONNRESET: "connection reset",
    errno.EPIPE: "connection reset",
    errno.EHOSTUNREACH: "host unreachable",  # no answer to ARP, or an ICMP message
    errno.ENETUNREACH: "network unreachable",
    errno.ETIMEDOUT: "connection timed out",
    errno.ENOPROTOOPT: "port unreachable",
}


Done = Callable[[ProbeResult | Exception], None]  # an Exception is a fault of ours, met while judging


class Conversation(Protocol):
    """What one check says and hears over an established connection. Each answer but None ends the try."""

    request: bytes  # sent as soon as the connection stands; may be empty

    def connected(self) -> ProbeResult | None: ...

    def feed(self, data: bytes) -> ProbeResult | None:
        """Octets arrived."""

    def ended(self) -> ProbeResult:
        """The peer closed its side."""

    def heard(self) -> str:
        """How far the answer got, in words; empty: nothing came."""

    def close(self) -> None:
        """The try is over; whatever would keep this object alive lets go."""


class Exchange:
    """One try from connect(2) to its result, which `done` receives; never before the constructor has returned."""

    __slots__ = (
        "_address",
        "_connected",
        "_conversation",
        "_descriptor",
        "_done",
        "_poller",
        "_port",
        "_socket",
        "_timeout",
        "_unsent",
    )

    def __init__(
        self,
        address: str,
        port: int,
        timeout: float,
        conversation: Conversation,
        poller: Poller,
        done: Done,
    ) -> None:
        self._address, self._port, self._timeout = address, port, timeout
        self._conversation, self._poller = conversation, poller
        self._done: Done | None = done
        self._connected = False
        self._unsent = conversation.request
        self._socket: socket.socket | None = None
        failure = self._connect()
        if failure is not None:
            asyncio.get_running_loop().call_soon(self._finish, failure)

    def _connect(self) -> ProbeResult | None:
        family = socket.AF_INET6 if ":" in self._address else socket.AF_INET
        try:
            self._socket = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
            self._descriptor = self._socket.fileno()
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
            code = self._socket.connect_ex((self._address, self._port))
            if code in (0, errno.EINPROGRESS):
                deadline_at = time.monotonic() + self._timeout
                self._poller.watch(Watch(self._descriptor, deadline_at, self._on_events, self._on_deadline))
                return None
        except OSError as error:
            return self._local(error.errno or errno.EIO)
        if code in (errno.ECONNREFUSED, errno.ECONNRESET, errno.ETIMEDOUT):  # loopback answers within the call
            return self._remote(code)
        return self._local(code)

    def _on_events(self, events: int) -> None:
        result: ProbeResult | Exception | None
        try:
            result = self._step(events)
        except BlockingIOError:
            return
        except OSError as error:
            result = self._remote(error.errno or errno.EIO)
        except Exception as fault:  # noqa: BLE001  handed on to whoever waits for the result, as a task would
            result = fault
        if result is not None:
            self._finish(result)

    def _step(self, events: int) -> ProbeResult | None:
        """Everything that can be done now. Raises OSError as the socket does."""
        assert self._socket is not None  # a finished exchange is no longer watched
        if not self._connected:
            if events & (select.EPOLLERR | select.EPOLLHUP):
                code = self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
                return self._remote(code or errno.ECONNRESET)
            if not events & select.EPOLLOUT:
                return None
            self._connected = True
            if verdict := self._conversation.connected():
                return verdict
        if self._unsent:
            self._unsent = self._unsent[self._socket.send(self._unsent) :]
        if events & READABLE:
            while True:
                data = self._socket.recv(RECEIVE_SIZE)
                verdict = self._conversation.feed(data) if data else self._conversation.ended()
                if verdict is not None:
                    return verdict
                if len(data) < RECEIVE_SIZE and not events & FINISHED:
                    break  # drained: what comes later raises a new event
        return None

    def _on_deadline(self, late: float) -> None:
        if late > STALLED * self._timeout:
            self._finish(ProbeResult(False, f"this director cannot probe: it was {late:.1f} s late", local=True))
        else:
            self._finish(ProbeResult(False, self._too_late()))

    def _too_late(self) -> str:
        if not self._connected:
            return f"no answer to the connection within {self._timeout:g} s"
        heard = self._conversation.heard()
        return f"no complete answer within {self._timeout:g} s ({heard or 'connected, nothing received'})"

    def _local(self, code: int) -> ProbeResult:
        words = LOCAL_TROUBLE.get(code, os.strerror(code)).format(address=self._address)
        return ProbeResult(False, f"this director cannot probe: {words}", local=True)

    def _remote(self, code: int) -> ProbeResult:
        words = REMOTE_TROUBLE.get(code) or os.strerror(code)
        heard = self._conversation.heard() if self._connected else ""
        return ProbeResult(False, f"{words} ({heard or f'{self._address}:{self._port}'})")

    def _finish(self, result: ProbeResult | Exception) -> None:
        done = self._done
        self.close()
        if done is not None:
            done(result)

    def close(self) -> None:
        """Lets go of socket, deadline and conversation; a result that is not there yet never comes."""
        self._done = None
        if self._socket is not None:
            self._poller.forget(self._descriptor)
            self._socket.close()
            self._socket = None
        self._conversation.close()


async def converse(address: str, port: int, timeout: float, conversation: Conversation, poller: Poller) -> ProbeResult:
    """Runs one try. Cancelling closes the connection."""
    finished: asyncio.Future[ProbeResult] = asyncio.get_running_loop().create_future()

    def done(result: ProbeResult | Exception) -> None:
        if isinstance(result, ProbeResult):
            finished.set_result(result)
        else:
            finished.set_exception(result)

    exchange = Exchange(address, port, timeout, conversation, poller, done)
    try:
        return await finished
    finally:
        exchange.close()
