"""Two daemons whose advertisements are cut while [peers] goes another way: both say what is wrong, and with which
evidence. Then it heals, and both say so."""

import re
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from haagent.vrrp.advertisement import Advertisement
from haagent.vrrp.advertisement_v2 import encode
from tests.daemon_stage import Daemon, folder, wait_until
from tests.netns.segment import Segment, end, inside

pytestmark = [pytest.mark.root, pytest.mark.timeout(180)]

PEERS = """
[peers]
addresses = {{ d1 = "203.0.113.1:5406", d2 = "203.0.113.2:5406" }}
secret_file = "{base}/peers.secret"
interval = 1
"""
ROUTERS = """
[virtual_router.web]
interface = "eth0"
vrid = 51
priority = { d1 = 200, d2 = 100 }
advertisement_interval = 0.1
virtual_addresses = ["192.0.2.100/24"]

[virtual_router.mail]
interface = "eth0"
vrid = 52
priority = { d1 = 100, d2 = 200 }
advertisement_interval = 0.1
virtual_addresses = ["192.0.2.101/24"]
"""


@pytest.fixture
def base() -> Iterator[Path]:
    with folder() as path:
        yield path


@pytest.fixture
def segment() -> Iterator[Segment]:
    with Segment("d1", "d2", "other", prefix="sp") as each:
        join_directly(each)
        yield each


def join_directly(segment: Segment) -> None:
    """A second way between the directors."""
    d1, d2 = segment.hosts["d1"], segment.hosts["d2"]
    d1.run(*f"ip link add eth1 type veth peer name eth1 netns {d2.netns}".split())
    for host, address in ((d1, "203.0.113.1/24"), (d2, "203.0.113.2/24")):
        host.run("ip", "addr", "add", address, "dev", "eth1")
        host.run("ip", "link", "set", "eth1", "up")


def deafen(segment: Segment, name: str, source: str) -> None:
    """The host hears no VRRP of one source any more."""
    rule = f"ip protocol 112 ip saddr {source} drop"
    segment.hosts[name].run("nft", f"table inet deaf {{ chain in {{ type filter hook input priority 0; {rule}; }}; }}")


def listen(segment: Segment, name: str) -> None:
    segment.hosts[name].run("nft", "delete", "table", "inet", "deaf")


def verdict(daemon: Daemon, router: str) -> tuple[str, str]:
    status = daemon.router(router)
    agreement = status.agreement if status else None
    return (agreement.state, "; ".join(agreement.evidence)) if agreement else ("", "")


def both(daemons: tuple[Daemon, Daemon], router: str, state: str) -> Callable[[], bool]:
    return lambda: all(verdict(each, router)[0] == state for each in daemons)


def told(daemon: Daemon, router: str) -> list[str]:
    return [each.state for each in daemon.history() if (each.subject, each.name) == ("agreement", router)]


def start(segment: Segment, base: Path) -> tuple[Daemon, Daemon]:
    secret = base / "peers.secret"
    secret.write_text("0123456789abcdef\n")
    secret.chmod(0o600)
    d1, d2 = (Daemon(base, segment.hosts[name].netns, name) for name in ("d1", "d2"))
    d1.write(PEERS.format(base=base) + ROUTERS)
    d1.start()
    d2.start()
    assert wait_until(lambda: (d1.state(), d2.state()) == ("active", "backup"), 40.0), d1.log + d2.log
    assert wait_until(both((d1, d2), "web", "agreed"), 40.0), (verdict(d1, "web"), verdict(d2, "web"))
    return d1, d2


def test_takeover_split_one_way_stranger_and_agreed_again(segment: Segment, base: Path, tmp_path: Path) -> None:
    daemons = d1, d2 = start(segment, base)
    assert "d2 is Backup and hears d1" in verdict(d1, "web")[1]
    assert "d2 is Backup of d1 (192.0.2.1)" in verdict(d2, "web")[1]

    assert d1.run("handover", "web").returncode == 0  # no takeover is told
    assert wait_until(lambda: "d1 is Backup and hears d2" in verdict(d2, "web")[1], 40.0), verdict(d2, "web")
    d2.kill("vrrp")
    assert wait_until(lambda: (d1.state(), d2.state(), d2.state("mail")) == ("active", "backup", "active"), 40.0)
    assert wait_until(lambda: "d2 is Backup and hears d1" in verdict(d1, "web")[1], 40.0), verdict(d1, "web")

    deafen(segment, "d1", "192.0.2.2")
    deafen(segment, "d2", "192.0.2.1")
    stranger = segment.start_keepalived("other", tmp_path, 250, ("192.0.2.200/24",), vrid=52)
    assert wait_until(both(daemons, "web", "split"), 60.0), (verdict(d1, "web"), verdict(d2, "web"))
    silent = r"d1 (heard nothing from|has never heard) d2 \(192.0.2.2\)"  # d2 may have been the first to be Active
    assert re.search(f"^d1 and d2 are both Active; {silent}.*; d2 heard nothing from d1 ", verdict(d1, "web")[1])
    assert re.search(f"^d2 and d1 are both Active; d2 heard nothing from d1 .*; {silent}", verdict(d2, "web")[1])
    assert wait_until(both(daemons, "mail", "stranger"), 60.0), (verdict(d1, "mail"), verdict(d2, "mail"))
    for each in daemons:
        evidence = verdict(each, "mail")[1]
        assert "192.0.2.3 advertises VRRPv3 with priority 250 for this VRID" in evidence
        assert "other virtual addresses (192.0.2.200)" in evidence
        shown = each.run("status")
        assert shown.returncode == 2
        assert "! virtual router web: split: d" in shown.stdout
        assert "! virtual router mail: stranger: 192.0.2.3" in shown.stdout

    listen(segment, "d1")
    end(stranger)
    assert wait_until(both(daemons, "web", "one_way"), 60.0), (verdict(d1, "web"), verdict(d2, "web"))
    assert "d1 hears d2 (192.0.2.2)" in verdict(d1, "web")[1]
    assert "d2 heard nothing from d1 (192.0.2.1) for " in verdict(d1, "web")[1]
    assert "d2 heard nothing from d1 (192.0.2.1) for " in verdict(d2, "web")[1]
    assert "d1 hears d2 (192.0.2.2)" in verdict(d2, "web")[1]

    listen(segment, "d2")
    for router in ("web", "mail"):
        assert wait_until(both(daemons, router, "agreed"), 60.0), (verdict(d1, router), verdict(d2, router))
    assert [told(each, "web") for each in daemons] == [["split", "one_way", "agreed"]] * 2
    assert [told(each, "mail") for each in daemons] == [["stranger", "agreed"]] * 2


def advertise(segment: Segment, name: str, message: bytes) -> None:
    with inside(segment.hosts[name].netns), socket.socket(socket.AF_INET, socket.SOCK_RAW, 112) as raw:
        raw.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, 255)
        raw.bind((segment.hosts[name].ip, 0))
        raw.sendto(message, ("224.0.0.18", 0))


def test_what_is_heard_is_enough_for_some_verdicts(segment: Segment, base: Path) -> None:
    """Without [peers]: somebody who does not hear us, and somebody who speaks version 2; and who hears nothing of
    that knows nothing."""
    d1, d2 = (Daemon(base, segment.hosts[name].netns, name) for name in ("d1", "d2"))
    d1.write(ROUTERS)
    d1.start()
    d2.start()
    assert wait_until(both((d1, d2), "web", "agreed"), 40.0), d1.log + d2.log
    assert "[peers] is not configured" in verdict(d1, "web")[1]
    deafen(segment, "d2", "192.0.2.1")
    wire = encode(Advertisement(52, 150, 1.0, (socket.inet_aton("192.0.2.101"),), version=2))

    def is_told() -> bool:
        advertise(segment, "other", wire)
        return verdict(d1, "web")[0] == "one_way" and both((d1, d2), "mail", "stranger")()

    assert wait_until(is_told, 60.0, 0.3), (verdict(d1, "web"), verdict(d1, "mail"), verdict(d2, "mail"))
    assert (
        "192.0.2.2 goes on advertising priority 100, below the 200 of d1: it does not hear d1" in verdict(d1, "web")[1]
    )
    assert verdict(d2, "web")[0] == "agreed"
    assert "192.0.2.3 advertises VRRPv2 with priority 150" in verdict(d1, "mail")[1]
    assert "are of another version: a stranger with this VRID, or a peer" in verdict(d2, "mail")[1]
    listen(segment, "d2")
    assert wait_until(both((d1, d2), "web", "agreed"), 60.0), (verdict(d1, "web"), verdict(d2, "web"))
