"""The director's core: configuration, verdicts and tracking in; wanted levels and records out. Pure.

It joins the domains: from verdicts and services it derives the IPVS table, from pools the routers' tracking. The shell
(`processes/director.py`) delivers events with the instant `now` (CLOCK_MONOTONIC seconds) and executes the effects.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from heapq import heappop, heappush
from typing import Literal

from msgspec import structs

from haagent.config.model import Check, Config, RealServer, VirtualService
from haagent.core.agreements import Agreements, Contest
from haagent.core.effects import (
    Effect,
    Notify,
    Record,
    ServiceTransitioned,
    SetArpTests,
    SetProbes,
    SetRouters,
    SetTracking,
    SetVirtualServices,
    StoreOverrides,
    TellPeers,
)
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
    ServerKey,
    TableAdopted,
    TableObserved,
    TracksObserved,
)
from haagent.core.guard import Guard
from haagent.core.hearing import Hearing, answered, answers
from haagent.core.owners import Owners
from haagent.core.ownership import owned_by, present
from haagent.core.records import operator_record, pool_cause, pool_state, quorum_record, tier_record
from haagent.core.routers import router_settings
from haagent.core.standing import NO_PATH, Identity, Path, Standing, Verdict, pace
from haagent.health.blame import Blame, PeerView, blame
from haagent.health.blame import Verdict as BlameVerdict
from haagent.health.target_budget import sentence as stretched
from haagent.health.target_budget import stretches
from haagent.health.together import together
from haagent.ipvs.drift import Policy
from haagent.ipvs.marks import Marks
from haagent.ipvs.plan import Owned, plan
from haagent.ipvs.table import Counts, DestinationCounts, Service, ServiceKey, Table
from haagent.pool.arp_leak import ArpVerdict, arp_tests, arp_verdicts
from haagent.pool.desired import Adopted, Pool, destination_key, pool, service_key, weights
from haagent.pool.judgement import (
    Judgement,
    Seen,
    changes,
    effective,
    is_plain,
    is_worse,
    judged,
    suppresses,
    with_shares,
)
from haagent.pool.judgement import next_deadline as judgement_deadline
from haagent.pool.leaving import Entry, Leaving, idle, leave, with_leaving
from haagent.pool.maintenance import MAINTENANCE, Files, drained_by_file, with_files
from haagent.pool.marks import marks
from haagent.pool.operator import (
    AUTOMATIC,
    Overrides,
    advance,
    finish,
    is_idle,
    next_deadline,
    operated,
)
from haagent.pool.owners import Elsewhere
from haagent.pool.path import has_path, path_addresses, path_marks, path_table, travels
from haagent.pool.path_verdict import PathResult, is_obstructed, path_verdict
from haagent.pool.settings import Settings, wanted_settings
from haagent.pool.source_nat import source_nat
from haagent.pool.tracking import Observed, tracking
from haagent.processes.messages import Probe
from haagent.snapshot import HealthState, ServiceState
from haagent.vrrp.settings import Tracking

MOST_RECORDS = 20  # of what somebody else did, for each look at the table
OTHERS = "somebody else"


@dataclass(frozen=True, slots=True)
class Here:
    """What belongs into this director's kernel: its own table, which changes, and its nftables rules."""

    table: dict[ServiceKey, Service]
    rules: Marks


@dataclass(slots=True)
class Core:
    """`handle(event, now)` returns the effects, in order. Fields are for `view.py` to read."""

    config: Config | None = None
    verdicts: dict[int, Verdict] = field(default_factory=dict)  # by probe id
    probes: dict[int, Probe] = field(default_factory=dict)
    probes_of: dict[ServerKey, tuple[int, ...]] = field(default_factory=dict)
    path_probes_of: dict[ServerKey, tuple[int, ...]] = field(default_factory=dict)
    paths: dict[ServerKey, Path] = field(default_factory=dict)
    arp: dict[str, ArpVerdict] = field(default_factory=dict)  # by virtual address
    owners: Owners = field(default_factory=Owners)  # who says to have an address on a segment
    agreements: Agreements = field(default_factory=Agreements)  # of the directors, about each virtual router
    guard: Guard = field(default_factory=Guard)  # of a preemption
    standings: dict[ServerKey, Standing] = field(default_factory=dict)
    pools: dict[str, Pool] = field(default_factory=dict)  # by service name
    states: dict[str, ServiceState] = field(default_factory=dict)  # by service name
    pool_since: dict[str, Instant] = field(default_factory=dict)  # when that state began
    observed: Table = field(default_factory=dict)
    observed_marks: Marks = frozenset()
    counts: Counts = field(default_factory=dict)
    failures: tuple[str, ...] = ()
    repairs: int = 0
    drifted: int = 0  # entries that somebody else added, set or removed
    left: tuple[str, ...] = ()  # of these, what is only told: names of entries that are not as wanted
    foreign: tuple[str, ...] = ()  # names of entries that are not ours
    leaving: dict[Entry, Leaving] = field(default_factory=dict)  # removed by a reload, with connections left
    _policy: Policy = field(default_factory=Policy)
    _here: Here | None = None  # None: to be put together anew
    overrides: Overrides = field(default_factory=dict)  # what operators said
    judgements: dict[str, Judgement] = field(default_factory=dict)  # by service name
    files: frozenset[str] = frozenset()  # in the maintenance directory
    drained_by: Files = field(default_factory=dict)  # by which of them
    peer_views: dict[str, PeerView] = field(default_factory=dict)  # by director
    blame: Blame = field(default_factory=Blame)  # as of the last word of a peer
    observed_settings: Settings = field(default_factory=Settings)
    _settings: Settings = field(default_factory=Settings)
    _deadlines: dict[str, Instant] = field(default_factory=dict)  # when a service is to be judged anew
    _unconfirmed: list[tuple[Instant, ServerKey]] = field(default_factory=list)  # heap: when a broken path is confirmed
    _asking: set[str] = field(default_factory=set)  # services of which a real server asked for a weight
    _stretched: Mapping[str, float] = field(default_factory=dict)  # by what factor, by address
    _idle: list[ServerKey] = field(default_factory=list)  # drained, without connections in the last look
    _adopted: Adopted = field(default_factory=dict)
    _found: frozenset[ServiceKey] = frozenset()  # services that the kernel held at start
    _roles: dict[str, str] = field(default_factory=dict)  # state by router, once it was told
    _owned: Owned = field(default_factory=Owned)
    _configured: Owned = field(default_factory=Owned)  # what the configuration speaks of, present or not
    _services: dict[str, VirtualService] = field(default_factory=dict)
    _servers: dict[ServerKey, RealServer] = field(default_factory=dict)
    _keys: dict[str, ServiceKey] = field(default_factory=dict)  # by service name
    _users: dict[int, list[ServerKey]] = field(default_factory=dict)
    _ids: dict[Identity, int] = field(default_factory=dict)
    _path_marks: dict[ServerKey, int] = field(default_factory=dict)
    _path_table: Table = field(default_factory=dict)
    _paved: frozenset[int] = frozenset()  # marks that lead to their real server in the kernel's table
    _last_id: int = 0
    watched: Observed = field(default_factory=dict)  # scripts, files and processes
    _tracking: dict[str, Tracking] = field(default_factory=dict)
    _now: Instant = 0.0  # of the last event

    def handle(self, event: Event, now: Instant) -> list[Effect]:
        self._now = now
        match event:
            case TableAdopted(table, owned, marks):
                self.observed, self._adopted, self._owned = table, weights(table), owned
                self.observed_marks, self._found = marks, frozenset(table)
                return []
            case ConfigLoaded(config):
                return self._load(config, now)
            case HealthChanged():
                return self._judge(event, now)
            case ArpObserved():
                return self._take_arp(event)
            case OwnersObserved():
                return self.owners.observe(event, now)
            case TableObserved(table, counts, repairs, failures):
                self.observed_marks, self.observed_settings = event.marks, event.settings
                effects = self._observe(table, counts, repairs, failures, now)
                self._idle = self._find_idle() if event.is_counted else []
                if event.is_counted and self.leaving:
                    effects += self._end_leaving(idle(self.leaving, table, counts), "its last connection is closed")
                return effects + self._take_others(event) + self._watch_guard(event, now)
            case RouterTransitioned(name, previous, state, reason):
                return [
                    Record("router", name, previous, state, reason),
                    Notify(event),
                    *self._take_roles({name: state}, now),
                    *([TellPeers()] if self.agreements.has_peers else []),
                ]
            case TracksObserved(observed):
                self.watched = observed
                return self._track() if self.config else []
            case RoutersObserved(states, hearings):
                heard = self.agreements.hear_own(hearings, self._contests(), now)
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
                return self._take_files(files, now)
            case PeerSaw(director, healths):
                return self._hear_peer(director, PeerView(now, healths))
            case PeerHeard(director, hearings):
                effects = self._take_answers(director, hearings, now)
                return [*effects, *self.agreements.hear_peer(director, hearings, self._contests(), now)]

    # ------------------------------------------------------------------ configuration

    def _load(self, config: Config, now: Instant) -> list[Effect]:
        previous = "" if self.config is None else "running"
        before, old = ({}, None) if self.config is None else (self._wanted().table, self.config)
        if self.config is not None:
            self._adopted = self._adoptable()
        elif config.director.foreign == "adopt":
            self._owned = self._owned.with_table(self.observed)
        self._policy = Policy(
            heals=config.director.drift == "heal",
            is_exclusive=config.director.foreign == "remove",
            generation=self._policy.generation + 1,
        )
        self.config, self._settings = config, wanted_settings(config)
        self._services = {service.name: service for service in config.virtual_services}
        self._servers = {(name, each.name): each for name, s in self._services.items() for each in s.real_servers}
        self._keys = {name: service_key(service) for name, service in self._services.items()}
        self._here = None
        self.agreements.load(config)
        self._path_marks = path_marks(config)
        self._path_table = path_table(config, self._path_marks)
        was_stretched = self._stretched
        self._assign_probes(config)
        self._configured = owned_by(config).with_table(self._path_table)
        self._owned = self._configured.together_with(self._owned)
        self._paved = self._find_paved()
        left_over = self._leave(before, old, now)
        effects: list[Effect] = [Record("configuration", config.director.name, previous, "running", "loaded")]
        effects += [
            Record("judgement", address, "", "stretched", stretched(address, factor, config.director.probe_budget))
            for address, factor in self._stretched.items()
            if was_stretched.get(address) != factor
        ]
        effects += left_over
        effects += self._levels_of("vrrp")
        effects += self._levels_of("prober")
        self.pools = {name: each for name, each in self.pools.items() if name in self._services}
        self.states = {name: each for name, each in self.states.items() if name in self._services}
        self._roles = {
            router.name: state for router in config.virtual_routers if (state := self._roles.get(router.name))
        }
        live = set(self.probes_of)
        self.standings = {key: each for key, each in self.standings.items() if key in live}
        self.judgements = {name: each for name, each in self.judgements.items() if name in self._services}
        self._deadlines = {name: at for name, at in self._deadlines.items() if name in self._services}
        self.drained_by = drained_by_file(config.virtual_services, self.files)
        for service in config.virtual_services:
            effects += self._compute(service, now)
        self.paths = {key: each for key, each in self.paths.items() if key in live}
        tests = arp_tests(config)
        asked = {address for test in tests for address, _ in test.addresses}
        self.arp = {address: each for address, each in self.arp.items() if address in asked}
        return [*effects, self._wanted(), SetArpTests(tests), *self.owners.load(config), *self._track()]

    def _adoptable(self) -> Adopted:
        """On a reload: a changed check starts unjudged, and until its verdict the server stays as we have it.

        What somebody else put into the kernel and this configuration takes over stays as it is found.
        """
        ours = weights({service_key(s): self.pools[name].service for name, s in self._services.items()})
        found = weights(self.observed)
        others = {key: weight for key, weight in found.items() if key not in self._owned.destinations}
        return others | dict.fromkeys(self.leaving, 0) | dict(ours)

    def _leave(self, before: Table, old: Config | None, now: Instant) -> list[Effect]:
        """What the new configuration does not name any more, quiesced where it is to be; records for that."""
        times = {service_key(each): each.removal_time for each in old.virtual_services} if old else {}
        times |= {self._keys[name]: each.removal_time for name, each in self._services.items()}
        names = {
            (service_key(service), destination_key(server.address, server.port)): f"{service.name}/{server.name}"
            for service in (old.virtual_services if old else ())
            if service.removal_time or times[service_key(service)]
            for server in service.real_servers
        }
        already, self.leaving = self.leaving, leave(before, self._configured, times, names, self.leaving, now)
        return [
            Record("table", each.name, "", "leaving", f"a reload removed it: {times[entry[0]]:g} s for its connections")
            for entry, each in self.leaving.items()
            if entry not in already
        ]

    def _end_leaving(self, entries: Iterable[Entry], cause: str) -> list[Effect]:
        gone = list(entries)
        effects: list[Effect] = [Record("table", self.leaving[e].name, "leaving", "removed", cause) for e in gone]
        self.leaving = {entry: each for entry, each in self.leaving.items() if entry not in gone}
        return [*effects, self._wanted()] if gone else []

    def _assign_probes(self, config: Config) -> None:
        """Identical probes get one id; an id lives as long as its probe is wanted, so verdicts survive a reload."""
        checks = {check.name: check for check in config.checks}
        probes: dict[int, Probe] = {}
        ids: dict[Identity, int] = {}
        self._users, self.probes_of, self.path_probes_of = {}, {}, {}

        def assign(key: ServerKey, check: Check, address: str, port: int, through: str = "", mark: int = 0) -> int:
            identity = structs.replace(check, name="", port=None), address, port, through, mark
            id_ = ids.get(identity) or self._ids.get(identity) or self._next_id()
            ids[identity] = id_
            if id_ not in probes:
                probes[id_] = Probe(id=id_, check=check, address=address, port=port, through=through, mark=mark)
            self._users.setdefault(id_, []).append(key)
            return id_

        for service in config.virtual_services:
            for server in service.real_servers:
                key = service.name, server.name
                own = [(checks[name], checks[name].port or server.port) for name in service.checks]
                self.probes_of[key] = tuple(assign(key, check, server.address, port) for check, port in own)
                if mark := self._path_marks.get(key, 0):
                    self.path_probes_of[key] = tuple(
                        assign(key, check, address, port, server.address, mark)
                        for address in path_addresses(service)
                        for check, port in own
                        if travels(check)
                    )
        self._ids = ids
        self._stretched = stretches(
            ((each.through or each.address, each.check.interval) for each in probes.values()),
            config.director.probe_budget,
        )
        self.probes = {
            id_: structs.replace(each, interval=each.check.interval * factor)
            if (factor := self._stretched.get(each.through or each.address))
            else each
            for id_, each in probes.items()
        }
        self.verdicts = {id_: self.verdicts.get(id_, Verdict()) for id_ in probes}
        self.guard.load(config, [self.verdicts[id_].health for id_, probe in probes.items() if not probe.mark])
        self._asking = {
            service for id_, each in self.verdicts.items() if each.weight is not None for service, _ in self._users[id_]
        }

    def _next_id(self) -> int:
        self._last_id += 1
        return self._last_id

    # ------------------------------------------------------------------ verdicts

    def _judge(self, event: HealthChanged, now: Instant) -> list[Effect]:
        before = self.verdicts.get(event.id)
        if before is None:
            return []  # no longer wanted: the report crossed a reload
        since = before.since if before.health == event.health else now
        weight = before.weight if event.weight is None else event.weight
        if not self.probes[event.id].mark:
            self.guard.count(before.health, event.health)
        unjudged_since = (before.unjudged_since or now) if event.failure == "local" else None
        self.verdicts[event.id] = Verdict(
            event.health, event.detail, since, event.failure, event.cause, weight, unjudged_since
        )
        if weight is not None:
            self._asking.update(service for service, _ in self._users[event.id])
        effects: list[Effect] = []
        is_same = before.health == event.health and before.weight == weight
        judged: dict[str, list[RealServer]] = {}
        for key in self._users[event.id]:
            judged.setdefault(key[0], []).append(self._servers[key])
        for name, servers in judged.items():
            effects += self._compute(self._services[name], now, servers)
        return effects if is_same else [*effects, self._wanted(), *self._track()]

    def _compute(
        self, service: VirtualService, now: Instant, judged: Iterable[RealServer] | None = None
    ) -> list[Effect]:
        """Recompute one service's standings and pool; records for what changed. `judged`: who has a new verdict."""
        effects: list[Effect] = []
        for server in service.real_servers if judged is None else judged:
            key = service.name, server.name
            effects += self._judge_path(service, server, now)
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

        effects += self._weigh(service, now)
        old = self.pools.get(service.name)
        new = self.pools[service.name] = self._pool(service, self.overrides)
        if self._here is not None and self._keys[service.name] in self._here.table:
            self._here.table[self._keys[service.name]] = new.service
        if service.quorum + service.quorum_hysteresis > 1 and (old is None or old.has_quorum != new.has_quorum):
            effects.append(quorum_record(service, old, new))
        if old is not None and old.tier != new.tier and any(server.tier > 1 for server in service.real_servers):
            effects.append(tier_record(service, old, new))
        return [*effects, *self._set_state(service, now)]

    def _pool(self, service: VirtualService, overrides: Overrides) -> Pool:
        def health(server: RealServer) -> HealthState:
            return self.standings[service.name, server.name].health

        wanted, adopted = operated(service, self._adopted, with_files(self._services, overrides, self.drained_by))
        old, judgement = self.pools.get(service.name), self.judgements.get(service.name, Judgement())

        def look(*, is_damped: bool) -> Pool:
            def told(server: RealServer) -> HealthState:
                return effective(judgement, server.name, health(server), is_damped=is_damped)

            return pool(wanted, told, adopted, old.memory if old else None)

        found = look(is_damped=True)
        if suppresses(judgement) and is_worse(found, undamped := look(is_damped=False)):
            found = undamped
        return with_shares(wanted, judgement, found)

    def _weigh(self, service: VirtualService, now: Instant) -> list[Effect]:
        """Judge one service's real servers by more than their verdicts; records for what changed."""
        if is_plain(service) and service.name not in self.judgements and service.name not in self._asking:
            return []
        before = self.judgements.get(service.name, Judgement())
        after = self.judgements[service.name] = judged(service, self._seen(service), before, now)
        self._deadlines.pop(service.name, None)
        if (at := judgement_deadline(service, after, now)) is not None:
            self._deadlines[service.name] = at
        return [
            Record("judgement", f"{service.name}/{each.name}", each.previous, each.state, each.cause)
            for each in changes(service, before, after, now)
        ]

    def _seen(self, service: VirtualService) -> dict[str, Seen]:
        old, known = self.pools.get(service.name), self.judgements.get(service.name, Judgement()).servers
        words = with_files(self._services, self.overrides, self.drained_by)
        wanted = {server.name: server.weight for server in operated(service, {}, words)[0].real_servers}
        seen = {}
        for server in service.real_servers:
            asked = [self.verdicts[id_].weight for id_ in self.probes_of[service.name, server.name]]
            served = old is not None and server.name in old.serving
            if server.name not in known:  # found in the kernel, or under another name before a reload
                target = destination_key(server.address, server.port)
                served = served or bool(self._adopted.get((service_key(service), target)))
            seen[server.name] = Seen(
                self.standings[service.name, server.name].health,
                min((weight for weight in asked if weight is not None), default=None),
                is_wanted=wanted.get(server.name, 0) > 0,
                served=served,
            )
        return seen

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
        asked = self.owners.take_states(states, now)
        changed = {name for name, state in states.items() if self._roles.get(name) != state}
        self._roles.update(states)
        self._here = None
        self.guard.take_roles(self._roles, now)
        services = [service for service in self._services.values() if service.active_only in changed]
        if not services:
            return asked
        return [*asked, *(effect for each in services for effect in self._set_state(each, now)), self._wanted()]

    def _standing(self, key: ServerKey) -> Standing:
        own, path = self._own_standing(key), self.paths[key].verdict
        if own.health != "up" or self._services[key[0]].path_check != "require" or path.state in ("", "up"):
            return own
        before = self.standings.get(key)
        if path.state == "not_tested" and before is not None and before.health == "up":
            return Standing("up", f"{own.reason}; {path.sentence}", 0.0)  # no evidence is no reason to take it out
        return Standing("down" if path.state == "down" else "unknown", path.sentence, 0.0)

    def _own_standing(self, key: ServerKey) -> Standing:
        """Of the server's own address."""
        verdicts = [(self.probes[id_].check.name, self.verdicts[id_]) for id_ in self.probes_of[key]]
        if not verdicts:
            return Standing("up", "no check is configured", 0.0)
        health = together([verdict.health for _, verdict in verdicts], self._services[key[0]].require)
        telling = [(name, verdict) for name, verdict in verdicts if health in ("up", verdict.health)]
        return Standing(health, "; ".join(f"{name}: {v.words}" for name, v in telling), 0.0)

    # ------------------------------------------------------------------ the way of the clients

    def _judge_path(self, service: VirtualService, server: RealServer, now: Instant) -> list[Effect]:
        """Sets the path verdict; a record where it changed."""
        key = service.name, server.name
        before = self.paths.get(key)
        if key not in self._path_marks:
            self.paths[key] = Path() if has_path(server) else NO_PATH
            return []
        results = [
            PathResult(probe.check.name, probe.address, each.health, each.detail, each.failure, each.cause)
            for id_ in self.path_probes_of[key]
            if (probe := self.probes[id_]) and (each := self.verdicts[id_])
        ]
        obstacle = "" if self._path_marks[key] in self._paved else "its IPVS service is not in the kernel's table"
        old = before.verdict.state if before else "not_tested"
        since = before.since if before and old == "down" else now
        checks = [self.probes[id_].check for id_ in self.probes_of[key]]
        confirmed_at = since + max((each.interval + each.timeout for each in checks), default=0.0)
        verdict = path_verdict(
            service,
            server,
            self._own_standing(key).health,
            results,
            obstacle,
            own_failing=any(self.verdicts[id_].failure for id_ in self.probes_of[key]),
            is_confirmed=now >= confirmed_at,
        )
        if verdict.state == "down" != old and now < confirmed_at:
            heappush(self._unconfirmed, (confirmed_at, key))
        since = before.since if before and old == verdict.state else now
        self.paths[key] = Path(verdict, since, is_obstructed(results, obstacle))
        if verdict.state == old and (verdict.state != "down" or before is None or before.verdict == verdict):
            return []
        return [Record("path", "/".join(key), old, verdict.state, verdict.sentence)]

    def _find_paved(self) -> frozenset[int]:
        return frozenset(
            key.firewall_mark
            for key, service in self._path_table.items()
            if key in self.observed and self.observed[key].destinations.keys() == service.destinations.keys()
        )

    def _take_arp(self, event: ArpObserved) -> list[Effect]:
        if self.config is None:
            return []
        before, self.arp = self.arp, {}
        for test in arp_tests(self.config):
            self.arp |= arp_verdicts(
                test,
                event.answers,
                before,
                state=self._roles.get(test.router, ""),
                active_address=event.active.get(test.router, ""),
                trouble=event.troubles.get(test.interface, ""),
            )
        words = {address: each.sentence for address, each in before.items() if each.is_tested}
        return [
            Record(
                "arp",
                address,
                "leak" if words.get(address) else "",
                "leak" if each.sentence else "clear",
                each.sentence,
            )
            for address, each in self.arp.items()
            if each.is_tested and each.sentence != words.get(address, "")
        ]

    def hearings(self) -> tuple[Hearing, ...]:
        """What peers are told of the virtual routers."""
        told = []
        for each in self.agreements.tell():
            if (heard := self.owners.heard(each.router)) is not None:
                addresses = self.owners.tests[each.router].addresses
                each = structs.replace(each, owners=answered(addresses, heard.heard, heard.at))
            told.append(each)
        return tuple(told)

    def _take_answers(self, director: str, hearings: tuple[Hearing, ...], now: Instant) -> list[Effect]:
        effects: list[Effect] = []
        for each in hearings:
            test = self.owners.tests.get(each.router)
            if test is not None and each.owners is not None:
                told = Elsewhere(answers(test.addresses, each.owners), each.owners.at)
                effects += self.owners.take_elsewhere(each.router, director, told, now)
        return effects

    def _contests(self) -> dict[str, Contest]:
        verdicts = self.owners.verdicts
        return {
            name: (each.sentence, self.owners.contested_at(name))
            for name, each in verdicts.items()
            if each.state == "contested"
        }

    # ------------------------------------------------------------------ operators

    def next_deadline(self) -> float | None:
        """When DeadlinePassed is due (wall clock): ask after every event. 0: something is due now."""
        return 0.0 if self._idle else next_deadline(self.overrides)

    def next_instant(self) -> Instant | None:
        """When DeadlinePassed is due by the monotonic clock: ask after every event."""
        instants = [*self._deadlines.values(), *(at for at, _ in self._unconfirmed[:1])]
        instants += [each.until for each in self.leaving.values()]
        ready_at = self.guard.ready_at()
        return min([*instants, *([ready_at] if ready_at is not None and ready_at > self._now else [])], default=None)

    def projected(self, overrides: Overrides) -> dict[str, Pool]:
        """The pools of the services about which `overrides` says something else than is known, as they would be."""
        names = {key[0] for key, word in overrides.items() if self.overrides.get(key) != word}
        return {name: self._pool(each, overrides) for name, each in self._services.items() if name in names}

    def _pass_deadline(self, wall: float, now: Instant) -> list[Effect]:
        if self.config is None:
            return []
        me = self.config.director.name
        overrides = advance(finish(self.overrides, self._idle, wall, me), wall, me)
        effects = self._end_leaving(
            [entry for entry, each in self.leaving.items() if each.until <= now], "its removal_time is over"
        )
        if overrides != self.overrides:
            effects += [StoreOverrides(overrides), *self._operate(overrides, now)]
        due = {name for name, at in self._deadlines.items() if at <= now}
        while self._unconfirmed and self._unconfirmed[0][0] <= now:
            _, (name, _) = heappop(self._unconfirmed)
            due |= {name} & self._services.keys()
        for name in sorted(due):
            effects += self._compute(self._services[name], now)
        return [*effects, *([self._wanted()] if due else []), *self._track()]

    def _take_files(self, files: frozenset[str], now: Instant) -> list[Effect]:
        """Recompute the services about which a maintenance file says something else; records for that."""
        self.files = files
        before, self.drained_by = self.drained_by, drained_by_file(self._services.values(), files)
        changed = [key for key in before.keys() | self.drained_by.keys() if before.get(key) != self.drained_by.get(key)]
        effects: list[Effect] = []
        for service, server in sorted(changed):
            old, new = before.get((service, server)), self.drained_by.get((service, server))
            cause = f"the file {new}" if new else f"the file {old} is gone"
            previous, state = ("drained" if each else "enabled" for each in (old, new))
            effects.append(Record("operator", f"{service}/{server}", previous, state, cause, MAINTENANCE))
        for name in sorted({service for service, _ in changed if service in self._services}):
            effects += self._compute(self._services[name], now)
        return [*effects, self._wanted(), *self._track()] if changed and self.config else effects

    def _hear_peer(self, director: str, view: PeerView) -> list[Effect]:
        self.peer_views[director] = view
        before, self.blame = self.blame, self.find_blame()
        if self.config is None or before.here == self.blame.here:
            return []
        me = self.config.director.name
        effects: list[Effect] = [
            Record("judgement", name, "", "at fault", f"{me} reaches none of its real servers, {director} does")
            for name in sorted(self.blame.here - before.here)
        ]
        effects += [
            Record("judgement", name, "at fault", "", f"{me} is not at fault any more")
            for name in sorted(before.here - self.blame.here)
        ]
        return [*effects, *self._track()]

    def find_blame(self) -> Blame:
        """Whether the pools are at fault or this director, as far as that can be told now."""
        return blame(
            {
                key: BlameVerdict(each.health, each.since, max(pace(self.probes[id_]) for id_ in self.probes_of[key]))
                for key, each in self.standings.items()
                if self.probes_of.get(key)
            },
            self.peer_views,
        )

    def healths(self) -> dict[ServerKey, HealthState]:
        """What peers are told."""
        return {key: each.health for key, each in self.standings.items() if self.probes_of.get(key)}

    def _operate(self, overrides: Overrides, now: Instant) -> list[Effect]:
        """Recompute the services about which something new was said; records for that."""
        before, self.overrides = self.overrides, overrides
        self._idle = []
        if self.config is None:
            return []
        changed = {key: word for key, word in overrides.items() if before.get(key, AUTOMATIC) != word}
        effects: list[Effect] = [
            operator_record(key, before.get(key, AUTOMATIC), each) for key, each in changed.items()
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

    def _observe(
        self, table: Table, counts: Counts, repairs: int, failures: tuple[str, ...], now: Instant
    ) -> list[Effect]:
        self.observed, self.counts = table, counts
        # What we removed is not ours any more, should somebody else add it.
        if self.config is not None and self._owned is not self._configured:
            self._owned = self._configured.together_with(present(self._owned.without(self._configured), table))
        effects: list[Effect] = []
        if (paved := self._find_paved()) != self._paved:  # a probe whose way is not there would ask this very host
            changed, self._paved = paved ^ self._paved, paved
            effects += self._levels_of("prober")
            services = {name for (name, _), mark in self._path_marks.items() if mark in changed}
            for name in sorted(services):
                effects += self._compute(self._services[name], now)
            effects.append(self._wanted())
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

    def _take_others(self, event: TableObserved) -> list[Effect]:
        """Records for what somebody else did to the table, by name."""
        self.drifted += len(event.drifts)
        was_foreign, self.left, self.foreign = self.foreign, event.left, event.foreign
        effects: list[Effect] = []
        for each in event.drifts[:MOST_RECORDS]:
            is_ours = each.name not in event.foreign and each.name not in was_foreign
            left = each.name in event.left or not is_ours
            then = "it is left so" if left else "it is set right"
            effects.append(
                Record("table", each.name, each.before, each.after, f"somebody else {each.verb} it: {then}", OTHERS)
            )
        if (more := len(event.drifts) - MOST_RECORDS) > 0:
            effects.append(Record("table", "ipvs", "", "drifted", f"somebody else changed {more} entries more", OTHERS))
        return effects

    def _watch_guard(self, event: TableObserved, now: Instant) -> list[Effect]:
        if self.config is None:
            return []
        self.guard.observe(event, now)
        if self.guard.wants_audit and event.is_counted and not event.failures:
            level = self._wanted()  # the keeper may have looked for an older one
            if event.left or not plan(event.table, level.table, level.owned):
                self.guard.audit()
        return self._track()

    # ------------------------------------------------------------------ levels that go out

    def _levels_of(self, process: Literal["vrrp", "prober", "observer"]) -> list[Effect]:
        if self.config is None:
            return []
        match process:
            case "vrrp":
                groups = {name: each.name for each in self.config.virtual_router_groups for name in each.routers}
                settings = tuple(
                    router_settings(router, groups.get(router.name, "")) for router in self.config.virtual_routers
                )
                return [SetTracking(dict(self._tracking)), SetRouters(settings)]
            case "prober":
                return [
                    SetProbes(
                        tuple(
                            structs.replace(probe, health=self.verdicts[id_].health)
                            for id_, probe in self.probes.items()
                            if not probe.mark or probe.mark in self._paved
                        ),
                        bool(self._path_marks),
                    )
                ]
            case "observer":
                return []

    def _wanted(self) -> SetVirtualServices:
        """The level is kept up service by service, so that one verdict costs its own service and a copy."""
        if self._here is None:
            here = {name: service for name, service in self._services.items() if self._is_here(service)}
            table = {self._keys[name]: self.pools[name].service for name in here}
            self._here = Here({**table, **self._path_table}, self._rules(here.values()))
        wanted = with_leaving(dict(self._here.table), self.leaving)
        return SetVirtualServices(wanted, self._owned, self._here.rules, self._settings, self._policy)

    def _rules(self, here: Iterable[VirtualService]) -> Marks:
        assert self.config is not None
        here = tuple(here)
        return marks(here) | source_nat(here, self.config.virtual_routers)

    def _track(self) -> list[Effect]:
        assert self.config is not None
        hold = self.guard.hold(self._now)
        now_tracked = tracking(self.config.virtual_routers, self.pools, self.watched, self.blame.here, hold)
        if now_tracked == self._tracking:
            return []
        self._tracking = now_tracked
        return [SetTracking(dict(now_tracked))]
