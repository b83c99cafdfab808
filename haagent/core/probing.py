"""Which probes the configuration wants, for which real servers, and the last verdict of each. Pure.

Identical probes are one, and it lives as long as somebody wants it: a reload keeps its id and its verdict.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from msgspec import structs

from haagent.config.model import Check, Config, Require
from haagent.core.effects import Effect, Record, SetProbes
from haagent.core.events import HealthChanged, Instant, ServerKey
from haagent.core.standing import Identity, Standing, Verdict
from haagent.health.target_budget import sentence, stretches
from haagent.health.together import together
from haagent.pool.path import path_addresses, travels
from haagent.processes.messages import Probe
from haagent.snapshot import HealthState


@dataclass(slots=True)
class Probing:
    """Fields are for `view.py` and `why.py` to read."""

    probes: dict[int, Probe] = field(default_factory=dict)
    verdicts: dict[int, Verdict] = field(default_factory=dict)  # by probe id
    probes_of: dict[ServerKey, tuple[int, ...]] = field(default_factory=dict)
    path_probes_of: dict[ServerKey, tuple[int, ...]] = field(default_factory=dict)
    asking: set[str] = field(default_factory=set)  # services of which a real server asked for a weight
    _users: dict[int, list[ServerKey]] = field(default_factory=dict)
    _ids: dict[Identity, int] = field(default_factory=dict)
    _last_id: int = 0
    _stretched: Mapping[str, float] = field(default_factory=dict)  # by what factor, by address

    def load(self, config: Config, marks: Mapping[ServerKey, int]) -> list[Effect]:
        """`marks`: of the ways that are probed through a virtual address. Records for targets asked less often."""
        was_stretched = self._stretched
        probes = self._assign(config, marks)
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
        self.asking = {
            service for id_, each in self.verdicts.items() if each.weight is not None for service, _ in self._users[id_]
        }
        return [
            Record("judgement", address, "", "stretched", sentence(address, factor, config.director.probe_budget))
            for address, factor in self._stretched.items()
            if was_stretched.get(address) != factor
        ]

    def _assign(self, config: Config, marks: Mapping[ServerKey, int]) -> dict[int, Probe]:
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
                if mark := marks.get(key, 0):
                    self.path_probes_of[key] = tuple(
                        assign(key, check, address, port, server.address, mark)
                        for address in path_addresses(service)
                        for check, port in own
                        if travels(check)
                    )
        self._ids = ids
        return probes

    def _next_id(self) -> int:
        self._last_id += 1
        return self._last_id

    def take(self, event: HealthChanged, now: Instant) -> Verdict:
        """A new verdict on a probe that is wanted."""
        before = self.verdicts[event.id]
        since = before.since if before.health == event.health else now
        weight = before.weight if event.weight is None else event.weight
        unjudged_since = (before.unjudged_since or now) if event.failure == "local" else None
        after = Verdict(event.health, event.detail, since, event.failure, event.cause, weight, unjudged_since)
        self.verdicts[event.id] = after
        if weight is not None:
            self.asking.update(service for service, _ in self._users[event.id])
        return after

    def users(self, id_: int) -> dict[str, list[str]]:
        """Whom a probe is about: real servers by service."""
        users: dict[str, list[str]] = {}
        for service, server in self._users[id_]:
            users.setdefault(service, []).append(server)
        return users

    def standing(self, key: ServerKey, require: Require) -> Standing:
        """Of the server's own address."""
        verdicts = [(self.probes[id_].check.name, self.verdicts[id_]) for id_ in self.probes_of[key]]
        if not verdicts:
            return Standing("up", "no check is configured", 0.0)
        health = together([verdict.health for _, verdict in verdicts], require)
        telling = [(name, verdict) for name, verdict in verdicts if health in ("up", verdict.health)]
        return Standing(health, "; ".join(f"{name}: {v.words}" for name, v in telling), 0.0)

    def weight(self, key: ServerKey) -> int | None:
        """The lowest that one of its checks asked for."""
        asked = [self.verdicts[id_].weight for id_ in self.probes_of[key]]
        return min((weight for weight in asked if weight is not None), default=None)

    def own_healths(self) -> list[HealthState]:
        """On everything that is probed at its own address, which needs no table."""
        return [self.verdicts[id_].health for id_, probe in self.probes.items() if not probe.mark]

    def level(self, paved: frozenset[int], *, with_paths: bool) -> SetProbes:
        """`paved`: the marks that lead to their real server by now."""
        probes = (
            structs.replace(probe, health=self.verdicts[id_].health)
            for id_, probe in self.probes.items()
            if not probe.mark or probe.mark in paved
        )
        return SetProbes(tuple(probes), with_paths)
