"""Which clients come from the director's address."""

from msgspec import structs

from haagent.config.model import InterfaceAddress, PortRange, VirtualService
from haagent.ipvs.source_nat import NatRule
from haagent.pool.source_nat import source_nat
from tests.unit.build import real_server, router, service

INSIDE = structs.replace(router(), name="inside", virtual_addresses=(InterfaceAddress("192.0.2.254", 24),))
OUTSIDE = structs.replace(router(), virtual_addresses=(InterfaceAddress("203.0.113.100", 32),))


def web(*addresses: str, **more: object) -> VirtualService:
    servers = (
        structs.replace(real_server(n), address=each, forwarding_method="masquerading")
        for n, each in enumerate(addresses)
    )
    return structs.replace(service(*servers), source_nat=True, **more)  # type: ignore[arg-type]


def test_servers_in_the_network_of_the_inside_gateway() -> None:
    found = source_nat([web("192.0.2.12", "192.0.2.11", "203.0.113.9")], [OUTSIDE, INSIDE])
    assert found == {NatRule("192.0.2.0/24", ("192.0.2.11", "192.0.2.12"), "tcp", "198.51.100.100", 80)}


def test_not_asked_for_or_no_network() -> None:
    assert source_nat([structs.replace(web("192.0.2.11"), source_nat=False)], [INSIDE]) == frozenset()
    assert source_nat([web("192.0.2.11")], [OUTSIDE]) == frozenset()


def test_a_mark_has_all_its_addresses_and_protocols() -> None:
    marked = web(
        "192.0.2.11",
        address="",
        port=0,
        firewall_mark=7,
        addresses=("198.51.100.100", "198.51.100.101"),
        ports=(PortRange(53, 53),),
        protocols=("tcp", "udp"),
    )
    assert source_nat([marked], [INSIDE]) == {
        NatRule("192.0.2.0/24", ("192.0.2.11",), protocol, address, 0)
        for protocol in ("tcp", "udp")
        for address in marked.addresses
    }
