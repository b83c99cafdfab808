"""How each real server stands: its own checks and, where a service asks for it, the path to it. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from haagent.config.model import RealServer, VirtualService
from haagent.core.effects import Effect, Record
from haagent.core.events import Instant, ServerKey
from haagent.core.paths import Paths
from haagent.core.probing import Probing
from haagent.core.standing import Standing
from haagent.snapshot import HealthState


@dataclass(slots=True)
class Standings:
    probing: Probing
    paths: Paths
    of: dict[ServerKey, Standing] = field(default_factory=dict)

    def load(self) -> None:
        """After the probes."""
        self.of = {key: each for key, each in self.of.items() if key in self.probing.probes_of}

    def judge(self, service: VirtualService, servers: Iterable[RealServer], now: Instant) -> list[Effect]:
        """Anew, from verdicts and paths; records for what changed."""
        effects: list[Effect] = []
        for server in servers:
            key = service.name, server.name
            effects += self.paths.judge(service, server, now)
            before, after = self.of.get(key), self._standing(service, key)
            if before is not None and before.health == after.health:
                after = Standing(after.health, after.reason, before.since)
            else:
                after = Standing(after.health, after.reason, now)
                if after.health != "unknown":
                    old = before.health if before else ""
                    effects.append(Record("real_server", "/".join(key), old, after.health, after.reason))
            self.of[key] = after
        return effects

    def _standing(self, service: VirtualService, key: ServerKey) -> Standing:
        own, path = self.probing.standing(key, service.require), self.paths.of[key].verdict
        if own.health != "up" or service.path_check != "require" or path.state in ("", "up"):
            return own
        before = self.of.get(key)
        if path.state == "not_tested" and before is not None and before.health == "up":
            return Standing("up", f"{own.reason}; {path.sentence}", 0.0)  # no evidence is no reason to take it out
        return Standing("down" if path.state == "down" else "unknown", path.sentence, 0.0)

    def healths(self) -> dict[ServerKey, HealthState]:
        """What peers are told."""
        return {key: each.health for key, each in self.of.items() if self.probing.probes_of.get(key)}
