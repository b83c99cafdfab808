"""A netlink socket that speaks in batches, and the framing of messages and attributes. Standard library only.

What it knows: struct nlmsghdr, nlattr and nlmsgerr (include/uapi/linux/netlink.h). It does not know any family.
The kernel handles everything in a `sendmsg` before it returns and answers errors in any case, so of a batch only the
last message asks for an acknowledgement: hundreds of changes cost two system calls and no reply each.
Expected failures are values: an errno per request, or a NetlinkFailure for the whole of it. Malformed octets end an
iteration early, they never raise.
"""

import errno
import os
import socket
import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Self

HEADER = struct.Struct("=IHHII")  # length, type, flags, sequence, port id
ATTRIBUTE = struct.Struct("=HH")  # length with this header, type
_INT = struct.Struct("=i")

NLMSG_NOOP, NLMSG_ERROR, NLMSG_DONE, NLMSG_OVERRUN = 1, 2, 3, 4
NLM_F_REQUEST, NLM_F_MULTI, NLM_F_ACK, NLM_F_DUMP_INTR = 0x1, 0x2, 0x4, 0x10
NLM_F_DUMP = 0x300  # NLM_F_ROOT | NLM_F_MATCH
NLM_F_REPLACE, NLM_F_EXCL, NLM_F_CREATE, NLM_F_APPEND = 0x100, 0x200, 0x400, 0x800  # of a NEW request
NLM_F_CAPPED, NLM_F_ACK_TLVS = 0x100, 0x200  # of an NLMSG_ERROR
NLMSGERR_ATTR_MSG = 1
NLA_F_NESTED = 0x8000
NLA_TYPE_MASK = 0x3FFF

SOL_NETLINK = 270
NETLINK_CAP_ACK, NETLINK_EXT_ACK, NETLINK_GET_STRICT_CHK = 10, 11, 12
SO_SNDBUFFORCE, SO_RCVBUFFORCE = 32, 33

BATCH_OCTETS = 1 << 16
BATCH_MESSAGES = 256  # even if every one fails, the errors fit an unprivileged receive buffer
SEND_BUFFER, RECEIVE_BUFFER = 1 << 18, 1 << 23
DUMP_ATTEMPTS = 5
TIMEOUT = 5  # seconds; the kernel answers at once, this is for a kernel that does not


@dataclass(frozen=True, slots=True)
class NetlinkFailure:
    """A socket, dump or query that failed as a whole.

    errno ENOBUFS: replies or events were lost, look again; EAGAIN: the dumped table changed in each of our attempts;
    ETIMEDOUT: no answer; EBADMSG: an answer that is none; else what the kernel said.
    """

    errno: int
    text: str


@dataclass(frozen=True, slots=True)
class NetlinkError:
    """The body of an NLMSG_ERROR. errno is positive, 0 for an acknowledgement; text is the extended acknowledgement."""

    errno: int
    text: str = ""


class Message(NamedTuple):
    """One received message. `octets` is all of it, header included; the body starts at HEADER.size."""

    type: int
    flags: int
    sequence: int
    octets: bytes

    @property
    def body(self) -> bytes:
        return self.octets[HEADER.size :]


def message(type_: int, flags: int, body: bytes) -> bytes:
    """A complete request; the socket fills in the sequence number. NLM_F_REQUEST is added."""
    return HEADER.pack(HEADER.size + len(body), type_, flags | NLM_F_REQUEST, 0, 0) + body


def split_messages(datagram: bytes) -> Iterator[Message]:
    """The messages in a received datagram; ends at the first malformed header or cut message."""
    offset, end = 0, len(datagram)
    while end - offset >= HEADER.size:
        length, type_, flags, sequence, _ = HEADER.unpack_from(datagram, offset)
        if length < HEADER.size or offset + length > end:
            return
        yield Message(type_, flags, sequence, datagram[offset : offset + length])
        offset += (length + 3) & ~3


def attribute(type_: int, payload: bytes) -> bytes:
    """One attribute, padded to four octets."""
    length = ATTRIBUTE.size + len(payload)
    return ATTRIBUTE.pack(length, type_) + payload + bytes(-length & 3)


def nested(type_: int, *attributes: bytes) -> bytes:
    return attribute(type_ | NLA_F_NESTED, b"".join(attributes))


def iterate_attributes(octets: bytes) -> Iterator[tuple[int, bytes]]:
    """(type without flag bits, payload) of each attribute; ends at the first malformed or cut one."""
    offset, end = 0, len(octets)
    while end - offset >= ATTRIBUTE.size:
        length, type_ = ATTRIBUTE.unpack_from(octets, offset)
        if length < ATTRIBUTE.size or offset + length > end:
            return
        yield type_ & NLA_TYPE_MASK, octets[offset + ATTRIBUTE.size : offset + length]
        offset += (length + 3) & ~3


def decode_error(reply: Message) -> NetlinkError:
    """An NLMSG_ERROR, or the error that an NLMSG_DONE carries; one too short to say anything is EBADMSG."""
    body = reply.body
    if len(body) < _INT.size:
        return NetlinkError(0 if reply.type == NLMSG_DONE else errno.EBADMSG)
    (code,) = _INT.unpack_from(body)
    text = ""
    if reply.flags & NLM_F_ACK_TLVS:
        offset = _INT.size
        if reply.type == NLMSG_ERROR and len(body) >= offset + HEADER.size:
            echoed = HEADER.size if reply.flags & NLM_F_CAPPED else HEADER.unpack_from(body, offset)[0]
            offset += (max(echoed, HEADER.size) + 3) & ~3
        text = (
            dict(iterate_attributes(body[offset:])).get(NLMSGERR_ATTR_MSG, b"").rstrip(b"\0").decode(errors="replace")
        )
    return NetlinkError(-code if code < 0 else errno.EBADMSG if code > 0 else 0, text)


class NetlinkSocket:
    """A blocking netlink socket in the network namespace of the thread that opens it. Not for use by two threads.

    Keep events and requests on separate sockets: `request` and `query` drop what does not answer them.
    """

    def __init__(self, sock: socket.socket) -> None:
        self._socket = sock
        self._sequence = 0
        self.texts: Mapping[int, str] = {}
        """The kernel's own words on failures of the last `request`, by index, where it had any."""

    @classmethod
    def open(cls, protocol: int, groups: int = 0) -> Self | NetlinkFailure:
        """`protocol` is NETLINK_ROUTE (0) or NETLINK_GENERIC (16); `groups` the bit mask of event groups to hear.

        Where the kernel knows it, requests are checked strictly: a dump request needs its family's whole header, and
        the kernel then filters by it.
        """
        try:
            sock = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, protocol)
        except OSError as error:
            return _failure(error)
        try:
            for forced, plain, size in (
                (SO_SNDBUFFORCE, socket.SO_SNDBUF, SEND_BUFFER),
                (SO_RCVBUFFORCE, socket.SO_RCVBUF, RECEIVE_BUFFER),
            ):
                if not _try_option(sock, socket.SOL_SOCKET, forced, size):  # needs CAP_NET_ADMIN
                    _try_option(sock, socket.SOL_SOCKET, plain, size)
            for option in (NETLINK_CAP_ACK, NETLINK_EXT_ACK, NETLINK_GET_STRICT_CHK):
                _try_option(sock, SOL_NETLINK, option, 1)
            # A kernel time limit, not settimeout: Python would wait for readiness even with MSG_DONTWAIT.
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("@ll", TIMEOUT, 0))
            sock.bind((0, groups))
        except OSError as error:
            sock.close()
            return _failure(error)
        return cls(sock)

    def fileno(self) -> int:
        return self._socket.fileno()

    def close(self) -> None:
        self._socket.close()

    def request(self, messages: Sequence[bytes]) -> list[int]:
        """Send changes in order, in few system calls; one errno (0: done) for each message.

        A message is complete, as `message()` makes it, without NLM_F_DUMP. NLM_F_ACK is not needed. One that fails does
        not stop those behind it. ENOBUFS or ETIMEDOUT: not known whether it was done.
        """
        results = [0] * len(messages)
        texts: dict[int, str] = {}
        start = 0
        while start < len(messages):
            stop, octets = start, 0
            while stop < len(messages) and stop - start < BATCH_MESSAGES and octets < BATCH_OCTETS:
                octets += len(messages[stop])
                stop += 1
            self._request_batch(messages[start:stop], start, results, texts)
            start = stop
        self.texts = texts
        return results

    def _request_batch(self, batch: Sequence[bytes], start: int, results: list[int], texts: dict[int, str]) -> None:
        first = self._take_sequences(len(batch))
        buffer = bytearray().join(batch)
        offset, last = 0, 0
        for index, part in enumerate(batch):
            struct.pack_into("=I", buffer, offset + 8, (first + index) & 0xFFFFFFFF)
            last = offset
            offset += len(part)
        (flags,) = struct.unpack_from("=H", buffer, last + 6)
        struct.pack_into("=H", buffer, last + 6, flags | NLM_F_ACK)
        unknown = 0  # errno for those without an answer
        try:
            self._socket.sendto(buffer, (0, 0))
        except OSError as error:  # the whole batch was refused, nothing of it was done
            results[start : start + len(batch)] = [_errno(error)] * len(batch)
            return
        answered: set[int] = set()
        while len(batch) - 1 not in answered:
            # After a loss the last acknowledgement may be lost too: take what is in the queue, wait for nothing.
            datagram = self._receive(wait=not unknown)
            if datagram is None:
                break
            if isinstance(datagram, NetlinkFailure):
                unknown = datagram.errno
                if unknown == errno.ENOBUFS:
                    continue
                break
            for reply in split_messages(datagram):
                index = (reply.sequence - first) & 0xFFFFFFFF
                if reply.type != NLMSG_ERROR or index >= len(batch):
                    continue
                error_reply = decode_error(reply)
                results[start + index] = error_reply.errno
                if error_reply.text:
                    texts[start + index] = error_reply.text
                answered.add(index)
        if unknown:
            for index in range(len(batch)):
                if index not in answered:
                    results[start + index] = unknown

    def query(self, octets: bytes) -> bytes | NetlinkFailure:
        """Ask for one object; its complete message."""
        replies = self._exchange(octets, NLM_F_ACK)
        if isinstance(replies, NetlinkFailure):
            return replies
        return replies[0] if replies else NetlinkFailure(errno.ENOENT, "the kernel sent no object")

    def dump(self, octets: bytes) -> list[bytes] | NetlinkFailure:
        """All objects of a table as complete messages; the flags of a dump are added.

        Tried again while the kernel says that the table changed under the dump.
        """
        for _ in range(DUMP_ATTEMPTS):
            replies = self._exchange(octets, NLM_F_DUMP)
            if not (isinstance(replies, NetlinkFailure) and replies.errno == errno.EAGAIN):
                return replies
        return NetlinkFailure(errno.EAGAIN, f"the table changed during each of {DUMP_ATTEMPTS} dumps")

    def _exchange(self, octets: bytes, added_flags: int) -> list[bytes] | NetlinkFailure:
        sequence = self._take_sequences(1)
        buffer = bytearray(octets)
        (flags,) = struct.unpack_from("=H", buffer, 6)
        struct.pack_into("=HI", buffer, 6, flags | added_flags, sequence)
        try:
            self._socket.sendto(buffer, (0, 0))
        except OSError as error:
            return _failure(error)
        replies: list[bytes] = []
        interrupted = False
        while True:
            datagram = self._receive(wait=True)
            assert datagram is not None  # we waited
            if isinstance(datagram, NetlinkFailure):
                return datagram
            for reply in split_messages(datagram):
                if reply.sequence != sequence:
                    continue
                interrupted = interrupted or bool(reply.flags & NLM_F_DUMP_INTR)
                if reply.type in (NLMSG_ERROR, NLMSG_DONE):
                    error_reply = decode_error(reply)
                    if error_reply.errno:
                        return NetlinkFailure(error_reply.errno, error_reply.text or os.strerror(error_reply.errno))
                    return NetlinkFailure(errno.EAGAIN, "the table changed during the dump") if interrupted else replies
                if reply.type > NLMSG_OVERRUN:
                    replies.append(reply.octets)

    def receive(self) -> list[Message] | NetlinkFailure:
        """Events that wait, without waiting for any; empty when there are none. ENOBUFS: some were lost, dump anew."""
        events: list[Message] = []
        while (datagram := self._receive(wait=False)) is not None:
            if isinstance(datagram, NetlinkFailure):
                return datagram
            events.extend(split_messages(datagram))
        return events

    def _take_sequences(self, count: int) -> int:
        first = self._sequence + 1
        self._sequence = (self._sequence + count) & 0x7FFFFFFF
        return first

    def _receive(self, *, wait: bool) -> bytes | NetlinkFailure | None:
        """One datagram of the kernel's; None where none waits and we do not wait either."""
        while True:
            try:
                datagram, _, flags, sender = self._socket.recvmsg(BATCH_OCTETS, 0, 0 if wait else socket.MSG_DONTWAIT)
            except BlockingIOError:
                return NetlinkFailure(errno.ETIMEDOUT, "the kernel did not answer") if wait else None
            except OSError as error:
                return _failure(error)
            if sender[0] != 0:  # netlink port 0 is the kernel: another process may write to us
                continue
            if flags & socket.MSG_TRUNC:
                return NetlinkFailure(errno.EMSGSIZE, "a reply longer than our buffer")
            return datagram


def _try_option(sock: socket.socket, level: int, option: int, value: int) -> bool:
    try:
        sock.setsockopt(level, option, value)
    except OSError:
        return False
    return True


def _errno(error: OSError) -> int:
    return error.errno or errno.EIO


def _failure(error: OSError) -> NetlinkFailure:
    return NetlinkFailure(_errno(error), os.strerror(_errno(error)))
