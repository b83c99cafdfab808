"""Which packets get a mark."""

from haagent.config.model import ALL_PORTS, PortRange, VirtualService
from haagent.ipvs.marks import ALL, MarkRule
from haagent.pool.marks import marks
from tests.unit.build import real_server, service


def marked(mark: int, ports: tuple[PortRange, ...], *addresses: str, protocols: tuple[str, ...] = ("tcp",)):
    return VirtualService(
        name=f"m{mark}",
        firewall_mark=mark,
        addresses=addresses,
        ports=ports,
        protocols=protocols,  # type: ignore[arg-type]
        forwarding_method="direct_routing",
        real_servers=(),
    )


def test_a_rule_for_each_address_and_protocol():
    ports = (PortRange(80, 80), PortRange(8000, 8010))
    both = marked(7, ports, "192.0.2.1", "2001:db8::1", protocols=("tcp", "udp"))
    assert marks([both]) == {
        MarkRule(address, protocol, ((80, 80), (8000, 8010)), 7)
        for address in ("192.0.2.1", "2001:db8::1")
        for protocol in ("tcp", "udp")
    }


def test_all_ports():
    assert marks([marked(7, ALL_PORTS, "192.0.2.1")]) == {MarkRule("192.0.2.1", "tcp", ALL, 7)}


def test_a_bare_mark_is_set_by_somebody_else_and_a_plain_service_has_none():
    assert marks([marked(7, ()), service(real_server(1))]) == frozenset()
