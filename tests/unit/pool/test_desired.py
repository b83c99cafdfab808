"""The wanted table from services, verdicts and what was adopted."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from haagent.config.model import RealServer, Tunnel
from haagent.ipvs.plan import Owned, apply, plan
from haagent.ipvs.table import (
    FLAG_ONEPACKET,
    FLAG_PERSISTENT,
    FLAG_SCHED1,
    FLAG_SCHED2,
    Destination,
    Forwarding,
    Service,
    ServiceKey,
)
from haagent.pool.desired import Memory, destination_key, pool, service_key, weights
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


# ----------------------------------------------------------------------------------- kinds of services and destinations


def test_keys_of_every_kind():
    web = service(*TWO)
    assert service_key(web) == ServiceKey(6, bytes([198, 51, 100, 100]), 80)
    assert service_key(replace(web, protocol="sctp", port=0)) == ServiceKey(132, bytes([198, 51, 100, 100]), 0)
    six = replace(web, address="2001:db8::1", family="ipv6", protocol="udp")
    assert service_key(six) == ServiceKey(17, bytes.fromhex("20010db8" + "0" * 23 + "1"), 80)
    assert service_key(replace(web, firewall_mark=7)) == ServiceKey(0, b"", 0, 7)
    assert service_key(replace(web, firewall_mark=7, family="ipv6")) == ServiceKey(0, bytes(16), 0, 7)


@pytest.mark.parametrize(
    ("changes", "flags", "timeout", "netmask", "engine"),
    [
        ({}, 0, 0, 0xFFFFFFFF, ""),
        ({"one_packet": True}, FLAG_ONEPACKET, 0, 0xFFFFFFFF, ""),
        ({"persistence_timeout": 9}, FLAG_PERSISTENT, 9, 0xFFFFFFFF, ""),
        ({"persistence_timeout": 9, "persistence_prefix": 20}, FLAG_PERSISTENT, 9, 0xFFFFF000, ""),
        ({"persistence_timeout": 9, "persistence_engine": "sip"}, FLAG_PERSISTENT, 9, 0xFFFFFFFF, "sip"),
        ({"family": "ipv6", "persistence_prefix": 128}, 0, 0, 128, ""),
        ({"family": "ipv6", "persistence_timeout": 9, "persistence_prefix": 64}, FLAG_PERSISTENT, 9, 64, ""),
    ],
)
def test_settings_of_the_service(changes, flags, timeout, netmask, engine):
    found = pool(replace(service(*TWO), **changes), healths(rs1="up", rs2="up"), {}).service
    assert (found.flags, found.persistence_timeout, found.netmask, found.persistence_engine) == (
        *(flags, timeout, netmask),
        engine,
    )


def test_settings_of_a_destination():
    one = replace(TWO[0], upper_threshold=9, lower_threshold=5)
    two = replace(
        TWO[1], forwarding_method="tunneling", tunnel=Tunnel(type="gue", port=6080, checksum="remote_checksum")
    )
    found = pool(service(one, two), healths(rs1="up", rs2="up"), {}).service.destinations
    assert found[ONE_KEY] == Destination(Forwarding.DIRECT_ROUTING, 3, 9, 5)
    assert found[TWO_KEY] == Destination(Forwarding.TUNNELING, 1, 0, 0, 1, 6080, 2)


# ---------------------------------------------------------------------------------------------------- tiers and quorum

TIERED = (real_server(1), real_server(2), replace(real_server(3), tier=2), replace(real_server(4), tier=2))


def test_the_next_tier_serves_once_the_first_has_nobody_left():
    web = service(*TIERED)
    assert pool(web, healths(rs1="up", rs2="down", rs3="up", rs4="up"), {}).serving == {"rs1"}
    second = pool(web, healths(rs1="down", rs2="down", rs3="up", rs4="down"), {})
    assert (second.serving, second.tier, second.healthy, second.total) == ({"rs3"}, 2, 1, 4)
    assert pool(web, healths(rs1="down", rs2="up", rs3="up", rs4="up"), {}).tier == 1


def test_an_idle_tier_is_quiesced_where_the_service_says_so():
    found = pool(service(*TIERED, when_down="quiesce"), healths(rs1="up", rs2="up", rs3="up", rs4="up"), {})
    assert sorted(each.weight for each in found.service.destinations.values()) == [0, 0, 1, 1]


def test_after_a_restart_the_tier_that_was_found_serves_until_the_first_is_proven():
    web = service(*TIERED)
    adopted = {(service_key(web), destination_key("198.51.100.13", 80)): 1}
    unjudged = dict.fromkeys(("rs1", "rs2", "rs3", "rs4"), "unknown")
    assert pool(web, healths(**unjudged), adopted).serving == {"rs3"}
    assert pool(web, healths(**{**unjudged, "rs1": "up"}), adopted).serving == {"rs1"}


def test_below_the_quorum_the_sorry_server_replaces_the_real_servers():
    web = replace(service(*TWO, sorry=True), quorum=4)
    enough = pool(web, healths(rs1="up", rs2="up"), {})
    assert (enough.live_weight, enough.has_quorum, enough.uses_sorry_server) == (4, True, False)
    few = pool(web, healths(rs1="up", rs2="down"), {}, enough.memory)
    assert set(few.service.destinations) == {SORRY_KEY}
    assert (few.live_weight, few.has_quorum, few.serving) == (3, False, frozenset())


def test_without_a_sorry_server_the_rest_serve_on_below_the_quorum():
    few = pool(replace(service(*TWO), quorum=4), healths(rs1="up", rs2="down"), {})
    assert (few.serving, few.has_quorum) == ({"rs1"}, False)


def test_the_hysteresis_remembers():
    web = replace(service(*(real_server(n) for n in range(1, 6)), sorry=True), quorum=3, quorum_hysteresis=1)
    memory = Memory()
    seen = []
    for alive in (3, 4, 3, 2, 1, 2, 3, 4):
        states = {f"rs{n}": "up" if n <= alive else "down" for n in range(1, 6)}
        found = pool(web, healths(**states), {}, memory)
        memory = found.memory
        seen.append(found.has_quorum)
    assert seen == [False, True, True, True, False, False, False, True]


def test_what_was_found_at_start_had_its_quorum():
    web = replace(service(*TWO, sorry=True), quorum=4, quorum_hysteresis=1)
    adopted = {(service_key(web), ONE_KEY): 3}
    assert pool(web, healths(rs1="unknown", rs2="unknown"), adopted).serving == {"rs1"}


# --------------------------------------------------------------------------------------------------------------- freeze


def test_too_few_are_healthy_so_those_that_served_last_are_kept():
    web = replace(service(*(real_server(n) for n in range(1, 5))), minimum_healthy_fraction=0.5)
    up = dict.fromkeys(("rs1", "rs2", "rs3", "rs4"), "up")
    good = pool(web, healths(**{**up, "rs4": "down"}), {})
    assert (good.serving, good.is_frozen) == ({"rs1", "rs2", "rs3"}, False)
    down = dict.fromkeys(up, "down")
    frozen = pool(web, healths(**{**down, "rs4": "up"}), {}, good.memory)
    assert (frozen.serving, frozen.is_frozen) == ({"rs1", "rs2", "rs3", "rs4"}, True)
    assert {each.weight for each in frozen.service.destinations.values()} == {1}
    thawed = pool(web, healths(**{**down, "rs3": "up", "rs4": "up"}), {}, frozen.memory)
    assert (thawed.serving, thawed.is_frozen) == ({"rs3", "rs4"}, False)


def test_a_server_that_left_the_configuration_is_not_kept():
    web = replace(service(*TWO), minimum_healthy_fraction=0.9)
    frozen = pool(web, healths(rs1="up", rs2="down"), {}, Memory(last_good=frozenset({"rs2", "gone"})))
    assert frozen.serving == {"rs1", "rs2"}


# ----------------------------------------------------------------------------------------------------------- properties

STATES = st.lists(st.sampled_from(["up", "down", "unknown"]), min_size=6, max_size=6)
CONFIGURED = st.fixed_dictionaries(
    {
        "when_down": st.sampled_from(["remove", "quiesce"]),
        "quorum": st.integers(1, 8),
        "quorum_hysteresis": st.integers(0, 3),
        "minimum_healthy_fraction": st.sampled_from([0.0, 0.0, 0.3, 0.7]),
    }
)
SERVERS = st.lists(st.tuples(st.integers(0, 3), st.integers(1, 3)), min_size=6, max_size=6)  # weight, tier


@given(st.lists(STATES, min_size=1, max_size=12), CONFIGURED, SERVERS, st.booleans(), st.data())
def test_whatever_happens(history, configured, drawn, sorry, data):
    servers = tuple(replace(real_server(n, weight=weight), tier=tier) for n, (weight, tier) in enumerate(drawn))
    web = replace(service(*servers, sorry=sorry), **configured)
    memory, before = None, None
    for states in history:
        health = lambda server, states=states: states[int(server.name[2:])]  # noqa: E731
        found = pool(web, health, {}, memory)
        # The same inputs give the same table, whoever computes and in whatever order the servers were listed.
        shuffled = replace(web, real_servers=tuple(data.draw(st.permutations(web.real_servers))))
        again = pool(shuffled, health, {}, memory)
        assert (again.service, again.memory) == (found.service, found.memory)
        table = found.service.destinations
        serving = {key for key, each in table.items() if each.weight}
        # Never empty while somebody is healthy.
        alive = [server for server in servers if health(server) == "up" and server.weight]
        assert serving or not (alive or sorry)
        # Without a sorry server everybody healthy in the serving tier serves.
        if not found.uses_sorry_server:
            best = min((server.tier for server in alive), default=0)
            assert {server.name for server in alive if server.tier == best} <= found.serving
        # Nothing that is down serves, unless frozen.
        if not found.is_frozen:
            assert all(health(server) == "up" for server in servers if server.name in found.serving)
        # No step between two tables is emptier than both ends.
        if before is not None:
            key, held = service_key(web), {service_key(web): before.service}
            changes = plan(held, {key: found.service}, Owned().with_table(held))
            ends = [_capacity(before.service), _capacity(found.service)]
            for cut in range(len(changes) + 1):
                assert _capacity(apply(held, changes[:cut])[key]) >= min(ends)
        memory, before = found.memory, found


def _capacity(each: Service) -> int:
    """How many destinations take new connections."""
    return sum(1 for destination in each.destinations.values() if destination.weight)


@given(STATES, CONFIGURED, SERVERS, st.booleans())
def test_the_same_verdicts_twice_change_nothing(states, configured, drawn, sorry):
    servers = tuple(replace(real_server(n, weight=weight), tier=tier) for n, (weight, tier) in enumerate(drawn))
    web = replace(service(*servers, sorry=sorry), **configured)

    def health(server: RealServer) -> HealthState:
        return states[int(server.name[2:])]

    once = pool(web, health, {}, Memory())
    twice = pool(web, health, {}, once.memory)
    assert (once.service, once.memory) == (twice.service, twice.memory)
