"""`virtual_mac = true` on real interfaces: one MAC address for the clients, whoever is Active, and a Backup from which
no frame with it comes."""

import contextlib
import re
import signal
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from haagent.processes.vrrp_macvlans import Macvlans
from haagent.processes.vrrp_messages import HandOver, SetRouters
from haagent.vrrp.settings import NO_VIRTUAL_MAC, Interface, RouterSettings
from haagent.vrrp.virtual_mac import interface_name, virtual_mac
from tests.netns.load import Load
from tests.netns.segment import Segment, Vrrp, end, inside, router, run, wait_until

pytestmark = pytest.mark.root

VIRTUAL, VIRTUAL_6, MAC, MAC_6 = "192.0.2.100", "2001:db8::64", "00:00:5e:00:01:33", "00:00:5e:00:02:33"


@pytest.fixture
def segment() -> Iterator[Segment]:
    with Segment("a", "b", "client", prefix="hm") as each:
        yield each


def settings(priority: int, **changes: object) -> RouterSettings:
    return router(priority=priority, virtual_mac=True, **changes)


def settings_6(priority: int) -> RouterSettings:
    packed = [(socket.inet_pton(socket.AF_INET6, each), 64) for each in ("fe80::64", VIRTUAL_6)]
    return router("web6", priority=priority, virtual_mac=True, virtual_addresses=tuple(packed))


def holder(segment: Segment, name: str, ip: str = VIRTUAL) -> bool:
    """On an interface that is up."""
    return f"{ip}/" in segment.hosts[name].run("ip", "-o", "addr", "show", "up")


def owners(segment: Segment, ip: str = VIRTUAL) -> list[str]:
    return [name for name in ("a", "b") if holder(segment, name, ip)]


def macvlans(segment: Segment, name: str) -> dict[str, str]:
    """Name -> state of those that are ours."""
    lines = segment.hosts[name].run("ip", "-o", "link", "show", "type", "macvlan").splitlines()
    return {
        line.split()[1].split("@")[0]: "up" if "UP" in line.split("<")[1].split(">")[0] else "down" for line in lines
    }


class Ear:
    """Every frame that came from a host, at the bridge's end of its link, with a virtual MAC address as source."""

    def __init__(self, segment: Segment, name: str) -> None:
        with inside(segment.bridge):
            self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x0003))
            self._socket.bind((segment.hosts[name].port, 0x0003))
        self._socket.settimeout(0.05)
        self.heard: list[bytes] = []
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()

    def _listen(self) -> None:
        while not self._ended.is_set():
            with contextlib.suppress(TimeoutError):
                octets, origin = self._socket.recvfrom(2048)
                if origin[2] != socket.PACKET_OUTGOING and octets[6:10] == b"\0\0\x5e\0":
                    self.heard.append(octets)

    def end(self) -> list[bytes]:
        self._ended.set()
        self._thread.join(5)
        self._socket.close()
        return self.heard


def reaches(segment: Segment, mac: str, ip: str = VIRTUAL) -> bool:
    client = segment.hosts["client"]
    client.run("ip", "-6" if ":" in ip else "-4", "neigh", "flush", "all")
    if ":" in ip:
        client.run("ping", "-c1", "-W1", ip, check=False)
    return (":" in ip or client.ping(ip)) and client.neighbour(ip) == mac


def discarded(vrrp: Vrrp) -> dict[str, int]:
    report = vrrp.director.report()
    return report.discarded if report else {}


def test_one_mac_address_before_and_after_a_takeover_and_a_mute_backup(segment: Segment, tmp_path: Path) -> None:
    for name, ip in (("a", "2001:db8::1"), ("b", "2001:db8::2"), ("client", "2001:db8::7")):
        segment.hosts[name].run("ip", "addr", "add", f"{ip}/64", "dev", "eth0", "nodad")
    a = segment.start_vrrp("a", tmp_path, settings(200), settings_6(200))
    assert wait_until(lambda: owners(segment) == ["a"] and owners(segment, VIRTUAL_6) == ["a"])
    ear = Ear(segment, "b")
    b = segment.start_vrrp("b", tmp_path, settings(100), settings_6(100))
    assert wait_until(lambda: b.director.state() == "backup" and b.director.state("web6") == "backup")
    assert wait_until(lambda: reaches(segment, MAC))
    assert wait_until(lambda: reaches(segment, MAC_6, VIRTUAL_6))
    segment.hosts["b"].run("ping", "-c1", "-W1", VIRTUAL, check=False)  # the Backup asks too, from its own address
    time.sleep(1.5)
    assert set(macvlans(segment, "b").values()) == {"down"}
    assert len(macvlans(segment, "b")) == 2
    assert ear.end() == []
    assert discarded(b) == {}

    end(a.process)  # the farewell, and the other one has the same MAC address
    assert wait_until(lambda: owners(segment) == ["b"] and owners(segment, VIRTUAL_6) == ["b"])
    assert macvlans(segment, "a") == {}
    client = segment.hosts["client"]
    assert client.neighbour(VIRTUAL) == MAC  # what it had learned is still right
    assert wait_until(lambda: client.ping(VIRTUAL))
    assert wait_until(lambda: reaches(segment, MAC) and reaches(segment, MAC_6, VIRTUAL_6))

    # a takes it back; from then on b is silent, whatever it had to say about addresses that went
    segment.restart_vrrp("a", a.director)
    assert wait_until(lambda: owners(segment) == ["a"] and owners(segment, VIRTUAL_6) == ["a"])
    assert wait_until(lambda: set(macvlans(segment, "b").values()) == {"down"})
    ear = Ear(segment, "b")
    time.sleep(1.5)
    assert ear.end() == []
    assert wait_until(lambda: reaches(segment, MAC) and reaches(segment, MAC_6, VIRTUAL_6))


def test_advertisements_and_announcements_come_from_it_and_nothing_else_for_it(
    segment: Segment, tmp_path: Path
) -> None:
    ear = Ear(segment, "a")
    segment.start_vrrp("a", tmp_path, settings(200), settings_6(200))
    assert wait_until(lambda: owners(segment) == ["a"] and owners(segment, VIRTUAL_6) == ["a"])
    assert wait_until(lambda: reaches(segment, MAC))
    groups = [bytes.fromhex(each) for each in ("01005e000012", "333300000012")]
    assert wait_until(lambda: all(sum(frame[:6] == group for frame in ear.heard) > 2 for group in groups))
    heard = ear.end()
    to_4, to_6 = ([each for each in heard if each[:6] == group] for group in groups)
    arp = [each for each in heard if each[12:14] == b"\x08\x06" and each[:6] == b"\xff" * 6]
    assert len(to_4) > 2
    assert {each[6:12].hex(":") for each in to_4} == {MAC}
    assert len(to_6) > 2
    assert {each[6:12].hex(":") for each in to_6} == {MAC_6}
    assert arp
    assert {each[22:28].hex(":") for each in arp} == {MAC}
    assert {each[26:30] for each in to_4} == {socket.inet_aton("192.0.2.1")}  # the primary address, as without it
    # the interface below neither answers for the address nor asks in its name
    segment.hosts["a"].run("ip", "neigh", "flush", "all")
    segment.hosts["a"].run("ping", "-c1", "-W1", "-I", VIRTUAL, "192.0.2.3", check=False)
    assert segment.hosts["client"].neighbour(VIRTUAL) == MAC


def test_a_handover_and_a_clean_stop_lose_no_request(segment: Segment, tmp_path: Path) -> None:
    """For a moment both have address and MAC address; the switch goes by who advertises."""
    a = segment.start_vrrp("a", tmp_path, settings(200))
    b = segment.start_vrrp("b", tmp_path, settings(100))
    assert wait_until(lambda: owners(segment) == ["a"] and b.director.state() == "backup")
    assert wait_until(lambda: reaches(segment, MAC))
    with Load(segment.hosts["client"], VIRTUAL, segment.hosts["a"], segment.hosts["b"]) as asked:
        a.director.tell(HandOver("web"))
        assert wait_until(lambda: owners(segment) == ["b"])
        time.sleep(0.5)
        b.director.tell(HandOver("web"))
        assert wait_until(lambda: owners(segment) == ["a"])
        time.sleep(0.5)
        assert end(a.process) == 0
        assert wait_until(lambda: owners(segment) == ["b"])
        time.sleep(0.3)
    assert (asked.lost, asked.sent > 250) == (0, True), asked.outage


def test_no_address_is_made_from_it(segment: Segment, tmp_path: Path) -> None:
    segment.start_vrrp("a", tmp_path, settings_6(200))
    assert wait_until(lambda: owners(segment, VIRTUAL_6) == ["a"])
    (name,) = macvlans(segment, "a")
    there = re.findall(r"inet6 (\S+)", segment.hosts["a"].run("ip", "-6", "addr", "show", "dev", name))
    assert sorted(there) == [f"{VIRTUAL_6}/64", "fe80::64/64"]


def test_a_split_heals(segment: Segment, tmp_path: Path) -> None:
    """Both are Active with the same MAC address: each hears the other although it has the address itself."""
    a = segment.start_vrrp("a", tmp_path, settings(200))
    b = segment.start_vrrp("b", tmp_path, settings(100))
    assert wait_until(lambda: owners(segment) == ["a"] and b.director.state() == "backup")
    segment.isolate("a")
    assert wait_until(lambda: owners(segment) == ["a", "b"])
    segment.join("a")
    assert wait_until(lambda: owners(segment) == ["a"])
    assert wait_until(lambda: reaches(segment, MAC))
    assert a.director.state() == "active"


def test_with_keepalived_over_ipv6(segment: Segment, tmp_path: Path) -> None:
    ours = settings_6(100)
    a = segment.start_vrrp("a", tmp_path, ours)
    assert wait_until(lambda: owners(segment, VIRTUAL_6) == ["a"])
    extra = "  use_vmac\n  vmac_xmit_base\n  virtual_ipaddress {\n    fe80::64/64\n    2001:db8::64/64\n  }\n"
    keepalived = segment.start_keepalived("b", tmp_path, 200, addresses=(), extra=extra)
    assert wait_until(lambda: owners(segment, VIRTUAL_6) == ["b"] and a.director.state("web6") == "backup")
    ear = Ear(segment, "a")
    time.sleep(0.5)
    assert ear.end() == []
    end(keepalived)
    assert wait_until(lambda: owners(segment, VIRTUAL_6) == ["a"])


@pytest.mark.parametrize("priority", [200, 50])
def test_with_keepalived(segment: Segment, tmp_path: Path, priority: int) -> None:
    """use_vmac on its side: the same MAC address on both."""
    a = segment.start_vrrp("a", tmp_path, settings(100))
    assert wait_until(lambda: owners(segment) == ["a"])
    keepalived = segment.start_keepalived(
        "b",
        tmp_path,
        priority,
        addresses=(),
        extra=("  use_vmac\n  vmac_xmit_base\n  virtual_ipaddress {\n    192.0.2.100/24\n  }\n"),
    )
    assert wait_until(lambda: owners(segment) == (["b"] if priority > 100 else ["a"]))
    assert wait_until(lambda: reaches(segment, MAC))
    if priority > 100:
        assert macvlans(segment, "a")
        assert set(macvlans(segment, "a").values()) == {"down"}
        end(keepalived)
        assert wait_until(lambda: owners(segment) == ["a"])
    else:
        end(a.process)
        assert wait_until(lambda: owners(segment) == ["b"])
    assert wait_until(lambda: reaches(segment, MAC))


def test_kill_9_leaves_it_and_a_new_process_takes_it_down_first(segment: Segment, tmp_path: Path) -> None:
    a = segment.start_vrrp("a", tmp_path, settings(200))
    assert wait_until(lambda: owners(segment) == ["a"])
    b = segment.start_vrrp("b", tmp_path, settings(150))
    assert wait_until(lambda: b.director.state() == "backup")
    end(a.process, signal.SIGKILL)
    assert wait_until(lambda: owners(segment) == ["a", "b"])  # that is what cleanup is for
    a.director.say(SetRouters((settings(100),)))
    segment.restart_vrrp("a", a.director)
    assert wait_until(lambda: owners(segment) == ["b"] and macvlans(segment, "a").popitem()[1] == "down")
    assert wait_until(lambda: reaches(segment, MAC))


def test_somebody_takes_the_interface_down_or_away(segment: Segment, tmp_path: Path) -> None:
    a = segment.start_vrrp("a", tmp_path, settings(200))
    assert wait_until(lambda: owners(segment) == ["a"])
    (name,) = macvlans(segment, "a")
    segment.hosts["a"].run("ip", "link", "set", name, "down")
    assert wait_until(lambda: owners(segment) == ["a"])
    segment.hosts["a"].run("ip", "link", "del", name)
    assert wait_until(lambda: owners(segment) == ["a"] and a.director.state() == "active")
    assert wait_until(lambda: reaches(segment, MAC))


def test_the_cable_and_the_interface_below(segment: Segment, tmp_path: Path) -> None:
    a = segment.start_vrrp("a", tmp_path, settings(200))
    b = segment.start_vrrp("b", tmp_path, settings(100))
    assert wait_until(lambda: owners(segment) == ["a"] and b.director.state() == "backup")
    segment.cut("a")
    assert wait_until(lambda: owners(segment) == ["b"])
    segment.heal("a")
    assert wait_until(lambda: owners(segment) == ["a"])
    (before,) = macvlans(segment, "a")
    segment.unplug("a")
    assert wait_until(lambda: owners(segment) == ["b"] and "does not exist" in a.director.transitions()[-1][1])
    segment.plug("a")
    segment.hosts["a"].run("ip", "addr", "add", "192.0.2.1/24", "dev", "eth0")
    assert wait_until(lambda: owners(segment) == ["a"])
    (after,) = macvlans(segment, "a")
    assert after != before
    assert wait_until(lambda: reaches(segment, MAC))


def test_up_and_down_in_quick_succession_ends_as_the_last_word_was(segment: Segment) -> None:
    """Taking it down is slow and done by another thread: one that comes too late is left out."""
    with inside(segment.hosts["a"].netns):
        macvlans_of = Macvlans()
        index = socket.if_nametoindex("eth0")
        below = Interface("eth0", index, True, bytes(6))
        name, mac = interface_name(4, 51, index), virtual_mac(4, 51)
        assert macvlans_of.place(settings(100), below, {}) == NO_VIRTUAL_MAC
        there = Interface(name, socket.if_nametoindex(name), False, mac)
        assert macvlans_of.place(settings(100), below, {name: there}) == there
        for _ in range(20):
            assert macvlans_of.hold("web", held=True)
            assert macvlans(segment, "a") == {name: "up"}
            assert not macvlans_of.hold("web", held=False)
            time.sleep(0.001)
        assert macvlans_of.hold("web", held=True)
        assert macvlans_of.released() == []
        time.sleep(0.2)
        assert macvlans(segment, "a") == {name: "up"}
        assert not macvlans_of.hold("web", held=False)
        assert macvlans_of.wait() == ["web"]
        assert macvlans(segment, "a") == {name: "down"}
        assert macvlans_of.wait() == []
        macvlans_of.close()
        assert macvlans(segment, "a") == {}


def test_switched_on_and_off_by_a_reload(segment: Segment, tmp_path: Path) -> None:
    host = segment.hosts["a"]
    before = host.run("sysctl", "net.ipv4.conf.eth0.arp_ignore", "net.ipv4.conf.eth0.arp_announce")
    a = segment.start_vrrp("a", tmp_path, router())
    assert wait_until(lambda: reaches(segment, host.mac()))
    a.director.say(SetRouters((settings(100),)))
    assert wait_until(lambda: reaches(segment, MAC))
    assert not host.has(VIRTUAL)  # not on eth0
    a.director.say(SetRouters((replace(settings(100), vrid=52),)))
    assert wait_until(lambda: reaches(segment, "00:00:5e:00:01:34"))
    assert [each.split("-")[1] for each in macvlans(segment, "a")] == ["52"]
    a.director.say(SetRouters((router(vrid=52),)))
    assert wait_until(lambda: reaches(segment, host.mac()) and macvlans(segment, "a") == {})
    assert host.run("sysctl", "net.ipv4.conf.eth0.arp_ignore", "net.ipv4.conf.eth0.arp_announce") == before


def test_where_none_can_be_made_a_router_says_so(segment: Segment, tmp_path: Path) -> None:
    """A bridge's port has its receive handler already."""
    host = segment.hosts["a"]
    host.run("ip", "link", "add", "br1", "type", "bridge")
    host.run("ip", "link", "set", "eth0", "master", "br1")
    a = segment.start_vrrp("a", tmp_path, settings(100))
    assert wait_until(lambda: "can be made on eth0" in (a.director.transitions() or [("", "")])[-1][1])
    assert re.search("(?i)busy", a.director.transitions()[-1][1])
    run("ip", "link", "set", "eth0", "nomaster", netns=host.netns)
