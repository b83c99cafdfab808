"""Who leaves after a reload, and until when."""

from dataclasses import replace

from haagent.ipvs.plan import Owned
from haagent.ipvs.table import Destination, DestinationCounts, DestinationKey, Forwarding, Service, ServiceKey, Table
from haagent.pool.desired import packed
from haagent.pool.leaving import idle, leave, with_leaving

WEB, MAIL = (ServiceKey(6, packed("198.51.100.100"), port) for port in (80, 25))
A, B = (DestinationKey(packed(f"192.0.2.{number}"), 80) for number in (11, 12))
ONE = Destination(Forwarding.MASQUERADING, 1)
ZERO = replace(ONE, weight=0)
BEFORE: Table = {WEB: Service("rr", destinations={A: ONE, B: ONE}), MAIL: Service("wlc", destinations={A: ONE})}
AFTER: Table = {WEB: Service("rr", destinations={A: ONE})}
TIMES = {WEB: 30.0, MAIL: 60.0}
LEFT = leave(BEFORE, Owned().with_table(AFTER), TIMES, {(WEB, B): "web/b"}, {}, 100.0)


def test_a_server_and_a_service() -> None:
    assert {entry: (each.name, each.until) for entry, each in LEFT.items()} == {
        (WEB, B): ("web/b", 130.0),
        (MAIL, A): ("", 160.0),
    }
    assert with_leaving(AFTER, LEFT) == {
        WEB: Service("rr", destinations={A: ONE, B: ZERO}),
        MAIL: Service("wlc", destinations={A: ZERO}),
    }


def test_where_no_time_is_given_nobody_leaves_slowly() -> None:
    assert leave(BEFORE, Owned().with_table(AFTER), {WEB: 0.0}, {}, {}, 100.0) == {}
    assert with_leaving(AFTER, {}) is AFTER


def test_a_second_reload_neither_ends_it_nor_starts_it_again() -> None:
    wanted = with_leaving(AFTER, LEFT)
    assert leave(wanted, Owned().with_table(AFTER), TIMES, {}, LEFT, 110.0) == LEFT
    assert leave(wanted, Owned().with_table(BEFORE), TIMES, {}, LEFT, 110.0) == {}


def test_who_has_no_connection_left() -> None:
    kernel = with_leaving(AFTER, LEFT)
    assert set(idle(LEFT, kernel, {})) == set(LEFT)
    assert list(idle(LEFT, BEFORE, {})) == []  # weight 0 is not there yet
    assert list(idle(LEFT, kernel, {(WEB, B): DestinationCounts(inactive_connections=1)})) == [(MAIL, A)]
    assert (WEB, B) in set(idle(LEFT, kernel, {(WEB, B): DestinationCounts(persistent_connections=1)}))
