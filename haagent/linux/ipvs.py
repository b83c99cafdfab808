"""The kernel's IPVS table: observe it, apply changes to it. Decides nothing; `haagent.ipvs` says what the octets mean.

One generic netlink socket in the network namespace of the thread that opens it. Changes go in batches, hundreds a
system call. What a concurrent editor (an administrator with ipvsadm) causes comes back as values: observe and plan
again.
"""

import errno
import os
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import replace
from ipaddress import ip_address
from typing import Self

from haagent.ipvs import message
from haagent.ipvs.daemon import DaemonChange, StartDaemon, StopDaemon, SyncDaemon, SyncDaemons, SyncRole
from haagent.ipvs.message import DaemonSeen, DestinationSeen, Info, Malformed, ServiceSeen, Timeouts
from haagent.ipvs.plan import AddDestination, AddService, Change, SetService
from haagent.ipvs.table import Counts, Destination, DestinationCounts, DestinationKey, Service, ServiceKey, Table
from haagent.linux.netlink import NetlinkFailure, NetlinkSocket

NETLINK_GENERIC = 16

NO_IPVS = (
    "the kernel has no IPVS: load the module with `modprobe ip_vs` "
    "(Debian: it is in the standard kernel package, linux-image-amd64; not in the cloud kernel)"
)
NO_PRIVILEGE = "IPVS needs CAP_NET_ADMIN: run as root, or give the service AmbientCapabilities=CAP_NET_ADMIN"


class Ipvs:
    """A connection to the kernel's IPVS."""

    def __init__(self, sock: NetlinkSocket, family: int, info: Info) -> None:
        self._socket = sock
        self._family = family
        self.info = info
        self.unreadable = 0
        """Entries of the kernel's that `observe` could not read and left out, since the socket was opened."""

    @classmethod
    def open(cls) -> Self | str:
        """The connection, or the sentence that says what the administrator must do. Loads ip_vs where it may."""
        sock = NetlinkSocket.open(NETLINK_GENERIC)
        if isinstance(sock, NetlinkFailure):
            return f"cannot open a generic netlink socket: {sock.text}"
        found = _introduce(sock)
        if isinstance(found, str):
            sock.close()
            return found
        return cls(sock, *found)

    def fileno(self) -> int:
        return self._socket.fileno()

    def close(self) -> None:
        self._socket.close()

    def observe(self) -> tuple[Table, Counts] | NetlinkFailure:
        """All services with their destinations, and what is counted for each destination.

        A service that goes while we look is there without destinations. Destinations are in the kernel's order, the
        newest first. IPv6 entries are told too, by their 16 octets. One that we cannot read (a newer kernel's kind) is
        left out and counted, so that a foreign entry does not make us blind for our own.
        """
        replies = self._socket.dump(message.encode_get_services(self._family))
        if isinstance(replies, NetlinkFailure):
            return replies
        table: dict[ServiceKey, Service] = {}
        counts: dict[tuple[ServiceKey, DestinationKey], DestinationCounts] = {}
        for octets in replies:
            seen = message.decode(octets)
            if not isinstance(seen, ServiceSeen):
                self.unreadable += 1
                continue
            found = self._socket.dump(message.encode_get_destinations(self._family, seen.key))
            if isinstance(found, NetlinkFailure):
                return found
            destinations: dict[DestinationKey, Destination] = {}
            for destination_octets in found:
                destination = message.decode(destination_octets)
                if not isinstance(destination, DestinationSeen):
                    self.unreadable += 1
                    continue
                destinations[destination.key] = destination.destination
                counts[seen.key, destination.key] = destination.counts
            table[seen.key] = replace(seen.service, destinations=destinations)
        return table, counts

    def apply(self, changes: Sequence[Change]) -> list[tuple[Change, int]]:
        """Make the changes, in order. Those that failed, each with its errno; empty: all done.

        One that fails does not stop the rest. EEXIST, ESRCH, ENOENT of a destination: another editor was there, observe
        and plan again. `explain` makes a sentence. EINVAL is also given for values that do not fit the wire.
        """
        failures: list[tuple[Change, int]] = []
        sendable: list[Change] = []
        octets: list[bytes] = []
        for change in changes:
            try:
                octets.append(message.encode(change, self._family))
            except ValueError:
                failures.append((change, errno.EINVAL))
            else:
                sendable.append(change)
        results = self._socket.request(octets)
        failures.extend((change, code) for change, code in zip(sendable, results, strict=True) if code)
        return failures

    def daemons(self) -> SyncDaemons | NetlinkFailure:
        """The running connection sync daemons."""
        replies = self._socket.dump(message.encode_get_daemons(self._family))
        if isinstance(replies, NetlinkFailure):
            return replies
        found: dict[SyncRole, SyncDaemon] = {}
        for octets in replies:
            seen = message.decode(octets)
            if not isinstance(seen, DaemonSeen):
                return _unreadable(seen)
            found[seen.role] = seen.daemon
        return found

    def apply_daemons(self, changes: Sequence[DaemonChange]) -> list[tuple[DaemonChange, int]]:
        """Make the changes, in order. Those that failed, each with its errno; empty: all done."""
        results = self._socket.request([message.encode_daemon(change, self._family) for change in changes])
        return [(change, code) for change, code in zip(changes, results, strict=True) if code]

    def timeouts(self) -> Timeouts | NetlinkFailure:
        """The idle times of connections, for the whole namespace."""
        answer = self._socket.query(message.encode_get_timeouts(self._family))
        if isinstance(answer, NetlinkFailure):
            return answer
        told = message.decode(answer)
        return told if isinstance(told, Timeouts) else _unreadable(told)

    def set_timeouts(self, timeouts: Timeouts) -> int:
        """errno, 0 when done. A time of 0 is left as it is."""
        return self._socket.request([message.encode_set_timeouts(self._family, timeouts)])[0]


def explain_daemon(change: DaemonChange, code: int) -> str:
    """One sentence for an administrator: what failed and why."""
    match change:
        case StartDaemon(role, daemon):
            why = f"there is no interface {daemon.interface}" if code == errno.ENODEV else os.strerror(code)
            return f"the connection sync {role.name.lower()} cannot be started on {daemon.interface}: {why}"
        case StopDaemon(role):
            return f"the connection sync {role.name.lower()} cannot be stopped: {os.strerror(code)}"


def explain(change: Change, code: int) -> str:
    """One sentence for an administrator: what failed and why."""
    what = type(change).__name__
    match change:
        case AddService(_, service) | SetService(_, service) if code == errno.ENOENT:
            return (
                f"the kernel has no scheduler {service.scheduler!r}: `modprobe ip_vs_{service.scheduler}` would load it"
                if not service.persistence_engine
                else f"the kernel has no scheduler {service.scheduler!r} or no persistence engine "
                f"{service.persistence_engine!r}"
            )
        case _ if code == errno.EEXIST:
            return f"{what}: somebody else added it in the meantime"
        case _ if code in (errno.ESRCH, errno.ENOENT):
            return f"{what}: somebody else removed it in the meantime"
        case AddDestination(service, key) if code == errno.EINVAL and is_mixed(service, key):
            return (
                f"the kernel refuses {ip_address(key.address)} in a service of the other family: it carries both by "
                "tunneling alone, and not while a connection sync daemon runs"
            )
        case AddDestination(_, key) if code == errno.EINVAL:  # it looks the address up in the local routing table
            return (
                f"the kernel refuses {ip_address(key.address)} as a destination: a broadcast or multicast address, "
                "or no interface here is up"
            )
        case _ if code == errno.EPERM:
            return NO_PRIVILEGE
        case _:
            return f"{what}: {os.strerror(code)}"


def is_mixed(service: ServiceKey, key: DestinationKey) -> bool:
    return (len(service.address) == 16) != (len(key.address) == 16)


def _introduce(sock: NetlinkSocket) -> tuple[int, Info] | str:
    """The family's number and what it says about itself, or a sentence."""
    answer = sock.query(message.encode_get_family())
    if isinstance(answer, NetlinkFailure) and answer.errno == errno.ENOENT and _load_module():
        answer = sock.query(message.encode_get_family())
    if isinstance(answer, NetlinkFailure):
        return NO_IPVS if answer.errno == errno.ENOENT else f"cannot ask for the IPVS family: {answer.text}"
    family = message.decode_family(answer)
    if isinstance(family, Malformed):
        return f"cannot ask for the IPVS family: {family.reason}"
    told = sock.query(message.encode_get_info(family))
    if isinstance(told, NetlinkFailure):
        return NO_PRIVILEGE if told.errno == errno.EPERM else f"the kernel's IPVS does not answer: {told.text}"
    info = message.decode(told)
    return (family, info) if isinstance(info, Info) else _unreadable(info).text


def _load_module() -> bool:
    """Ask modprobe for ip_vs; whether it says that it is there now."""
    if shutil.which("modprobe") is None:
        return False
    try:
        done = subprocess.run(["modprobe", "ip_vs"], check=False, capture_output=True, timeout=30)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


def _unreadable(reply: object) -> NetlinkFailure:
    reason = reply.reason if isinstance(reply, Malformed) else f"unexpected {type(reply).__name__}"
    return NetlinkFailure(errno.EBADMSG, f"an answer of IPVS that cannot be read: {reason}")
