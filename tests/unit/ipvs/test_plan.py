"""haagent.ipvs.plan: the plan leads to the wanted end, in a safe order, and touches nothing that is not ours."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from haagent.ipvs.plan import (
    AddDestination,
    AddService,
    Change,
    Owned,
    RemoveDestination,
    RemoveService,
    SetDestination,
    SetService,
    apply,
    plan,
    recognised,
)
from haagent.ipvs.table import Destination, DestinationKey, Forwarding, Service, ServiceKey, Table

DR, MASQ = Forwarding.DIRECT_ROUTING, Forwarding.MASQUERADING
WEB, DNS = ServiceKey(6, b"\xc0\0\2\1", 80), ServiceKey(17, b"\xc0\0\2\1", 53)
A = DestinationKey(bytes([192, 0, 2, 10]), 80)

service_keys = st.builds(
    ServiceKey, st.sampled_from([6, 17]), st.sampled_from([b"\xc0\0\2\1", b"\xc0\0\2\2"]), st.just(80)
)
destination_keys = st.builds(
    DestinationKey, st.sampled_from([bytes([192, 0, 2, n]) for n in range(10, 16)]), st.just(80)
)
destinations = st.builds(
    Destination, st.sampled_from([DR, MASQ]), st.integers(0, 3), upper_threshold=st.sampled_from([0, 5])
)
services = st.builds(
    Service,
    st.sampled_from(["rr", "mh"]),
    flags=st.sampled_from([0, 8]),
    destinations=st.dictionaries(destination_keys, destinations, max_size=6),
)
tables: st.SearchStrategy[Table] = st.dictionaries(service_keys, services, max_size=4)


def owner_of(*parts: Table) -> Owned:
    owned = Owned()
    for table in parts:
        owned = owned.with_table(table)
    return owned


def serving(table: Table, key: ServiceKey) -> int:
    return sum(1 for destination in table[key].destinations.values() if destination.weight) if key in table else 0


def weight(table: Table, key: ServiceKey) -> int:
    return sum(destination.weight for destination in table[key].destinations.values()) if key in table else 0


@given(tables, tables)
def test_what_is_all_ours_becomes_exactly_the_wanted_end(observed: Table, wanted: Table) -> None:
    assert apply(observed, plan(observed, wanted, owner_of(observed))) == wanted


@given(tables, tables, tables)
def test_a_second_plan_is_empty(observed: Table, wanted: Table, ours: Table) -> None:
    owned = owner_of(ours, wanted)
    after = apply(observed, plan(observed, wanted, owned))
    assert plan(after, wanted, owned) == []


@given(tables, tables)
def test_no_pool_is_ever_smaller_than_at_both_ends(observed: Table, wanted: Table) -> None:
    owned = owner_of(observed)
    changes = plan(observed, wanted, owned)
    after = apply(observed, changes)
    now = observed
    for change in changes:
        now = apply(now, [change])
        for key in observed.keys() & wanted.keys():
            assert serving(now, key) >= min(serving(observed, key), serving(after, key))
            assert weight(now, key) >= min(weight(observed, key), weight(after, key))


@given(tables, tables, tables)
def test_what_is_neither_wanted_nor_ours_stays_as_it_is(observed: Table, wanted: Table, ours: Table) -> None:
    owned = owner_of(ours)
    after = apply(observed, plan(observed, wanted, owned))
    for key, service in observed.items():
        if key not in wanted and key not in owned.services:
            assert after[key] == service
        for at, destination in service.destinations.items():
            if (key, at) not in owned.destinations and not (key in wanted and at in wanted[key].destinations):
                assert after[key].destinations[at] == destination


@given(tables, tables)
def test_the_plan_does_not_depend_on_the_order_of_the_tables(observed: Table, wanted: Table) -> None:
    def reversed_table(table: Table) -> Table:
        return {
            key: Service(s.scheduler, s.flags, destinations=dict(reversed(list(s.destinations.items()))))
            for key, s in reversed(list(table.items()))
        }

    owned = owner_of(observed)
    assert plan(observed, wanted, owned) == plan(reversed_table(observed), reversed_table(wanted), owned)


KEY = ServiceKey(6, b"\xc0\0\2\1", 80)
A, B, C = (DestinationKey(bytes([192, 0, 2, n]), 80) for n in (11, 12, 13))


def test_the_order_is_add_grow_shrink_remove() -> None:
    other, gone = ServiceKey(6, b"\xc0\0\2\2", 80), ServiceKey(6, b"\xc0\0\2\3", 80)
    observed = {
        KEY: Service("rr", destinations={A: Destination(DR, 5), B: Destination(DR, 5)}),
        gone: Service("rr", destinations={A: Destination(DR, 1)}),
    }
    wanted = {
        KEY: Service("wlc", destinations={B: Destination(DR, 1), C: Destination(DR, 1)}),
        other: Service("rr", destinations={B: Destination(DR, 1), A: Destination(DR, 1)}),
    }
    assert plan(observed, wanted, owner_of(observed)) == [
        AddService(other, wanted[other]),
        SetService(KEY, wanted[KEY]),
        AddDestination(KEY, C, Destination(DR, 1)),
        AddDestination(other, A, Destination(DR, 1)),  # ascending, not as configured
        AddDestination(other, B, Destination(DR, 1)),
        SetDestination(KEY, B, Destination(DR, 1)),
        RemoveDestination(KEY, A),
        RemoveService(gone),
    ]


def test_a_new_forwarding_method_is_set_and_not_removed_and_added() -> None:
    observed = {KEY: Service("rr", destinations={A: Destination(DR, 1)})}
    wanted = {KEY: Service("rr", destinations={A: Destination(MASQ, 1)})}
    assert plan(observed, wanted, Owned()) == [SetDestination(KEY, A, Destination(MASQ, 1))]


@pytest.mark.parametrize("wanted", [DR, MASQ, Forwarding.TUNNELING])
def test_a_destination_on_the_director_itself_is_not_set_for_ever(wanted: Forwarding) -> None:
    observed = {KEY: Service("rr", destinations={A: Destination(Forwarding.LOCAL, 1)})}
    assert plan(observed, {KEY: Service("rr", destinations={A: Destination(wanted, 1)})}, Owned()) == []
    heavier = Destination(wanted, 2)
    assert plan(observed, {KEY: Service("rr", destinations={A: heavier})}, Owned()) == [SetDestination(KEY, A, heavier)]


def test_a_service_of_ours_that_holds_a_foreign_destination_is_kept_for_it() -> None:
    observed = {KEY: Service("rr", destinations={A: Destination(DR, 1), B: Destination(DR, 1)})}
    owned = Owned(frozenset({KEY}), frozenset({(KEY, A)}))
    assert plan(observed, {}, owned) == [RemoveDestination(KEY, A)]


def test_an_empty_service_of_ours_goes_and_a_foreign_one_stays() -> None:
    observed: Table = {KEY: Service("rr")}
    assert plan(observed, {}, Owned(frozenset({KEY}))) == [RemoveService(KEY)]
    assert plan(observed, {}, Owned()) == []


def test_the_model_refuses_what_the_kernel_refuses() -> None:
    table: Table = {KEY: Service("rr", destinations={A: Destination(DR, 1)})}
    other = ServiceKey(17, b"\xc0\0\2\1", 53)
    refused: list[Change] = [
        AddService(KEY, Service("mh")),
        SetService(other, Service("mh")),
        RemoveService(other),
        AddDestination(KEY, A, Destination(DR, 9)),
        AddDestination(other, A, Destination(DR, 9)),
        SetDestination(KEY, B, Destination(DR, 9)),
        RemoveDestination(KEY, B),
        RemoveDestination(other, B),
    ]
    assert apply(table, refused) == table


def test_ten_thousand_destinations_are_planned_with_one_change_each() -> None:
    pool = {DestinationKey(bytes([192, 0, n >> 8, n & 255]), 80): Destination(DR, 1) for n in range(100)}
    wanted = {ServiceKey(6, bytes([198, 51, 100, n]), 80): Service("rr", destinations=pool) for n in range(100)}
    assert len(plan({}, wanted, Owned())) == 10_100
    assert len(plan(wanted, {}, Owned().with_table(wanted))) == 100


def test_a_service_that_is_known_to_be_as_wanted_is_not_looked_at() -> None:
    """Of thousands of services one changes; what is compared is that one."""

    class Untouchable(dict[DestinationKey, Destination]):
        def __iter__(self):  # type: ignore[no-untyped-def]
            raise AssertionError("it was looked at")

    kept = Service("rr", destinations=Untouchable({A: Destination(Forwarding.MASQUERADING, 1)}))
    assert plan({WEB: kept}, {WEB: kept}, Owned()) == []


def test_recognising_changes_nothing_but_identity() -> None:
    wish = Service("rr", destinations={A: Destination(Forwarding.MASQUERADING, 1)})
    same = Service("rr", destinations={A: Destination(Forwarding.MASQUERADING, 1)})
    other = Service("wlc", destinations={A: Destination(Forwarding.MASQUERADING, 2)})
    found = recognised({WEB: same, DNS: other}, {WEB: wish, DNS: wish})
    assert found == {WEB: same, DNS: other}
    assert found[WEB] is wish
    assert found[DNS] is other
