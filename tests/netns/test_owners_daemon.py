"""Whole daemons ask the segment who has the virtual addresses: agreement, and a stranger named on both sides."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from haagent.linux.announce import gratuitous_reply
from haagent.snapshot import AnnouncedStatus
from tests.daemon_stage import Daemon, folder, wait_until
from tests.netns.segment import Segment, end, inside, run

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


def agreement(daemon: Daemon) -> str:
    router = daemon.router("web")
    return router.agreement.state if router and router.agreement else ""


def problems(daemon: Daemon) -> str:
    status = daemon.status()
    return "\n".join(each for each in status.problems if "virtual router" in each) if status else "no status"


def states(*daemons: Daemon) -> list[str]:
    return [announced(each, name).state for each in daemons for name in ("web", "web6")]


def contests(daemon: Daemon) -> list[str]:
    return [each.cause for each in daemon.history() if (each.subject, each.state) == ("owner", "contested")]


def test_agreement_and_a_stranger_named_on_both_sides(segment: Segment, base: Path) -> None:
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
    assert wait_until(lambda: [agreement(each) for each in (d1, d2)] == ["contested"] * 2), agreement(d2)


def owner_records(*daemons: Daemon) -> list[str]:
    return [each.cause for daemon in daemons for each in daemon.history() if each.subject == "owner"]


def agrees_again(active: Daemon, backup: Daemon) -> bool:
    """Both asked after a role changed, and both are content."""
    since = [router.since if (router := each.router()) else 0.0 for each in (active, backup)]
    return wait_until(
        lambda: (
            (active.state(), backup.state()) == ("active", "backup")
            and all(announced(each).state == "agreed" for each in (active, backup))
            and all(announced(each).at > at for each, at in zip((active, backup), since, strict=True))
        ),
        40.0,
    )


def test_handovers_and_a_stop_are_no_contest(segment: Segment, base: Path) -> None:
    d1, d2 = (Daemon(base, segment.hosts[name].netns, name) for name in ("d1", "d2"))
    d1.write(ROUTERS)
    d1.start()
    d2.start()
    assert wait_until(lambda: d1.state() == "active" and d2.state() == "backup" and d2.is_complete())
    assert agrees_again(d1, d2), (announced(d1), announced(d2))
    assert d1.run("handover", "web").returncode == 0
    assert agrees_again(d2, d1), (announced(d1), announced(d2))
    assert "segment agreed" in d1.run("status").stdout
    d2.stop()
    since = time.time()
    assert wait_until(lambda: d1.state() == "active" and announced(d1).at > since and announced(d1).state == "agreed")
    segment.unplug("d1")
    assert wait_until(lambda: d1.state() == "initialize")
    segment.plug("d1")
    segment.hosts["d1"].run("ip", "addr", "add", "192.0.2.1/24", "dev", "eth0")
    since = time.time()
    assert wait_until(lambda: d1.state() == "active" and announced(d1).at > since and announced(d1).state == "agreed")
    assert not any("says to have" in each for each in owner_records(d1, d2)), owner_records(d1, d2)
    assert [each for daemon in (d1, d2) for each in daemon.history() if each.subject == "agreement"] == []


def keepalived(segment: Segment, base: Path) -> "subprocess.Popen[bytes]":
    return segment.start_keepalived("d2", base, 250, ("192.0.2.100/24", "192.0.2.101/24"))


@pytest.mark.skipif(shutil.which("keepalived") is None, reason="keepalived is not installed")
def test_a_keepalived_peer_that_leaves_is_no_contest_and_one_that_is_killed_is(segment: Segment, base: Path) -> None:
    d1 = Daemon(base, segment.hosts["d1"].netns, "d1")
    d1.write(ROUTERS)
    d1.start()
    mac = segment.hosts["d2"].mac()

    def follows() -> bool:
        return d1.state() == "backup" and announced(d1).reason.startswith(f"{mac} of 192.0.2.2, which is Active")

    assert wait_until(lambda: announced(d1).state == "agreed", 40.0)
    peer = keepalived(segment, base)
    assert wait_until(follows, 40.0), announced(d1)
    end(peer)
    assert wait_until(lambda: d1.state() == "active" and announced(d1).state == "agreed", 40.0), announced(d1)
    assert not any("says to have" in each for each in owner_records(d1))
    keepalived(segment, base)
    assert wait_until(follows, 40.0), announced(d1)
    for pid in run("ip", "netns", "pids", segment.hosts["d2"].netns).split():
        with contextlib.suppress(ProcessLookupError):
            if "keepalived" in Path(f"/proc/{pid}/comm").read_text():
                os.kill(int(pid), signal.SIGKILL)
    assert wait_until(lambda: announced(d1).state == "contested", 40.0)
    assert announced(d1).reason == f"{mac} (192.0.2.2) says to have {VIRTUAL} and 1 more"
    assert d1.state() == "active"


def test_who_was_there_first_delays_nothing_and_who_only_announces_is_named_and_answered(
    segment: Segment, base: Path
) -> None:
    other, client = segment.hosts["other"], segment.hosts["d2"]
    other.run("ip", "addr", "add", f"{VIRTUAL}/24", "dev", "eth0")
    d1 = Daemon(base, segment.hosts["d1"].netns, "d1")
    d1.write(ROUTERS)
    d1.start()
    assert wait_until(lambda: announced(d1).state == "contested" and d1.state() == "active", 40.0), announced(d1)
    router = d1.router()
    assert router is not None
    assert router.since < router.announced.at  # it took over, then it asked
    other.run("ip", "addr", "del", f"{VIRTUAL}/24", "dev", "eth0")
    assert wait_until(lambda: announced(d1).state == "agreed", 60.0)

    forged = bytes.fromhex("0200000000ee")
    with inside(other.netns), socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as sock:
        sock.bind(("eth0", 0))
        client.ping(VIRTUAL)
        sock.send(gratuitous_reply(forged, socket.inet_aton(VIRTUAL)))
        assert wait_until(lambda: client.neighbour(VIRTUAL) == segment.hosts["d1"].mac(), 30.0)
        assert wait_until(
            lambda: sock.send(gratuitous_reply(forged, socket.inet_aton(VIRTUAL))) and announced(d1).contests, 30.0, 0.5
        )
    assert announced(d1).contests[0].mac == forged.hex(":")


PEERS = """
[peers]
addresses = {{ d1 = "192.0.2.1:5406", d2 = "192.0.2.2:5406" }}
secret_file = "{base}/peers.secret"
interval = 1
"""


def test_a_stranger_that_the_backup_alone_hears_is_known_to_the_active_director(segment: Segment, base: Path) -> None:
    secret = base / "peers.secret"
    secret.write_text("0123456789abcdef\n")
    secret.chmod(0o600)
    d1, d2 = (Daemon(base, segment.hosts[name].netns, name) for name in ("d1", "d2"))
    d1.write(PEERS.format(base=base) + ROUTERS)
    d1.start()
    d2.start()
    agreed = "nobody else answers for any of the 2 addresses, and d2 hears us answer"
    assert wait_until(lambda: announced(d1).reason == agreed, 40.0), (announced(d1), announced(d2))
    for name in ("d1", "other"):  # these two do not hear each other
        run("bridge", "link", "set", "dev", segment.hosts[name].port, "isolated", "on", netns=segment.bridge)
    other = segment.hosts["other"]
    other.run("ip", "addr", "add", f"{VIRTUAL}/24", "dev", "eth0")
    assert wait_until(lambda: announced(d1).reason == f"{other.mac()} says to have {VIRTUAL}, d2 says", 40.0), (
        announced(d1),
        announced(d2),
    )
    (contest,) = announced(d1).contests
    assert (contest.address, contest.mac, contest.heard_by) == (VIRTUAL, other.mac(), "d2")
