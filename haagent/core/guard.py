"""Whether this director is ready to preempt: the evidence, as it comes in, for `pool/guard.py`. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from haagent.config.model import Config
from haagent.core.events import Instant, TableObserved
from haagent.ipvs.daemon import SyncDaemons, SyncRole
from haagent.pool.connection_sync import wanted_daemons
from haagent.pool.guard import Evidence, hold, is_receiving, warm_at
from haagent.snapshot import HealthState


@dataclass(slots=True)
class Guard:
    """Only the core changes it; `hold` is what its routers have to wait for."""

    evidence: Evidence = field(default_factory=Evidence)
    _daemons: SyncDaemons = field(default_factory=dict)  # wanted
    _is_taking_part: bool = False  # a router is Backup or Active: somebody was there to send, or it is us
    _runs: bool = False

    def load(self, config: Config, healths: Sequence[HealthState]) -> None:
        """`healths`: the verdicts on everything that is probed at its own address, which needs no table."""
        self._daemons = wanted_daemons(config)
        self.evidence = replace(
            self.evidence,
            has_pools=bool(config.virtual_services),
            unjudged=healths.count("unknown"),
            is_audited=False,
            receives=SyncRole.RECEIVER in self._daemons,
            warm_time=config.connection_sync.warm_time,
        )

    def count(self, before: HealthState, after: HealthState) -> None:
        """One probe's verdict."""
        if moved := (after == "unknown") - (before == "unknown"):
            self.evidence = replace(self.evidence, unjudged=self.evidence.unjudged + moved)

    @property
    def wants_audit(self) -> bool:
        return self.evidence.has_pools and not self.evidence.unjudged and not self.evidence.is_audited

    def audit(self) -> None:
        """An audit has found what is wanted."""
        self.evidence = replace(self.evidence, is_audited=True)

    def observe(self, event: TableObserved, now: Instant) -> None:
        self._runs = is_receiving(event.settings.daemons, self._daemons)
        self._take_time(now)

    def take_roles(self, roles: Mapping[str, str], now: Instant) -> None:
        self._is_taking_part = any(role in ("backup", "active") for role in roles.values())
        self._take_time(now)

    def _take_time(self, now: Instant) -> None:
        since = self.evidence.receiving_since
        if not (self._runs and self._is_taking_part):
            since = None
        elif since is None:
            since = now
        if since != self.evidence.receiving_since:
            self.evidence = replace(self.evidence, receiving_since=since)

    def hold(self, now: Instant) -> str:
        return hold(self.evidence, now)

    def ready_at(self) -> Instant | None:
        """When a part of it is over by itself."""
        return warm_at(self.evidence)
