"""Roles and pools as the directors tell them."""

from haagent.lab.observed import active_director, changes, in_service, is_settled
from haagent.snapshot import RealServerStatus, RouterStatus, ServiceStatus, Snapshot


def router(state: str, name: str = "web") -> RouterStatus:
    return RouterStatus(
        name=name,
        interface="eth1",
        ifindex=2,
        vrid=51,
        state=state,  # type: ignore[arg-type]
        reason="because.",
        since=0.0,
        priority=100,
        effective_priority=100,
        preempt=True,
        advertisement_interval=0.2,
        primary_address="",
        active_address="",
        virtual_addresses=(),
    )


def server(name: str, weight: int | None, *, sorry: bool = False) -> RealServerStatus:
    return RealServerStatus(
        name=name,
        address="198.51.100.11",
        port=80,
        forwarding_method="direct_routing",
        sorry=sorry,
        health="up" if weight else "down",
        since=0.0,
        reason="it said so.",
        configured_weight=1,
        weight=weight,
    )


def director(*states: str, servers: tuple[RealServerStatus, ...] = ()) -> Snapshot:
    service = ServiceStatus(
        name="web",
        address="198.51.100.100",
        port=80,
        protocol="tcp",
        scheduler="wrr",
        forwarding_method="direct_routing",
        state="serving",
        since=0.0,
        in_service=0,
        real_servers=servers,
    )
    routers = tuple(router(state, f"r{number}") for number, state in enumerate(states))
    return Snapshot(director="d", version="0", at=0.0, started_at=0.0, routers=routers, services=(service,))


def test_one_holder_of_all_routers_is_the_active_director():
    assert active_director({"d1": director("active", "active"), "d2": director("backup", "backup")}) == "d1"


def test_two_holders_a_divided_pair_or_none_are_no_active_director():
    assert active_director({"d1": director("active"), "d2": director("active")}) is None
    assert active_director({"d1": director("active", "backup"), "d2": director("backup", "active")}) is None
    assert active_director({"d1": director("active", "backup"), "d2": director("backup", "backup")}) is None
    assert active_director({"d1": director("backup"), "d2": None}) is None


def test_settled_means_that_the_others_stand_by():
    assert is_settled({"d1": director("active"), "d2": director("backup")})
    assert not is_settled({"d1": director("active"), "d2": director("initialize")})
    assert not is_settled({"d1": director("active"), "d2": None})


def test_in_service_is_what_the_kernel_sends_clients_to():
    servers = (server("rs1", 1), server("rs2", 0), server("rs3", None), server("sorry", 1, sorry=True))
    assert in_service(director("active", servers=servers)) == {"rs1"}
    assert in_service(None) == set()


def test_changes_tell_roles_and_the_active_directors_pool():
    before = {
        "d1": director("active", servers=(server("rs1", 1),)),
        "d2": director("backup", servers=(server("rs1", 1),)),
    }
    after = {"d1": director("active", servers=(server("rs1", None),)), "d2": director("active", servers=())}
    assert changes({}, before) == [
        "d1 is Active for virtual router r0: because.",
        "d2 is Backup for virtual router r0: because.",
    ]
    assert changes(before, before) == []
    assert changes(before, after) == ["d2 is Active for virtual router r0: because."]
    after["d2"] = before["d2"]
    assert changes(before, after) == ["d1: rs1 is out of service: it said so."]
    assert changes(before, {"d1": before["d1"], "d2": None}) == ["d2 does not answer any more"]
