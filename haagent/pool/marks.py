"""Which packets get a firewall mark: what the services with a mark, addresses and ports say. Pure."""

from collections.abc import Iterable

from haagent.config.model import VirtualService
from haagent.ipvs.marks import MarkRule, Marks


def marks(services: Iterable[VirtualService]) -> Marks:
    return frozenset(
        MarkRule(address, protocol, tuple((each.first, each.last) for each in service.ports), service.firewall_mark)
        for service in services
        if service.firewall_mark
        for address in service.addresses
        for protocol in service.protocols
    )
