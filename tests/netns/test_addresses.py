"""AddressHolder and Links against the running kernel, in a namespace of their own."""

import errno
import select
import socket
import time
from collections.abc import Iterator
from ipaddress import ip_address

import pytest

from haagent.linux.addresses import AddressHolder
from haagent.linux.announce import Announcer
from haagent.linux.links import Changes, Links
from haagent.linux.vrrp_socket import VrrpSocket, packet
from tests.netns.segment import Host, Segment, address, inside, wait_until

pytestmark = pytest.mark.root

MANY = tuple(address(f"198.51.100.{host}/24") for host in range(1, 101))
OWN = (address("192.0.2.1/24"),)


class Kernel:
    """One host's holder and links, as the vrrp process has them."""

    def __init__(self, host: Host) -> None:
        self.host = host
        with inside(host.netns):
            holder = AddressHolder.open()
            assert isinstance(holder, AddressHolder)
            links = Links.open(holder.port_id)
            assert isinstance(links, Links)
        self.holder, self.links = holder, links
        holder.follow(links)
        links.start_audit()
        assert self.hear().is_audited
        link = links.by_name("eth0")
        assert link is not None
        self.index, self.mac = link.index, link.mac
        with inside(host.netns):
            announcer = Announcer.open(self.index)
        assert isinstance(announcer, Announcer)
        holder.announcers[self.index] = announcer

    def hear(self, timeout: float = 0.3) -> Changes:
        """Everything that the kernel says within the time, as one."""
        total = Changes()
        until = time.monotonic() + timeout
        while select.select([self.links.socket], [], [], max(0.0, until - time.monotonic()))[0]:
            changes = self.links.receive()
            total.is_changed |= changes.is_changed
            total.is_audited |= changes.is_audited
            total.moved |= changes.moved
            total.gone += changes.gone
            total.vanished += changes.vanished
        return total

    def prepare(self, *addresses: tuple[bytes, int], router: str = "web", is_owner: bool = False) -> bool:
        return self.holder.prepare(router, self.index, self.mac, tuple(addresses), OWN, is_owner)

    def hold(self, held: bool, router: str = "web") -> None:
        self.holder.set_addresses(router, held)
        self.work()

    def work(self) -> None:
        while self.holder.is_busy:
            self.holder.work()


@pytest.fixture
def segment() -> Iterator[Segment]:
    with Segment("a", prefix="ha") as each:
        yield each


@pytest.fixture
def kernel(segment: Segment) -> Kernel:
    """Without IPv6, whose link-local address would come and be ready at its own time (test_families.py has it)."""
    segment.hosts["a"].run("sysctl", "-qw", "net.ipv6.conf.all.disable_ipv6=1")
    return Kernel(segment.hosts["a"])


def test_held_announced_and_released(kernel: Kernel) -> None:
    kernel.prepare(*MANY)
    kernel.holder.set_addresses("web", True)
    kernel.holder.announce("web")
    kernel.work()
    assert len(kernel.host.addresses()) == 101
    assert kernel.holder.tally.announced["web"] == 100
    kernel.hold(True)  # a level: nothing to do
    kernel.hold(False)
    assert kernel.host.addresses() == ["192.0.2.1/24"]
    assert not kernel.holder.tally.failed


def ipv4_addresses(kernel: Kernel) -> int:
    """A machine may give every interface a link-local IPv6 address besides, or none."""
    return sum(len(address) == 4 for address, _ in kernel.links.by_index[kernel.index].addresses)


def test_our_own_changes_come_back_neither_as_events_nor_as_interfaces(kernel: Kernel) -> None:
    before = kernel.links.interfaces()
    kernel.prepare(*MANY)
    kernel.hold(True)
    kernel.hold(False)
    kernel.hold(True)
    changes = kernel.hear()
    assert not changes.is_changed
    assert not changes.gone
    kernel.links.start_audit()
    assert kernel.hear().is_audited
    assert kernel.links.interfaces() == before
    assert ipv4_addresses(kernel) == 101


def test_a_level_that_changes_on_the_way_replaces_the_rest(kernel: Kernel) -> None:
    kernel.prepare(*MANY)
    kernel.holder.set_addresses("web", True)
    kernel.holder.work()
    assert 0 < len(kernel.host.addresses()) - 1 < 100
    kernel.hold(False)
    assert kernel.host.addresses() == ["192.0.2.1/24"]


def test_two_routers_take_turns(kernel: Kernel) -> None:
    kernel.prepare(*MANY)
    kernel.prepare(address("192.0.2.100/24"), router="mail")
    kernel.holder.set_addresses("web", True)
    kernel.holder.set_addresses("mail", True)
    kernel.holder.work()
    kernel.holder.work()
    assert kernel.host.has("192.0.2.100")
    assert not kernel.host.has("198.51.100.100")


def test_in_a_connected_subnet_the_real_address_stays_first_and_keeps_its_route(kernel: Kernel) -> None:
    kernel.prepare(address("192.0.2.100/24"), address("192.0.2.130/25"))
    kernel.hold(True)
    routes = kernel.host.run("ip", "-4", "route", "show", "dev", "eth0").splitlines()
    assert [line.split()[0] for line in routes] == ["192.0.2.0/24"]
    assert "src 192.0.2.1" in routes[0]
    assert kernel.host.addresses()[0] == "192.0.2.1/24"


def test_in_a_subnet_of_its_own_it_brings_the_route(kernel: Kernel) -> None:
    kernel.prepare(*MANY[:2])
    kernel.hold(True)
    assert "198.51.100.0/24" in kernel.host.run("ip", "-4", "route", "show", "dev", "eth0")


def test_left_overs_are_swept_whatever_their_prefix_length(kernel: Kernel) -> None:
    kernel.host.run("ip", "addr", "add", "198.51.100.1/32", "dev", "eth0")
    kernel.host.run("ip", "addr", "add", "198.51.100.2/24", "dev", "eth0")
    kernel.hear()
    kernel.prepare(*MANY)
    kernel.hold(False)
    assert kernel.host.addresses() == ["192.0.2.1/24"]


def test_somebody_elses_deletion_is_repaired_at_once_and_then_more_slowly(kernel: Kernel) -> None:
    kernel.prepare(*MANY)
    kernel.hold(True)
    now = 1000.0
    dues = []
    for _ in range(4):
        kernel.host.run("ip", "addr", "del", "198.51.100.50/24", "dev", "eth0")
        (gone,) = kernel.hear().gone
        kernel.holder.address_gone(gone.index, gone.address, now)
        due = kernel.holder.next_deadline()
        assert due is not None
        dues.append(due - now)
        now = due
        kernel.holder.pass_time(now)
        kernel.work()
        assert kernel.host.has("198.51.100.50")
    assert dues == pytest.approx([0.0, 0.1, 0.2, 0.4])
    assert kernel.holder.tally.repaired["web"] == 4


def test_an_audit_finds_what_no_event_told(kernel: Kernel) -> None:
    kernel.prepare(*MANY)
    kernel.hold(True)
    kernel.host.run("ip", "addr", "del", "198.51.100.50/24", "dev", "eth0")
    kernel.hear()  # as if it had been lost
    kernel.links.start_audit()
    assert kernel.hear().is_audited
    kernel.holder.audited(5.0)
    kernel.holder.pass_time(5.0)
    kernel.work()
    assert kernel.host.has("198.51.100.50")


def test_events_that_were_lost_bring_an_audit(kernel: Kernel) -> None:
    kernel.links.socket.setsockopt(1, 8, 2304)  # SO_RCVBUF, the least there is
    for host in range(1, 60):
        kernel.host.run("ip", "addr", "add", f"203.0.113.{host}/32", "dev", "eth0")
    changes = kernel.hear()
    assert kernel.links.losses > 0
    assert changes.is_audited
    assert ipv4_addresses(kernel) == 60


def test_a_flap_between_two_readings_moved_us(kernel: Kernel, segment: Segment) -> None:
    def shows(state: str) -> bool:
        return wait_until(lambda: f"state {state}" in kernel.host.run("ip", "link", "show", "dev", "eth0"))

    segment.cut("a")
    assert shows("DOWN")
    segment.heal("a")
    assert shows("UP")
    assert kernel.links.receive().moved == {"eth0"}
    segment.cut("a")
    assert shows("DOWN")
    changes = kernel.hear()
    assert changes.is_changed
    assert not changes.moved
    assert not kernel.links.interfaces()[-1].is_up


def test_an_interface_that_went_takes_everything_along(kernel: Kernel, segment: Segment) -> None:
    with inside(kernel.host.netns):
        sock = VrrpSocket.open(kernel.index)
    assert isinstance(sock, VrrpSocket)
    kernel.prepare(*MANY)
    kernel.hold(True)
    segment.unplug("a")
    changes = kernel.hear()
    assert changes.vanished == [kernel.index]
    kernel.holder.interface_gone(kernel.index)
    kernel.hold(False)
    assert not kernel.holder.is_busy
    assert sock.receive() is None
    assert sock.send(bytes(28)) in (errno.ENODEV, errno.ENXIO, errno.ENETUNREACH, errno.ENETDOWN)
    sock.close()
    kernel.hold(True)
    assert kernel.holder.tally.failed["web"] == 100  # the index is gone: refused, not raised


def test_prepare_tells_when_the_interface_is_another(kernel: Kernel) -> None:
    assert not kernel.prepare(*MANY)
    assert not kernel.prepare(*MANY)
    assert not kernel.prepare(*MANY[:3])
    kernel.mac = bytes(6)
    assert kernel.prepare(*MANY[:3])


def test_a_repair_waits_for_the_announcements_that_are_on_their_way(kernel: Kernel) -> None:
    """After a stall both come at once: a losing advertisement's announcement, and the word that an address is gone."""
    kernel.prepare(*MANY)
    kernel.hold(True)
    kernel.host.run("ip", "addr", "del", "198.51.100.7/24", "dev", "eth0")
    (gone,) = kernel.hear().gone
    now = time.monotonic()
    kernel.holder.announce("web")
    kernel.holder.address_gone(gone.index, gone.address, now)
    kernel.holder.pass_time(now)
    kernel.work()
    kernel.holder.pass_time(time.monotonic())
    kernel.work()
    assert kernel.host.has("198.51.100.7")
    assert kernel.holder.tally.repaired["web"] == 1
    assert kernel.holder.next_deadline() is None


@pytest.mark.parametrize(("octets", "text"), [(4, "192.0.2.1"), (16, "2001:db8::1")])
def test_what_a_full_queue_drops_was_not_sent(segment: Segment, octets: int, text: str) -> None:
    """Less than a packet fits in; without IP_RECVERR the kernel says that all is well."""
    host = segment.hosts["a"]
    host.run("ip", "addr", "add", "2001:db8::1/64", "dev", "eth0", "nodad")
    with inside(host.netns):
        index = socket.if_nametoindex("eth0")
        opened = VrrpSocket.open(index, octets)
    assert isinstance(opened, VrrpSocket)
    message = packet(bytes(20), ip_address(text).packed)
    assert wait_until(lambda: opened.send(message) == 0)
    host.run("tc", "qdisc", "add", "dev", "eth0", "root", "tbf", "rate", "8bit", "burst", "20b", "limit", "20b")
    assert opened.send(message) == errno.ENOBUFS
    host.run("tc", "qdisc", "del", "dev", "eth0", "root")
    assert opened.send(message) == 0
    opened.close()
