"""The IPVS services that path probes go through."""

from msgspec.structs import replace

from haagent.config.model import Config, Director, RealServer, Tunnel
from haagent.ipvs.table import Destination, DestinationKey, Forwarding, ServiceKey
from haagent.pool.desired import packed
from haagent.pool.path import MARKS, path_addresses, path_marks, path_table
from tests.unit.build import real_server, service

BASE = Director(name="d1", names=("d1",)).path_mark_base


def config(*services):  # type: ignore[no-untyped-def]
    return Config(director=Director(name="d1", names=("d1",)), virtual_services=services)


def checked(*servers: RealServer, **changes: object):  # type: ignore[no-untyped-def]
    return replace(service(*servers), path_check="require", **changes)


def test_one_service_by_mark_with_one_destination_for_each_real_server():
    site = config(checked(real_server(1), real_server(2, weight=0)))
    marks = path_marks(site)
    table = path_table(site, marks)
    assert len(table) == 2
    for n in (1, 2):  # the weight of the pool says nothing about the path
        key = ServiceKey(0, b"", 0, marks["web", f"rs{n}"])
        at = DestinationKey(packed(f"198.51.100.{10 + n}"), 0)
        assert dict(table[key].destinations) == {at: Destination(Forwarding.DIRECT_ROUTING, 1)}


def test_a_service_without_a_path_check_has_none():
    assert path_marks(config(service(real_server(1)))) == {}


def test_a_server_that_masquerades_has_no_path_of_its_own():
    masquerading = replace(real_server(2), forwarding_method="masquerading")
    assert set(path_marks(config(checked(real_server(1), masquerading)))) == {("web", "rs1")}


def test_a_tunnel_is_that_of_the_pool():
    tunneled = replace(real_server(1), forwarding_method="tunneling", tunnel=Tunnel(type="gue", port=6080))
    site = config(checked(tunneled))
    [path] = path_table(site, path_marks(site)).values()
    [destination] = path.destinations.values()
    assert (destination.forwarding, destination.tunnel_type, destination.tunnel_port) == (Forwarding.TUNNELING, 1, 6080)


def test_marks_stay_whatever_other_servers_come_and_go():
    few = path_marks(config(checked(real_server(2))))
    many = path_marks(config(checked(*(real_server(n) for n in range(1, 9)))))
    assert few["web", "rs2"] == many["web", "rs2"]


def test_no_two_servers_share_a_mark_and_all_are_in_the_range():
    servers = [replace(real_server(1), name=f"rs{n}") for n in range(2000)]  # the birthday says: some numbers collide
    marks = path_marks(config(checked(*servers)))
    assert len(set(marks.values())) == 2000
    assert all(BASE <= mark < BASE + MARKS for mark in marks.values())


def test_ipv6_services_have_ipv6_marks():
    site = config(checked(replace(real_server(1), address="2001:db8::11"), address="2001:db8::1", family="ipv6"))
    [key] = path_table(site, path_marks(site))
    assert key.address == bytes(16)


def test_every_address_of_a_marked_service_is_probed():
    both = ("198.51.100.1", "198.51.100.2")
    assert path_addresses(checked(real_server(1), address="", firewall_mark=7, addresses=both)) == both
    assert path_addresses(checked(real_server(1), address="198.51.100.1")) == ("198.51.100.1",)
