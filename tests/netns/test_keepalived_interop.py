"""An election with Debian's keepalived as the peer, in both roles: one owner after every step, and the clients know it.

keepalived requires the IPv4 pseudo-header in the checksum, so `checksum = "auto"` has to find that out by itself.
"""

import signal
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from haagent.processes.vrrp_messages import SetRouters
from tests.netns.segment import Segment, Vrrp, end, router, wait_until

pytestmark = pytest.mark.root

VIRTUAL = "192.0.2.100"


@pytest.fixture
def segment() -> Iterator[Segment]:
    with Segment("ours", "theirs", "client", prefix="hk") as each:
        yield each


def settled(segment: Segment, *owners: str) -> bool:
    """Exactly these own the address, still do after several intervals, and the client's cache names the last one."""
    client = segment.hosts["client"]
    if not wait_until(lambda: segment.owners() == list(owners)):
        return False
    time.sleep(0.5)
    reached = wait_until(lambda: client.ping(VIRTUAL) and client.neighbour(VIRTUAL) == segment.hosts[owners[-1]].mac())
    return reached and segment.owners() == list(owners)


def counter(ours: Vrrp, name: str) -> int:
    report = ours.director.report()
    return report.counters.get(name, 0) if report else 0


def test_keepalived_is_active_and_we_preempt(segment: Segment, tmp_path: Path) -> None:
    segment.start_keepalived("theirs", tmp_path, 100)
    assert settled(segment, "theirs")
    ours = segment.start_vrrp("ours", tmp_path, router(priority=200))
    assert settled(segment, "ours")
    assert wait_until(lambda: counter(ours, "checksum_pseudo_header") > 0)
    assert counter(ours, "checksum_rfc9568") == 0


def test_keepalived_preempts_us_and_the_checksums_meet(segment: Segment, tmp_path: Path) -> None:
    """It cannot read us until it has spoken itself, from then on it can."""
    ours = segment.start_vrrp("ours", tmp_path, router(priority=100))
    assert settled(segment, "ours")
    segment.start_keepalived("theirs", tmp_path, 200)
    assert settled(segment, "theirs")
    assert ours.director.state() == "backup"
    assert "priority 200" in ours.director.transitions()[-1][1]


def test_keepalived_follows_us_and_takes_over_after_kill_9(segment: Segment, tmp_path: Path) -> None:
    ours = segment.start_vrrp("ours", tmp_path, router(priority=200))
    assert settled(segment, "ours")
    segment.start_keepalived("theirs", tmp_path, 100)
    time.sleep(1.0)
    assert settled(segment, "ours")
    end(ours.process, signal.SIGKILL)
    assert wait_until(lambda: segment.owners() == ["ours", "theirs"])  # the dead process's address is left over
    assert wait_until(lambda: segment.hosts["client"].neighbour(VIRTUAL) == segment.hosts["theirs"].mac())
    ours.director.say(SetRouters((router(priority=50),)))
    segment.restart_vrrp("ours", ours.director)
    assert settled(segment, "theirs")


def test_keepalived_takes_over_after_our_clean_stop(segment: Segment, tmp_path: Path) -> None:
    ours = segment.start_vrrp("ours", tmp_path, router(priority=200))
    segment.start_keepalived("theirs", tmp_path, 100)
    assert settled(segment, "ours")
    assert end(ours.process) == 0
    assert settled(segment, "theirs")
    segment.restart_vrrp("ours", ours.director)
    assert settled(segment, "ours")


def test_keepalived_stops_and_we_take_over_on_its_priority_0(segment: Segment, tmp_path: Path) -> None:
    theirs = segment.start_keepalived("theirs", tmp_path, 200)
    assert settled(segment, "theirs")
    ours = segment.start_vrrp("ours", tmp_path, router(priority=100))
    assert wait_until(lambda: ours.director.state() == "backup")
    assert settled(segment, "theirs")
    end(theirs)
    assert settled(segment, "ours")
    assert ours.director.transitions()[-1] == ("active", "192.0.2.2 let go (priority 0)")


def test_keepalived_with_another_interval_is_followed_at_its_own_pace(segment: Segment, tmp_path: Path) -> None:
    """Started between two of its advertisements we take over: it must be able to read us to object.

    keepalived sets its timer anew for every advertisement that it refuses; ours come faster than its own.
    """
    segment.start_keepalived("theirs", tmp_path, 200, interval=1.0)
    assert settled(segment, "theirs")
    ours = segment.start_vrrp("ours", tmp_path, router(priority=100, advertisement_interval=0.1))
    assert wait_until(lambda: counter(ours, "interval_mismatches") > 0)
    assert settled(segment, "theirs")
    states = [state for state, _ in ours.director.transitions()]
    time.sleep(2.0)  # our own Active_Down_Interval is 0.36 s
    assert [state for state, _ in ours.director.transitions()] == states
    assert settled(segment, "theirs")


def test_keepalived_is_cut_off_and_comes_back(segment: Segment, tmp_path: Path) -> None:
    ours = segment.start_vrrp("ours", tmp_path, router(priority=100))
    segment.start_keepalived("theirs", tmp_path, 200)
    assert settled(segment, "theirs")
    segment.isolate("theirs")
    assert wait_until(lambda: ours.director.state() == "active")
    assert wait_until(lambda: segment.hosts["client"].neighbour(VIRTUAL) == segment.hosts["ours"].mac())
    segment.join("theirs")
    assert settled(segment, "theirs")
    assert ours.director.state() == "backup"


def test_no_preempt_is_kept_against_keepalived(segment: Segment, tmp_path: Path) -> None:
    segment.start_keepalived("theirs", tmp_path, 100)
    assert settled(segment, "theirs")
    ours = segment.start_vrrp("ours", tmp_path, replace(router(priority=200), preempt=False))
    time.sleep(1.0)
    assert settled(segment, "theirs")
    assert ours.director.state() == "backup"


def test_hundreds_of_addresses_change_hands_once(segment: Segment, tmp_path: Path) -> None:
    """With advertisements every 10 ms a takeover that forgot to speak would be taken over in turn."""
    many = [f"198.51.100.{host}/24" for host in range(1, 251)] + [f"203.0.113.{host}/24" for host in range(1, 251)]
    theirs = segment.start_keepalived("theirs", tmp_path, 200, ["192.0.2.100/24"], interval=0.1, excluded=many)
    assert settled(segment, "theirs")
    ours = segment.start_vrrp(
        "ours",
        tmp_path,
        router(
            priority=100,
            advertisement_interval=0.01,
            unadvertised_addresses=tuple(_address(each) for each in many),
        ),
    )
    assert wait_until(lambda: ours.director.state() == "backup")
    end(theirs)
    assert settled(segment, "ours")
    assert wait_until(lambda: len(segment.hosts["ours"].addresses()) == 502)
    assert [state for state, _ in ours.director.transitions()].count("active") == 1


def _address(text: str) -> tuple[bytes, int]:
    host, length = text.split("/")
    return bytes(int(octet) for octet in host.split(".")), int(length)
