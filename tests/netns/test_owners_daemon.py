"""Whole daemons ask the segment who has the virtual addresses: agreement, and a stranger named on both sides."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from haagent.snapshot import AnnouncedStatus
from tests.daemon_stage import Daemon, folder, wait_until
from tests.netns.segment import Segment

pytestmark = [pytest.mark.root, pytest.mark.timeout(180)]

VIRTUAL, VIRTUAL6 = "192.0.2.100", "2001:db8::64"
ROUTERS = """
[virtual_router.web]
interface = "eth0"
vrid = 51
priority = { d1 = 200, d2 = 100 }
advertisement_interval = 0.1
virtual_addresses = ["192.0.2.100/24", "192.0.2.101/24"]
announce_check = 5

[virtual_router.web6]
interface = "eth0"
vrid = 51
priority = { d1 = 200, d2 = 100 }
advertisement_interval = 0.1
virtual_addresses = ["2001:db8::64/64"]
announce_check = 5
"""


@pytest.fixture
def base() -> Iterator[Path]:
    with folder() as path:
        yield path


@pytest.fixture
def segment() -> Iterator[Segment]:
    with Segment("d1", "d2", "other", prefix="ow") as each:
        yield each


def announced(daemon: Daemon, name: str = "web") -> AnnouncedStatus:
    router = daemon.router(name)
    return router.announced if router else AnnouncedStatus()


def problems(daemon: Daemon) -> str:
    status = daemon.status()
    return "\n".join(each for each in status.problems if "virtual router" in each) if status else "no status"


def states(*daemons: Daemon) -> list[str]:
    return [announced(each, name).state for each in daemons for name in ("web", "web6")]


def contests(daemon: Daemon) -> list[str]:
    return [each.cause for each in daemon.history() if (each.subject, each.state) == ("owner", "contested")]


def test_agreement_a_stranger_named_on_both_sides_and_its_end(segment: Segment, base: Path) -> None:
    d1, d2 = (Daemon(base, segment.hosts[name].netns, name) for name in ("d1", "d2"))
    d1.write(ROUTERS)
    d1.start()
    d2.start()
    assert wait_until(lambda: states(d1, d2) == ["agreed"] * 4, 40.0), (states(d1, d2), d1.log + d2.log)
    mac = segment.hosts["d1"].mac()
    assert announced(d2).reason == f"{mac} of 192.0.2.1, which is Active, answers for all 2 addresses"
    assert announced(d1).reason == "nobody else answers for any of the 2 addresses"
    assert VIRTUAL6 in announced(d2, "web6").reason

    other = segment.hosts["other"]
    other.run("ip", "addr", "add", f"{VIRTUAL}/24", "dev", "eth0")
    other.run("ip", "addr", "add", f"{VIRTUAL6}/64", "dev", "eth0", "nodad")
    assert wait_until(lambda: announced(d1).state == announced(d2).state == "contested", 60.0), announced(d2)
    other.ping("192.0.2.2")  # now it tells who it is besides
    stranger = f"{other.mac()} (192.0.2.3) says to have {VIRTUAL}"
    assert wait_until(lambda: announced(d1).reason == stranger == announced(d2).reason, 60.0), (
        announced(d1),
        announced(d2),
    )
    assert wait_until(lambda: announced(d1, "web6").state == announced(d2, "web6").state == "contested")
    assert [(each.address, each.mac) for each in announced(d1).contests] == [(VIRTUAL, other.mac())]
    assert f"virtual router web is contested: {stranger}" in problems(d1)
    assert stranger in d1.run("status").stdout
    assert [contests(each)[0].split(" (")[0].split(" says")[0] for each in (d1, d2)] == [other.mac()] * 2
    other.run("ip", "addr", "flush", "dev", "eth0")
    assert wait_until(lambda: announced(d1).state == announced(d2).state == "agreed", 100.0), announced(d1)
