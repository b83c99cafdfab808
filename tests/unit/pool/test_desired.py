"""The wanted table from services, verdicts and what was adopted."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from haagent.config.model import RealServer
from haagent.ipvs.table import FLAG_SCHED1, FLAG_SCHED2, Destination, Forwarding
from haagent.pool.desired import destination_key, pool, service_key, weights
from haagent.snapshot import HealthState
from tests.unit.build import real_server, service

TWO = (real_server(1, weight=3), real_server(2))
ONE_KEY, TWO_KEY = (destination_key(f"198.51.100.{n}", 80) for n in (11, 12))
SORRY_KEY = destination_key("198.51.100.99", 80)


def healths(**states: HealthState):  # type: ignore[no-untyped-def]
    def health(server: RealServer) -> HealthState:
        return states[server.name]

    return health


def test_a_healthy_server_serves_with_its_weight():
    found = pool(service(*TWO), healths(rs1="up", rs2="up"), {})
    assert dict(found.service.destinations) == {
        ONE_KEY: Destination(Forwarding.DIRECT_ROUTING, 3),
        TWO_KEY: Destination(Forwarding.DIRECT_ROUTING, 1),
    }
    assert found.serving == {"rs1", "rs2"}
    assert not found.uses_sorry_server


def test_a_server_that_is_down_leaves_the_table():
    found = pool(service(*TWO), healths(rs1="down", rs2="up"), {})
    assert set(found.service.destinations) == {TWO_KEY}


def test_a_server_that_is_down_is_quiesced_where_the_service_says_so():
    found = pool(service(*TWO, when_down="quiesce"), healths(rs1="down", rs2="up"), {})
    assert found.service.destinations[ONE_KEY].weight == 0
    assert found.serving == {"rs2"}


def test_a_new_server_is_down_until_proven():
    found = pool(service(*TWO), healths(rs1="unknown", rs2="up"), {})
    assert set(found.service.destinations) == {TWO_KEY}


def test_an_adopted_server_keeps_its_kernel_weight_until_the_first_verdict():
    web = service(*TWO)
    adopted = {(service_key(web), ONE_KEY): 7}
    assert pool(web, healths(rs1="unknown", rs2="unknown"), adopted).service.destinations[ONE_KEY].weight == 7
    assert pool(web, healths(rs1="up", rs2="unknown"), adopted).service.destinations[ONE_KEY].weight == 3
    assert pool(web, healths(rs1="down", rs2="unknown"), adopted).service.destinations == {}


def test_the_sorry_server_stands_in_for_an_empty_pool_alone():
    web = service(*TWO, sorry=True)
    empty = pool(web, healths(rs1="down", rs2="down"), {})
    assert dict(empty.service.destinations) == {SORRY_KEY: Destination(Forwarding.MASQUERADING, 1)}
    assert empty.uses_sorry_server
    assert SORRY_KEY not in pool(web, healths(rs1="down", rs2="up"), {}).service.destinations


def test_a_configured_weight_of_zero_is_in_the_table_and_does_not_serve():
    found = pool(service(real_server(1, weight=0), sorry=True), healths(rs1="up"), {})
    assert found.service.destinations[ONE_KEY].weight == 0
    assert found.serving == frozenset()
    assert found.uses_sorry_server


@pytest.mark.parametrize(
    ("flags", "bits"), [((), 0), (("fallback",), FLAG_SCHED1), (("fallback", "port"), FLAG_SCHED1 | FLAG_SCHED2)]
)
def test_scheduler_flags_become_the_kernels_bits(flags, bits):
    web = service(*TWO, scheduler="mh", scheduler_flags=flags)
    assert pool(web, healths(rs1="up", rs2="up"), {}).service.flags == bits


@given(
    st.lists(st.sampled_from(["up", "down", "unknown"]), min_size=1, max_size=8),
    st.lists(st.one_of(st.none(), st.integers(0, 65535)), min_size=8, max_size=8),
    st.booleans(),
    st.sampled_from(["remove", "quiesce"]),
)
def test_never_empty_while_one_server_is_healthy_and_never_serving_what_is_down(states, kernel, sorry, when_down):
    servers = [real_server(n, weight=5) for n in range(len(states))]
    web = service(*servers, sorry=sorry, when_down=when_down)
    adopted = {
        (service_key(web), destination_key(server.address, 80)): weight
        for server, weight in zip(servers, kernel, strict=False)
        if weight is not None
    }
    found = pool(web, lambda server: states[int(server.name[2:])], adopted)
    total = sum(destination.weight for destination in found.service.destinations.values())
    assert total > 0 or (not sorry and "up" not in states)
    for server, state in zip(servers, states, strict=True):
        destination = found.service.destinations.get(destination_key(server.address, 80))
        if state == "down":
            assert destination is None or destination.weight == 0
        if state == "up":
            assert destination is not None
            assert destination.weight == 5


def test_weights_of_an_observed_table():
    web = service(*TWO)
    table = {service_key(web): pool(web, healths(rs1="up", rs2="up"), {}).service}
    assert weights(table) == {(service_key(web), ONE_KEY): 3, (service_key(web), TWO_KEY): 1}
