"""What the configuration speaks of, by name. Pure."""

from dataclasses import dataclass, field

from haagent.config.model import Config, RealServer, VirtualService
from haagent.core.events import ServerKey
from haagent.ipvs.table import ServiceKey
from haagent.pool.desired import service_key


@dataclass(slots=True)
class Named:
    """One for the whole core: who refers to it sees a new configuration as soon as that is loaded."""

    services: dict[str, VirtualService] = field(default_factory=dict)
    servers: dict[ServerKey, RealServer] = field(default_factory=dict)
    keys: dict[str, ServiceKey] = field(default_factory=dict)  # by service name

    def load(self, config: Config) -> None:
        self.services = {service.name: service for service in config.virtual_services}
        self.servers = {(name, each.name): each for name, s in self.services.items() for each in s.real_servers}
        self.keys = {name: service_key(service) for name, service in self.services.items()}
