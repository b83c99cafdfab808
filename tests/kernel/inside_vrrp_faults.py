"""VRRP and the faults that take a kernel of its own: netem (delay, reordering, duplicates) and a stepped clock."""

import time
from collections.abc import Iterator

import pytest

from haagent.lab.uml import inside_uml
from tests.netns.pairs import IN_FLIGHT, Pair, losers_words, make_pair
from tests.netns.segment import Segment, end, router, wait_until
from tests.netns.wire import Wire

INTERVAL = 0.5  # the user-mode kernel has one slow CPU and a tick of 10 ms
PATIENCE = 60.0
MILD = ("delay", "60ms", "50ms", "reorder", "25%", "50%", "duplicate", "30%")
HARSH = ("delay", "700ms", "600ms", "reorder", "25%", "50%", "duplicate", "30%", "loss", "40%")


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    """One for all, for it takes long to make inside; each test leaves it as it was, the last one as another process."""
    high, low = (router(priority=each, advertisement_interval=INTERVAL) for each in (200, 100))
    with Segment("a0", "b0", "client", prefix="hk") as segment:
        yield make_pair(segment, tmp_path_factory.mktemp("pair"), 0, high, low, PATIENCE)


def netem(pair: Pair, *what: str) -> None:
    """In both directions; nothing: as it was."""
    for name in pair.names:
        verb = ("replace", "dev", "eth0", "root", "netem", *what) if what else ("del", "dev", "eth0", "root")
        pair.segment.hosts[name].run("tc", "qdisc", *verb)


def settles(pair: Pair, which: int = 0) -> bool:
    """And is still so several intervals later."""
    if not wait_until(lambda: pair.has_settled_on(which), PATIENCE, 0.2):
        return False
    time.sleep(6 * INTERVAL)
    return pair.has_settled_on(which)


def test_reordered_and_duplicated_advertisements_move_nothing_and_harsher_ones_leave_nothing(pair: Pair) -> None:
    """Delays below the interval are no reason for anything. Beyond it, and with loss, both may be Active for a while;
    once it is over there is one, and the late copies of what the other said change nothing."""
    before = pair.transitions()
    netem(pair, *MILD)
    a = pair.segment.hosts["a0"]
    assert "duplicates" in a.run("ping", "-c", "30", "-i", "0.1", "-W", "2", pair.ip(1), check=False)
    time.sleep(10 * INTERVAL)
    assert pair.transitions() == before
    netem(pair, *HARSH)
    time.sleep(16 * INTERVAL)
    print(f"takeovers among {HARSH}: {len(pair.transitions()[1]) - len(before[1])}")
    with Wire(pair.segment.hosts["client"]) as wire:
        over_at = time.monotonic()
        netem(pair)
        assert settles(pair), pair.transitions()
        assert len(losers_words(wire.since(over_at, pair.vrid), pair.ip(0))) <= IN_FLIGHT


@pytest.mark.skipif(not inside_uml(), reason="the clock of this machine is not ours to step")
def test_a_stepped_clock_is_nobodys_business(pair: Pair) -> None:
    """An hour forward, two back: all deadlines are of CLOCK_MONOTONIC, which no one can set."""
    before = pair.transitions()
    with Wire(pair.segment.hosts["client"]) as wire:
        for hours in (1, -2, 1):
            stepped_at = time.monotonic()
            time.clock_settime(time.CLOCK_REALTIME, time.time() + 3600 * hours)
            assert wait_until(lambda at=stepped_at: len(wire.since(at, pair.vrid)) >= 6, PATIENCE)  # it goes on
            assert len(wire.since(stepped_at, pair.vrid)) < 60  # and does not make up for an hour
    assert pair.transitions() == before
    assert pair.has_settled_on(0)
    pair.segment.isolate("a0")  # and what has to happen still happens
    time.clock_settime(time.CLOCK_REALTIME, time.time() - 3600)
    assert wait_until(lambda: pair.vrrps[1].director.state() == "active", PATIENCE)
    time.clock_settime(time.CLOCK_REALTIME, time.time() + 3600)
    pair.segment.join("a0")
    assert settles(pair), pair.transitions()


def test_a_takeover_and_a_return_through_a_segment_that_reorders(pair: Pair) -> None:
    netem(pair, *MILD)
    a, _ = pair.vrrps
    connections = a.director.connections
    end(a.process)
    assert wait_until(lambda: pair.vrrps[1].director.state() == "active", PATIENCE)
    assert wait_until(lambda: pair.owners() == [pair.names[1]], PATIENCE)
    pair.segment.restart_vrrp(pair.names[0], a.director)
    assert wait_until(lambda: a.director.connections > connections, PATIENCE)
    assert settles(pair), pair.transitions()
