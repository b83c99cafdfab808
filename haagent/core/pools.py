"""Each service's pool and state, from its standings, its judgement and the operators' words. Pure."""

from dataclasses import dataclass, field

from haagent.config.model import RealServer, VirtualService
from haagent.core.effects import Effect, Notify, Record, ServiceTransitioned
from haagent.core.events import Instant
from haagent.core.judgements import Judgements
from haagent.core.named import Named
from haagent.core.presence import Presence
from haagent.core.records import pool_cause, pool_state, quorum_record, tier_record
from haagent.core.standings import Standings
from haagent.core.words import Words
from haagent.pool.desired import Adopted, Pool, destination_key, pool, service_key
from haagent.pool.judgement import Seen, effective, is_plain, is_worse, suppresses, with_shares
from haagent.pool.operator import Overrides, operated
from haagent.snapshot import HealthState, ServiceState


@dataclass(slots=True)
class Pools:
    named: Named
    standings: Standings
    judgements: Judgements
    words: Words
    presence: Presence
    of: dict[str, Pool] = field(default_factory=dict)  # by service name
    states: dict[str, ServiceState] = field(default_factory=dict)  # by service name
    since: dict[str, Instant] = field(default_factory=dict)  # when that state began
    adopted: Adopted = field(default_factory=dict)  # weights that stand until there is a verdict

    def load(self) -> None:
        """After the names."""
        self.of = {name: each for name, each in self.of.items() if name in self.named.services}
        self.states = {name: each for name, each in self.states.items() if name in self.named.services}

    def compute(self, service: VirtualService, now: Instant) -> list[Effect]:
        """One pool anew; records for what changed."""
        effects = self._judge(service, now)
        old = self.of.get(service.name)
        new = self.of[service.name] = self.pool(service, self.words.overrides)
        if service.quorum + service.quorum_hysteresis > 1 and (old is None or old.has_quorum != new.has_quorum):
            effects.append(quorum_record(service, old, new))
        if old is not None and old.tier != new.tier and any(server.tier > 1 for server in service.real_servers):
            effects.append(tier_record(service, old, new))
        return [*effects, *self.set_state(service, now)]

    def pool(self, service: VirtualService, overrides: Overrides) -> Pool:
        """As it is, or would be with these overrides."""

        def health(server: RealServer) -> HealthState:
            return self.standings.of[service.name, server.name].health

        wanted, adopted = operated(service, self.adopted, self.words.together_with_files(overrides))
        old, judgement = self.of.get(service.name), self.judgements.known(service.name)

        def look(*, is_damped: bool) -> Pool:
            def told(server: RealServer) -> HealthState:
                return effective(judgement, server.name, health(server), is_damped=is_damped)

            return pool(wanted, told, adopted, old.memory if old else None)

        found = look(is_damped=True)
        if suppresses(judgement) and is_worse(found, undamped := look(is_damped=False)):
            found = undamped
        return with_shares(wanted, judgement, found)

    def projected(self, overrides: Overrides) -> dict[str, Pool]:
        """The pools of the services about which `overrides` says something else than is known, as they would be."""
        names = {key[0] for key, word in overrides.items() if self.words.overrides.get(key) != word}
        return {name: self.pool(each, overrides) for name, each in self.named.services.items() if name in names}

    def _judge(self, service: VirtualService, now: Instant) -> list[Effect]:
        """By more than their verdicts, where the service asks for it."""
        is_asking = service.name in self.standings.probing.asking
        if is_plain(service) and service.name not in self.judgements.of and not is_asking:
            return []
        return self.judgements.judge(service, self._seen(service), now)

    def _seen(self, service: VirtualService) -> dict[str, Seen]:
        old, known = self.of.get(service.name), self.judgements.known(service.name).servers
        words = self.words.together_with_files(self.words.overrides)
        wanted = {server.name: server.weight for server in operated(service, {}, words)[0].real_servers}
        seen = {}
        for server in service.real_servers:
            served = old is not None and server.name in old.serving
            if server.name not in known:  # found in the kernel, or under another name before a reload
                target = destination_key(server.address, server.port)
                served = served or bool(self.adopted.get((service_key(service), target)))
            seen[server.name] = Seen(
                self.standings.of[service.name, server.name].health,
                self.standings.probing.weight((service.name, server.name)),
                is_wanted=wanted.get(server.name, 0) > 0,
                served=served,
            )
        return seen

    def set_state(self, service: VirtualService, now: Instant) -> list[Effect]:
        """From its pool and from whether it belongs here; what there is to tell if that is new."""
        before, each = self.states.get(service.name), self.of[service.name]
        after = self.states[service.name] = self._state(service)
        if before == after:
            return []
        self.since[service.name] = now
        cause = pool_cause(service, each)
        record = Record("service", service.name, before or "", after, cause)
        return [record, Notify(ServiceTransitioned(service.name, before, after, cause))] if before else [record]

    def _state(self, service: VirtualService) -> ServiceState:
        state = pool_state(self.of[service.name])
        return state if state == "empty" or self.presence.is_here(service) else "standby"
