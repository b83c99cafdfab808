"""What source NAT needs (pool/source_nat.py): masquerading, addresses that clients use, and a network that is known."""

from collections.abc import Iterable, Iterator
from ipaddress import ip_address, ip_interface

from haagent.config.error import Found
from haagent.config.reading import Draft


def source_nat_checks(services: Iterable[Draft], routers: Iterable[Draft]) -> Iterator[Found]:
    known = {
        ip_interface(f"{each.address}/{each.prefix_length}").network
        for router in routers
        for key in ("virtual_addresses", "unadvertised_addresses")
        for each in router.get(key) or ()
    }
    for service in services:
        if not service.get("source_nat"):
            continue
        servers = list(service.get("real_servers") or ())
        others = [each for each in servers if each.get("forwarding_method") not in ("masquerading", None)]
        addresses = [address for each in servers if (address := each.get("address")) is not None]
        if others:
            yield Found(
                service.at("source_nat"),
                f"{others[0].get('name')} does not masquerade, so it answers its clients itself, wherever they are; "
                "leave source_nat out",
            )
        elif service.get("firewall_mark") and service.get("addresses") == ():
            yield Found(service.at("source_nat"), "needs the addresses that clients use; list them in addresses")
        elif addresses and not any(
            ip_address(address) in network for address in addresses for network in known if network.num_addresses > 1
        ):
            yield Found(
                service.at("source_nat"),
                "no virtual router has an address in the network of its real servers, so which clients are beside them "
                "is not known; give the inside gateway a virtual router, with its prefix length",
            )
