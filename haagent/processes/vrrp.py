"""The vrrp process: sockets, clock and kernel around `haagent.vrrp.speaker`. It decides nothing.

One thread, one loop. Each turn drains every socket first and only then lets time pass, because after a stall the
advertisements that waited outrank the timer; then it does one step of the work on addresses. Nothing in it waits but
`select`; what the kernel does slowly is done by another thread (linux/slow_requests.py). Standard library and haagent's
own standard-library modules alone: nothing else can delay or break it.

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
from math import inf
from time import monotonic, time

from haagent.linux.addresses import AddressHolder
from haagent.linux.links import Links
from haagent.linux.macvlan import multicast_frame
from haagent.linux.net_counters import frames_received
from haagent.linux.realtime import become_punctual
from haagent.linux.sysctls import forwards_ipv6
from haagent.linux.vrrp_socket import VrrpSocket, packet
from haagent.processes.key_files import read_secrets
from haagent.processes.vrrp_director import DirectorLink
from haagent.processes.vrrp_macvlans import Macvlans
from haagent.processes.vrrp_messages import (
    Announce,
    HandOver,
    Hello,
    Malformed,
    Resync,
    SetRouters,
    SetTracking,
    TakeBack,
    Transitioned,
    decode_to_vrrp,
    encode,
)
from haagent.processes.vrrp_ports import Ports
from haagent.processes.vrrp_report import REPORT_INTERVAL, Reporter
from haagent.vrrp.address import is_link_local
from haagent.vrrp.advertisement import GROUPS, PRIORITY_OWNER, PRIORITY_RELEASE
from haagent.vrrp.effects import AnnounceAddresses, SendAdvertisement, SetAddresses
from haagent.vrrp.settings import Interface, RouterSettings
from haagent.vrrp.speaker import Speaker, SpeakerEffect, Transition
from haagent.vrrp.virtual_mac import virtual_mac
from haagent.vrrp.virtual_router import Address

EXIT_NO_PRIVILEGE = 77
AUDIT_INTERVAL = 10.0  # seconds between comparisons of all addresses with the kernel
STOP_TIMEOUT = 4.5  # seconds; the supervisor's patience is 5
HOLD_OFF_INTERVAL = 0.05  # seconds between looks at the counters of interfaces on which nothing was received yet
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
        self._macvlans = Macvlans()
        holder.announcers = self._ports.announcers
        self._interfaces: dict[str, Interface] = {}
        self._secrets: dict[str, bytes | str] = {}
        self._audit_at = monotonic() + AUDIT_INTERVAL
        self._report_at = self._collect_at = self._look_at = monotonic()
        self._waits_until = inf  # when we stop: for the successors, at most
        self._received: dict[str, int] = {}  # frames, of interfaces on which a router holds off
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
        """Until one of the descriptors `stop` is readable; then let go of everything.

        That is make before break: each router is held until a peer has taken it over, or none was heard in the time
        that it would need. A second word to stop, or STOP_TIMEOUT, ends the waiting.
        """
        stop = list(stop)
        while self._waits_until == inf or not (self._speaker.has_left or monotonic() > self._waits_until):
            readers: list[int | socket.socket | VrrpSocket] = [*stop, self._links.socket, self._macvlans.socket]
            readers += [each for port in self._ports.by_index.values() for each in port.sockets.values()]
            connection = self._director.socket
            if connection is not None:
                readers.append(connection)
            writers = [connection] if connection is not None and self._director.wants_to_write else []
            readable, writable, _ = select.select(readers, writers, [], self._timeout(monotonic()))
            if writable:
                self._director.flush()
            if self._macvlans.socket in readable:
                self._release(self._macvlans.released())
            self._turn(self._links.socket in readable, connection in readable)
            said = [each for each in stop if each in readable]
            if said and self._waits_until < inf:
                break
            if said:
                now = monotonic()
                self._execute(self._speaker.stop(now), now)
                self._waits_until = now + STOP_TIMEOUT
                # Only what has spoken is read, for the supervisor's pipe may block; its end of file says it for ever
                stop = [each for each in stop if each not in said or _is_drained(each)]
        self._let_go()

    def _timeout(self, now: float) -> float:
        if self._holder.is_busy or (self._reporter.is_pending and self._director.socket is not None):
            return 0.0
        deadlines = (
            self._speaker.next_deadline(),
            self._holder.next_deadline(),
            self._director.next_deadline(),
            self._audit_at,
            self._report_at,
            self._waits_until,
            self._look_at if self._speaker.holding_off() else None,
        )
        return max(0.0, min(each for each in deadlines if each is not None) - now)

    def _turn(self, kernel_speaks: bool, director_speaks: bool) -> None:
        now = monotonic()  # before the sockets are drained: what arrived earlier than this is heard before it counts
        self._speaker.utc_offset = time() - now
        self._hear_segment(now)
        if kernel_speaks:
            self._hear_kernel(now)
        if director_speaks:
            self._hear_director(now)
        if now >= self._look_at and (waiting := self._speaker.holding_off()):
            self._look_for_frames(waiting, now)
        self._execute(self._speaker.pass_time(now), now)
        self._holder.pass_time(now)
        if self._holder.is_busy:
            self._holder.work()
            return
        self._do_chores(now)

    def _hear_segment(self, now: float) -> None:
        for port in list(self._ports.by_index.values()):
            for sock in list(port.sockets.values()):
                for _ in range(DATAGRAMS_AT_ONCE):
                    datagram = sock.receive()
                    if datagram is None:
                        break
                    effects = self._speaker.receive(
                        port.name, datagram.payload, datagram.ttl, datagram.source, datagram.destination, now
                    )
                    self._execute(effects, now)

    def _look_for_frames(self, waiting: set[str], now: float) -> None:
        self._look_at = now + HOLD_OFF_INTERVAL
        received = frames_received()
        for interface in waiting:
            count = received.get(interface)
            if count is not None and count > self._received.setdefault(interface, count):
                self._execute(self._speaker.segment_heard(interface, now), now)
        self._received = {each: self._received[each] for each in waiting if each in self._received}

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
            report = self._reporter.next_slice(self._speaker, self._interfaces, now)
            if report is not None:
                self._director.send(encode(report))
        if now >= self._audit_at:
            self._audit_at = now + AUDIT_INTERVAL
            self._links.start_audit()
        if now >= self._collect_at and (self._speaker.next_deadline() or now + 1) - now > 0.005:
            self._collect_at = now + COLLECT_INTERVAL
            gc.collect()

    def _let_go(self) -> None:
        """The addresses that are still held are released, the director hears of it if it listens."""
        now = monotonic()
        self._execute(self._speaker.abandon(now), now)
        self._release(self._macvlans.wait())
        while self._holder.is_busy:
            self._holder.work()
        self._macvlans.close()

    # ------------------------------------------------------------------ what comes in

    def _hear_kernel(self, now: float) -> None:
        changes = self._links.receive()
        for index in changes.vanished:
            self._holder.interface_gone(index)
            self._macvlans.interface_gone(index)
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
                self._secrets = read_secrets(routers, self._secrets)
                self._speaker.utc_offset = time() - now
                effects = self._speaker.set_routers(routers, now, self._secrets)
                effects += self._prepare(now)
                self._execute(effects, now)
                self._macvlans.keep(name for name, each in self._speaker.machines.items() if each.settings.virtual_mac)
                self._holder.forget(set(self._holder.prepared_routers()) - set(self._speaker.machines))
                self._reporter.want_all(self._speaker)
            case SetTracking(tracking):
                self._execute(self._speaker.set_tracking(tracking, now), now)
            case HandOver(router, lasting):
                self._execute(self._speaker.hand_over(router, inf if lasting is None else now + lasting, now), now)
            case TakeBack(router):
                self._execute(self._speaker.take_back(router, now), now)
            case Announce(router):
                self._execute(self._speaker.announce(router), now)
            case Resync():
                self._reporter.want_all(self._speaker)
            case Malformed(sentence):
                print(f"haagent vrrp: the director sent a message that makes no sense: {sentence}", file=sys.stderr)

    # ------------------------------------------------------------------ what is prepared

    def _prepare(self, now: float) -> list[SpeakerEffect]:
        """Open sockets and encode batches for every router whose interface is there."""
        effects: list[SpeakerEffect] = []
        missing: dict[str, str] = {}  # routers without the interface of their virtual MAC address
        for machine in self._speaker.machines.values():
            settings = machine.settings
            opened = [self._open(name, octets) for name, octets, _ in settings.places]
            interface = self._interfaces.get(settings.interface)
            if interface is None or not opened[0]:
                continue
            place: Interface | str = interface
            if settings.virtual_mac:
                place = self._macvlans.place(settings, interface, self._interfaces)
                missing[settings.name] = place if isinstance(place, str) else ""
            if isinstance(place, str):
                continue
            if place is not interface:
                self._ports.lend(interface.index, place.index)
            virtual = settings.virtual_addresses + settings.unadvertised_addresses
            own = {octets for octets, _ in virtual}
            is_another = self._holder.prepare(
                settings.name,
                place.index,
                place.mac,
                virtual,
                tuple(
                    each for each in interface.addresses if each[0] not in own and _is_routed(each, place, interface)
                ),
                is_owner=settings.priority == PRIORITY_OWNER,
                is_router=settings.octets == 16 and forwards_ipv6(settings.interface),
                form=settings.announce_form,
            )
            if is_another and machine.state_name == "active":
                self._holder.set_addresses(settings.name, held=True)
                effects += self._speaker.segment_changed(settings.interface, now)
        machines = (*self._speaker.machines.values(), *self._speaker.retired.values())
        self._ports.keep((name, octets) for machine in machines for name, octets, _ in machine.settings.places)
        return effects + self._speaker.set_virtual_macs(missing, now)

    def _open(self, name: str, octets: int) -> bool:
        interface = self._interfaces.get(name)
        return interface is not None and self._ports.open(interface, octets)

    # ------------------------------------------------------------------ effects

    def _execute(self, effects: Iterable[SpeakerEffect], now: float) -> None:
        following: list[SpeakerEffect] = []  # of what became of the sends
        for effect in effects:
            match effect:
                case SendAdvertisement(router, priority):
                    following += self._send(router, priority, now)
                case SetAddresses(router, held):
                    if self._macvlans.hold(router, held):
                        self._holder.set_addresses(router, held)
                case AnnounceAddresses(router):
                    self._holder.announce(router)
                case Transition(router, previous, state, reason):
                    self._director.send(encode(Transitioned(router, previous, state, reason, now)))
                    self._reporter.want(router)
        if following:
            self._execute(following, now)

    def _release(self, routers: Iterable[str]) -> None:
        for router in routers:
            self._holder.set_addresses(router, held=False)

    def _send(self, router: str, priority: int, now: float) -> list[SpeakerEffect]:
        machine = self._speaker.sender(router, priority)
        failure, is_said = 0, False
        for each in self._speaker.utterance(router, priority, now):
            sock = self._socket(each.interface, len(each.source))
            octets = packet(each.message, each.source, each.destination)
            if machine.settings.virtual_mac and each.destination in GROUPS.values():
                error = self._send_frame(machine.settings, octets, each.destination)
            else:
                error = sock.send(octets, each.destination) if sock else errno.ENODEV
            failure, is_said = error or failure, is_said or not error
        machine.counters["send_failures" if failure else "advertisements_sent"] += 1
        if priority == PRIORITY_RELEASE and not failure:
            machine.counters["priority_zero_sent"] += 1
        refusal = os.strerror(failure) if failure and not is_said else ""
        return self._speaker.sent(router, refusal, now)

    def _send_frame(self, settings: RouterSettings, octets: bytes, destination: bytes) -> int:
        """RFC 9568 section 7.2: from the virtual router's MAC address. By the interface below, which is up."""
        there = self._interfaces.get(settings.interface)
        port = self._ports.by_index.get(there.index) if there else None
        mac = virtual_mac(settings.octets, settings.vrid)
        return port.announcer.send_frame(multicast_frame(mac, octets, destination)) if port else errno.ENODEV

    def _socket(self, interface: str, octets: int) -> VrrpSocket | None:
        there = self._interfaces.get(interface)
        port = self._ports.by_index.get(there.index) if there else None
        return port.sockets.get(octets) if port else None

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


def _is_routed(own: Address, place: Interface, below: Interface) -> bool:
    """Whether what `own` covers is reached without a route by `place`: link-local addresses have one on each
    interface."""
    return place is below or not is_link_local(own[0])


def _stop_descriptor() -> int:
    """Readable once SIGTERM has come. SIGINT from a terminal is the supervisor's business."""
    reader, writer = socket.socketpair()
    for end in (reader, writer):
        end.setblocking(False)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda number, frame: writer.send(b"x"))
    return reader.detach()


def _is_drained(descriptor: int) -> bool:
    """Whether it may speak again: a signal's word was read; a pipe that has ended stays readable."""
    try:
        return os.read(descriptor, 64) != b""
    except OSError:
        return False


def _has_privileges() -> bool:
    with open("/proc/self/status", encoding="ascii") as status:
        effective = next(int(line.split()[1], 16) for line in status if line.startswith("CapEff"))
    return all(effective >> capability & 1 for capability in (_CAP_NET_ADMIN, _CAP_NET_RAW))


if __name__ == "__main__":
    sys.exit(main())
