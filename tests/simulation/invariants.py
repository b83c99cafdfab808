"""What must hold always, and what must hold once a schedule has come to its calm (style.md section 8)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from haagent.pool.desired import packed
from haagent.vrrp.advertisement import PRIORITY_OWNER, PRIORITY_RELEASE, Discard
from haagent.vrrp.effects import SendAdvertisement
from haagent.vrrp.router import Active, Backup, Leaving, Lingering, spoken_priority
from haagent.vrrp.speaker import Speaker, SpeakerEffect, Transition
from haagent.vrrp.timers import active_down_interval, skew_time
from haagent.vrrp.virtual_router import HIGHEST_PRIORITY
from tests.simulation.faults import CALM_AT, DISTURBING, Fault
from tests.simulation.pool_core import SORRY
from tests.simulation.segment import DELAY

if TYPE_CHECKING:
    from tests.simulation.director import Director, SpeakerCore
    from tests.simulation.world import World

INTERVAL = 2.0  # the longest that a schedule has
SETTLED_AT = CALM_AT + 18.0  # the slowest backup held off, took over, was waited for, and was preempted again
POOLS_SETTLE = 22.0  # more, where verdicts (a timeout, then fall or rise) and an audit come first
ECHO = 3 * INTERVAL + INTERVAL  # after a disturbance, until everybody must have heard everybody again
CLOCK = 1.021  # two clocks, each off by 1 %
MOMENT = 0.001
OF_ONE_SEGMENT = ("partition", "one_way", "loss", "corruption", "jitter")


class Watch:
    """Looks on; `violations` are sentences."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.violations: list[str] = []
        self.active: dict[str, set[int]] = {}  # router -> directors whose machine is Active
        self._dual_since: dict[str, float] = {}
        self._disturbed: list[tuple[float, float]] = []
        self._farewells: dict[tuple[int, str], int] = {}

    def expect(self, faults: tuple[Fault, ...]) -> None:
        """Know the faults: the bounds depend on them."""
        self._disturbed = [(each.at, each.until + ECHO) for each in faults if each.kind in DISTURBING]
        self._is_mute_alone = {each.kind for each in faults} == {"mute"} and not any(
            settings.priority == PRIORITY_OWNER for host in self._world.directors for settings in host.settings
        )
        if self._is_mute_alone:
            self._disturbed = []  # it lets go of the addresses with the first advertisement that it hears
        self._one_leaves = len(faults) == 1 and faults[0].kind in ("clean_stop", "handover")
        if len(faults) == 1 and len(self._world.segments) > 1 and faults[0].kind in OF_ONE_SEGMENT:
            self._disturbed = []  # on the other segment a group goes on hearing
        if self._world.real_servers:
            return  # a verdict may take a router away at any time
        if len(faults) == 1 and faults[0].kind in ("crash", "power_loss", "clean_stop", "link_down"):
            self._world.at(faults[0].at - MOMENT, self._measure_failover, faults[0])

    def is_undisturbed(self) -> None:
        """Whatever happens to one segment, the directors go on hearing each other by another."""
        self._disturbed = []

    # ------------------------------------------------------------------------------------ always

    def transition(self, director: int, effect: Transition) -> None:
        active = self.active.setdefault(effect.router, set())
        core = self._world.directors[director].core
        if core is not None and isinstance(core.speaker.machines[effect.router].state, Active):
            active.add(director)
        else:
            active.discard(director)
        self._follow_dual(effect.router)
        if effect.state != effect.previous and self._world.now > SETTLED_AT + (
            POOLS_SETTLE if self._world.real_servers else 0.0
        ):
            self.violated(f"{effect.router} of director {director} becomes {effect.state} in calm: {effect.reason}")

    def is_gone(self, director: int) -> None:
        for router, active in self.active.items():
            active.discard(director)
            self._follow_dual(router)

    def sends(self, host: Director, speaker: Speaker, router: str, priority: int, *, is_last_word: bool) -> None:
        """A Backup router does not advertise, but for its last word on leaving Active."""
        state = speaker.machines[router].state
        if priority == PRIORITY_RELEASE:
            self.active[router].discard(host.index)  # it holds the addresses, but who takes over is no second one
            self._follow_dual(router)
            if isinstance(state, Active):
                self.violated(f"director {host.index} says priority 0 for {router} and stays Active")
        elif isinstance(state, Backup) and state.mute_until is not None and priority != PRIORITY_RELEASE:
            pass  # it tries whether the kernel lets it speak again
        elif not isinstance(state, Active) and not is_last_word:
            self.violated(f"director {host.index} advertises {router} as {type(state).__name__}")
        elif priority not in _spoken(speaker, router, host.local(), is_last_word=is_last_word):
            self.violated(f"director {host.index} advertises {router} with priority {priority}")

    def stopped(self, host: Director, effects: list[SpeakerEffect]) -> None:
        """A clean stop says priority 0 exactly once for each router that was Active, and nothing else."""
        said = sorted(each.router for each in effects if isinstance(each, SendAdvertisement))
        due = sorted(router for router, active in self.active.items() if host.index in active)
        if said != due or any(each.priority for each in effects if isinstance(each, SendAdvertisement)):
            self.violated(f"director {host.index} stopped with {effects}, Active were {due}")

    def _follow_dual(self, router: str) -> None:
        now = self._world.now
        if len(self.active[router]) > 1:
            self._dual_since.setdefault(router, now)
        elif router in self._dual_since:
            since = self._dual_since.pop(router)
            longest = 2 * DELAY + MOMENT + (INTERVAL * CLOCK if self._is_mute_alone else 0.0)
            if now - since > longest and not any(at <= now and since <= until for at, until in self._disturbed):
                self.violated(f"{router} had two Active routers from {since:.3f} to {now:.3f} with nothing in the way")

    def _measure_failover(self, fault: Fault) -> None:
        """A single fault takes the Active director away: somebody else is Active within the RFC's bound."""
        world = self._world
        for number, settings in enumerate(world.directors[fault.director].settings):
            router = settings.name
            others = [each for each in world.directors if each.index != fault.director]
            if self.active.get(router) != {fault.director} or not others:
                continue
            best = max(each.settings[number].priority for each in others)
            interval = settings.advertisement_interval
            wait = skew_time if fault.kind == "clean_stop" else active_down_interval
            bound = fault.at + wait(best, interval) * CLOCK + DELAY + MOMENT
            world.at(bound, self._check_failover, router, fault)

    def _check_failover(self, router: str, fault: Fault) -> None:
        if not self.active[router]:  # the lost one may be back and the first to see its own absence
            self.violated(f"{router}: nobody took over within {self._world.now - fault.at:.3f} s of a {fault.kind}")

    def check_levels(self, host: Director, core: SpeakerCore) -> None:
        """Addresses are held iff the router is Active and the level was applied."""
        for settings in host.settings:
            router = settings.name
            active = isinstance(core.speaker.machines[router].state, Active | Leaving | Lingering)
            wanted, applied = core.wanted.get(router), core.applied.get(router)
            if wanted is not None and wanted is not active:
                self.violated(f"director {host.index} is asked to hold={wanted} {router}, Active={active}")
            held = settings.virtual_addresses[0][0] in host.kernel.addresses
            if applied is not None and held is not applied and router not in core.damaged:
                self.violated(f"director {host.index} applied hold={applied} {router}, the kernel has {held}")
        if len(host.settings) == 1:
            return
        grouped = {core.wanted.get(each.name) for each in host.settings if each.group}
        if len(grouped) > 1:
            self.violated(f"director {host.index} is asked to hold one part of a group and not the other")

    def lets_go(self, host: Director, router: str) -> None:
        """Make before break: where the only thing that happens is a stop or a handover, another has the address."""
        if not self._one_leaves or host.core is None or self._world.real_servers:
            return
        reason = host.core.speaker.machines[router].reason
        if "taken over" not in reason and "handed over" not in reason and "no peer" not in reason:
            return
        address = next(each.virtual_addresses[0][0] for each in host.settings if each.name == router)
        others = [each for each in self._world.directors if each is not host and each.core is not None]
        if others and not any(address in each.kernel.addresses for each in others):
            self.violated(f"director {host.index} lets go of {router} and nobody has it: {reason}")
        clients = self._world.segments[host.segment_of(router)]
        if others and any(clients.caches.get((each, address)) == host.index for each in clients.clients):
            self.violated(f"director {host.index} lets go of {router} and a client still has its MAC")

    # --------------------------------------------------------------------------------- after calm

    def check_calm(self) -> None:
        world = self._world
        for host in world.directors:
            self._check_table(host)
            self._check_tracking(host)
        running = [each for each in world.directors if each.core is not None and not each.cuts]
        for number, settings in enumerate(world.directors[0].settings):
            router, address = settings.name, settings.virtual_addresses[0][0]
            running = [each for each in running if fit(each, router)]
            active = [each for each in running if each.index in self.active.get(router, ())]
            if len(active) != bool(running):
                self.violated(f"{router} is Active on {[each.index for each in active]}, up: {len(running)}")
                continue
            for host in world.directors:
                if host.core is not None and (address in host.kernel.addresses) is not (host in active):
                    self.violated(f"director {host.index} holds={host not in active} {router}, Active={host in active}")
            for host in active:
                self._check_rightful(host, number, running)
                segment = world.segments[host.segment_of(router)]
                for client in segment.clients:
                    if segment.caches.get((client, address)) != host.index:
                        self.violated(f"client {client} has the MAC of another director than {host.index} for {router}")
        for host in running:
            self._check_discards(host)

    def _check_rightful(self, host: Director, number: int, running: list[Director]) -> None:
        """The highest priority of those that are up; an incumbent stays where the better one may not preempt."""
        settings = host.settings[number]
        ours = said(host, settings.name)
        for other in running:
            theirs = effective(other, settings.name)
            if yields(other, settings.name):
                continue
            if theirs > ours and (other.settings[number].preempt or theirs == PRIORITY_OWNER):
                self.violated(
                    f"{settings.name} is Active on director {host.index} with priority {ours},"
                    f" director {other.index} has {theirs} and preempts"
                )

    def _check_table(self, host: Director) -> None:
        """The kernel serves with the healthy real servers, all of them and no other; with none, the sorry server."""
        if host.pool is None:
            return
        service = host.kernel.table.get(host.pool.key)
        serving = {at.address for at, each in service.destinations.items() if each.weight} if service else set()
        servers = self._world.real_servers
        wanted = {packed(each.address) for each in servers if each.is_healthy_for(host.index)} or {packed(SORRY)}
        if serving != wanted:
            self.violated(f"director {host.index} serves with {sorted(serving)}, healthy are {sorted(wanted)}")

    def _check_discards(self, host: Director) -> None:
        """On a wire that damages nothing our own codec refuses nothing."""
        assert host.core is not None
        reasons = {each for counter in host.core.speaker.discarded.values() for each in counter} - {Discard.OWN}
        if reasons and not any(each.corrupted for each in self._world.segments):
            self.violated(f"director {host.index} discarded {reasons} of an undamaged segment")

    def violated(self, sentence: str) -> None:
        self.violations.append(f"at {self._world.now:.3f}: {sentence}")

    def _check_tracking(self, host: Director) -> None:
        """A router follows its pool: while no real server is healthy it has the fault, or the term."""
        if host.pool is None or host.core is None or host.cuts:
            return
        is_empty = not any(each.is_healthy_for(host.index) for each in self._world.real_servers)
        track = self._world.track
        for settings in host.settings:
            if fit(host, settings.name) is (is_empty and track.fault):
                self.violated(f"director {host.index}: pool empty={is_empty}, {settings.name} takes part all the same")
            term = track.priority if is_empty and settings.priority != PRIORITY_OWNER else 0
            wanted = max(1, min(PRIORITY_OWNER, settings.priority + term))
            if effective(host, settings.name) != wanted:
                self.violated(f"director {host.index} has priority {effective(host, settings.name)}, not {wanted}")


def fit(host: Director, router: str) -> bool:
    """Whether nothing keeps the router of a running daemon from taking part."""
    assert host.core is not None
    return host.core.speaker.machines[router].parameters is not None


def effective(host: Director, router: str) -> int:
    assert host.core is not None
    return host.core.speaker.effective_priority(router)


def said(host: Director, router: str) -> int:
    """What an Active router advertises now: a sticky one more than it has."""
    assert host.core is not None
    machine = host.core.speaker.machines[router]
    assert machine.parameters is not None
    if not isinstance(machine.state, Active):
        return machine.parameters.priority
    return spoken_priority(machine.parameters, machine.state, host.local())


def yields(host: Director, router: str) -> bool:
    """Whether it was handed over and not taken back, or was mute and has not tried again."""
    assert host.core is not None
    state = host.core.speaker.machines[router].state
    return isinstance(state, Backup) and max(state.preempt_at or 0.0, state.mute_until or 0.0) > host.local()


def _spoken(speaker: Speaker, router: str, now: float, *, is_last_word: bool) -> set[int]:
    """What it may say now."""
    machine = speaker.machines[router]
    assert machine.parameters is not None
    if is_last_word and machine.parameters.sticky:
        return {machine.parameters.priority, HIGHEST_PRIORITY}
    if isinstance(machine.state, Active):
        return {spoken_priority(machine.parameters, machine.state, now)}
    return {machine.parameters.priority}
