"""Whether a service belongs into this director's kernel, by the roles of its virtual routers. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from haagent.config.model import Config, VirtualRouter, VirtualService
from haagent.ipvs.table import ServiceKey
from haagent.pool.desired import service_key


@dataclass(slots=True)
class Presence:
    roles: dict[str, str] = field(default_factory=dict)  # state by router, once it was told
    found: frozenset[ServiceKey] = frozenset()  # services that the kernel held at start
    _routers: tuple[VirtualRouter, ...] = ()

    def load(self, config: Config) -> None:
        self._routers = config.virtual_routers
        self.roles = {router.name: state for router in self._routers if (state := self.roles.get(router.name))}

    def take(self, states: Mapping[str, str]) -> set[str]:
        """The routers whose state is another one now."""
        changed = {name for name, state in states.items() if self.roles.get(name) != state}
        self.roles.update(states)
        return changed

    def is_here(self, service: VirtualService) -> bool:
        """Until its router's role is told, as it was found."""
        if not service.active_only:
            return True
        role = self.roles.get(service.active_only)
        return service_key(service) in self.found if role is None else role == "active"

    def counts_connections(self, service: VirtualService) -> bool:
        """Whether its connections come through here: a Backup has none, and must not end the Active's drain."""
        if not self.is_here(service):
            return False
        own = {service.address, *service.addresses}
        holders = [
            router.name
            for router in self._routers
            if any(each.address in own for each in router.virtual_addresses + router.unadvertised_addresses)
        ]
        return not holders or any(self.roles.get(name) == "active" for name in holders)
