"""What people said: operators' words and the files of the maintenance directory. Pure.

A word counts until it ends: by its own instant, or because the last connection of a drained real server is closed.
"""

from dataclasses import dataclass, field

from haagent.config.model import Config
from haagent.core.effects import Effect, Record
from haagent.core.events import ServerKey
from haagent.core.kernel import Kernel
from haagent.core.named import Named
from haagent.core.presence import Presence
from haagent.core.records import operator_record
from haagent.ipvs.table import DestinationCounts
from haagent.pool.desired import destination_key, service_key
from haagent.pool.maintenance import MAINTENANCE, Files, drained_by_file, with_files
from haagent.pool.operator import AUTOMATIC, Overrides, advance, finish, is_idle, next_deadline


@dataclass(slots=True)
class Words:
    named: Named
    overrides: Overrides = field(default_factory=dict)  # what operators said
    files: frozenset[str] = frozenset()  # in the maintenance directory
    drained_by: Files = field(default_factory=dict)  # by which of them
    idle: list[ServerKey] = field(default_factory=list)  # drained, without connections in the last look

    def load(self, config: Config) -> None:
        self.drained_by = drained_by_file(config.virtual_services, self.files)

    def together_with_files(self, overrides: Overrides) -> Overrides:
        return with_files(self.named.services, overrides, self.drained_by)

    def take_files(self, files: frozenset[str]) -> tuple[list[Effect], list[str]]:
        """Records for the real servers about which a file says something else, and the names of their services."""
        self.files = files
        before, self.drained_by = self.drained_by, drained_by_file(self.named.services.values(), files)
        changed = [key for key in before.keys() | self.drained_by.keys() if before.get(key) != self.drained_by.get(key)]
        effects: list[Effect] = []
        for service, server in sorted(changed):
            old, new = before.get((service, server)), self.drained_by.get((service, server))
            cause = f"the file {new}" if new else f"the file {old} is gone"
            previous, state = ("drained" if each else "enabled" for each in (old, new))
            effects.append(Record("operator", f"{service}/{server}", previous, state, cause, MAINTENANCE))
        return effects, sorted({service for service, _ in changed if service in self.named.services})

    def take(self, overrides: Overrides) -> tuple[list[Effect], list[str]]:
        """Records for what is new about a real server, and the names of the services."""
        before, self.overrides = self.overrides, overrides
        self.idle = []
        changed = {key: word for key, word in overrides.items() if before.get(key, AUTOMATIC) != word}
        effects: list[Effect] = [
            operator_record(key, before.get(key, AUTOMATIC), each) for key, each in changed.items()
        ]
        return effects, [name for name in dict.fromkeys(name for name, _ in changed) if name in self.named.services]

    def find_idle(self, kernel: Kernel, presence: Presence) -> list[ServerKey]:
        """Drained servers whose last connection is closed, as far as this director is the one to say so."""
        idle = []
        for (name, server_name), word in self.overrides.items():
            service = self.named.services.get(name)
            if word.admin != "drained" or word.keep or service is None or not presence.counts_connections(service):
                continue
            key = service_key(service)
            for server in service.real_servers:
                target = destination_key(server.address, server.port)
                if server.name == server_name and key in kernel.observed:
                    found = kernel.observed[key].destinations.get(target)
                    if is_idle(word, found, kernel.counts.get((key, target), DestinationCounts())):
                        idle.append((name, server_name))
        return idle

    def advanced(self, wall: float, me: str) -> Overrides:
        """As they are by now."""
        return advance(finish(self.overrides, self.idle, wall, me), wall, me)

    def next_deadline(self) -> float | None:
        """By the wall clock. 0: something is due now."""
        return 0.0 if self.idle else next_deadline(self.overrides)
