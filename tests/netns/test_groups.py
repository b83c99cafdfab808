"""Inside and outside of a NAT pair on two real segments: both addresses move together, whatever is cut."""

import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from haagent.processes.vrrp_messages import HandOver
from haagent.vrrp.settings import RouterSettings
from tests.netns.segment import Segment, Vrrp, address, end, router, run, wait_until

pytestmark = pytest.mark.root

OUTSIDE, INSIDE = "192.0.2.100", "198.51.100.100"


@pytest.fixture
def segment() -> Iterator[Segment]:
    """eth0 of both is outside, eth1 inside; their addresses are in the opposite order there."""
    with Segment("a", "b", prefix="hg") as each:
        run("ip", "link", "add", "br1", "type", "bridge", "mcast_snooping", "0", "stp_state", "0", netns=each.bridge)
        run("ip", "link", "set", "br1", "up", netns=each.bridge)
        for name, ip in (("a", "198.51.100.2"), ("b", "198.51.100.1")):
            host = each.hosts[name]
            host.run(*f"ip link add eth1 type veth peer name q-{name} netns {each.bridge}".split())
            run(*f"ip link set q-{name} master br1 up".split(), netns=each.bridge)
            host.run("ip", "link", "set", "eth1", "up")
            host.run("ip", "addr", "add", f"{ip}/24", "dev", "eth1")
        yield each


def routers(priority: int) -> tuple[RouterSettings, RouterSettings]:
    return (
        router("outside", priority=priority, group="nat"),
        router(
            "inside",
            vrid=52,
            priority=priority,
            interface="eth1",
            virtual_addresses=(address(f"{INSIDE}/24"),),
            group="nat",
        ),
    )


def holders(segment: Segment) -> tuple[list[str], list[str]]:
    inside = [name for name, host in segment.hosts.items() if INSIDE in host.run("ip", "addr", "show", "dev", "eth1")]
    return segment.owners(OUTSIDE), inside


def both(segment: Segment, name: str) -> bool:
    """Exactly this one holds both, and still does a moment later."""
    if not wait_until(lambda: holders(segment) == ([name], [name])):
        return False
    time.sleep(0.3)
    return holders(segment) == ([name], [name])


def pair(segment: Segment, path: Path, one: int = 200, other: int = 100) -> tuple[Vrrp, Vrrp]:
    return segment.start_vrrp("a", path, *routers(one)), segment.start_vrrp("b", path, *routers(other))


@pytest.mark.parametrize("cable", ["p-a", "q-a"])
def test_one_sides_cable_is_cut_and_both_move(segment: Segment, tmp_path: Path, cable: str) -> None:
    a, b = pair(segment, tmp_path)
    assert both(segment, "a")
    run("ip", "link", "set", cable, "down", netns=segment.bridge)
    assert both(segment, "b")
    cut, interface = ("outside", "eth0") if cable == "p-a" else ("inside", "eth1")
    sentence = f"{cut}: interface {interface} is down or has no carrier"
    for name in ("outside", "inside"):
        assert a.director.transitions(name)[-1] == ("initialize", sentence)
        assert b.director.state(name) == "active"
    # the side that still works was told at once: no Active_Down_Interval went by
    assert "let go (priority 0)" in b.director.transitions("inside")[-1][1]
    run("ip", "link", "set", cable, "up", netns=segment.bridge)
    assert both(segment, "a")


def test_one_side_that_falls_silent_moves_nothing(segment: Segment, tmp_path: Path) -> None:
    """Frames are dropped and the carrier stays: what is heard on the other side keeps them from a split."""
    _a, b = pair(segment, tmp_path)
    assert both(segment, "a")
    before = b.director.transitions("inside")
    segment.isolate("a")
    time.sleep(2.0)
    assert holders(segment) == (["a"], ["a"])
    segment.join("a")
    assert both(segment, "a")
    assert b.director.transitions("inside") == before


def test_equal_priorities_and_addresses_in_the_opposite_order(segment: Segment, tmp_path: Path) -> None:
    """By its address a loses outside and would win inside: the first router of the group decides."""
    pair(segment, tmp_path, 100, 100)
    assert wait_until(lambda: holders(segment) in ((["a"], ["a"]), (["b"], ["b"])))
    segment.isolate("a")
    run("bridge", "link", "set", "dev", "q-a", "state", "0", netns=segment.bridge)
    assert wait_until(lambda: holders(segment) == (["a", "b"], ["a", "b"]))
    run("bridge", "link", "set", "dev", "q-a", "state", "3", netns=segment.bridge)
    segment.join("a")
    assert both(segment, "b")


def test_a_stop_a_kill_and_a_handover_move_both(segment: Segment, tmp_path: Path) -> None:
    a, b = pair(segment, tmp_path)
    assert both(segment, "a")
    a.director.tell(HandOver("inside"))
    assert both(segment, "b")
    assert end(b.process) == 0
    assert both(segment, "a")
    b = segment.restart_vrrp("b", b.director)
    assert wait_until(lambda: b.director.connections == 2 and b.director.state("inside") == "backup")
    end(a.process, signal.SIGKILL)
    assert wait_until(lambda: b.director.state("inside") == b.director.state("outside") == "active")


def test_a_keepalived_sync_group_as_the_peer(segment: Segment, tmp_path: Path) -> None:
    a = segment.start_vrrp("a", tmp_path, *routers(200))
    assert both(segment, "a")
    config = tmp_path / "sync.conf"
    instances = "".join(
        f"vrrp_instance {name} {{\n  state BACKUP\n  interface {interface}\n  virtual_router_id {vrid}\n"
        f"  priority 100\n  advert_int 0.1\n  virtual_ipaddress {{\n    {ip}/24 dev {interface}\n  }}\n}}\n"
        for name, interface, vrid, ip in (("outside", "eth0", 51, OUTSIDE), ("inside", "eth1", 52, INSIDE))
    )
    config.write_text(
        "global_defs {\n  vrrp_version 3\n}\nvrrp_sync_group nat {\n  group {\n    outside\n    inside\n  }\n}\n"
        + instances
    )
    files = [f"-{key}{config}.{word}" for key, word in (("p", "pid"), ("r", "vrrp"), ("c", "checkers"))]
    log = (tmp_path / "keepalived.log").open("ab")
    segment.start("b", "keepalived", "-n", "-l", "-G", "-P", "-f", str(config), *files, stdout=log, stderr=log)
    time.sleep(1.5)
    assert holders(segment) == (["a"], ["a"])
    run("ip", "link", "set", "q-a", "down", netns=segment.bridge)
    assert both(segment, "b")
    run("ip", "link", "set", "q-a", "up", netns=segment.bridge)
    assert both(segment, "a")
    assert end(a.process) == 0
    assert both(segment, "b")
