"""IPv6, version 2, unicast peers and the second path on a real kernel: what the matrix of peers does not show."""

import re
import signal
import time
from collections.abc import Iterator
from dataclasses import replace
from ipaddress import ip_address
from pathlib import Path

import pytest
from scapy.layers.inet6 import ICMPv6ND_NA, IPv6
from scapy.layers.l2 import Ether
from scapy.utils import rdpcap

from haagent.processes.vrrp_messages import SetRouters
from haagent.vrrp.path import SecondPath
from haagent.vrrp.settings import RouterSettings
from tests.netns.claims import claimants
from tests.netns.participants import packed
from tests.netns.segment import Segment, Vrrp, end, router, wait_until

pytestmark = pytest.mark.root

VIRTUAL = "2001:db8::64"
V6 = router("web6", priority=200, virtual_addresses=(packed("fe80::64/64"), packed(f"{VIRTUAL}/64")))


@pytest.fixture
def segment() -> Iterator[Segment]:
    with Segment("a", "b", "client", prefix="hf") as each:
        for number, host in enumerate(each.hosts.values(), 1):
            host.run("ip", "addr", "add", f"2001:db8::{number}/64", "dev", "eth0", "nodad")
        yield each


def settled(segment: Segment) -> None:
    """Every link-local address has passed duplicate address detection."""
    assert wait_until(lambda: not any("tentative" in h.run("ip", "-6", "addr") for h in segment.hosts.values()))


def held(segment: Segment, name: str) -> list[str]:
    return re.findall(r"inet6 (\S+)", segment.hosts[name].run("ip", "-6", "addr", "show", "dev", "eth0", check=False))


def link_local(segment: Segment, name: str) -> str:
    (only,) = [each for each in held(segment, name) if each.startswith("fe80:") and each != "fe80::64/64"]
    return only.split("/")[0]


def peers(*texts: str) -> tuple[bytes, ...]:
    return tuple(ip_address(each).packed for each in texts)


# ------------------------------------------------------------------------------------------------------------ IPv6


def test_virtual_addresses_of_ipv6_are_usable_at_once_and_never_a_source(segment: Segment, tmp_path: Path) -> None:
    settled(segment)
    a = segment.start_vrrp("a", tmp_path, V6)
    assert wait_until(lambda: f"{VIRTUAL}/64" in held(segment, "a") and "fe80::64/64" in held(segment, "a"))
    shown = segment.hosts["a"].run("ip", "-d", "-6", "addr", "show", "dev", "eth0")
    for address in (VIRTUAL, "fe80::64"):
        (line,) = [each for each in shown.splitlines() if f"inet6 {address}/" in each]
        assert "tentative" not in line
        assert "deprecated" in line
    assert "src 2001:db8::1 " in segment.hosts["a"].run("ip", "route", "get", "2001:db8::3")
    assert claimants(segment.hosts["client"], "2001:db8::3", VIRTUAL) == {segment.hosts["a"].mac()}
    assert wait_until(lambda: (r := a.director.report("web6")) is not None and r.state == "active")
    report = a.director.report("web6")
    assert report is not None
    assert report.primary_address == link_local(segment, "a")
    assert report.virtual_addresses == ("fe80::64/64", f"{VIRTUAL}/64")
    segment.hosts["a"].run("ip", "addr", "del", f"{VIRTUAL}/64", "dev", "eth0")  # somebody else's doing
    assert wait_until(lambda: f"{VIRTUAL}/64" in held(segment, "a"))
    assert end(a.process) == 0
    assert f"{VIRTUAL}/64" not in held(segment, "a")
    assert "fe80::64/64" not in held(segment, "a")


@pytest.mark.parametrize("forwarding", [0, 1])
def test_announced_by_neighbor_advertisements(segment: Segment, tmp_path: Path, forwarding: int) -> None:
    settled(segment)
    segment.hosts["a"].run("sysctl", "-qw", f"net.ipv6.conf.eth0.forwarding={forwarding}")
    file = tmp_path / "seen.pcap"
    tcpdump = segment.start("client", *f"tcpdump -i eth0 -U -s0 -w {file} icmp6 or proto 112".split(), stderr=-3)
    assert wait_until(file.exists)
    a = segment.start_vrrp("a", tmp_path, V6)
    assert wait_until(lambda: a.director.state("web6") == "active")
    assert wait_until(lambda: file.stat().st_size > 2000)  # a round of announcements, and some advertisements
    end(tcpdump)
    frames = [Ether(bytes(each)) for each in rdpcap(str(file))]
    mac = segment.hosts["a"].mac()
    announced = [each for each in frames if ICMPv6ND_NA in each and each.src == mac and not each[ICMPv6ND_NA].S]
    assert {each[ICMPv6ND_NA].tgt for each in announced} == {"fe80::64", VIRTUAL}
    assert {(each[ICMPv6ND_NA].R, each[ICMPv6ND_NA].O, each[IPv6].dst) for each in announced} == {
        (forwarding, 1, "ff02::1")
    }
    adverts = [each[IPv6] for each in frames if IPv6 in each and each[IPv6].nh == 112]
    assert {(each.src, each.dst, each.hlim) for each in adverts} == {(link_local(segment, "a"), "ff02::12", 255)}


def test_a_router_waits_for_duplicate_address_detection(tmp_path: Path) -> None:
    with Segment("a", "client", prefix="hf") as segment:
        host = segment.hosts["a"]
        host.run("sysctl", "-qw", "net.ipv6.conf.eth0.dad_transmits=3")  # three seconds
        host.run("ip", "link", "set", "eth0", "down")
        host.run("ip", "link", "set", "eth0", "up")
        a = segment.start_vrrp("a", tmp_path, V6)
        assert wait_until(lambda: a.director.transitions("web6"))
        state, reason = a.director.transitions("web6")[0]
        assert state == "initialize"
        assert re.match(r"waiting for duplicate address detection of fe80::\S+ on eth0", reason)
        assert wait_until(lambda: a.director.state("web6") == "active")


def test_a_duplicate_link_local_address_is_a_fault(segment: Segment, tmp_path: Path) -> None:
    settled(segment)
    host = segment.hosts["a"]
    host.run("ip", "addr", "flush", "dev", "eth0", "scope", "link")
    host.run("ip", "addr", "add", f"{link_local(segment, 'b')}/64", "dev", "eth0")
    assert wait_until(lambda: "dadfailed" in host.run("ip", "-6", "addr"))
    a = segment.start_vrrp("a", tmp_path, V6)
    assert wait_until(lambda: a.director.transitions("web6"))
    assert "is a duplicate: another host of the link has it" in a.director.transitions("web6")[-1][1]
    host.run("ip", "addr", "add", "fe80::a/64", "dev", "eth0", "nodad")
    assert wait_until(lambda: a.director.state("web6") == "active")


def test_without_ipv6_there_is_a_sentence(tmp_path: Path) -> None:
    with Segment("a", prefix="hf") as segment:
        segment.hosts["a"].run("sysctl", "-qw", "net.ipv6.conf.eth0.disable_ipv6=1")
        a = segment.start_vrrp("a", tmp_path, V6)
        assert wait_until(lambda: a.director.transitions("web6"))
        assert "net.ipv6.conf.eth0.disable_ipv6 = 0" in a.director.transitions("web6")[0][1]
        segment.hosts["a"].run("sysctl", "-qw", "net.ipv6.conf.eth0.disable_ipv6=0")
        assert wait_until(lambda: a.director.state("web6") == "active")


def test_one_vrid_in_both_families_moves_separately(segment: Segment, tmp_path: Path) -> None:
    settled(segment)
    v4 = router("web4", priority=200)
    a = segment.start_vrrp("a", tmp_path, v4, V6)
    b = segment.start_vrrp("b", tmp_path, replace(v4, priority=100), replace(V6, priority=100))

    def states(vrrp: Vrrp) -> tuple[str, str]:
        return vrrp.director.state("web4"), vrrp.director.state("web6")

    assert wait_until(lambda: states(a) == ("active", "active") and states(b) == ("backup", "backup"))
    b.director.say(SetRouters((replace(v4, priority=100), replace(V6, priority=250))))
    assert wait_until(lambda: states(a) == ("active", "backup") and states(b) == ("backup", "active"))
    client, macs = segment.hosts["client"], {name: segment.hosts[name].mac() for name in "ab"}
    assert wait_until(lambda: claimants(client, "192.0.2.3", "192.0.2.100") == {macs["a"]})
    assert wait_until(lambda: claimants(client, "2001:db8::3", VIRTUAL) == {macs["b"]})
    report = b.director.report("web4")
    assert report is not None
    assert not report.discarded


# ------------------------------------------------------------------------------------------------------- version 2


def test_version_2_with_different_intervals_says_why_both_are_active(segment: Segment, tmp_path: Path) -> None:
    old = router(version=2, advertisement_interval=1.0, priority=200)
    a = segment.start_vrrp("a", tmp_path, old)
    b = segment.start_vrrp("b", tmp_path, replace(old, advertisement_interval=2.0, priority=100))
    sentence = "192.0.2.2 advertises every 2 s, we every 1 s: VRRPv2 routers must agree, else both become Active"
    assert wait_until(lambda: ("active", sentence) in a.director.transitions(), 15)
    assert segment.owners() == ["a", "b"]
    b.director.say(SetRouters((replace(old, priority=100),)))
    assert wait_until(lambda: segment.owners() == ["a"])
    assert wait_until(lambda: (r := a.director.report()) is not None and r.discarded.get("interval", 0) > 0)


def test_a_router_of_version_3_does_not_hear_version_2_and_says_so(segment: Segment, tmp_path: Path) -> None:
    a = segment.start_vrrp("a", tmp_path, router(priority=200, version=2, advertisement_interval=1.0))
    b = segment.start_vrrp("b", tmp_path, router(priority=100))
    sentence = "192.0.2.1 speaks VRRPv2, we VRRPv3: neither hears the other"
    assert wait_until(lambda: any(reason == sentence for _, reason in b.director.transitions()))
    assert wait_until(lambda: (r := b.director.report()) is not None and r.discarded.get("version", 0) > 0)
    assert a.process.poll() is None


# --------------------------------------------------------------------------------------------------------- unicast


def test_an_empty_list_of_peers_is_a_fault(segment: Segment, tmp_path: Path) -> None:
    a = segment.start_vrrp("a", tmp_path, router(unicast_peers=()))
    assert wait_until(lambda: a.director.transitions())
    assert a.director.transitions()[0][1].startswith("unicast_peers is empty: name the other directors' addresses")
    a.director.say(SetRouters((router(unicast_peers=peers("192.0.2.2")),)))
    assert wait_until(lambda: segment.owners() == ["a"])


def test_a_stranger_is_refused_and_a_new_own_address_is_spoken_from(segment: Segment, tmp_path: Path) -> None:
    a = segment.start_vrrp("a", tmp_path, router(priority=100, unicast_peers=peers("192.0.2.2")))
    assert wait_until(lambda: segment.owners() == ["a"])
    b = segment.start_vrrp("b", tmp_path, router(priority=200, unicast_peers=peers("192.0.2.1", "192.0.2.11")))
    assert wait_until(lambda: segment.owners() == ["b"])
    segment.hosts["b"].run("ip", "addr", "add", "192.0.2.12/24", "dev", "eth0")
    segment.hosts["b"].run("sysctl", "-qw", "net.ipv4.conf.eth0.promote_secondaries=1")
    segment.hosts["b"].run("ip", "addr", "del", "192.0.2.2/24", "dev", "eth0")  # it is 192.0.2.12 now: a stranger
    assert wait_until(lambda: (r := b.director.report()) is not None and r.primary_address == "192.0.2.12")
    assert wait_until(lambda: (r := a.director.report()) is not None and r.discarded.get("source", 0) > 0)
    assert wait_until(lambda: any("is none of our unicast peers" in reason for _, reason in a.director.transitions()))
    a.director.say(SetRouters((router(priority=100, unicast_peers=peers("192.0.2.12")),)))
    assert wait_until(lambda: segment.owners() == ["b"])


def test_peers_behind_a_router_are_heard(tmp_path: Path) -> None:
    """No TTL is asked of unicast unless it is configured."""
    with Segment("a", "b", "middle", prefix="hf") as segment:
        a, b, middle = (segment.hosts[name] for name in ("a", "b", "middle"))
        middle.run("ip", "addr", "add", "198.51.100.3/24", "dev", "eth0")
        for parameter in ("all.forwarding=1", "all.send_redirects=0", "eth0.send_redirects=0"):
            middle.run("sysctl", "-qw", f"net.ipv4.conf.{parameter}")
        b.run("ip", "addr", "flush", "dev", "eth0", "scope", "global")
        b.run("ip", "addr", "add", "198.51.100.2/24", "dev", "eth0")
        a.run("ip", "route", "add", "198.51.100.0/24", "via", "192.0.2.3")
        b.run("ip", "route", "add", "192.0.2.0/24", "via", "198.51.100.3")
        ours = router(priority=200, unicast_peers=peers("198.51.100.2"))
        theirs = router(priority=100, unicast_peers=peers("192.0.2.1"), minimum_ttl=255)
        segment.start_vrrp("a", tmp_path, ours)
        far = segment.start_vrrp("b", tmp_path, theirs)
        assert wait_until(lambda: segment.owners() == ["a", "b"])  # 254 is too little for b
        assert wait_until(lambda: (r := far.director.report()) is not None and r.discarded.get("ttl", 0) > 0)
        far.director.say(SetRouters((replace(theirs, minimum_ttl=254),)))
        assert wait_until(lambda: segment.owners() == ["a"])


# ----------------------------------------------------------------------------------------------------- second path


def by_two_paths(segment: Segment) -> tuple[RouterSettings, RouterSettings]:
    """A second wire, straight from a to b: eth2."""
    a, b = segment.hosts["a"], segment.hosts["b"]
    a.run("ip", "link", "add", "eth2", "type", "veth", "peer", "name", "eth2", "netns", b.netns)
    for number, host in enumerate((a, b), 1):
        host.run("ip", "addr", "add", f"203.0.113.{number}/24", "dev", "eth2")
        host.run("ip", "link", "set", "eth2", "up")
    return (
        router(priority=200, also_via=SecondPath("eth2", peers("203.0.113.2"))),
        router(priority=100, also_via=SecondPath("eth2", peers("203.0.113.1"))),
    )


def test_one_dead_heartbeat_link_is_no_split(segment: Segment, tmp_path: Path) -> None:
    ours, theirs = by_two_paths(segment)
    a = segment.start_vrrp("a", tmp_path, ours)
    b = segment.start_vrrp("b", tmp_path, theirs)
    assert wait_until(lambda: segment.owners() == ["a"])
    assert wait_until(lambda: b.director.state() == "backup")
    so_far = len(b.director.transitions())
    segment.isolate("a")  # silence with carrier: without the second path b would take over
    time.sleep(1.5)
    assert (a.director.state(), b.director.state()) == ("active", "backup")
    assert segment.owners() == ["a"]
    segment.join("a")
    segment.hosts["a"].run("ip", "link", "set", "eth2", "down")
    time.sleep(1.0)
    assert segment.owners() == ["a"]
    segment.hosts["a"].run("ip", "link", "set", "eth2", "up")
    end(a.process, signal.SIGKILL)
    assert wait_until(lambda: b.director.state() == "active")
    assert [state for state, _ in b.director.transitions()[so_far:]] == ["active"]


def test_without_a_second_path_the_same_silence_is_a_split(segment: Segment, tmp_path: Path) -> None:
    ours, theirs = by_two_paths(segment)
    segment.start_vrrp("a", tmp_path, replace(ours, also_via=None))
    b = segment.start_vrrp("b", tmp_path, replace(theirs, also_via=None))
    assert wait_until(lambda: segment.owners() == ["a"])
    segment.isolate("a")
    assert wait_until(lambda: b.director.state() == "active")
    assert segment.owners() == ["a", "b"]
