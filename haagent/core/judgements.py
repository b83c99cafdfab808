"""What is judged of real servers by more than their verdicts, and when each service is to be judged anew. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from haagent.config.model import VirtualService
from haagent.core.effects import Effect, Record
from haagent.core.events import Instant
from haagent.core.named import Named
from haagent.pool.judgement import Judgement, Seen, changes, judged, next_deadline

UNJUDGED = Judgement()


@dataclass(slots=True)
class Judgements:
    named: Named
    of: dict[str, Judgement] = field(default_factory=dict)  # by service name
    _deadlines: dict[str, Instant] = field(default_factory=dict)  # when a service is to be judged anew

    def load(self) -> None:
        """After the names."""
        self.of = {name: each for name, each in self.of.items() if name in self.named.services}
        self._deadlines = {name: at for name, at in self._deadlines.items() if name in self.named.services}

    def known(self, name: str) -> Judgement:
        return self.of.get(name, UNJUDGED)

    def judge(self, service: VirtualService, seen: Mapping[str, Seen], now: Instant) -> list[Effect]:
        """Records for what changed."""
        before = self.known(service.name)
        after = self.of[service.name] = judged(service, seen, before, now)
        self._deadlines.pop(service.name, None)
        if (at := next_deadline(service, after, now)) is not None:
            self._deadlines[service.name] = at
        return [
            Record("judgement", f"{service.name}/{each.name}", each.previous, each.state, each.cause)
            for each in changes(service, before, after, now)
        ]

    def next_instant(self) -> Instant | None:
        return min(self._deadlines.values(), default=None)

    def due(self, now: Instant) -> set[str]:
        return {name for name, at in self._deadlines.items() if at <= now}
