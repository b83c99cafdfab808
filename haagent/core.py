"""The director's core: configuration, verdicts and tracking in; wanted levels and records out. Pure.

It joins the domains: from verdicts and services it derives the IPVS table, from pools the routers' tracking. The shell
(`processes/director.py`) delivers events with the instant `now` (CLOCK_MONOTONIC seconds) and executes the effects.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from msgspec import structs

from haagent.config.model import Check, Config, InterfaceTrack, RealServer, VirtualRouter, VirtualService
from haagent.ipvs.marks import Marks
from haagent.ipvs.plan import Owned
from haagent.ipvs.table import Counts, DestinationCounts, DestinationKey, ServiceKey, Table
from haagent.pool.desired import Adopted, Pool, destination_key, packed, pool, service_key, weights
from haagent.pool.marks import marks
from haagent.pool.operator import (
    AUTOMATIC,
    HAAGENT,
    Override,
    Overrides,
    advance,
    finish,
    is_idle,
    next_deadline,
    operated,
    override_cause,
    words,
)
from haagent.pool.settings import Settings, wanted_settings
from haagent.pool.tiers import NO_TIER
from haagent.pool.tracking import tracking
from haagent.processes.messages import Probe
from haagent.snapshot import HealthState, ServiceState
from haagent.vrrp.settings import RouterSettings, TrackedInterface, Tracking

Instant = float
Subject = Literal["configuration", "router", "service", "quorum", "tier", "real_server", "operator", "table", "process"]

# ---------------------------------------------------------------------------------------- events


@dataclass(frozen=True, slots=True)
class ConfigLoaded:
    """At start and on every valid reload."""

    config: Config


@dataclass(frozen=True, slots=True)
class TableAdopted:
    """Once, before the first ConfigLoaded: what the kernel held when we came, and what a predecessor had made of it."""

    table: Table
    owned: Owned
    marks: Marks = frozenset()


@dataclass(frozen=True, slots=True)
class TableObserved:
    """The kernel's table and firewall marks after an apply or an audit."""

    table: Table
    counts: Counts
    repairs: int  # changes made although nothing new was wanted: somebody else had edited the table
    failures: tuple[str, ...]  # one sentence for each change that the kernel refused
    marks: Marks = frozenset()
    settings: Settings = field(default_factory=Settings)
    is_counted: bool = False  # `table` and `counts` are one look at the kernel, and nothing was changed since


@dataclass(frozen=True, slots=True)
class OperatorChanged:
    """What operators said, all of it: as stored at start, after a request, or merged with what the peer knows."""

    overrides: Overrides


@dataclass(frozen=True, slots=True)
class DeadlinePassed:
    """`Core.next_deadline` came. `wall` is the wall clock, in which operators' deadlines are."""

    wall: float


@dataclass(frozen=True, slots=True)
class HealthChanged:
    """The prober's word on one probe."""

    id: int
    health: HealthState
    detail: str


@dataclass(frozen=True, slots=True)
class RouterTransitioned:
    """The vrrp process's word on one router."""

    name: str
    previous: str
    state: str
    reason: str


@dataclass(frozen=True, slots=True)
class RoutersObserved:
    """The vrrp process's report on routers: their states now, by name; others stay what they were."""

    states: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class ProcessConnected:
    """A child said hello: it needs its level."""

    process: Literal["vrrp", "prober", "observer"]
    detail: str


@dataclass(frozen=True, slots=True)
class ProcessLost:
    """A child's connection ended."""

    process: Literal["vrrp", "prober", "observer"]


Event = (
    ConfigLoaded
    | TableAdopted
    | TableObserved
    | HealthChanged
    | RouterTransitioned
    | RoutersObserved
    | ProcessConnected
    | ProcessLost
    | OperatorChanged
    | DeadlinePassed
)

# --------------------------------------------------------------------------------------- effects


@dataclass(frozen=True, slots=True)
class SetVirtualServices:
    """Level: the whole wanted table, all firewall marks, the kernel's settings. Its table may also hold what is not
    `owned`."""

    table: Table
    owned: Owned
    marks: Marks = frozenset()
    settings: Settings = field(default_factory=Settings)


@dataclass(frozen=True, slots=True)
class SetProbes:
    """Level: everything to be probed."""

    probes: tuple[Probe, ...]


@dataclass(frozen=True, slots=True)
class SetRouters:
    """Level: every virtual router."""

    routers: tuple[RouterSettings, ...]


@dataclass(frozen=True, slots=True)
class SetTracking:
    """Level: what the pools say of the routers."""

    tracking: Mapping[str, Tracking]


@dataclass(frozen=True, slots=True)
class Record:
    """Edge: one line of the history. `name` is "service/server" for a real server."""

    subject: Subject
    name: str
    previous: str
    state: str
    cause: str
    actor: str = HAAGENT  # or a user's name


@dataclass(frozen=True, slots=True)
class StoreOverrides:
    """Level: what operators said, to be on disk before what follows from it is done."""

    overrides: Overrides


@dataclass(frozen=True, slots=True)
class ServiceTransitioned:
    """A service entered another state."""

    name: str
    previous: ServiceState
    state: ServiceState
    reason: str


@dataclass(frozen=True, slots=True)
class Notify:
    """Edge: tell the network's managers of a router's or a service's transition."""

    transition: RouterTransitioned | ServiceTransitioned


Effect = SetVirtualServices | SetProbes | SetRouters | SetTracking | Record | StoreOverrides | Notify

# ----------------------------------------------------------------------------------------- state


@dataclass(frozen=True, slots=True)
class Verdict:
    health: HealthState = "unknown"
    detail: str = "not probed yet"
    since: Instant = 0.0


@dataclass(frozen=True, slots=True)
class Standing:
    """All checks of one real server together."""

    health: HealthState
    reason: str
    since: Instant


ServerKey = tuple[str, str]  # service name, real server name


@dataclass(slots=True)
class Core:
    """`handle(event, now)` returns the effects, in order. Fields are for `view.py` to read."""

    config: Config | None = None
    verdicts: dict[int, Verdict] = field(default_factory=dict)  # by probe id
    probes: dict[int, Probe] = field(default_factory=dict)
    probes_of: dict[ServerKey, tuple[int, ...]] = field(default_factory=dict)
    standings: dict[ServerKey, Standing] = field(default_factory=dict)
    pools: dict[str, Pool] = field(default_factory=dict)  # by service name
    states: dict[str, ServiceState] = field(default_factory=dict)  # by service name
    pool_since: dict[str, Instant] = field(default_factory=dict)  # when that state began
    observed: Table = field(default_factory=dict)
    observed_marks: Marks = frozenset()
    counts: Counts = field(default_factory=dict)
    failures: tuple[str, ...] = ()
    repairs: int = 0
    overrides: Overrides = field(default_factory=dict)  # what operators said
    observed_settings: Settings = field(default_factory=Settings)
    _settings: Settings = field(default_factory=Settings)
    _idle: list[ServerKey] = field(default_factory=list)  # drained, without connections in the last look
    _adopted: Adopted = field(default_factory=dict)
    _found: frozenset[ServiceKey] = frozenset()  # services that the kernel held at start
    _roles: dict[str, str] = field(default_factory=dict)  # state by router, once it was told
    _owned: Owned = field(default_factory=Owned)
    _services: dict[str, VirtualService] = field(default_factory=dict)
    _users: dict[int, list[ServerKey]] = field(default_factory=dict)
    _ids: dict[tuple[Check, str, int], int] = field(default_factory=dict)
    _last_id: int = 0
    _tracking: dict[str, Tracking] = field(default_factory=dict)

    def handle(self, event: Event, now: Instant) -> list[Effect]:
        match event:
            case TableAdopted(table, owned, marks):
                self.observed, self._adopted, self._owned = table, weights(table), owned
                self.observed_marks, self._found = marks, frozenset(table)
                return []
            case ConfigLoaded(config):
                return self._load(config, now)
            case HealthChanged(id=id_, health=health, detail=detail):
                return self._judge(id_, health, detail, now)
            case TableObserved(table, counts, repairs, failures):
                self.observed_marks, self.observed_settings = event.marks, event.settings
                effects = self._observe(table, counts, repairs, failures)
                self._idle = self._find_idle() if event.is_counted else []
                return effects
            case RouterTransitioned(name, previous, state, reason):
                return [
                    Record("router", name, previous, state, reason),
                    Notify(event),
                    *self._take_roles({name: state}, now),
                ]
            case RoutersObserved(states):
                return self._take_roles(states, now)
            case ProcessConnected(process, detail):
                return [Record("process", process, "", "running", detail), *self._levels_of(process)]
            case ProcessLost(process):
                return [Record("process", process, "running", "lost", "its connection ended")]
            case OperatorChanged(overrides):
                return self._operate(overrides, now)
            case DeadlinePassed(wall):
                return self._pass_deadline(wall, now)

    # ------------------------------------------------------------------ configuration

    def _load(self, config: Config, now: Instant) -> list[Effect]:
        previous = "" if self.config is None else "running"
        if self.config is not None:
            self._adopted = self._adoptable()
        self.config, self._settings = config, wanted_settings(config)
        self._services = {service.name: service for service in config.virtual_services}
        self._assign_probes(config)
        self._owned = owned_by(config, self._owned)
        effects: list[Effect] = [Record("configuration", config.director.name, previous, "running", "loaded")]
        effects += self._levels_of("vrrp")
        effects += self._levels_of("prober")
        self.pools = {name: each for name, each in self.pools.items() if name in self._services}
        self.states = {name: each for name, each in self.states.items() if name in self._services}
        self._roles = {
            router.name: state for router in config.virtual_routers if (state := self._roles.get(router.name))
        }
        live = set(self.probes_of)
        self.standings = {key: each for key, each in self.standings.items() if key in live}
        for service in config.virtual_services:
            effects += self._compute(service, now)
        return [*effects, self._wanted(), *self._track()]

    def _adoptable(self) -> Adopted:
        """On a reload: a changed check starts unjudged, and until its verdict the server stays as we have it.

        What somebody else put into the kernel and this configuration takes over stays as it is found.
        """
        ours = weights({service_key(s): self.pools[name].service for name, s in self._services.items()})
        found = weights(self.observed)
        return {key: weight for key, weight in found.items() if key not in self._owned.destinations} | dict(ours)

    def _assign_probes(self, config: Config) -> None:
        """Identical probes get one id; an id lives as long as its probe is wanted, so verdicts survive a reload."""
        checks = {check.name: check for check in config.checks}
        probes: dict[int, Probe] = {}
        ids: dict[tuple[Check, str, int], int] = {}
        self._users, self.probes_of = {}, {}
        for service in config.virtual_services:
            for server in service.real_servers:
                own = []
                for name in service.checks:
                    check = checks[name]
                    port = check.port or server.port
                    identity = (structs.replace(check, name="", port=None), server.address, port)
                    id_ = ids.get(identity) or self._ids.get(identity) or self._next_id()
                    ids[identity] = id_
                    if id_ not in probes:
                        probes[id_] = Probe(id=id_, check=check, address=server.address, port=port)
                    self._users.setdefault(id_, []).append((service.name, server.name))
                    own.append(id_)
                self.probes_of[service.name, server.name] = tuple(own)
        self._ids, self.probes = ids, probes
        self.verdicts = {id_: self.verdicts.get(id_, Verdict()) for id_ in probes}

    def _next_id(self) -> int:
        self._last_id += 1
        return self._last_id

    # ------------------------------------------------------------------ verdicts

    def _judge(self, id_: int, health: HealthState, detail: str, now: Instant) -> list[Effect]:
        before = self.verdicts.get(id_)
        if before is None:
            return []  # no longer wanted: the report crossed a reload
        since = before.since if before.health == health else now
        self.verdicts[id_] = Verdict(health, detail, since)
        effects: list[Effect] = []
        is_same = before.health == health
        for name in dict.fromkeys(service for service, _ in self._users[id_]):
            effects += self._compute(self._services[name], now)
        return effects if is_same else [*effects, self._wanted(), *self._track()]

    def _compute(self, service: VirtualService, now: Instant) -> list[Effect]:
        """Recompute one service's standings and pool; records for what changed."""
        effects: list[Effect] = []
        for server in service.real_servers:
            key = service.name, server.name
            before, after = self.standings.get(key), self._standing(key)
            if before is not None and before.health == after.health:
                after = Standing(after.health, after.reason, before.since)
            else:
                after = Standing(after.health, after.reason, now)
                if after.health != "unknown":
                    effects.append(
                        Record(
                            "real_server", "/".join(key), before.health if before else "", after.health, after.reason
                        )
                    )
            self.standings[key] = after

        old = self.pools.get(service.name)
        new = self.pools[service.name] = self._pool(service, self.overrides)
        if service.quorum + service.quorum_hysteresis > 1 and (old is None or old.has_quorum != new.has_quorum):
            effects.append(_quorum_record(service, old, new))
        if old is not None and old.tier != new.tier and any(server.tier > 1 for server in service.real_servers):
            effects.append(_tier_record(service, old, new))
        return [*effects, *self._set_state(service, now)]

    def _pool(self, service: VirtualService, overrides: Overrides) -> Pool:
        def health(server: RealServer) -> HealthState:
            return self.standings[service.name, server.name].health

        old = self.pools.get(service.name)
        wanted, adopted = operated(service, self._adopted, overrides)
        return pool(wanted, health, adopted, old.memory if old else None)

    def _set_state(self, service: VirtualService, now: Instant) -> list[Effect]:
        before, each = self.states.get(service.name), self.pools[service.name]
        after = self.states[service.name] = self._state(service)
        if before == after:
            return []
        self.pool_since[service.name] = now
        cause = pool_cause(service, each)
        record = Record("service", service.name, before or "", after, cause)
        return [record, Notify(ServiceTransitioned(service.name, before, after, cause))] if before else [record]

    def _state(self, service: VirtualService) -> ServiceState:
        state = pool_state(self.pools[service.name])
        return state if state == "empty" or self._is_here(service) else "standby"

    def _is_here(self, service: VirtualService) -> bool:
        """Whether the service belongs into this director's kernel. Until its router's role is told, as it was found."""
        if not service.active_only:
            return True
        role = self._roles.get(service.active_only)
        return service_key(service) in self._found if role is None else role == "active"

    def _take_roles(self, states: Mapping[str, str], now: Instant) -> list[Effect]:
        changed = {name for name, state in states.items() if self._roles.get(name) != state}
        self._roles.update(states)
        services = [service for service in self._services.values() if service.active_only in changed]
        if not services:
            return []
        return [*(effect for each in services for effect in self._set_state(each, now)), self._wanted()]

    def _standing(self, key: ServerKey) -> Standing:
        verdicts = [(self.probes[id_].check.name, self.verdicts[id_]) for id_ in self.probes_of[key]]
        if not verdicts:
            return Standing("up", "no check is configured", 0.0)
        for health in ("down", "unknown"):
            failing = [(name, verdict) for name, verdict in verdicts if verdict.health == health]
            if failing:
                return Standing(health, "; ".join(f"{name}: {v.detail}" for name, v in failing), 0.0)
        return Standing("up", "; ".join(f"{name}: {v.detail}" for name, v in verdicts), 0.0)

    # ------------------------------------------------------------------ operators

    def next_deadline(self) -> float | None:
        """When DeadlinePassed is due (wall clock): ask after every event. 0: something is due now."""
        return 0.0 if self._idle else next_deadline(self.overrides)

    def projected(self, overrides: Overrides) -> dict[str, Pool]:
        """The pools of the services about which `overrides` says something else than is known, as they would be."""
        names = {key[0] for key, word in overrides.items() if self.overrides.get(key) != word}
        return {name: self._pool(each, overrides) for name, each in self._services.items() if name in names}

    def _pass_deadline(self, wall: float, now: Instant) -> list[Effect]:
        if self.config is None:
            return []
        me = self.config.director.name
        overrides = advance(finish(self.overrides, self._idle, wall, me), wall, me)
        return [] if overrides == self.overrides else [StoreOverrides(overrides), *self._operate(overrides, now)]

    def _operate(self, overrides: Overrides, now: Instant) -> list[Effect]:
        """Recompute the services about which something new was said; records for that."""
        before, self.overrides = self.overrides, overrides
        self._idle = []
        if self.config is None:
            return []
        changed = {key: word for key, word in overrides.items() if before.get(key, AUTOMATIC) != word}
        effects: list[Effect] = [
            _operator_record(key, before.get(key, AUTOMATIC), each) for key, each in changed.items()
        ]
        for name in dict.fromkeys(service for service, _ in changed):
            if name in self._services:
                effects += self._compute(self._services[name], now)
        return [*effects, self._wanted(), *self._track()]

    def _find_idle(self) -> list[ServerKey]:
        """Drained servers whose last connection is closed, as far as this director is the one to say so."""
        idle = []
        for (name, server_name), word in self.overrides.items():
            service = self._services.get(name)
            if word.admin != "drained" or word.keep or service is None or not self._counts_connections(service):
                continue
            key = service_key(service)
            for server in service.real_servers:
                target = destination_key(server.address, server.port)
                if server.name == server_name and key in self.observed:
                    kernel = self.observed[key].destinations.get(target)
                    if is_idle(word, kernel, self.counts.get((key, target), DestinationCounts())):
                        idle.append((name, server_name))
        return idle

    def _counts_connections(self, service: VirtualService) -> bool:
        """Whether its connections come through here: a Backup has none, and must not end the Active's drain."""
        if not self._is_here(service) or self.config is None:
            return False
        own = {service.address, *service.addresses}
        holders = [
            router.name
            for router in self.config.virtual_routers
            if any(each.address in own for each in router.virtual_addresses + router.unadvertised_addresses)
        ]
        return not holders or any(self._roles.get(name) == "active" for name in holders)

    # ------------------------------------------------------------------ the kernel's table

    def _observe(self, table: Table, counts: Counts, repairs: int, failures: tuple[str, ...]) -> list[Effect]:
        self.observed, self.counts = table, counts
        if self.config is not None:  # what we removed is not ours any more, should somebody else add it
            self._owned = owned_by(self.config, present(self._owned, table))
        effects: list[Effect] = []
        if repairs:
            self.repairs += repairs
            effects.append(Record("table", "ipvs", "drifted", "repaired", f"{repairs} changes by somebody else undone"))
        if failures != self.failures:
            effects.append(
                Record(
                    "table", "ipvs", "", "refused" if failures else "accepted", "; ".join(failures[:3]) or "all of it"
                )
            )
        self.failures = failures
        return effects

    # ------------------------------------------------------------------ levels that go out

    def _levels_of(self, process: Literal["vrrp", "prober", "observer"]) -> list[Effect]:
        if self.config is None:
            return []
        match process:
            case "vrrp":
                settings = tuple(router_settings(router) for router in self.config.virtual_routers)
                return [SetTracking(dict(self._tracking)), SetRouters(settings)]
            case "prober":
                return [
                    SetProbes(
                        tuple(
                            structs.replace(probe, health=self.verdicts[id_].health)
                            for id_, probe in self.probes.items()
                        )
                    )
                ]
            case "observer":
                return []

    def _wanted(self) -> SetVirtualServices:
        here = {name: service for name, service in self._services.items() if self._is_here(service)}
        table = {service_key(service): self.pools[name].service for name, service in here.items()}
        return SetVirtualServices(table, self._owned, marks(here.values()), self._settings)

    def _track(self) -> list[Effect]:
        assert self.config is not None
        now_tracked = tracking(self.config.virtual_routers, self.pools)
        if now_tracked == self._tracking:
            return []
        self._tracking = now_tracked
        return [SetTracking(dict(now_tracked))]


def pool_state(each: Pool) -> ServiceState:
    if each.is_frozen:
        return "frozen"
    if each.serving:
        return "serving"
    return "sorry" if each.uses_sorry_server else "empty"


def pool_cause(service: VirtualService, each: Pool) -> str:
    """Why a pool is in its state, in one sentence."""
    if each.is_frozen:
        return (
            f"{each.healthy} of {each.total} real servers are healthy, fewer than "
            f"{service.minimum_healthy_fraction:g} of them: those that served last are kept"
        )
    if each.uses_sorry_server and each.healthy:
        return f"live weight {each.live_weight} is below the quorum of {service.quorum}"
    tier = f", tier {each.tier}" if each.tier > 1 else ""
    return f"{len(each.serving)} of {len(service.real_servers)} real servers in service{tier}"


def _tier_record(service: VirtualService, old: Pool, new: Pool) -> Record:
    before, after = (str(each.tier) if each.tier != NO_TIER else "none" for each in (old, new))
    return Record("tier", service.name, before, after, f"{new.healthy} of {new.total} real servers are healthy")


def _quorum_record(service: VirtualService, old: Pool | None, new: Pool) -> Record:
    words = {True: "reached", False: "lost"}
    cause = f"live weight {new.live_weight}, quorum {service.quorum}, hysteresis {service.quorum_hysteresis}"
    return Record("quorum", service.name, words[old.has_quorum] if old else "", words[new.has_quorum], cause)


def _operator_record(key: ServerKey, old: Override, new: Override) -> Record:
    return Record("operator", "/".join(key), words(old), words(new), override_cause(new), new.actor)


def present(owned: Owned, table: Table) -> Owned:
    """What of `owned` the kernel still holds."""
    return Owned(
        frozenset(key for key in owned.services if key in table),
        frozenset((key, at) for key, at in owned.destinations if key in table and at in table[key].destinations),
    )


def owned_by(config: Config, owned: Owned) -> Owned:
    """`owned`, and everything in the kernel's table that the configuration speaks of."""
    services: set[ServiceKey] = set()
    destinations: set[tuple[ServiceKey, DestinationKey]] = set()
    for service in config.virtual_services:
        key = service_key(service)
        services.add(key)
        targets = [(server.address, server.port) for server in service.real_servers]
        if service.sorry_server:
            targets.append((service.sorry_server.address, service.sorry_server.port))
        destinations.update((key, destination_key(address, port)) for address, port in targets)
    return Owned(owned.services | services, owned.destinations | destinations)


def router_settings(router: VirtualRouter) -> RouterSettings:
    """The part of the configuration that the vrrp process gets."""
    return RouterSettings(
        name=router.name,
        interface=router.interface,
        vrid=router.vrid,
        priority=router.priority,
        advertisement_interval=router.advertisement_interval,
        virtual_addresses=tuple((packed(each.address), each.prefix_length) for each in router.virtual_addresses),
        unadvertised_addresses=tuple(
            (packed(each.address), each.prefix_length) for each in router.unadvertised_addresses
        ),
        preempt=router.preempt,
        checksum=router.checksum,
        announce_burst=router.announce_burst,
        announce_delay=router.announce_delay,
        announce_refresh=router.announce_refresh,
        tracked_interfaces=tuple(
            TrackedInterface(track.interface, track.fault, track.priority)
            for track in router.track
            if isinstance(track, InterfaceTrack)
        ),
    )
