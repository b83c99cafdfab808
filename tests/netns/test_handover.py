"""Make before break on a real segment: 500 requests a second go on while the address moves, and none is lost."""

import signal
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from haagent.processes.vrrp_messages import HandOver, SetRouters, TakeBack
from tests.netns.load import Load
from tests.netns.participants import Frr, Terms
from tests.netns.segment import Segment, Vrrp, end, router, run, wait_until

pytestmark = pytest.mark.root

VIRTUAL = "192.0.2.100"
HIGH, LOW = router(priority=200), router(priority=100)


@pytest.fixture
def segment() -> Iterator[Segment]:
    with Segment("a", "b", "client", prefix="hx") as each:
        yield each


def become(segment: Segment, *owners: str) -> bool:
    """Wait until exactly these hold the address, and still do a moment later."""
    if not wait_until(lambda: segment.owners() == list(owners)):
        return False
    time.sleep(0.3)
    return segment.owners() == list(owners)


def pair(segment: Segment, path: Path) -> tuple[Vrrp, Vrrp]:
    a = segment.start_vrrp("a", path, HIGH)
    b = segment.start_vrrp("b", path, LOW)
    assert become(segment, "a")
    assert segment.hosts["client"].ping(VIRTUAL)
    return a, b


def load(segment: Segment) -> Load:
    return Load(segment.hosts["client"], VIRTUAL, segment.hosts["a"], segment.hosts["b"])


def test_a_clean_stop_loses_no_request(segment: Segment, tmp_path: Path) -> None:
    a, b = pair(segment, tmp_path)
    with load(segment) as asked:
        assert end(a.process) == 0
        time.sleep(0.5)
    assert (asked.lost, asked.sent > 250) == (0, True), asked.outage
    assert segment.owners() == ["b"]
    assert segment.hosts["client"].neighbour(VIRTUAL) == segment.hosts["b"].mac()
    assert "stopped; 192.0.2.2 has taken over" in [reason for _, reason in a.director.transitions()]
    assert b.director.state() == "active"


def test_a_handover_loses_no_request_and_stays(segment: Segment, tmp_path: Path) -> None:
    a, b = pair(segment, tmp_path)
    with load(segment) as asked:
        a.director.tell(HandOver("web"))
        assert become(segment, "b")
        time.sleep(1.0)  # many Active_Down_Intervals: the higher priority does not preempt
        assert segment.owners() == ["b"]
        b.director.tell(HandOver("web"))  # and back the same way
        assert become(segment, "a")
    assert (asked.lost, asked.sent > 500) == (0, True), asked.outage
    assert b.director.state() == "backup"
    assert a.director.transitions()[-1][0] == "active"


def test_a_handover_is_over_when_the_operator_says_so(segment: Segment, tmp_path: Path) -> None:
    a, _b = pair(segment, tmp_path)
    a.director.tell(HandOver("web"))
    assert become(segment, "b")
    assert wait_until(lambda: (report := a.director.report()) is not None and report.yields)
    a.director.tell(TakeBack("web"))
    assert become(segment, "a")


def test_a_handover_for_a_time(segment: Segment, tmp_path: Path) -> None:
    a, _b = pair(segment, tmp_path)
    a.director.tell(HandOver("web", 1.5))
    assert become(segment, "b")
    assert become(segment, "a")


def test_a_handover_ends_where_the_peer_goes(segment: Segment, tmp_path: Path) -> None:
    a, b = pair(segment, tmp_path)
    a.director.tell(HandOver("web"))
    assert become(segment, "b")
    end(b.process, signal.SIGKILL)
    assert wait_until(lambda: a.director.state() == "active")


def test_a_handover_that_nobody_wants_stays(segment: Segment, tmp_path: Path) -> None:
    a = segment.start_vrrp("a", tmp_path, HIGH)
    assert become(segment, "a")
    with load(segment) as asked:
        a.director.tell(HandOver("web"))
        assert wait_until(lambda: "no peer took over" in a.director.transitions()[-1][1])
    assert asked.lost == 0
    assert segment.owners() == ["a"]
    assert a.director.state() == "active"


def test_a_stop_that_nobody_wants_ends(segment: Segment, tmp_path: Path) -> None:
    a = segment.start_vrrp("a", tmp_path, HIGH)
    assert become(segment, "a")
    assert end(a.process) == 0
    assert segment.owners() == []


def test_a_second_word_to_stop_ends_at_once(segment: Segment, tmp_path: Path) -> None:
    a = segment.start_vrrp("a", tmp_path, replace(HIGH, advertisement_interval=1.0))
    assert wait_until(lambda: segment.owners() == ["a"])
    a.process.send_signal(signal.SIGTERM)
    time.sleep(0.3)
    assert segment.owners() == ["a"]
    began = time.monotonic()
    assert end(a.process) == 0
    assert segment.owners() == []
    assert time.monotonic() - began < 3.0  # it would have waited for 4 s


@pytest.mark.parametrize("how", ["stop", "handover"])
def test_to_a_keepalived_peer(segment: Segment, tmp_path: Path, how: str) -> None:
    a = segment.start_vrrp("a", tmp_path, HIGH)
    assert become(segment, "a")
    segment.start_keepalived("b", tmp_path, 100)
    time.sleep(1.5)
    assert segment.owners() == ["a"]
    with load(segment) as asked:
        if how == "stop":
            assert end(a.process) == 0
        else:
            a.director.tell(HandOver("web"))
        assert become(segment, "b")
    assert asked.lost == 0, asked.outage
    if how == "handover":
        a.director.tell(TakeBack("web"))
        assert become(segment, "a")


def test_a_sticky_incumbent_keeps_against_a_keepalived_peer_that_preempts(segment: Segment, tmp_path: Path) -> None:
    a = segment.start_vrrp("a", tmp_path, replace(LOW, sticky=True))
    assert become(segment, "a")
    segment.start_keepalived("b", tmp_path, 200)
    time.sleep(2.0)
    assert segment.owners() == ["a"]
    a.director.say(SetRouters((LOW,)))  # no longer
    assert become(segment, "b")


@pytest.mark.parametrize("how", ["stop", "handover"])
def test_to_an_frr_peer(segment: Segment, tmp_path: Path, how: str) -> None:
    peer = Frr(segment, "b", tmp_path, Terms(), 100, "a")
    a = segment.start_vrrp("a", tmp_path, HIGH)
    assert wait_until(lambda: segment.owners() == ["a"])
    peer.start()
    time.sleep(1.5)
    client = segment.hosts["client"]
    assert client.ping(VIRTUAL)
    assert client.neighbour(VIRTUAL) == segment.hosts["a"].mac()
    with load(segment) as asked:
        if how == "stop":
            assert end(a.process) == 0
        else:
            a.director.tell(HandOver("web"))
        moved = wait_until(
            lambda: client.neighbour(VIRTUAL) == peer.mac and not segment.hosts["a"].has(VIRTUAL), interval=0.005
        )
        assert moved, a.director.transitions()
        time.sleep(0.5)
    assert asked.lost == 0, asked.outage
    assert client.neighbour(VIRTUAL) == peer.mac
    peer.stop()


def test_hold_off_ends_with_the_first_frame(segment: Segment, tmp_path: Path) -> None:
    """Behind a port that passes nothing inwards it is mute; then one ARP request of the client is enough."""
    segment.isolate("a")
    run("sysctl", "-qw", "net.ipv6.conf.all.disable_ipv6=1", netns=segment.bridge)  # it speaks MLD by itself
    a = segment.start_vrrp("a", tmp_path, replace(HIGH, hold_off=60.0))
    assert wait_until(lambda: a.director.state() == "backup")
    assert "holding off for at most 60 s" in a.director.transitions()[-1][1]
    time.sleep(1.5)  # many Active_Down_Intervals
    assert a.director.state() == "backup"
    segment.join("a")
    segment.hosts["client"].ping("192.0.2.1")
    assert become(segment, "a")
