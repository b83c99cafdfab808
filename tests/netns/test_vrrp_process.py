"""Two vrrp processes on a real segment, the test as their directors: one owner after everything that happens."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from haagent.processes.vrrp_messages import SetRouters, SetTracking
from haagent.vrrp.settings import Term, TrackedInterface, Tracking
from tests.netns.segment import ROOT, Director, Segment, Vrrp, address, end, inside, router, run, wait_until

pytestmark = pytest.mark.root

VIRTUAL = "192.0.2.100"
HIGH, LOW = router(priority=200), router(priority=100)


@pytest.fixture
def segment() -> Iterator[Segment]:
    with Segment("a", "b", "client") as each:
        yield each


def become(segment: Segment, *owners: str, ip: str = VIRTUAL) -> bool:
    """Wait until exactly these hold the address, and still do a moment later."""
    if not wait_until(lambda: segment.owners(ip) == list(owners)):
        return False
    time.sleep(0.3)
    return segment.owners(ip) == list(owners)


def client_reaches(segment: Segment, name: str, ip: str = VIRTUAL) -> bool:
    """The client's own cache names the owner, and the address answers."""
    client = segment.hosts["client"]
    return client.ping(ip) and client.neighbour(ip) == segment.hosts[name].mac()


def pair(segment: Segment, path: Path) -> tuple[Vrrp, Vrrp]:
    """a (200) Active, b (100) Backup."""
    a = segment.start_vrrp("a", path, HIGH)
    b = segment.start_vrrp("b", path, LOW)
    assert become(segment, "a"), (a.director.transitions(), b.director.transitions())
    assert client_reaches(segment, "a")
    return a, b


def test_election_and_what_the_director_hears(segment: Segment, tmp_path: Path) -> None:
    a, b = pair(segment, tmp_path)
    assert [state for state, _ in a.director.transitions()] == ["backup", "active"]
    assert [state for state, _ in b.director.transitions()][-1] == "backup"
    hello = a.director.heard[0]
    assert (hello.process, hello.pid) == ("vrrp", a.pid)  # type: ignore[union-attr]
    assert "FIFO" in hello.detail  # type: ignore[union-attr]
    assert wait_until(lambda: (r := a.director.report()) is not None and r.counters.get("announcements_sent", 0) >= 5)
    report = a.director.report()
    assert report is not None
    assert (report.state, report.primary_address, report.active_address) == ("active", "192.0.2.1", "192.0.2.1")
    assert report.virtual_addresses == ("192.0.2.100/24",)
    assert report.counters["active_transitions"] == 1
    assert wait_until(lambda: (r := b.director.report()) is not None and r.active_address == "192.0.2.1")
    assert not a.director.garbage
    assert not b.director.garbage


def test_kill_9_is_taken_over_and_the_left_over_address_is_swept(segment: Segment, tmp_path: Path) -> None:
    a, _b = pair(segment, tmp_path)
    end(a.process, signal.SIGKILL)
    assert become(segment, "a", "b")  # the dead process's address stays on its host; the clients are told of b
    assert segment.hosts["client"].neighbour(VIRTUAL) == segment.hosts["b"].mac()
    a.director.say(SetRouters((router(priority=50),)))
    segment.restart_vrrp("a", a.director)
    assert become(segment, "b")
    assert client_reaches(segment, "b")


def test_a_preempting_router_takes_back_and_one_that_must_not_waits(segment: Segment, tmp_path: Path) -> None:
    a, b = pair(segment, tmp_path)
    assert end(a.process) == 0
    assert become(segment, "b")
    a.director.say(SetRouters((replace(HIGH, preempt=False),)))
    segment.restart_vrrp("a", a.director)
    assert wait_until(lambda: a.director.connections == 2 and a.director.state() == "backup")
    time.sleep(1.0)  # several Active_Down_Intervals
    assert segment.owners() == ["b"]
    a.director.say(SetRouters((HIGH,)))
    assert become(segment, "a")
    assert b.director.state() == "backup"
    assert client_reaches(segment, "a")


def test_a_clean_stop_says_priority_0(segment: Segment, tmp_path: Path) -> None:
    a, b = pair(segment, tmp_path)
    with inside(segment.hosts["client"].netns):
        wire = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(0x0800))
    with wire:
        wire.settimeout(2.0)
        assert end(a.process) == 0
        priorities = []
        until = time.monotonic() + 1.0
        while time.monotonic() < until:  # the new Active router goes on
            packet = wire.recv(100)
            if packet[9] == 112 and packet[12:16] == bytes((192, 0, 2, 1)):
                priorities.append(packet[22])
    # last and once; in both checksum forms unless the peer was heard before, which a loaded machine allows
    assert priorities[priorities.index(0) :] in ([0, 0], [0])
    assert become(segment, "b")
    assert "let go (priority 0)" in b.director.transitions()[-1][1]
    assert client_reaches(segment, "b")


@pytest.mark.parametrize("fault", ["cut", "isolate"])
def test_a_cut_link_and_its_healing(segment: Segment, tmp_path: Path, fault: str) -> None:
    a, b = pair(segment, tmp_path)
    getattr(segment, fault)("a")
    assert wait_until(lambda: b.director.state() == "active")
    assert wait_until(lambda: client_reaches(segment, "b"))
    if fault == "cut":
        assert wait_until(lambda: a.director.state() == "initialize")
        assert "eth0 is down or has no carrier" in a.director.transitions()[-1][1]
        assert become(segment, "b")
    {"cut": segment.heal, "isolate": segment.join}[fault]("a")
    assert become(segment, "a")
    assert wait_until(lambda: client_reaches(segment, "a"))
    assert b.director.state() == "backup"


def test_an_interface_that_goes_and_comes_again(segment: Segment, tmp_path: Path) -> None:
    a, b = pair(segment, tmp_path)
    segment.unplug("a")
    assert become(segment, "b")
    assert wait_until(lambda: "does not exist" in a.director.transitions()[-1][1])
    segment.plug("a")
    assert wait_until(lambda: "no IPv4 address of its own" in a.director.transitions()[-1][1])
    segment.hosts["a"].run("ip", "addr", "add", "192.0.2.1/24", "dev", "eth0")
    assert become(segment, "a")
    assert client_reaches(segment, "a")
    assert b.director.state() == "backup"


def test_a_deleted_virtual_address_comes_back_and_is_counted(segment: Segment, tmp_path: Path) -> None:
    a, _b = pair(segment, tmp_path)
    host = segment.hosts["a"]
    host.run("ip", "addr", "del", "192.0.2.100/24", "dev", "eth0")
    assert become(segment, "a")
    assert wait_until(lambda: (r := a.director.report()) is not None and r.counters.get("address_repairs") == 1)
    for _ in range(5):  # somebody insists: the repairs get slower, and still come
        host.run("ip", "addr", "del", "192.0.2.100/24", "dev", "eth0", check=False)
        time.sleep(0.05)
    assert become(segment, "a")
    assert client_reaches(segment, "a")


def test_stopped_for_2_s_and_continued(segment: Segment, tmp_path: Path) -> None:
    a, b = pair(segment, tmp_path)
    os.kill(a.pid, signal.SIGSTOP)
    assert wait_until(lambda: b.director.state() == "active")
    assert wait_until(lambda: segment.hosts["client"].neighbour(VIRTUAL) == segment.hosts["b"].mac())
    time.sleep(1.6)
    os.kill(a.pid, signal.SIGCONT)
    assert wait_until(lambda: len(segment.owners()) == 1)
    assert become(segment, "a")  # the higher priority, in the end
    assert client_reaches(segment, "a")
    assert b.director.state() == "backup"
    report = a.director.report()
    assert report is not None


def test_the_director_goes_and_the_addresses_stay(segment: Segment, tmp_path: Path) -> None:
    a, b = pair(segment, tmp_path)
    a.director.close()
    b.director.close()
    time.sleep(1.0)
    assert segment.owners() == ["a"]
    segment.cut("a")  # and the pair still does its work
    assert become(segment, "b")
    a.director.heard.clear()
    a.director.open()
    assert wait_until(lambda: (r := a.director.report()) is not None and r.state == "initialize")


def test_nothing_runs_before_the_first_routers_are_set(segment: Segment, tmp_path: Path) -> None:
    a = segment.start_vrrp("a", tmp_path)
    assert wait_until(lambda: a.director.heard)
    time.sleep(0.6)
    assert segment.owners() == []
    assert len(a.director.heard) == 1
    a.director.say(SetRouters((HIGH,)))
    assert become(segment, "a")


def test_a_reload_moves_addresses_and_removes_routers(segment: Segment, tmp_path: Path) -> None:
    a, _b = pair(segment, tmp_path)
    second = router("mail", vrid=52, virtual_addresses=(address("192.0.2.102/24"),))
    a.director.say(SetRouters((replace(HIGH, virtual_addresses=(address("192.0.2.101/24"),)), second)))
    assert become(segment, "a", ip="192.0.2.101")
    assert become(segment, "a", ip="192.0.2.102")
    assert segment.owners() == []
    swapped = (
        replace(HIGH, virtual_addresses=(address("192.0.2.102/24"),)),
        replace(second, virtual_addresses=(address("192.0.2.101/24"),)),
    )
    a.director.say(SetRouters(swapped))
    assert become(segment, "a", ip="192.0.2.101")
    assert become(segment, "a", ip="192.0.2.102")
    a.director.say(SetRouters((HIGH,)))
    assert become(segment, "a")
    assert wait_until(lambda: not segment.owners("192.0.2.101") and not segment.owners("192.0.2.102"))
    assert segment.hosts["a"].has("192.0.2.1")


def test_many_addresses_in_a_subnet_of_their_own(segment: Segment, tmp_path: Path) -> None:
    """The first of them is the kernel's primary: when it goes, the others must not go with it."""
    many = tuple(address(f"198.51.100.{host}/24") for host in range(1, 201))
    a = segment.start_vrrp("a", tmp_path, replace(HIGH, virtual_addresses=many))
    assert wait_until(lambda: len(segment.hosts["a"].addresses()) == 201)
    a.director.say(SetRouters((replace(HIGH, virtual_addresses=many[1:]),)))
    assert wait_until(lambda: not segment.hosts["a"].has("198.51.100.1") and len(segment.hosts["a"].addresses()) == 200)
    time.sleep(0.5)
    assert len(segment.hosts["a"].addresses()) == 200
    assert end(a.process) == 0
    assert segment.hosts["a"].addresses() == ["192.0.2.1/24"]


def test_an_owner_keeps_what_was_there_before_it(segment: Segment, tmp_path: Path) -> None:
    segment.hosts["a"].run("ip", "addr", "add", "192.0.2.100/24", "dev", "eth0")
    both = (address("192.0.2.100/24"), address("192.0.2.101/24"))
    a = segment.start_vrrp("a", tmp_path, router(priority=255, virtual_addresses=both))
    assert become(segment, "a", ip="192.0.2.101")
    assert a.director.state() == "active"
    segment.cut("a")  # a fault: it lets go of what it added, not of what is its own
    assert wait_until(lambda: segment.hosts["a"].addresses() == ["192.0.2.1/24", "192.0.2.100/24"])
    segment.heal("a")
    assert become(segment, "a", ip="192.0.2.101")
    os.kill(a.pid, signal.SIGXCPU)  # the watchdog takes real time away, nothing else
    assert become(segment, "a", ip="192.0.2.101")
    assert end(a.process) == 0
    assert segment.hosts["a"].addresses() == ["192.0.2.1/24", "192.0.2.100/24"]


def test_tracking_is_obeyed(segment: Segment, tmp_path: Path) -> None:
    a, _b = pair(segment, tmp_path)
    a.director.say(SetTracking({"web": Tracking(terms=(Term("x", -150),))}))
    assert become(segment, "b")
    a.director.say(SetTracking({}))
    assert become(segment, "a")
    a.director.say(SetTracking({"web": Tracking(fault="pool web is empty")}))
    assert become(segment, "b")
    assert a.director.transitions()[-1] == ("initialize", "pool web is empty")
    segment.hosts["a"].run("ip", "link", "add", "up1", "type", "veth", "peer", "name", "up2")
    tracked = replace(HIGH, tracked_interfaces=(TrackedInterface("up1", True, 0),))
    a.director.say(SetTracking({}))
    a.director.say(SetRouters((tracked,)))
    assert wait_until(lambda: a.director.transitions()[-1][1] == "tracked interface up1 is down")
    for end_of_it in ("up1", "up2"):
        segment.hosts["a"].run("ip", "link", "set", end_of_it, "up")
    assert become(segment, "a")


def test_garbage_on_the_wire_is_counted(segment: Segment, tmp_path: Path) -> None:
    a, _b = pair(segment, tmp_path)
    with inside(segment.hosts["client"].netns):
        sock = socket.socket(socket.AF_INET, socket.SOCK_RAW, 112)
    with sock:
        sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton("192.0.2.3"))
        sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, 255)
        for garbage in (b"", b"x", bytes(8), b"\x31" * 100, os.urandom(1400), b"\x21\x33\x64\x01\0\1\0\0" + bytes(12)):
            sock.sendto(garbage, ("224.0.0.18", 0))
        sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, 1)
        sock.sendto(bytes(20), ("224.0.0.18", 0))
    assert wait_until(lambda: (r := a.director.report()) is not None and sum(r.discarded.values()) == 7)
    assert segment.owners() == ["a"]
    assert a.process.poll() is None


def test_the_supervisor_dies_and_the_process_lets_go(segment: Segment, tmp_path: Path) -> None:
    reader, writer = os.pipe()
    director = Director(tmp_path / "a.sock")
    segment.directors.append(director)
    director.say(SetRouters((HIGH,)))
    process = segment.start(
        "a",
        *(sys.executable, "-m", "haagent.processes.vrrp", "--socket", str(director.path), "--alive-fd", str(reader)),
        pass_fds=(reader,),
        cwd=ROOT,
    )
    os.close(reader)
    assert become(segment, "a")
    process.send_signal(signal.SIGINT)
    assert become(segment, "a")
    os.close(writer)
    assert process.wait(10) == 0
    assert segment.owners() == []


def test_without_privilege_it_says_what_to_do() -> None:
    done = subprocess.run(
        # Still uid 0: another user could not read a checkout below /root
        ("setpriv", "--bounding-set", "-all", "--inh-caps", "-all", sys.executable, "-m", "haagent.processes.vrrp"),
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert done.returncode == 77
    assert "CAP_NET_ADMIN and CAP_NET_RAW are missing" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_it_imports_the_standard_library_and_haagent_alone() -> None:
    program = (
        "import sys, haagent.processes.vrrp\n"
        "names = {n.split('.')[0] for n, m in sys.modules.items() if getattr(m, '__file__', None)}\n"
        "print(*sorted(n for n in names - set(sys.stdlib_module_names) - {'haagent', '__main__'}))\n"
        "print(*sorted(n for n in sys.modules if n.startswith('haagent')))"
    )
    lines = run(sys.executable, "-S", "-c", f"import sys; sys.path.insert(0, {str(ROOT)!r})\n{program}").splitlines()
    assert lines[0] == ""
    assert "haagent.config.model" not in lines[1]
    assert "haagent.processes.messages" not in lines[1]
