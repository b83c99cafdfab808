"""A director host: clock, link, kernel, and the cores that run on it. `SpeakerCore` drives the production Speaker.

The order rules are the shell's: what waited in the socket is delivered before a deadline, notifications of the kernel
after the packets, one wake-up re-armed after every event, an announcement only after its addresses are held.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from math import inf
from typing import TYPE_CHECKING

from haagent.ipvs.plan import Owned
from haagent.vrrp.advertisement import TTL
from haagent.vrrp.effects import AnnounceAddresses, SendAdvertisement, SetAddresses
from haagent.vrrp.outgoing import Outgoing
from haagent.vrrp.settings import Interface, RouterSettings, Tracking
from haagent.vrrp.speaker import Speaker, SpeakerEffect, Transition
from tests.simulation.kernel import Kernel

if TYPE_CHECKING:
    from tests.simulation.pool_core import PoolCore
    from tests.simulation.world import World

SOCKET_BUFFER = 500  # datagrams that wait while the process does not run
RETRY = 1.0  # seconds until a refused change is tried again
TICK = 1e-6  # a timer never fires early


class Director:
    """One host. Faults act on it; the core knows nothing of them."""

    def __init__(
        self, world: World, index: int, settings: tuple[RouterSettings, ...], clock_rate: float, clock_start: float
    ) -> None:
        self.world = world
        self.index = index
        self.settings = settings
        self.own_address = bytes((192, 0, 2, index + 1))
        self.kernel = Kernel()
        self._cuts = [0, 0]  # by segment: faults that keep the link down now
        self.refusing_sends = 0  # faults that make the kernel refuse every advertisement now
        self.stalled_until = 0.0
        self.core: SpeakerCore | None = None  # None: the daemon does not run
        self.pool: PoolCore | None = None  # None, too, in a world without real servers
        self.owned = Owned()  # on disk: what the daemon may remove from the kernel's table
        self._rate = clock_rate
        self._start = clock_start

    def local(self) -> float:
        """CLOCK_MONOTONIC of this host."""
        return self._start + self.world.now * self._rate

    def to_world(self, instant: float) -> float:
        return (instant - self._start) / self._rate

    @property
    def cuts(self) -> int:
        """Of all its links."""
        return sum(self._cuts)

    def interfaces(self) -> list[Interface]:
        held = [(address, 24) for address in sorted(self.kernel.addresses)]
        mac = b"\2\0\0\0\0" + bytes((self.index,))
        return [
            Interface(f"eth{number}", 2 + number, not self._cuts[number], mac, (*self.own_addresses(number), *held))
            for number in range(len(self.world.segments))
        ]

    def own_addresses(self, segment: int) -> list[tuple[bytes, int]]:
        link_local = bytes.fromhex("fe80") + bytes(10) + self.address_on(segment)  # in the same order
        return [(self.address_on(segment), 24), (link_local, 64)]

    def address_on(self, segment: int) -> bytes:
        """On the second segment the directors' addresses are in the opposite order."""
        return self.own_address if segment == 0 else bytes((203, 0, 113, 9 - self.index))

    def segment_of(self, router: str) -> int:
        return next(int(each.interface[3:]) for each in self.settings if each.name == router)

    @property
    def is_stalled(self) -> bool:
        return self.world.now < self.stalled_until

    # ------------------------------------------------------------------------------------ the wire

    def receive(self, datagram: Outgoing, segment: int = 0) -> None:
        if self.core is not None and not self._cuts[segment]:
            self.core.receive(datagram, segment)

    def send(self, datagram: Outgoing) -> None:
        segment = int(datagram.interface[3:])
        if not self._cuts[segment]:
            self.world.segments[segment].send(self.index, datagram)

    def announce(self, address: bytes, segment: int = 0) -> None:
        if not self._cuts[segment]:
            self.world.segments[segment].announce(self.index, address)

    # --------------------------------------------------------------------------------- what befalls it

    def power_on(self) -> None:
        """Also: the daemon is started again. The kernel may hold a predecessor's addresses."""
        if self.core is not None and self.core.speaker.is_stopping:
            self.core.is_wanted_again = True
        if self.core is None:
            self.stalled_until = 0.0
            self.core = SpeakerCore(self)
            self.pool = self.world.pool_core(self)
            self.core.start()
            if self.pool is not None:
                self.pool.start()

    def kill(self) -> None:
        """The process is gone without a word; its addresses stay."""
        if self.core is not None:
            self.world.watch.is_gone(self.index)
            self.core = self.pool = None

    def power_off(self) -> None:
        self.kill()
        self.kernel.addresses.clear()
        self.kernel.table = {}

    def stop(self) -> None:
        """SIGTERM."""
        self._notify(lambda core: core.stop())

    def stall(self, until: float) -> None:
        """The process is not scheduled for a while."""
        if self.core is not None:
            self.stalled_until = max(self.stalled_until, until)
            self.world.at(self.stalled_until, self._resume)

    def set_link(self, by: int, segment: int = 0) -> None:
        """One more (+1) or one fewer (-1) fault that keeps the link down."""
        before = self._cuts[segment]
        self._cuts[segment] += by
        if (before > 0) != (self._cuts[segment] > 0):
            self._notify(lambda core: core.interface_changed())

    def hand_over(self, number: int, lasting: float) -> None:
        """An operator's word."""
        self._notify(lambda core: core.hand_over(self.settings[number].name, lasting))

    def take_back(self, number: int) -> None:
        self._notify(lambda core: core.take_back(self.settings[number].name))

    def reload(self, number: int, priority: int, preempt: bool) -> None:
        self.settings = tuple(
            replace(each, priority=priority, preempt=preempt) if each.group or place == number else each
            for place, each in enumerate(self.settings)
        )
        self._notify(lambda core: core.reload())

    def lose_address(self, number: int) -> None:
        """Somebody deletes a virtual address behind the daemon's back; the kernel tells."""
        self.kernel.addresses.discard(self.settings[number].virtual_addresses[0][0])
        if self.core is not None:
            self.core.damaged.add(self.settings[number].name)
        self._notify(lambda core: core.address_lost(number))

    def set_tracking(self, tracking: Mapping[str, Tracking]) -> None:
        """The director's process says so."""
        self._notify(lambda core: core.set_tracking(tracking))

    def restart_prober(self, until: float) -> None:
        """The prober is killed and comes back."""
        if self.pool is not None:
            self.pool.kill_prober()
            self.world.at(until, self._start_prober, self.pool)

    def _start_prober(self, pool: PoolCore) -> None:
        if self.pool is pool:
            pool.start_prober()

    def _notify(self, tell: Callable[[SpeakerCore], None]) -> None:
        if self.core is not None:
            self.core.notify(tell)

    def _resume(self) -> None:
        if self.core is not None and not self.is_stalled:
            self.core.resume()


class SpeakerCore:
    """The vrrp process without its sockets: the production Speaker and an executor of its effects."""

    def __init__(self, host: Director) -> None:
        self._host = host
        self._world = host.world
        self.speaker = Speaker()
        self._wake_at = inf
        self._inbox: list[tuple[Outgoing, int]] = []  # datagrams and their segments that wait during a stall
        self._notices: list[Callable[[SpeakerCore], None]] = []
        self.wanted: dict[str, bool] = {}  # router -> the level that was last asked for
        self.applied: dict[str, bool] = {}  # router -> the level that the kernel last took
        self.damaged: set[str] = set()  # routers whose addresses somebody else deleted; to be repaired
        self._pending: set[str] = set()  # routers to announce once their addresses are held
        self.is_wanted_again = False  # started again while it is still stopping
        self._addresses = {each.name: each.virtual_addresses[0][0] for each in host.settings}

    def start(self) -> None:
        self._execute(self.speaker.set_interfaces(self._host.interfaces(), self._host.local()))
        self._execute(self.speaker.set_routers(self._host.settings, self._host.local()))
        self._arm()

    def receive(self, datagram: Outgoing, segment: int) -> None:
        if self._host.is_stalled:
            if len(self._inbox) < SOCKET_BUFFER:
                self._inbox.append((datagram, segment))
            return
        self._deliver(datagram, segment)
        self._arm()

    def notify(self, tell: Callable[[SpeakerCore], None]) -> None:
        """Something of lower urgency than a packet: told now, or once the process runs again."""
        if self._host.is_stalled:
            self._notices.append(tell)
        else:
            tell(self)
            self._arm()

    def resume(self) -> None:
        """Packets, then notices, then deadlines."""
        waiting, self._inbox = self._inbox, []
        for datagram, segment in waiting:
            self._deliver(datagram, segment)
        notices, self._notices = self._notices, []
        for tell in notices:
            tell(self)
        self._execute(self.speaker.pass_time(self._host.local()))
        self._arm()

    def wake(self, at: float) -> None:
        if at != self._wake_at or self._host.core is not self:
            return  # another wake-up took its place
        self._wake_at = inf
        if not self._host.is_stalled:
            self._execute(self.speaker.pass_time(self._host.local()))
            self._arm()

    def interface_changed(self) -> None:
        self._execute(self.speaker.set_interfaces(self._host.interfaces(), self._host.local()))

    def hand_over(self, router: str, lasting: float) -> None:
        now = self._host.local()
        self._execute(self.speaker.hand_over(router, now + lasting, now))

    def take_back(self, router: str) -> None:
        self._execute(self.speaker.take_back(router, self._host.local()))

    def reload(self) -> None:
        self._execute(self.speaker.set_routers(self._host.settings, self._host.local()))

    def set_tracking(self, tracking: Mapping[str, Tracking]) -> None:
        self._execute(self.speaker.set_tracking(dict(tracking), self._host.local()))

    def address_lost(self, number: int) -> None:
        router = self._host.settings[number].name
        if self.wanted.get(router):
            self._pending.add(router)  # the clients may have learned another's MAC meanwhile
            self._apply(router)
        else:
            self.applied[router] = False
        self.interface_changed()

    def stop(self) -> None:
        effects = self.speaker.stop(self._host.local())
        self._world.watch.stopped(self._host, effects)
        self._execute(effects)
        self._end_if_left()

    def _end_if_left(self) -> None:
        if not self.speaker.is_stopping or not self.speaker.has_left or self._host.core is not self:
            return
        for name, held in self.wanted.items():  # the shell's last deed
            if not held:
                self._host.kernel.set_held(self._addresses[name], held=False)
        self._host.core = self._host.pool = None
        if self.is_wanted_again:
            self._world.at(self._world.now, self._host.power_on)

    # -------------------------------------------------------------------------------------- inside

    def _deliver(self, datagram: Outgoing, segment: int) -> None:
        interface, now = f"eth{segment}", self._host.local()
        if interface in self.speaker.holding_off():
            self._execute(self.speaker.segment_heard(interface, now))
        effects = self.speaker.receive(interface, datagram.message, TTL, datagram.source, datagram.destination, now)
        if effects:
            self._execute(effects)

    def _arm(self) -> None:
        if self.speaker.is_stopping:
            self._end_if_left()
        due = self.speaker.next_deadline()
        if due is None or self._host.core is not self:
            return
        at = self._host.to_world(due) + TICK
        if at < self._wake_at:  # a later deadline finds out when the earlier wake-up fires
            self._wake_at = at = max(at, self._world.now)
            self._world.at(at, self.wake, at)

    def _execute(self, effects: list[SpeakerEffect]) -> None:
        if not effects:
            return
        following: list[SpeakerEffect] = []
        for effect in effects:
            match effect:
                case SendAdvertisement(router, priority):
                    was_active = any(isinstance(e, Transition) and e.router == router for e in effects)
                    self._world.watch.sends(self._host, self.speaker, router, priority, is_last_word=was_active)
                    said, now = self.speaker.utterance(router, priority), self._host.local()
                    for each in () if self._host.refusing_sends else said:
                        self._host.send(each)
                    refusal = "Operation not permitted" if self._host.refusing_sends else ""
                    following += self.speaker.sent(router, refusal, now)
                case SetAddresses(router) | AnnounceAddresses(router) if SetAddresses(router, held=False) in following:
                    pass  # the shell's work on addresses begins later
                case SetAddresses(router, held):
                    self.wanted[router] = held
                    self._begin(router)
                case AnnounceAddresses(router):
                    self._announce(router)
                case Transition():
                    self._world.watch.transition(self._host.index, effect)
                    if self._host.pool is not None:
                        self._host.pool.transition(effect)
        self._execute(following)
        self._world.watch.check_levels(self._host, self)

    def _begin(self, router: str) -> None:
        if self._host.kernel.latency:
            self._world.at(self._world.now + self._host.kernel.latency, self._apply, router)
        else:
            self._apply(router)

    def _apply(self, router: str) -> None:
        """Make the newest level true; an older one that was on its way is forgotten."""
        if self._host.core is not self:
            return
        held = self.wanted[router]
        if not self._host.kernel.set_held(self._addresses[router], held=held):
            self._world.at(self._world.now + RETRY, self._apply, router)
            return
        if self.applied.get(router) and not held:
            self._world.watch.lets_go(self._host, router)
        self.applied[router] = held
        self.damaged.discard(router)
        if not held:
            self._pending.discard(router)
        elif router in self._pending:
            self._pending.discard(router)
            self._announce(router)

    def _announce(self, router: str) -> None:
        if self.wanted[router] and self.applied.get(router):
            self._host.announce(self._addresses[router], self._host.segment_of(router))
        else:
            self._pending.add(router)
