"""What a client hears and learns of the announcements: form, bursts, refresh, and all that makes us speak again."""

import contextlib
import select
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from haagent.linux.arp_probe import ETH_P_ARP
from haagent.linux.vrrp_socket import VrrpSocket, packet
from haagent.processes.vrrp_messages import SetRouters
from haagent.vrrp.advertisement import Advertisement, encode
from haagent.vrrp.settings import RouterSettings
from tests.netns.segment import Host, Segment, Vrrp, address, end, inside, router, wait_until

pytestmark = [pytest.mark.root, pytest.mark.timeout(120)]

VIRTUAL, SECOND = "192.0.2.100", "192.0.2.101"
QUIET = {"announce_burst": 1, "announce_delay": 0.2, "announce_refresh": 3600.0}  # two rounds, and no more by itself
REQUEST, REPLY = 1, 2


class Ear:
    """Every announcement that a host hears, in its order: operation and address."""

    def __init__(self, host: Host) -> None:
        with inside(host.netns):
            self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ARP))
            self._socket.bind(("eth0", ETH_P_ARP))
        self.heard: list[tuple[int, str]] = []
        self._is_closed = False
        self._thread = threading.Thread(target=self._listen)
        self._thread.start()

    def _listen(self) -> None:
        while not self._is_closed:
            if select.select([self._socket], [], [], 0.05)[0]:
                frame = self._socket.recv(256)
                if frame[:6] == b"\xff" * 6 and frame[28:32] == frame[38:42]:
                    self.heard.append((frame[21], socket.inet_ntoa(frame[28:32])))

    def count(self, ip: str = VIRTUAL, operation: int = REQUEST) -> int:
        return self.heard.count((operation, ip))

    def close(self) -> None:
        self._is_closed = True
        self._thread.join()
        self._socket.close()


@pytest.fixture
def segment() -> Iterator[Segment]:
    with Segment("a", "b", "client", prefix="an") as each:
        yield each


@pytest.fixture
def ear(segment: Segment) -> Iterator[Ear]:
    with contextlib.closing(Ear(segment.hosts["client"])) as each:
        yield each


def started(segment: Segment, path: Path, *settings: RouterSettings) -> Vrrp:
    a = segment.start_vrrp("a", path, *settings)
    assert wait_until(lambda: all(a.director.state(each.name) == "active" for each in settings))
    return a


def is_quiet(ear: Ear, count: int, *ips: str) -> bool:
    """The two rounds of the start, and then none any more."""
    reached = wait_until(lambda: all(ear.count(ip) == count for ip in ips or (VIRTUAL,)))
    return reached and not wait_until(lambda: any(ear.count(ip) > count for ip in ips or (VIRTUAL,)), 0.8)


def say_less(segment: Segment, vrid: int) -> None:
    """One advertisement of a lower priority, from b."""
    with inside(segment.hosts["b"].netns):
        sock = VrrpSocket.open(socket.if_nametoindex("eth0"), 4)
    assert isinstance(sock, VrrpSocket)
    source, group = socket.inet_aton("192.0.2.2"), socket.inet_aton("224.0.0.18")
    message = encode(Advertisement(vrid, 1, 0.1, (socket.inet_aton(VIRTUAL),)), source, group)
    assert sock.send(packet(message, source, group), group) == 0
    sock.close()


def test_two_bursts_then_the_refresh(segment: Segment, ear: Ear, tmp_path: Path) -> None:
    started(segment, tmp_path, router(announce_burst=3, announce_delay=1.5, announce_refresh=1.0))
    assert wait_until(lambda: ear.count() >= 8)  # 3, 3, and by the refresh
    assert {operation for operation, _ in ear.heard} == {REQUEST}


@pytest.mark.parametrize("form", ["reply", "both"])
def test_a_client_that_knows_another_mac_or_none_learns_from_replies(
    segment: Segment, ear: Ear, tmp_path: Path, form: str
) -> None:
    client, mac = segment.hosts["client"], segment.hosts["a"].mac()
    client.run("sysctl", "-qw", "net.ipv4.conf.eth0.arp_accept=1")
    stale = ("ip", "neigh", "replace", VIRTUAL, "lladdr", "02:00:00:00:00:01", "dev", "eth0", "nud", "stale")
    client.run(*stale)
    both = (address(f"{VIRTUAL}/24"), address(f"{SECOND}/24"))
    started(segment, tmp_path, router(virtual_addresses=both, announce_form=form))
    assert wait_until(lambda: client.neighbour(VIRTUAL) == client.neighbour(SECOND) == mac)
    assert ear.count(operation=REPLY) > 0
    assert (ear.count(operation=REQUEST) > 0) == (form == "both")
    a = ear.heard[:4]
    if form == "both":
        assert a == [(REQUEST, VIRTUAL), (REPLY, VIRTUAL), (REQUEST, SECOND), (REPLY, SECOND)]


def test_a_reload_changes_the_form(segment: Segment, ear: Ear, tmp_path: Path) -> None:
    a = started(segment, tmp_path, router(announce_refresh=1.0))
    a.director.say(SetRouters((router(announce_refresh=1.0, announce_form="reply"),)))
    assert wait_until(lambda: ear.count(operation=REPLY) >= 1)


def test_a_losing_advertisement_is_answered_by_all_of_the_group(segment: Segment, ear: Ear, tmp_path: Path) -> None:
    """Its siblings' clients may have learned the loser's MAC as well (keepalived #166)."""
    sides = [
        router("inside", vrid=51, group="nat", **QUIET),
        router("outside", vrid=52, group="nat", virtual_addresses=(address(f"{SECOND}/24"),), **QUIET),
    ]
    started(segment, tmp_path, *sides)
    assert is_quiet(ear, 2, VIRTUAL, SECOND)
    say_less(segment, 51)
    assert wait_until(lambda: ear.count(VIRTUAL) >= 3 and ear.count(SECOND) >= 3)


def test_a_link_that_comes_back_and_a_stall_are_followed_by_announcements(
    segment: Segment, ear: Ear, tmp_path: Path
) -> None:
    a = started(segment, tmp_path, router(**QUIET))
    assert is_quiet(ear, 2)
    segment.cut("a")
    assert wait_until(lambda: a.director.state() != "active")
    segment.heal("a")
    assert wait_until(lambda: ear.count() >= 4)
    assert is_quiet(ear, 4)
    a.process.send_signal(19)  # SIGSTOP
    assert not wait_until(lambda: ear.count() > 4, 1.0)
    a.process.send_signal(18)
    assert wait_until(lambda: ear.count() >= 6)


def test_a_takeover_of_many_addresses_is_announced_whole(segment: Segment, ear: Ear, tmp_path: Path) -> None:
    many = tuple(f"198.51.100.{host}" for host in range(1, 201))
    a = started(
        segment, tmp_path, router(unadvertised_addresses=tuple(address(f"{each}/24") for each in many), **QUIET)
    )
    assert wait_until(lambda: all(ear.count(each) >= 2 for each in many))
    assert end(a.process) == 0
