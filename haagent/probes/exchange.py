"""One try over sockets: connect, say, listen, all under one total deadline, whatever the peer drips.

What is said and what the answer means is a `Conversation`; this file knows sockets and errors alone. A conversation may
go on elsewhere (a truncated DNS answer is asked for again by TCP, a redirect is followed): another socket to the same
address, the same deadline. Connections end with a reset (SO_LINGER 0, or probes/spares.py, which keeps the socket):
thousands of checks a second would otherwise leave tens of thousands of sockets in TIME_WAIT. An error that connect(2)
returns at once was found by this director's own kernel (no route, no free port, a firewall rule); one that comes later
came from the network.
"""

import asyncio
import errno
import os
import select
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto
from typing import Protocol

from haagent.config.checks import WireCheck
from haagent.health.check import Failure
from haagent.health.probe import ProbeResult
from haagent.health.transcript import OCTETS, Transcript
from haagent.probes.poller import Poller
from haagent.probes.spares import RESET_ON_CLOSE, stream

RECEIVE_SIZE = 16384
DATAGRAM_SIZE = 65536
CONNECTING = (errno.EINPROGRESS, 0)
READABLE = select.EPOLLIN | select.EPOLLRDHUP | select.EPOLLHUP | select.EPOLLERR
FINISHED = select.EPOLLRDHUP | select.EPOLLHUP | select.EPOLLERR
STALLED = 0.5  # of the timeout: a deadline noticed this late says that we were asleep, not that the peer was
IP_RECVERR, IPV6_RECVERR = 11, 25  # include/uapi/linux/in.h, in6.h
IP_BIND_ADDRESS_NO_PORT = 24  # include/uapi/linux/in.h; the port is chosen by connect(2), which knows the whole tuple

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
    errno.EMSGSIZE: "the datagram to {address} is too long for its way",
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
FAILURES: dict[int, Failure] = {
    errno.ECONNREFUSED: "refused",
    errno.ENOPROTOOPT: "no_protocol",  # ICMP: the host does not know the IP protocol, as without a tunnel's other end
    errno.ETIMEDOUT: "silent",
    errno.EHOSTUNREACH: "silent",
}
SENT_BY_US = (errno.EPERM, errno.EACCES, errno.ENOBUFS, errno.ENOMEM, errno.EMSGSIZE, errno.EINVAL)

Done = Callable[[ProbeResult | Exception], None]  # an Exception is a fault of ours, met while judging


class Running(Protocol):
    """A try under way."""

    def close(self) -> None:
        """Abandons it; a result that is not there yet never comes."""


class Upgrade(Enum):
    """A conversation's wish to go on through TLS; what wraps it (tls.py) grants it."""

    START_TLS = auto()


@dataclass(frozen=True, slots=True)
class Way:
    """What kind of socket, and by which way its packets go."""

    kind: socket.SocketKind = socket.SOCK_STREAM
    protocol: int = 0
    source: str = ""
    device: str = ""
    mark: int = 0


TCP = Way()
UDP = Way(socket.SOCK_DGRAM)


def way_of(check: WireCheck, kind: socket.SocketKind = socket.SOCK_STREAM, protocol: int = 0) -> Way:
    if kind is socket.SOCK_STREAM and not (protocol or check.source or check.device or check.mark):
        return TCP
    return Way(kind, protocol, check.source, check.device, check.mark)


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """The try goes on with another conversation on another socket."""

    conversation: "Conversation"
    port: int
    kind: socket.SocketKind


# What a conversation wants next: the end, octets to send, or just more; None: listen on.
Step = ProbeResult | bytes | Elsewhere | Upgrade | None


class Conversation(Protocol):
    """What one check says and hears. Over datagrams, each piece is one."""

    request: bytes  # sent as soon as the connection stands; may be empty

    def connected(self) -> Step: ...

    def feed(self, data: bytes) -> Step:
        """Octets arrived."""

    def ended(self) -> Step:
        """The peer closed its side."""

    def heard(self) -> str:
        """How far the answer got, in words; empty: nothing came."""

    def close(self) -> None:
        """The try is over; whatever would keep this object alive lets go."""


class Exchange:
    """One try from connect(2) to its result, which `done` receives; never before the constructor has returned."""

    __slots__ = (
        "_address",
        "_began_at",
        "_connected",
        "_connected_at",
        "_conversation",
        "_done",
        "_error",
        "_heard",
        "_heard_at",
        "_heard_octets",
        "_is_ipv6",
        "_is_spare",
        "_is_stream",
        "_poller",
        "_port",
        "_said",
        "_socket",
        "_speaks_first",
        "_timeout",
        "_unsent",
        "_way",
        "deadline_at",
        "descriptor",
    )

    def __init__(
        self,
        address: str,
        port: int,
        timeout: float,
        conversation: Conversation,
        poller: Poller,
        done: Done,
        way: Way = TCP,
    ) -> None:
        self._address, self._timeout = address, timeout
        self._poller, self._way = poller, way
        self._done: Done | None = done
        self._began_at = time.monotonic()
        self.deadline_at = self._began_at + timeout
        self._is_ipv6 = ":" in address
        failure = self._begin(conversation, port, way.kind)
        if failure is not None:
            asyncio.get_running_loop().call_soon(self._finish, failure)

    def _begin(self, conversation: Conversation, port: int, kind: socket.SocketKind) -> ProbeResult | None:
        self._conversation, self._port = conversation, port
        self._is_stream = kind is socket.SOCK_STREAM
        self._connected = False
        self._unsent = conversation.request
        self._speaks_first = bool(self._unsent)
        self._connected_at = self._heard_at = 0.0
        self._said = self._heard = b""  # the first octets of each direction, for the transcript
        self._heard_octets = 0
        self._error = 0
        self._socket: socket.socket | None = None
        return self._connect(kind)

    def _connect(self, kind: socket.SocketKind) -> ProbeResult | None:
        self._is_spare = self._is_stream and self._way is TCP
        poller, is_kept = self._poller, False
        try:
            if self._is_spare:
                made = poller.spares.take(self._is_ipv6, self._speaks_first)
                is_kept = made is not None
                self._socket = made or stream(self._is_ipv6, self._speaks_first)
                self.descriptor = self._socket.fileno()
            elif words := self._make(kind):
                return local(words)
            assert self._socket is not None
            code = self._socket.connect_ex((self._address, self._port))
            if code in CONNECTING:
                if is_kept:
                    poller.watch_kept(self)
                else:
                    poller.watch(self)
                return None
        except OSError as error:
            if self._socket is None and isinstance(error, PermissionError):
                return local("it may not send echo requests (net.ipv4.ping_group_range, or CAP_NET_RAW)")
            return self._local(error.errno or errno.EIO)
        if code in (errno.ECONNREFUSED, errno.ECONNRESET, errno.ETIMEDOUT):  # loopback answers within the call
            return self._remote(code)
        return self._local(code)

    def _make(self, kind: socket.SocketKind) -> str:
        """A socket with a way of its own; what is in the way of that, in words, or nothing. Raises OSError."""
        family = socket.AF_INET6 if self._is_ipv6 else socket.AF_INET
        made = self._socket = socket.socket(family, kind | socket.SOCK_NONBLOCK, self._way.protocol)
        self.descriptor = made.fileno()
        if self._is_stream:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
        elif self._is_ipv6:  # else "host unreachable" stays silent
            made.setsockopt(socket.IPPROTO_IPV6, IPV6_RECVERR, 1)
        else:
            made.setsockopt(socket.IPPROTO_IP, IP_RECVERR, 1)
        return bind(made, self._way) if self._way.source or self._way.device or self._way.mark else ""

    def on_events(self, events: int) -> None:
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
                return self._remote(code) if code else None  # none: what a spare socket's last connection left behind
            if not events & select.EPOLLOUT:
                return None
            self._connected = True
            self._connected_at = time.monotonic()
            step = self._conversation.connected()
            if step is not None and type(step) is not bytes:
                return self._take(step)
            self._unsent += step or b""
        if self._unsent and (failure := self._send()):
            return failure
        return self._receive(events) if events & READABLE else None

    def _receive(self, events: int) -> ProbeResult | None:
        assert self._socket is not None
        size = RECEIVE_SIZE if self._is_stream else DATAGRAM_SIZE
        while True:
            data = self._socket.recv(size)
            if not self._heard_octets:
                self._heard_at = time.monotonic()
            self._heard_octets += len(data)
            if len(self._heard) < OCTETS:
                self._heard += data[: OCTETS - len(self._heard)]
            step = self._conversation.feed(data) if data or not self._is_stream else self._conversation.ended()
            if step is not None:
                if type(step) is not bytes:
                    return self._take(step)
                assert data or not self._is_stream  # a conversation that has ended says no more
                self._unsent += step
                if failure := self._send():
                    return failure
            if self._is_stream and len(data) < size and not events & FINISHED:
                return None  # drained: what comes later raises a new event
            if not self._is_stream and time.monotonic() >= self.deadline_at:
                return ProbeResult(False, self._too_late())  # datagrams come faster than they are read

    def _take(self, step: Step) -> ProbeResult | None:
        match step:
            case ProbeResult():
                return step
            case Elsewhere(conversation=conversation, port=port, kind=kind):
                self._let_go()
                return self._begin(conversation, port, kind)
            case _:
                raise AssertionError(f"nobody grants {step!r}")

    def _send(self) -> ProbeResult | None:
        assert self._socket is not None
        try:
            sent = self._socket.send(self._unsent)
        except BlockingIOError:
            return None
        except OSError as error:
            if error.errno in SENT_BY_US and not self._is_stream:  # a stream's packets leave later
                return self._local(error.errno)
            raise
        if len(self._said) < OCTETS:
            self._said += self._unsent[: min(sent, OCTETS - len(self._said))]
        self._unsent = self._unsent[sent:]
        return None

    def on_deadline(self, late: float) -> None:
        if late > STALLED * self._timeout:
            self._finish(local(f"it was {late:.1f} s late"))
        else:
            silent: Failure = "" if self._connected and self._is_stream else "silent"
            self._finish(ProbeResult(False, self._too_late(), failure=silent))

    def _too_late(self) -> str:
        if not self._connected:
            return f"no answer to the connection within {self._timeout:g} s"
        heard = self._conversation.heard()
        if not self._is_stream:
            return f"no answer within {self._timeout:g} s" + (f" ({heard})" if heard else "")
        return f"no complete answer within {self._timeout:g} s ({heard or 'connected, nothing received'})"

    def _local(self, code: int) -> ProbeResult:
        self._error = code
        return local(LOCAL_TROUBLE.get(code, os.strerror(code)).format(address=self._address))

    def _remote(self, code: int) -> ProbeResult:
        self._error = code
        words = REMOTE_TROUBLE.get(code) or os.strerror(code)
        if code == errno.ECONNREFUSED and not self._is_stream:
            words = "port unreachable"
        heard = self._conversation.heard() if self._connected else ""
        where = f"{self._address}:{self._port}" if self._port else self._address
        failure = "" if self._connected and self._is_stream else FAILURES.get(code, "")
        return ProbeResult(False, f"{words} ({heard or where})", failure=failure)

    def _finish(self, result: ProbeResult | Exception) -> None:
        done = self._done
        if isinstance(result, ProbeResult):
            result = ProbeResult(
                result.passed, result.detail, result.local, result.weight, result.failure, self._transcript(result)
            )
        self.close()
        if done is not None:
            done(result)

    def _transcript(self, result: ProbeResult) -> Transcript:
        address, began_at, conversation = self._address, self._began_at, self._conversation
        return Transcript(
            passed=result.passed,
            detail=result.detail,
            local=result.local,
            at=began_at,
            target=f"[{address}]:{self._port}" if self._is_ipv6 else f"{address}:{self._port}",
            source=self._way.source,
            mark=self._way.mark,
            connected_after=self._connected_at - began_at if self._connected else None,
            first_octet_after=self._heard_at - began_at if self._heard_octets else None,
            ended_after=time.monotonic() - began_at,
            error=errno.errorcode.get(self._error, "") if self._error else "",
            sent=getattr(conversation, "plain_said", self._said),
            received=getattr(conversation, "plain_heard", self._heard),
            received_octets=self._heard_octets,
            notes=getattr(self._conversation, "notes", ()),
        )

    def close(self) -> None:
        """Lets go of socket, deadline and conversation; a result that is not there yet never comes."""
        self._done = None
        self._let_go()

    def _let_go(self) -> None:
        if self._socket is not None:
            self._poller.forget(self.descriptor)
            if not (self._connected and self._is_spare and self._is_kept()):
                self._socket.close()
            self._socket = None
        self._conversation.close()

    def _is_kept(self) -> bool:
        assert self._socket is not None
        return self._poller.spares.keep(self._socket, self._is_ipv6, self._speaks_first)


def local(words: str) -> ProbeResult:
    """Trouble of this director."""
    return ProbeResult(False, f"this director cannot probe: {words}", local=True, failure="local")


def bind(made: socket.socket, way: Way) -> str:
    """Gives the socket its way; what is in the way of that, in words, or nothing."""
    try:
        if way.mark:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_MARK, way.mark)
    except PermissionError:
        return f"it may not set the mark {way.mark} (CAP_NET_ADMIN)"
    try:
        if way.device:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, way.device.encode())
    except PermissionError:
        return f"it may not bind to the interface {way.device} (CAP_NET_RAW)"
    except OSError as error:
        if error.errno != errno.ENODEV:
            raise
        return f"it has no interface {way.device}"
    if not way.source:
        return ""
    if (":" in way.source) is not (made.family is socket.AF_INET6):
        return f"the source {way.source} is of another family than the target"
    try:
        if made.type is not socket.SOCK_RAW and made.proto not in (socket.IPPROTO_ICMP, socket.IPPROTO_ICMPV6):
            made.setsockopt(socket.IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1)
        made.bind((way.source, 0))
    except OSError as error:
        if error.errno != errno.EADDRNOTAVAIL:
            raise
        return f"it has no address {way.source}"
    return ""


async def converse(
    address: str, port: int, timeout: float, conversation: Conversation, poller: Poller, way: Way = TCP
) -> ProbeResult:
    """Runs one try. Cancelling closes the connection."""
    finished: asyncio.Future[ProbeResult] = asyncio.get_running_loop().create_future()

    def done(result: ProbeResult | Exception) -> None:
        if isinstance(result, ProbeResult):
            finished.set_result(result)
        else:
            finished.set_exception(result)

    exchange = Exchange(address, port, timeout, conversation, poller, done, way)
    try:
        return await finished
    finally:
        exchange.close()
