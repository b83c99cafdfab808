"""Which kernel parameters follow from which configuration."""

import pytest
from msgspec import structs

from haagent.config.model import Config, ConnectionSync, InterfaceAddress, RealServer, Sysctl, VirtualService
from haagent.ipvs.daemon import SyncDaemon, SyncRole
from haagent.pool.connection_sync import wanted_daemons
from haagent.pool.sysctls import values, wanted_sysctls
from tests.unit.build import config, real_server, router, service

VS = "net.ipv4.vs."
NAT = structs.replace(real_server(1), address="192.0.2.11", forwarding_method="masquerading")
SYNC = ConnectionSync(interface="eth2", sync_id=3)


def of(*services: VirtualService, routers: tuple = (), **more: object) -> dict[str, str]:  # type: ignore[type-arg]
    whole: Config = structs.replace(config(*services, routers=routers), **more)
    wanted = wanted_sysctls(whole)
    assert all(setting.reason for setting in wanted.values())
    return values(wanted)


DIRECT = {VS + "conn_reuse_mode": "3", VS + "expire_nodest_conn": "1", VS + "sloppy_tcp": "1"}


def test_direct_routing() -> None:
    assert of(service(real_server(1))) == DIRECT


def test_nothing_without_services_or_where_somebody_else_manages_them() -> None:
    assert of() == {}
    assert of(service(real_server(1)), sysctl=Sysctl(manage=False)) == {}


def test_source_nat_wants_tracking_entries() -> None:
    assert of(structs.replace(service(NAT), source_nat=True))[VS + "conntrack"] == "1"
    assert VS + "conntrack" not in of(service(NAT))


def test_a_guarded_router_wants_connections_told_again_within_half_of_the_warm_time() -> None:
    told = {VS + "sync_threshold": "3 0", VS + "sync_refresh_period": "10"}
    plain = structs.replace(router(), guarded_takeover=False)
    assert of(service(real_server(1)), routers=(router(),), connection_sync=SYNC).items() >= told.items()
    for routers, sync in (((plain,), SYNC), ((router(),), ConnectionSync())):
        assert not told.keys() & of(service(real_server(1)), routers=routers, connection_sync=sync).keys()
    deaf = structs.replace(SYNC, send=False)
    assert not told.keys() & of(service(real_server(1)), routers=(router(),), connection_sync=deaf).keys()


def test_masquerading_forwards_by_family() -> None:
    assert of(service(NAT)) == {
        "net.ipv4.ip_forward": "1",
        VS + "expire_nodest_conn": "1",
        VS + "sloppy_tcp": "1",
    }
    six = structs.replace(service(structs.replace(NAT, address="2001:db8::11")), address="2001:db8::100", family="ipv6")
    assert of(six)["net.ipv6.conf.all.forwarding"] == "1"
    assert "net.ipv4.ip_forward" not in of(six)


@pytest.mark.parametrize(
    ("when_down", "persistence", "names"),
    [
        ("remove", 0, {"expire_nodest_conn"}),
        ("remove", 60, {"expire_nodest_conn"}),
        ("quiesce", 0, set()),
        ("quiesce", 60, {"expire_quiescent_template"}),
    ],
)
def test_what_happens_to_the_connections_of_a_dead_server(when_down: str, persistence: int, names: set[str]) -> None:
    web = structs.replace(service(real_server(1), when_down=when_down), persistence_timeout=persistence)
    found = {name.removeprefix(VS) for name in of(web) if "expire" in name}
    assert found == names


def test_sloppy_unless_connections_are_synced_or_it_is_said() -> None:
    web = service(real_server(1))
    assert VS + "sloppy_tcp" not in of(web, connection_sync=SYNC)
    assert VS + "sloppy_tcp" in of(web, connection_sync=SYNC, sysctl=Sysctl(sloppy=True))
    assert VS + "sloppy_tcp" not in of(web, sysctl=Sysctl(sloppy=False))
    names = structs.replace(web, protocol="udp")
    assert VS + "sloppy_tcp" not in of(names)
    assert VS + "sloppy_sctp" in of(structs.replace(web, protocol="sctp"))


def test_overrides_win_and_what_is_left_alone_is_left_alone() -> None:
    web = service(real_server(1))
    given = Sysctl(set=((VS + "conn_reuse_mode", "0"), (VS + "pmtu_disc", "0")), leave=(VS + "sloppy_tcp",))
    assert of(web, sysctl=given) == {
        VS + "conn_reuse_mode": "0",
        VS + "expire_nodest_conn": "1",
        VS + "pmtu_disc": "0",
    }


def test_no_redirects_where_masquerading_servers_are_in_their_clients_network() -> None:
    near: RealServer = structs.replace(NAT, address="198.51.100.11")
    one = structs.replace(router(), interface="eth0.100")
    redirects = {f"net.ipv4.conf.{where}.send_redirects": "0" for where in ("all", "eth0/100")}
    assert {k: v for k, v in of(service(near), routers=(one,)).items() if "redirects" in k} == redirects
    for servers, routers in (
        ((NAT,), (one,)),
        ((real_server(1),), (one,)),
        ((near,), (structs.replace(one, virtual_addresses=(InterfaceAddress("203.0.113.1", 24),)),)),
        ((near,), ()),
    ):
        assert not any("redirects" in name for name in of(service(*servers), routers=routers))


def test_sync_daemons_follow_the_configuration() -> None:
    web = config(service(real_server(1)))
    assert wanted_daemons(web) == {}
    daemon = SyncDaemon("eth2", 3, 0, 8848, 1, bytes((224, 0, 0, 81)))
    assert wanted_daemons(structs.replace(web, connection_sync=SYNC)) == dict.fromkeys(SyncRole, daemon)
    sending = structs.replace(SYNC, receive=False, group="ff02::81")
    found = wanted_daemons(structs.replace(web, connection_sync=sending))
    assert set(found) == {SyncRole.SENDER}
    assert len(found[SyncRole.SENDER].group) == 16
    assert wanted_daemons(structs.replace(config(), connection_sync=SYNC)) == {}
