"""The table level that goes out: what is wanted in the kernel, what of it is ours, what may run out first. Pure.

It is kept up service by service, so that one verdict costs its own service and a copy.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

from haagent.config.model import Config, VirtualRouter
from haagent.core.effects import Effect, Record, SetVirtualServices
from haagent.core.events import Instant
from haagent.core.named import Named
from haagent.core.ownership import owned_by, present
from haagent.core.paths import Paths
from haagent.core.pools import Pools
from haagent.core.presence import Presence
from haagent.ipvs.drift import Policy
from haagent.ipvs.marks import Marks
from haagent.ipvs.plan import Owned
from haagent.ipvs.table import Service, ServiceKey, Table
from haagent.pool.desired import Adopted, destination_key, service_key, weights
from haagent.pool.leaving import Entry, Leaving, leave, with_leaving
from haagent.pool.marks import marks
from haagent.pool.settings import Settings, wanted_settings
from haagent.pool.source_nat import source_nat


@dataclass(slots=True)
class Here:
    """What belongs into this director's kernel: its own table, which changes, and its nftables rules."""

    table: dict[ServiceKey, Service]
    rules: Marks


@dataclass(slots=True)
class Level:
    named: Named
    pools: Pools
    paths: Paths
    presence: Presence
    leaving: dict[Entry, Leaving] = field(default_factory=dict)  # removed by a reload, with connections left
    owned: Owned = field(default_factory=Owned)
    _configured: Owned = field(default_factory=Owned)  # what the configuration speaks of, present or not
    _policy: Policy = field(default_factory=Policy)
    _settings: Settings = field(default_factory=Settings)
    _routers: tuple[VirtualRouter, ...] = ()
    _here: Here | None = None  # None: to be put together anew

    def load(self, config: Config) -> None:
        """After the names and the paths."""
        self._policy = Policy(
            heals=config.director.drift == "heal",
            is_exclusive=config.director.foreign == "remove",
            generation=self._policy.generation + 1,
        )
        self._settings, self._routers = wanted_settings(config), config.virtual_routers
        self._configured = owned_by(config).with_table(self.paths.table)
        self.owned = self._configured.together_with(self.owned)
        self._here = None

    def wanted(self) -> SetVirtualServices:
        if self._here is None:
            self._here = self._put_together()
        wanted = with_leaving(dict(self._here.table), self.leaving)
        return SetVirtualServices(wanted, self.owned, self._here.rules, self._settings, self._policy)

    def _put_together(self) -> Here:
        here = {name: each for name, each in self.named.services.items() if self.presence.is_here(each)}
        table = {self.named.keys[name]: self.pools.of[name].service for name in here}
        services = tuple(here.values())
        return Here({**table, **self.paths.table}, marks(services) | source_nat(services, self._routers))

    def put(self, name: str) -> None:
        """One service's pool is another one."""
        if self._here is not None and (key := self.named.keys[name]) in self._here.table:
            self._here.table[key] = self.pools.of[name].service

    def put_anew(self) -> None:
        """Other services may belong here."""
        self._here = None

    def forget_removed(self, observed: Table) -> None:
        """What we removed is not ours any more, should somebody else add it."""
        if self.owned is not self._configured:
            self.owned = self._configured.together_with(present(self.owned.without(self._configured), observed))

    def adoptable(self, observed: Table) -> Adopted:
        """On a reload: a changed check starts unjudged, and until its verdict the server stays as we have it.

        What somebody else put into the kernel and this configuration takes over stays as it is found.
        """
        ours = weights({self.named.keys[name]: self.pools.of[name].service for name in self.named.services})
        others = {key: weight for key, weight in weights(observed).items() if key not in self.owned.destinations}
        return others | dict.fromkeys(self.leaving, 0) | dict(ours)

    def leave(self, before: Table, old: Config | None, now: Instant) -> list[Effect]:
        """What the new configuration does not name any more, quiesced where it is to be; records for that."""
        times = {service_key(each): each.removal_time for each in old.virtual_services} if old else {}
        times |= {self.named.keys[name]: each.removal_time for name, each in self.named.services.items()}
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

    def end(self, entries: Iterable[Entry], cause: str) -> list[Effect]:
        """These have left: records, and the level without them."""
        gone = list(entries)
        effects: list[Effect] = [Record("table", self.leaving[e].name, "leaving", "removed", cause) for e in gone]
        self.leaving = {entry: each for entry, each in self.leaving.items() if entry not in gone}
        return [*effects, self.wanted()] if gone else []

    def due(self, now: Instant) -> list[Entry]:
        return [entry for entry, each in self.leaving.items() if each.until <= now]

    def next_instant(self) -> Instant | None:
        return min((each.until for each in self.leaving.values()), default=None)
