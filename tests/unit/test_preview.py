"""What `haagent plan` says of each change, in words."""

from msgspec import structs

from haagent.config.model import SlowStart
from haagent.core.core import Core
from haagent.core.events import ConfigLoaded, HealthChanged, TableAdopted
from haagent.ipvs.marks import ALL, MarkRule
from haagent.ipvs.plan import AddDestination, AddService, Owned, RemoveService, SetDestination
from haagent.ipvs.table import (
    FLAG_ONEPACKET,
    FLAG_PERSISTENT,
    FLAG_SCHED1,
    Destination,
    DestinationKey,
    Forwarding,
    Service,
    ServiceKey,
)
from haagent.preview import mark_steps, preview, step
from tests.unit.build import config, real_server, service

SIX = ServiceKey(6, bytes.fromhex("20010db8" + "0" * 23 + "1"), 80)
MARK = ServiceKey(0, b"", 0, 7)


def test_names_of_services() -> None:
    assert step(AddService(SIX, Service("rr")), {}).name == "tcp [2001:db8::1]:80"
    assert step(AddService(MARK, Service("rr")), {}).name == "firewall mark 7"
    assert step(AddService(ServiceKey(0, bytes(16), 0, 7), Service("rr")), {}).name == "firewall mark 7 ipv6"
    assert step(AddService(ServiceKey(132, bytes([192, 0, 2, 1]), 9), Service("rr")), {}).name == "sctp 192.0.2.1:9"


def test_settings_of_services() -> None:
    assert step(AddService(SIX, Service("mh", FLAG_SCHED1)), {}).after == "mh fallback"
    assert step(AddService(SIX, Service("rr", FLAG_ONEPACKET)), {}).after == "rr one packet"
    persistent = Service("rr", FLAG_PERSISTENT, 300, 0xFFFFFF00, "sip")
    assert step(RemoveService(MARK), {MARK: persistent}).before == "rr persistent 300 s mask 255.255.255.0 sip"
    assert step(AddService(SIX, Service("rr", FLAG_PERSISTENT, 9, 64)), {}).after == "rr persistent 9 s mask /64"


def test_destinations() -> None:
    key = DestinationKey(SIX.address, 80)
    plain, gue = Destination(Forwarding.TUNNELING, 1), Destination(Forwarding.TUNNELING, 2, 9, 5, 1, 6080, 1)
    assert step(AddDestination(MARK, key, plain), {}).name == "firewall mark 7 -> [2001:db8::1]:80"
    changed = step(SetDestination(MARK, key, gue), {MARK: Service("rr", destinations={key: plain})})
    assert changed.before == "tunneling weight 1"
    assert changed.after == "tunneling weight 2 gue port 6080 flags 0x1 thresholds 5-9"


def test_marks_are_told_as_rules() -> None:
    one, two = MarkRule("192.0.2.1", "tcp", ((80, 80),), 7), MarkRule("192.0.2.1", "udp", ALL, 7)
    gone, new = mark_steps(frozenset({one}), frozenset({two}))
    assert (gone.action, gone.subject, gone.name) == ("remove", "mark", "nftables inet haagent")
    assert gone.before == "ip daddr 192.0.2.1 tcp dport { 80 } meta mark set 7"
    assert (new.action, new.after) == ("add", "ip daddr 192.0.2.1 meta l4proto udp meta mark set 7")
    assert mark_steps(frozenset({one}), frozenset({one})) == ()


def test_a_preview_leaves_the_core_as_it_was() -> None:
    core = Core()
    core.handle(TableAdopted({}, Owned(), frozenset({MarkRule("192.0.2.1", "tcp", ALL, 7)})), 0.0)
    steps = preview(core, config(service(real_server(1), checks=())), 1.0)
    assert [(each.action, each.subject) for each in steps if each.subject != "sysctl"] == [
        ("add", "service"),
        ("add", "destination"),
        ("remove", "mark"),
    ]
    assert (core.config, core.pools.of, core.pools.states) == (None, {}, {})


def test_a_preview_shares_nothing_with_a_running_core_that_either_changes() -> None:
    core = Core()
    old = service(real_server(3), name="old", port=81)
    core.handle(ConfigLoaded(config(service(real_server(1), real_server(2)), old)), 0.0)
    for probe in tuple(core.probing.probes):
        core.handle(HealthChanged(probe, "up", "connected"), 1.0)
    before = repr(core)
    slow = structs.replace(service(real_server(1), real_server(4)), slow_start=SlowStart(time=60.0))
    steps = preview(core, config(slow), 2.0)
    assert ("add", "destination") in {(each.action, each.subject) for each in steps}
    assert repr(core) == before
