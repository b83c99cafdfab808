"""What somebody else did to the table, in words, and what is done about it."""

from dataclasses import replace

from haagent.ipvs.drift import drifts, foreign, without_spared
from haagent.ipvs.plan import AddDestination, AddService, Owned, RemoveDestination, SetDestination, apply, plan
from haagent.ipvs.table import Destination, DestinationKey, Forwarding, Service, ServiceKey, Table
from haagent.pool.desired import packed

WEB, OTHER = ServiceKey(6, packed("198.51.100.100"), 80), ServiceKey(6, packed("203.0.113.9"), 80)
A, B, C = (DestinationKey(packed(f"192.0.2.{number}"), 80) for number in (11, 12, 13))
ONE = Destination(Forwarding.MASQUERADING, 1)
FIVE = replace(ONE, weight=5)
OURS: Table = {WEB: Service("rr", destinations={A: ONE, B: ONE})}
OWNED = Owned().with_table(OURS)


def told(observed: Table) -> list[tuple[str, str, str, str]]:
    return [(each.name, each.verb, each.before, each.after) for each in drifts(OURS, observed)]


def test_nothing() -> None:
    assert told({WEB: Service("rr", destinations={B: ONE, A: ONE})}) == []


def test_each_kind_of_edit_has_a_name() -> None:
    edited = {WEB: Service("wlc", destinations={A: FIVE, C: ONE}), OTHER: Service("rr", destinations={A: ONE})}
    assert told(edited) == [
        ("tcp 198.51.100.100:80", "changed", "rr", "wlc"),
        ("tcp 198.51.100.100:80 -> 192.0.2.11:80", "changed", "masquerading weight 1", "masquerading weight 5"),
        ("tcp 198.51.100.100:80 -> 192.0.2.12:80", "removed", "masquerading weight 1", "absent"),
        ("tcp 198.51.100.100:80 -> 192.0.2.13:80", "added", "absent", "masquerading weight 1"),
        ("tcp 203.0.113.9:80", "added", "absent", "rr with 1 real server"),
    ]


def test_a_flushed_table_is_one_difference_for_each_service() -> None:
    assert told({}) == [("tcp 198.51.100.100:80", "removed", "rr with 2 real servers", "absent")]


def test_what_is_foreign() -> None:
    table = {WEB: Service("rr", destinations={A: ONE, C: ONE}), OTHER: Service("rr", destinations={A: ONE})}
    assert foreign(table, OURS, OWNED) == ((WEB, C), (OTHER, None))
    assert foreign(table, {}, OWNED.with_table(table)) == ()


def test_an_exclusive_table_loses_what_is_foreign() -> None:
    table = {**OURS, OTHER: Service("rr", destinations={A: ONE})}
    assert apply(table, plan(table, OURS, OWNED.or_all_of(table, is_exclusive=True))) == OURS
    assert plan(table, OURS, OWNED.or_all_of(table, is_exclusive=False)) == []


def test_what_is_only_told_stands_until_something_else_is_wanted_of_it() -> None:
    edited: Table = {WEB: Service("rr", destinations={A: FIVE, B: ONE})}
    spared = {(WEB, A): ONE}
    assert without_spared(plan(edited, OURS, OWNED), spared, OURS, edited) == []
    drained: Table = {WEB: Service("rr", destinations={A: replace(ONE, weight=0), B: ONE})}
    assert without_spared(plan(edited, drained, OWNED), spared, drained, edited) == [
        SetDestination(WEB, A, replace(ONE, weight=0))
    ]
    gone: Table = {WEB: Service("rr", destinations={B: ONE})}
    assert without_spared(plan(edited, gone, OWNED), spared, gone, edited) == [RemoveDestination(WEB, A)]


def test_nothing_is_added_to_a_service_that_is_left_absent() -> None:
    spared = {(WEB, None): Service("rr")}
    more: Table = {WEB: Service("rr", destinations={A: ONE, B: ONE, C: ONE})}
    assert without_spared(plan({}, more, OWNED), spared, more, {}) == []
    other: Table = {WEB: Service("wlc", destinations={A: ONE})}
    assert without_spared(plan({}, other, OWNED), spared, other, {}) == [
        AddService(WEB, other[WEB]),
        AddDestination(WEB, A, ONE),
    ]
