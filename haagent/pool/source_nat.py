"""Which clients' packets need source NAT: those from a network that a virtual router and a masquerading real server are
in. Pure. The prefix lengths are those of the virtual addresses, inside ones too."""

from collections.abc import Iterable
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_interface

from haagent.config.model import VirtualRouter, VirtualService
from haagent.ipvs.source_nat import NatRule


def source_nat(services: Iterable[VirtualService], routers: Iterable[VirtualRouter]) -> frozenset[NatRule]:
    known = networks(
        f"{each.address}/{each.prefix_length}"
        for router in routers
        for each in router.virtual_addresses + router.unadvertised_addresses
    )
    return frozenset(rule for service in services if service.source_nat for rule in _rules(service, known))


def networks(interfaces: Iterable[str]) -> tuple[IPv4Network | IPv6Network, ...]:
    """Of addresses with their prefix lengths; a single address is no network."""
    found = {ip_interface(each).network for each in interfaces}
    return tuple(sorted((each for each in found if each.num_addresses > 1), key=str))


def _rules(service: VirtualService, known: Iterable[IPv4Network | IPv6Network]) -> Iterable[NatRule]:
    addresses = service.addresses if service.firewall_mark else (service.address,)
    protocols = service.protocols if service.firewall_mark else (service.protocol,)
    targets = [server.address for server in service.real_servers if server.forwarding_method == "masquerading"]
    if service.sorry_server and service.sorry_server.forwarding_method == "masquerading":
        targets.append(service.sorry_server.address)
    for network in known:
        inside = tuple(sorted({each for each in targets if ip_address(each) in network}))
        if not inside:
            continue
        for address in addresses:
            if (":" in address) == (network.version == 6):
                for protocol in protocols:
                    yield NatRule(str(network), inside, protocol, address, service.port)
