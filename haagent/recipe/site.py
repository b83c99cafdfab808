"""What a recipe has to know of one real server of one service: from the configuration alone. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import ip_address, ip_interface

from haagent.config.model import Config, ForwardingMethod, HttpCheck, RealServer, Tunnel, VirtualService
from haagent.pool.path import path_addresses


@dataclass(frozen=True, slots=True)
class Page:
    """A file that an HTTP check asks for. `host`: the site's name, "" where it does not matter."""

    path: str
    body: str
    host: str


@dataclass(frozen=True, slots=True)
class Site:
    """One real server, and what it must be prepared for."""

    service: str
    server: str
    address: str
    port: int
    protocols: tuple[str, ...]
    method: ForwardingMethod
    virtual_addresses: tuple[str, ...]
    tunnel: Tunnel | None
    gateways: tuple[str, ...]  # virtual addresses in the server's own network that belong to no service
    pages: tuple[Page, ...]


def sites(config: Config, service: VirtualService) -> Iterator[Site]:
    checks = {check.name: check for check in config.checks}
    pages = tuple(
        Page(check.path, check.body, check.host)
        for name in service.checks
        if isinstance(check := checks[name], HttpCheck) and check.body and check.port in (None, service.port)
    )
    for server in service.real_servers:
        yield Site(
            service.name,
            server.name,
            server.address,
            server.port,
            service.protocols or (service.protocol,),
            server.forwarding_method,
            path_addresses(service),
            (server.tunnel or Tunnel()) if server.forwarding_method == "tunneling" else None,
            tuple(_gateways(config, server)),
            pages,
        )


def _gateways(config: Config, server: RealServer) -> Iterator[str]:
    serving = {address for service in config.virtual_services for address in path_addresses(service)}
    for router in config.virtual_routers:
        for each in router.virtual_addresses + router.unadvertised_addresses:
            network = ip_interface(f"{each.address}/{each.prefix_length}").network
            if each.address not in serving and ip_address(server.address) in network:
                yield each.address


def is_ipv6(address: str) -> bool:
    return ":" in address
