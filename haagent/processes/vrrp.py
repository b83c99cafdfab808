"""The vrrp process: sockets, clock and kernel around `haagent.vrrp.speaker`. It decides nothing.

One thread, one loop. Each turn drains every socket first and only then lets time pass, because after a stall the
advertisements that waited outrank the timer; then it does one step of the work on addresses. Nothing in it waits but
`select`. Standard library and haagent's own standard-library modules alone: nothing else can delay or break it.

What it holds it keeps while the director is away. It ends, letting go cleanly, on SIGTERM or when the other end of
`--alive-fd` closes, which is how it learns that its supervisor died.
"""

import argparse
import errno
import gc
import os
import select
import signal
import socket
import sys
from collections.abc import Iterable
from time import monotonic

from haagent.linux.addresses import AddressHolder
from haagent.linux.links import Links
from haagent.linux.realtime import become_punctual
from haagent.linux.vrrp_socket import VrrpSocket, packet
from haagent.processes.vrrp_director import DirectorLink
from haagent.processes.vrrp_messages import (
    Hello,
    Malformed,
    Resync,
    SetRouters,
    SetTracking,
    Transitioned,
    decode_to_vrrp,
    encode,
)
from haagent.processes.vrrp_ports import Ports
from haagent.processes.vrrp_report import REPORT_INTERVAL, Reporter
from haagent.vrrp.advertisement import PRIORITY_OWNER, PRIORITY_RELEASE
from haagent.vrrp.effects import AnnounceAddresses, SendAdvertisement, SetAddresses
from haagent.vrrp.settings import Interface
from haagent.vrrp.speaker import Speaker, SpeakerEffect, Transition

EXIT_NO_PRIVILEGE = 77
AUDIT_INTERVAL = 10.0  # seconds between comparisons of all addresses with the kernel
LOOK_TIME = 5.0  # seconds that the first look at the kernel may take; it takes milliseconds
COLLECT_INTERVAL = 60.0  # seconds between garbage collections, made when no deadline is near
DATAGRAMS_AT_ONCE = 512  # of one socket in one turn: a flood must not keep us from speaking
_CAP_NET_ADMIN, _CAP_NET_RAW = 12, 13


class VrrpProcess:
    """Everything that one vrrp process has open."""

    def __init__(self, director: DirectorLink, holder: AddressHolder, links: Links, detail: str) -> None:
        self._speaker = Speaker()
        self._director = director
        self._holder = holder
        self._links = links
        self._detail = detail
        self._reporter = Reporter()
        self._ports = Ports()
        holder.announcers = self._ports.announcers
        self._interfaces: dict[str, Interface] = {}
        self._audit_at = monotonic() + AUDIT_INTERVAL
        self._report_at = self._collect_at = monotonic()
        holder.follow(links)

    # ------------------------------------------------------------------ the loop

    def look_around(self) -> None:
        """Before anything else: what interfaces and addresses are there."""
        until = monotonic() + LOOK_TIME
        self._links.start_audit()
        while not self._interfaces and monotonic() < until:
            select.select([self._links.socket], [], [], 0.1)
            self._hear_kernel(monotonic())

    def run(self, stop: Iterable[int]) -> None:
        """Until one of the descriptors `stop` is readable; then let go of everything."""
        stop = list(stop)
        while True:
            readers: list[int | socket.socket | VrrpSocket] = [*stop, self._links.socket]
            readers += [port.socket for port in self._ports.by_index.values()]
            connection = self._director.socket
            if connection is not None:
                readers.append(connection)
            writers = [connection] if connection is not None and self._director.wants_to_write else []
            readable, writable, _ = select.select(readers, writers, [], self._timeout(monotonic()))
            if writable:
                self._director.flush()
            self._turn(self._links.socket in readable, connection in readable)
            if any(each in readable for each in stop):
                self._let_go()
                return

    def _timeout(self, now: float) -> float:
        if self._holder.is_busy or (self._reporter.is_pending and self._director.socket is not None):
            return 0.0
        deadlines = (
            self._speaker.next_deadline(),
            self._holder.next_deadline(),
            self._director.next_deadline(),
            self._audit_at,
            self._report_at,
        )
        return max(0.0, min(each for each in deadlines if each is not None) - now)

    def _turn(self, kernel_speaks: bool, director_speaks: bool) -> None:
        now = monotonic()  # before the sockets are drained: what arrived earlier than this is heard before it counts
        self._hear_segment(now)
        if kernel_speaks:
            self._hear_kernel(now)
        if director_speaks:
            self._hear_director(now)
        self._execute(self._speaker.pass_time(now), now)
        self._holder.pass_time(now)
        if self._holder.is_busy:
            self._holder.work()
            return
        self._do_chores(now)

    def _hear_segment(self, now: float) -> None:
        for port in list(self._ports.by_index.values()):
            for _ in range(DATAGRAMS_AT_ONCE):
                datagram = port.socket.receive()
                if datagram is None:
                    break
                self._execute(
                    self._speaker.receive(
                        port.name, datagram.payload, datagram.ttl, datagram.source, datagram.destination, now
                    ),
                    now,
                )

    def _do_chores(self, now: float) -> None:
        """What may wait for a turn with nothing else to do."""
        if self._director.connect(now):
            self._director.send(encode(Hello(os.getpid(), self._detail)))
            self._reporter.want_all(self._speaker)
        if now >= self._report_at:
            self._report_at = now + REPORT_INTERVAL
            self._take_tally()
            if self._director.has_lost and self._director.has_room:
                self._director.has_lost = False
                self._reporter.want_all(self._speaker)
            self._reporter.want(*self._speaker.machines)
        if self._reporter.is_pending and self._director.socket is not None:
            report = self._reporter.next_slice(self._speaker, self._interfaces)
            if report is not None:
                self._director.send(encode(report))
        if now >= self._audit_at:
            self._audit_at = now + AUDIT_INTERVAL
            self._links.start_audit()
        if now >= self._collect_at and (self._speaker.next_deadline() or now + 1) - now > 0.005:
            self._collect_at = now + COLLECT_INTERVAL
            gc.collect()

    def _let_go(self) -> None:
        """A clean stop: the peers are told, the addresses released, the director hears of it if it listens."""
        now = monotonic()
        self._execute(self._speaker.stop(now), now)
        while self._holder.is_busy:
            self._holder.work()

    # ------------------------------------------------------------------ what comes in

    def _hear_kernel(self, now: float) -> None:
        changes = self._links.receive()
        for index in changes.vanished:
            self._holder.interface_gone(index)
            self._ports.close(index)
        effects: list[SpeakerEffect] = []
        if changes.is_changed:
            self._interfaces = {each.name: each for each in self._links.interfaces()}
            effects = self._speaker.set_interfaces(self._interfaces.values(), now)
        if changes.is_changed or changes.is_audited:  # the audit tries again what was refused
            effects += self._prepare(now)
        for interface in changes.moved:
            effects += self._speaker.segment_changed(interface, now)
        self._execute(effects, now)
        for gone in changes.gone:
            self._holder.address_gone(gone.index, gone.address, now)
        if changes.is_audited:
            self._holder.audited(now)

    def _hear_director(self, now: float) -> None:
        for payload in self._director.receive():
            self.take(payload, now)

    def take(self, payload: bytes, now: float) -> None:
        """One message of the director's."""
        match decode_to_vrrp(payload):
            case SetRouters(routers):
                effects = self._speaker.set_routers(routers, now)
                effects += self._prepare(now)
                self._execute(effects, now)
                self._holder.forget(set(self._holder.prepared_routers()) - set(self._speaker.machines))
                self._reporter.want_all(self._speaker)
            case SetTracking(tracking):
                self._execute(self._speaker.set_tracking(tracking, now), now)
            case Resync():
                self._reporter.want_all(self._speaker)
            case Malformed(sentence):
                print(f"haagent vrrp: the director sent a message that makes no sense: {sentence}", file=sys.stderr)

    # ------------------------------------------------------------------ what is prepared

    def _prepare(self, now: float) -> list[SpeakerEffect]:
        """Open sockets and encode batches for every router whose interface is there."""
        effects: list[SpeakerEffect] = []
        for machine in self._speaker.machines.values():
            settings = machine.settings
            interface = self._interfaces.get(settings.interface)
            if interface is None or not self._ports.open(interface):
                continue
            virtual = settings.virtual_addresses + settings.unadvertised_addresses
            own = {octets for octets, _ in virtual}
            is_another = self._holder.prepare(
                settings.name,
                interface.index,
                interface.mac,
                virtual,
                tuple(each for each in interface.addresses if each[0] not in own),
                is_owner=settings.priority == PRIORITY_OWNER,
            )
            if is_another and machine.state_name == "active":
                effects += self._speaker.segment_changed(settings.interface, now)
        wanted = {machine.settings.interface for machine in self._speaker.machines.values()}
        wanted |= {machine.settings.interface for machine in self._speaker.retired.values()}
        for index, port in list(self._ports.by_index.items()):
            if port.name not in wanted:
                self._ports.close(index)
        return effects

    # ------------------------------------------------------------------ effects

    def _execute(self, effects: Iterable[SpeakerEffect], now: float) -> None:
        for effect in effects:
            match effect:
                case SendAdvertisement(router, priority):
                    self._send(router, priority)
                case SetAddresses(router, held):
                    self._holder.set_addresses(router, held)
                case AnnounceAddresses(router):
                    self._holder.announce(router)
                case Transition(router, previous, state, reason):
                    self._director.send(encode(Transitioned(router, previous, state, reason, now)))
                    self._reporter.want(router)

    def _send(self, router: str, priority: int) -> None:
        machine = self._speaker.sender(router, priority)
        interface = self._interfaces.get(machine.settings.interface)
        port = self._ports.by_index.get(interface.index) if interface else None
        failure = 0 if port is not None else errno.ENODEV
        for message in self._speaker.utterance(router, priority):
            if port is not None:
                failure = port.socket.send(packet(message, machine.source)) or failure
        machine.counters["send_failures" if failure else "advertisements_sent"] += 1
        if priority == PRIORITY_RELEASE and not failure:
            machine.counters["priority_zero_sent"] += 1

    def _take_tally(self) -> None:
        tally = self._holder.tally
        for counts, name in (
            (tally.announced, "announcements_sent"),
            (tally.repaired, "address_repairs"),
            (tally.failed, "send_failures"),
        ):
            for router, count in counts.items():
                machine = self._speaker.machines.get(router)
                if machine is not None:
                    machine.counters[name] += count
            counts.clear()


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="haagent-vrrp", description="The VRRP process of haagent; the supervisor starts it."
    )
    parser.add_argument("--socket", default="", help="the director's internal socket")
    parser.add_argument("--alive-fd", type=int, default=-1, help="stop when the other end of this pipe closes")
    parser.add_argument("--routers", default="", help="a set_routers message to begin with, for tests and benches")
    options = parser.parse_args(arguments)
    if not _has_privileges():
        print(
            "haagent vrrp: CAP_NET_ADMIN and CAP_NET_RAW are missing: start it as root, or give it both capabilities",
            file=sys.stderr,
        )
        return EXIT_NO_PRIVILEGE
    holder = AddressHolder.open()
    links = Links.open(holder.port_id) if isinstance(holder, AddressHolder) else holder
    if isinstance(holder, OSError) or isinstance(links, OSError):
        print(f"haagent vrrp: no netlink socket: {links}", file=sys.stderr)
        return 1
    stop = [_stop_descriptor()]
    if options.alive_fd >= 0:
        stop.append(options.alive_fd)
    process = VrrpProcess(DirectorLink(options.socket), holder, links, become_punctual())
    process.look_around()
    if options.routers:
        with open(options.routers, "rb") as file:
            process.take(file.read(), monotonic())
    process.run(stop)
    return 0


def _stop_descriptor() -> int:
    """Readable once SIGTERM has come. SIGINT from a terminal is the supervisor's business."""
    reader, writer = socket.socketpair()
    for end in (reader, writer):
        end.setblocking(False)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda number, frame: writer.send(b"x"))
    return reader.detach()


def _has_privileges() -> bool:
    with open("/proc/self/status", encoding="ascii") as status:
        effective = next(int(line.split()[1], 16) for line in status if line.startswith("CapEff"))
    return all(effective >> capability & 1 for capability in (_CAP_NET_ADMIN, _CAP_NET_RAW))


if __name__ == "__main__":
    sys.exit(main())
