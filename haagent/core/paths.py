"""The way of the clients: through the virtual address, the kernel's table and the real server. Pure.

It needs an IPVS service of its own, selected by a firewall mark, before it can be probed: a probe whose way is not in
the kernel's table yet would ask this very host.
"""

from dataclasses import dataclass, field
from heapq import heappop, heappush

from haagent.config.model import Config, RealServer, VirtualService
from haagent.core.effects import Effect, Record
from haagent.core.events import Instant, ServerKey
from haagent.core.probing import Probing
from haagent.core.standing import NO_PATH, Path
from haagent.ipvs.table import Table
from haagent.pool.path import has_path, path_marks, path_table
from haagent.pool.path_verdict import PathResult, is_obstructed, path_verdict


@dataclass(slots=True)
class Paths:
    probing: Probing
    of: dict[ServerKey, Path] = field(default_factory=dict)
    marks: dict[ServerKey, int] = field(default_factory=dict)
    table: Table = field(default_factory=dict)
    paved: frozenset[int] = frozenset()  # marks that lead to their real server in the kernel's table
    _unconfirmed: list[tuple[Instant, ServerKey]] = field(default_factory=list)  # heap: when a broken path is confirmed

    def load(self, config: Config) -> None:
        live = {(service.name, server.name) for service in config.virtual_services for server in service.real_servers}
        self.of = {key: each for key, each in self.of.items() if key in live}
        self.marks = path_marks(config)
        self.table = path_table(config, self.marks)

    def pave(self, observed: Table) -> set[str]:
        """From the kernel's table, which ways are there; the services for which that is new."""
        paved = frozenset(
            key.firewall_mark
            for key, service in self.table.items()
            if key in observed and observed[key].destinations.keys() == service.destinations.keys()
        )
        changed, self.paved = paved ^ self.paved, paved
        return {name for (name, _), mark in self.marks.items() if mark in changed} if changed else set()

    def judge(self, service: VirtualService, server: RealServer, now: Instant) -> list[Effect]:
        """Sets the path verdict; a record where it changed."""
        key, probing = (service.name, server.name), self.probing
        before = self.of.get(key)
        if key not in self.marks:
            self.of[key] = Path() if has_path(server) else NO_PATH
            return []
        results = [
            PathResult(probe.check.name, probe.address, each.health, each.detail, each.failure, each.cause)
            for id_ in probing.path_probes_of[key]
            if (probe := probing.probes[id_]) and (each := probing.verdicts[id_])
        ]
        obstacle = "" if self.marks[key] in self.paved else "its IPVS service is not in the kernel's table"
        old = before.verdict.state if before else "not_tested"
        since = before.since if before and old == "down" else now
        checks = [probing.probes[id_].check for id_ in probing.probes_of[key]]
        confirmed_at = since + max((each.interval + each.timeout for each in checks), default=0.0)
        verdict = path_verdict(
            service,
            server,
            probing.standing(key, service.require).health,
            results,
            obstacle,
            own_failing=any(probing.verdicts[id_].failure for id_ in probing.probes_of[key]),
            is_confirmed=now >= confirmed_at,
        )
        if verdict.state == "down" != old and now < confirmed_at:
            heappush(self._unconfirmed, (confirmed_at, key))
        since = before.since if before and old == verdict.state else now
        self.of[key] = Path(verdict, since, is_obstructed(results, obstacle))
        if verdict.state == old and (verdict.state != "down" or before is None or before.verdict == verdict):
            return []
        return [Record("path", "/".join(key), old, verdict.state, verdict.sentence)]

    def next_instant(self) -> Instant | None:
        return self._unconfirmed[0][0] if self._unconfirmed else None

    def due(self, now: Instant) -> set[str]:
        """Services of which a broken path may be confirmed now. Asked once: it forgets them."""
        names = set()
        while self._unconfirmed and self._unconfirmed[0][0] <= now:
            _, (name, _) = heappop(self._unconfirmed)
            names.add(name)
        return names
