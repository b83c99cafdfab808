"""The interfaces of this host and their addresses, followed without ever waiting.

A dump at start, then events; a slow audit and every loss of events (ENOBUFS) dumps again, a piece each time the socket
is readable, so that a host with thousands of addresses delays no advertisement. What this process changes itself is
filtered out in the kernel (by the requester's port id): a takeover of 2,000 addresses does not come back as events.
"""

import ctypes
import errno
import socket
import struct
from dataclasses import dataclass, field

from haagent.linux.netlink import (
    NLM_F_DUMP,
    NLM_F_DUMP_INTR,
    NLMSG_DONE,
    NLMSG_ERROR,
    SO_RCVBUFFORCE,
    Message,
    split_messages,
)
from haagent.linux.rtnetlink import (
    NETLINK_ROUTE,
    RTMGRP_IPV4_IFADDR,
    RTMGRP_IPV6_IFADDR,
    RTMGRP_LINK,
    AddressGone,
    AddressHeard,
    LinkGone,
    LinkHeard,
    get_addresses,
    get_links,
    parse,
)
from haagent.vrrp.settings import Interface
from haagent.vrrp.virtual_router import Address

_RECEIVE_BUFFER = 1 << 23
_DATAGRAM = 1 << 16
_EVENTS_AT_ONCE = 64  # then the advertisements have their turn
_SO_ATTACH_FILTER = 26


@dataclass(slots=True)
class Link:
    """One interface and what is on it."""

    index: int
    name: str
    is_up: bool
    mac: bytes
    addresses: dict[Address, AddressHeard] = field(default_factory=dict)

    def interface(self) -> Interface:
        """As the core wants it: primaries before secondaries, without the addresses that we added."""
        own = [heard for heard in self.addresses.values() if not heard.is_ours]
        own.sort(key=lambda heard: heard.is_secondary)  # stable: the kernel's order otherwise
        return Interface(
            self.name,
            self.index,
            self.is_up,
            self.mac,
            tuple(heard.address for heard in own if not heard.is_tentative and not heard.is_duplicate),
            tuple(heard.address for heard in own if heard.is_tentative),
            tuple(heard.address for heard in own if heard.is_duplicate),
        )


@dataclass(slots=True)
class Changes:
    """What one reading brought."""

    is_changed: bool = False  # something that `interfaces()` shows, or an index or a MAC
    moved: set[str] = field(default_factory=set)  # interfaces whose segment should hear us again
    gone: list[AddressGone] = field(default_factory=list)  # deleted by somebody else
    vanished: list[int] = field(default_factory=list)  # interfaces that ceased to exist
    is_audited: bool = False  # a whole dump was taken in: `Links.by_index` is the truth of a moment ago


class Links:
    """Follows the kernel. `socket` is readable for events and dumps alike."""

    def __init__(self, sock: socket.socket) -> None:
        self.socket = sock
        self.by_index: dict[int, Link] = {}
        self.losses = 0  # times that the kernel dropped events
        self._dump_of: str = ""  # "links", "addresses"; empty: none under way
        self._is_dump_wanted = False
        self._is_dump_interrupted = False
        self._sequence = 0
        self._dumped: dict[int, Link] = {}
        self._noted: set[tuple[int, Address]] = set()

    @classmethod
    def open(cls, requester: int) -> "Links | OSError":
        """`requester`: the netlink port id whose changes are not to be heard."""
        try:
            sock = socket.socket(
                socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC, NETLINK_ROUTE
            )
        except OSError as error:
            return error
        try:
            try:
                sock.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, _RECEIVE_BUFFER)
            except OSError:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER)
            _ignore(sock, requester)
            sock.bind((0, RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR))
        except OSError as error:
            sock.close()
            return error
        return cls(sock)

    def interfaces(self) -> list[Interface]:
        return [link.interface() for link in self.by_index.values()]

    def by_name(self, name: str) -> Link | None:
        for link in self.by_index.values():
            if link.name == name:
                return link
        return None

    def note(self, index: int, address: Address, present: bool) -> None:
        """This process added or deleted one of our addresses: no event tells."""
        link = self.by_index.get(index)
        if link is None:
            return
        if self._dump_of:
            self._noted.add((index, address))
        if not present:
            link.addresses.pop(address, None)
        elif address not in link.addresses:
            link.addresses[address] = AddressHeard(index, address, is_secondary=True, is_ours=True)

    def start_audit(self) -> None:
        """Dump everything again, as the socket becomes readable. One under way is enough."""
        if self._dump_of:
            return
        self._dumped = {}
        self._noted = set()
        self._is_dump_interrupted = False
        self._ask("links", get_links())

    def _ask(self, table: str, request: bytes) -> None:
        self._sequence += 1
        buffer = bytearray(request)
        (flags,) = struct.unpack_from("=H", buffer, 6)
        struct.pack_into("=HI", buffer, 6, flags | NLM_F_DUMP, self._sequence)
        self._dump_of = table
        try:
            self.socket.sendto(buffer, (0, 0))
        except OSError:
            self._dump_of = ""
            self._is_dump_wanted = True  # tried again with the next audit or event

    def receive(self) -> Changes:
        """Take in what waits, at most a few dozen datagrams."""
        changes = Changes()
        up_before = {index: link.is_up for index, link in self.by_index.items()}
        dipped: set[int] = set()
        for _ in range(_EVENTS_AT_ONCE):
            try:
                octets, sender = self.socket.recvfrom(_DATAGRAM)
            except BlockingIOError:
                break
            except OSError as error:
                if error.errno != errno.ENOBUFS:
                    break
                self.losses += 1
                self._is_dump_wanted = True
                continue
            if sender[0] == 0:  # the kernel; another process may write to us
                for message in split_messages(octets):
                    self._take(message, changes, dipped)
        if self._is_dump_wanted and not self._dump_of:
            self._is_dump_wanted = False
            self.start_audit()
        for index in dipped:
            link = self.by_index.get(index)
            if link is not None and link.is_up and up_before.get(index):
                changes.moved.add(link.name)  # down and up between two readings
        return changes

    def _take(self, message: Message, changes: Changes, dipped: set[int]) -> None:
        if self._dump_of and message.sequence == self._sequence and message.type in (NLMSG_DONE, NLMSG_ERROR):
            self._end_dump(message, changes)
            return
        heard = parse(message)
        if heard is None:
            return
        if self._dump_of and message.sequence == self._sequence:
            self._is_dump_interrupted |= bool(message.flags & NLM_F_DUMP_INTR)
            _put(self._dumped, heard)
            return
        match heard:
            case LinkHeard(index=index, is_up=is_up, moved=moved):
                known = self.by_index.get(index)
                if not is_up:
                    dipped.add(index)
                if known is None or (known.name, known.is_up, known.mac) != (heard.name, is_up, heard.mac):
                    changes.is_changed = True
                if moved:
                    changes.moved.add(heard.name)
            case LinkGone(index=index):
                changes.is_changed = True
                changes.vanished.append(index)
            case AddressHeard(index=index, address=address):  # a router's advertisements renew IPv6 ones all the time
                link = self.by_index.get(index)
                changes.is_changed |= link is None or link.addresses.get(address) != heard
            case AddressGone(index=index, address=address):
                changes.gone.append(heard)
                link = self.by_index.get(index)
                before = link.addresses.get(address) if link else None
                changes.is_changed |= before is None or not before.is_ours
        _put(self.by_index, heard)
        if self._dump_of:  # the socket's queue keeps dump and events in the kernel's order
            _put(self._dumped, heard)

    def _end_dump(self, message: Message, changes: Changes) -> None:
        if message.type == NLMSG_ERROR:
            self._dump_of = ""
            return
        if self._dump_of == "links":
            self._ask("addresses", get_addresses())
            return
        self._dump_of = ""
        if self._is_dump_interrupted:
            self._is_dump_wanted = True
            return
        for index, link in self._dumped.items():
            known = self.by_index.get(index)
            for address in {address for noted, address in self._noted if noted == index} if known else ():
                if known and address in known.addresses:  # our own change, newer than the dump
                    link.addresses[address] = known.addresses[address]
                else:
                    link.addresses.pop(address, None)
        before = self.interfaces()
        changes.vanished += [index for index in self.by_index if index not in self._dumped]
        self.by_index = self._dumped
        self._dumped = {}
        changes.is_changed |= before != self.interfaces()
        changes.is_audited = True


def _put(table: dict[int, Link], heard: LinkHeard | LinkGone | AddressHeard | AddressGone) -> None:
    match heard:
        case LinkHeard(index=index, name=name, is_up=is_up, mac=mac):
            if index in table:
                link = table[index]
                link.name, link.is_up, link.mac = name, is_up, mac
            else:
                table[index] = Link(index, name, is_up, mac)
        case LinkGone(index=index):
            table.pop(index, None)
        case AddressHeard(index=index, address=address):
            if index in table:
                table[index].addresses[address] = heard
        case AddressGone(index=index, address=address):
            if index in table:
                table[index].addresses.pop(address, None)


def _ignore(sock: socket.socket, requester: int) -> None:
    """A classic BPF program: drop messages whose nlmsg_pid is `requester` (all of a multicast datagram has one)."""
    program = b"".join(
        struct.pack("=HBBI", code, when_true, when_false, value)
        for code, when_true, when_false, value in (
            (0x20, 0, 0, 12),  # ld [12], read in network order
            (0x15, 0, 1, socket.htonl(requester)),
            (0x06, 0, 0, 0),
            (0x06, 0, 0, 0xFFFFFFFF),
        )
    )
    held = _Program(program)
    sock.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, held.description)


class _Program:
    """struct sock_fprog points to the instructions, so they must stay where they are during the call."""

    def __init__(self, instructions: bytes) -> None:
        self._buffer = ctypes.create_string_buffer(instructions)
        self.description = struct.pack("@HP", len(instructions) // 8, ctypes.addressof(self._buffer))
