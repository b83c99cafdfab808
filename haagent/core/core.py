"""The director's core: configuration, verdicts and tracking in; wanted levels and records out. Pure.

It joins the domains: from verdicts and services it derives the IPVS table, from pools the routers' tracking. The shell
(`processes/director.py`) delivers events with the instant `now` (CLOCK_MONOTONIC seconds) and executes the effects.
What is known lies with its owner, a file each; here is what an event sets in motion, and in which order.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from haagent.config.model import Config, RealServer, VirtualService
from haagent.core.agreements import Agreements
from haagent.core.arp import ArpLeaks
from haagent.core.effects import Effect, Notify, Record, StoreOverrides, TellPeers
from haagent.core.events import (
    ArpObserved,
    ConfigLoaded,
    DeadlinePassed,
    Event,
    HealthChanged,
    Instant,
    MaintenanceObserved,
    OperatorChanged,
    OwnersObserved,
    PeerHeard,
    PeerSaw,
    ProcessConnected,
    ProcessLost,
    RoutersObserved,
    RouterTransitioned,
    TableAdopted,
    TableObserved,
    TracksObserved,
)
from haagent.core.faults import Faults
from haagent.core.guard import Guard
from haagent.core.hearing import Hearing
from haagent.core.judgements import Judgements
from haagent.core.kernel import Kernel
from haagent.core.level import Level
from haagent.core.named import Named
from haagent.core.owners import Owners
from haagent.core.paths import Paths
from haagent.core.pools import Pools
from haagent.core.presence import Presence
from haagent.core.probing import Probing
from haagent.core.routers import Routers
from haagent.core.standings import Standings
from haagent.core.words import Words
from haagent.health.blame import PeerView
from haagent.ipvs.plan import plan
from haagent.pool.desired import weights
from haagent.pool.leaving import idle
from haagent.pool.operator import Overrides


@dataclass(slots=True)
class Core:
    """`handle(event, now)` returns the effects, in order. Fields are for `view.py` to read."""

    config: Config | None = None
    named: Named = field(default_factory=Named)
    kernel: Kernel = field(default_factory=Kernel)
    presence: Presence = field(default_factory=Presence)  # of services, in this director's kernel
    probing: Probing = field(default_factory=Probing)
    arp: ArpLeaks = field(default_factory=ArpLeaks)
    owners: Owners = field(default_factory=Owners)  # who says to have an address on a segment
    agreements: Agreements = field(default_factory=Agreements)  # of the directors, about each virtual router
    guard: Guard = field(default_factory=Guard)  # of a preemption
    paths: Paths = field(init=False)
    standings: Standings = field(init=False)
    words: Words = field(init=False)
    judgements: Judgements = field(init=False)
    pools: Pools = field(init=False)
    level: Level = field(init=False)
    faults: Faults = field(init=False)
    routers: Routers = field(init=False)
    _now: Instant = 0.0  # of the last event

    def __post_init__(self) -> None:
        self.paths = Paths(self.probing)
        self.standings = Standings(self.probing, self.paths)
        self.words = Words(self.named)
        self.judgements = Judgements(self.named)
        self.pools = Pools(self.named, self.standings, self.judgements, self.words, self.presence)
        self.level = Level(self.named, self.pools, self.paths, self.presence)
        self.faults = Faults(self.standings)
        self.routers = Routers(self.pools, self.faults, self.guard)

    def handle(self, event: Event, now: Instant) -> list[Effect]:
        self._now = now
        match event:
            case TableAdopted(table, owned):
                self.kernel.adopt(event)
                self.pools.adopted, self.level.owned = weights(table), owned
                self.presence.found = frozenset(table)
                return []
            case ConfigLoaded(config):
                return self._load(config, now)
            case HealthChanged():
                return self._judge(event, now)
            case ArpObserved():
                return self.arp.take(event, self.presence.roles)
            case OwnersObserved():
                return self.owners.observe(event, now)
            case TableObserved():
                return self._observe(event, now)
            case RouterTransitioned(name, previous, state, reason):
                return [
                    Record("router", name, previous, state, reason),
                    Notify(event),
                    *self._take_roles({name: state}, now),
                    *([TellPeers()] if self.agreements.has_peers else []),
                ]
            case TracksObserved(observed):
                self.routers.watched = observed
                return self.routers.track(now)
            case RoutersObserved(states, hearings):
                heard = self.agreements.hear_own(hearings, self.owners.contests(), now)
                return [*self._take_roles(states, now), *heard]
            case ProcessConnected(process, detail):
                return [Record("process", process, "", "running", detail), *self._levels_of(process)]
            case ProcessLost(process):
                lost = Record("process", process, "running", "lost", "its connection ended")
                return [lost, *(self.agreements.forget_own(now) if process == "vrrp" else [])]
            case OperatorChanged(overrides):
                return self._operate(overrides, now)
            case DeadlinePassed(wall):
                return self._pass_deadline(wall, now)
            case MaintenanceObserved(files):
                effects, names = self.words.take_files(files)
                return [*effects, *self._compute_all(names, now)] if names else effects
            case PeerSaw(director, healths):
                me = self.config.director.name if self.config else ""
                effects = self.faults.hear(director, PeerView(now, healths), me)
                return [*effects, *self.routers.track(now)] if effects and self.config else []
            case PeerHeard(director, hearings):
                effects = self.owners.hear_peer(director, hearings, now)
                return [*effects, *self.agreements.hear_peer(director, hearings, self.owners.contests(), now)]

    def next_deadline(self) -> float | None:
        """When DeadlinePassed is due (wall clock): ask after every event. 0: something is due now."""
        return self.words.next_deadline()

    def next_instant(self) -> Instant | None:
        """When DeadlinePassed is due by the monotonic clock: ask after every event."""
        ready_at = self.guard.ready_at()
        instants = (
            self.judgements.next_instant(),
            self.paths.next_instant(),
            self.level.next_instant(),
            ready_at if ready_at is not None and ready_at > self._now else None,
        )
        return min((each for each in instants if each is not None), default=None)

    def hearings(self) -> tuple[Hearing, ...]:
        """What peers are told of the virtual routers."""
        return self.owners.told_with(self.agreements.tell())

    # ------------------------------------------------------------------ configuration

    def _load(self, config: Config, now: Instant) -> list[Effect]:
        """What owners keep of the old configuration is theirs to say; the order is of who reads whom."""
        old, before = self.config, {} if self.config is None else self.level.wanted().table
        if old is not None:
            self.pools.adopted = self.level.adoptable(self.kernel.observed)
        elif config.director.foreign == "adopt":
            self.level.owned = self.level.owned.with_table(self.kernel.observed)
        self.config = config
        self.named.load(config)
        self.presence.load(config)
        self.agreements.load(config)
        self.routers.load(config)
        self.words.load(config)
        self.paths.load(config)
        stretched = self.probing.load(config, self.paths.marks)
        self.guard.load(config, self.probing.own_healths())
        self.level.load(config)
        self.paths.pave(self.kernel.observed)
        self.standings.load()
        self.judgements.load()
        self.pools.load()
        effects: list[Effect] = [
            Record("configuration", config.director.name, "running" if old else "", "running", "loaded"),
            *stretched,
            *self.level.leave(before, old, now),
            *self._levels_of("vrrp"),
            *self._levels_of("prober"),
        ]
        for service in config.virtual_services:
            effects += self._compute(service, now)
        tests = [self.arp.load(config), *self.owners.load(config)]
        return [*effects, self.level.wanted(), *tests, *self.routers.track(now)]

    def _levels_of(self, process: Literal["vrrp", "prober", "observer"]) -> list[Effect]:
        if self.config is None:
            return []
        match process:
            case "vrrp":
                return self.routers.levels()
            case "prober":
                return [self.probing.level(self.paths.paved, with_paths=bool(self.paths.marks))]
            case "observer":
                return []

    # ------------------------------------------------------------------ verdicts

    def _judge(self, event: HealthChanged, now: Instant) -> list[Effect]:
        before = self.probing.verdicts.get(event.id)
        if before is None:
            return []  # no longer wanted: the report crossed a reload
        after = self.probing.take(event, now)
        if not self.probing.probes[event.id].mark:
            self.guard.count(before.health, after.health)
        effects: list[Effect] = []
        for name, servers in self.probing.users(event.id).items():
            judged = [self.named.servers[name, server] for server in servers]
            effects += self._compute(self.named.services[name], now, judged)
        if before.health == after.health and before.weight == after.weight:
            return effects
        return [*effects, self.level.wanted(), *self.routers.track(now)]

    def _compute(
        self, service: VirtualService, now: Instant, judged: Iterable[RealServer] | None = None
    ) -> list[Effect]:
        """Recompute one service's standings and pool; records for what changed. `judged`: who has a new verdict."""
        effects = self.standings.judge(service, service.real_servers if judged is None else judged, now)
        effects += self.pools.compute(service, now)
        self.level.put(service.name)
        return effects

    def _compute_all(self, names: Iterable[str], now: Instant) -> list[Effect]:
        """Recompute these services; what follows for the table and for the routers."""
        effects = [effect for name in names for effect in self._compute(self.named.services[name], now)]
        return [*effects, self.level.wanted(), *self.routers.track(now)]

    def _take_roles(self, states: Mapping[str, str], now: Instant) -> list[Effect]:
        asked = self.owners.take_states(states, now)
        changed = self.presence.take(states)
        self.level.put_anew()
        self.guard.take_roles(self.presence.roles, now)
        services = [service for service in self.named.services.values() if service.active_only in changed]
        if not services:
            return asked
        told = [effect for each in services for effect in self.pools.set_state(each, now)]
        return [*asked, *told, self.level.wanted()]

    # ------------------------------------------------------------------ operators and deadlines

    def _operate(self, overrides: Overrides, now: Instant) -> list[Effect]:
        effects, names = self.words.take(overrides)
        return [*effects, *self._compute_all(names, now)] if self.config else []

    def _pass_deadline(self, wall: float, now: Instant) -> list[Effect]:
        if self.config is None:
            return []
        overrides = self.words.advanced(wall, self.config.director.name)
        effects = self.level.end(self.level.due(now), "its removal_time is over")
        if overrides != self.words.overrides:
            effects += [StoreOverrides(overrides), *self._operate(overrides, now)]
        due = (self.judgements.due(now) | self.paths.due(now)) & self.named.services.keys()
        for name in sorted(due):
            effects += self._compute(self.named.services[name], now)
        return [*effects, *([self.level.wanted()] if due else []), *self.routers.track(now)]

    # ------------------------------------------------------------------ the kernel's table

    def _observe(self, event: TableObserved, now: Instant) -> list[Effect]:
        told = self.kernel.observe(event)
        effects: list[Effect] = []
        if self.config is not None:
            self.level.forget_removed(event.table)
        if services := self.paths.pave(event.table):
            effects += self._levels_of("prober")
            for name in sorted(services):
                effects += self._compute(self.named.services[name], now)
            effects.append(self.level.wanted())
        effects += told
        self.words.idle = self.words.find_idle(self.kernel, self.presence) if event.is_counted else []
        if event.is_counted and self.level.leaving:
            gone = idle(self.level.leaving, event.table, event.counts)
            effects += self.level.end(gone, "its last connection is closed")
        return [*effects, *self.kernel.take_others(event), *self._watch_guard(event, now)]

    def _watch_guard(self, event: TableObserved, now: Instant) -> list[Effect]:
        if self.config is None:
            return []
        self.guard.observe(event, now)
        if self.guard.wants_audit and event.is_counted and not event.failures:
            level = self.level.wanted()  # the keeper may have looked for an older one
            if event.left or not plan(event.table, level.table, level.owned):
                self.guard.audit()
        return self.routers.track(now)
