"""Reports: everything at first, then only what moved, a few routers at a time."""

import re
from dataclasses import replace
from pathlib import Path

from haagent.processes.vrrp_messages import SourceReport
from haagent.processes.vrrp_report import SLICE, Reporter
from haagent.snapshot import RouterCounters
from haagent.vrrp.advertisement import MULTICAST_GROUP, Advertisement, encode
from haagent.vrrp.settings import Interface, RouterSettings
from haagent.vrrp.speaker import Speaker

ROOT = Path(__file__).parents[3]
OURS, PEER = bytes((192, 0, 2, 2)), bytes((192, 0, 2, 1))
WEB = RouterSettings("web", "eth0", 51, 100, 1.0, ((bytes((192, 0, 2, 100)), 24),), ((bytes((192, 0, 2, 101)), 32),))
ETH0 = Interface("eth0", 7, True, b"\2\0\0\0\0\2", ((OURS, 24),))


def started(*routers: RouterSettings) -> Speaker:
    speaker = Speaker()
    speaker.set_interfaces([ETH0], 0.0)
    speaker.set_routers(routers, 0.0)
    return speaker


def names(reporter: Reporter, speaker: Speaker) -> list[list[str]]:
    slices = []
    while reporter.is_pending:
        report = reporter.next_slice(speaker, {"eth0": ETH0})
        slices.append([each.name for each in report.routers] if report else [])
    return slices


def test_many_routers_come_in_slices_and_unchanged_ones_once() -> None:
    routers = [replace(WEB, name=f"r{vrid}", vrid=vrid) for vrid in range(1, SLICE + 3)]
    speaker, reporter = started(*routers), Reporter()
    reporter.want_all(speaker)
    first, second = names(reporter, speaker)
    assert first + second == [each.name for each in routers]
    assert len(first) == SLICE
    reporter.want(*speaker.machines)
    assert names(reporter, speaker) == [[], []]
    speaker.machines["r3"].counters["advertisements_sent"] += 1
    reporter.want(*speaker.machines)
    assert names(reporter, speaker) == [["r3"], []]
    reporter.want_all(speaker)
    assert [name for part in names(reporter, speaker) for name in part] == [each.name for each in routers]


def test_the_fields() -> None:
    speaker, reporter = started(WEB), Reporter()
    message = encode(Advertisement(51, 200, 1.0, (bytes((192, 0, 2, 100)),)), PEER)
    speaker.receive("eth0", message, 255, PEER, MULTICAST_GROUP, 1.0)
    speaker.receive("eth0", message, 254, PEER, MULTICAST_GROUP, 1.0)
    reporter.want("web", "web")
    only = reporter.next_slice(speaker, {"eth0": ETH0}, 1.5)
    assert only is not None
    (report,) = only.routers
    assert (report.ifindex, report.state, report.primary_address, report.active_address) == (
        7,
        "backup",
        "192.0.2.2",
        "192.0.2.1",
    )
    assert report.virtual_addresses == ("192.0.2.100/24", "192.0.2.101/32")
    assert report.counters == {"advertisements_received": 1, "checksum_rfc9568": 1}
    assert report.discarded == {"ttl": 1}
    assert report.at == 1.5
    reporter.want("web")
    assert reporter.next_slice(speaker, {"eth0": ETH0}, 2.5) is None  # that it is later is nothing new
    assert report.own_addresses == ("192.0.2.2",)
    heard, refused = report.sources
    assert heard == SourceReport("192.0.2.1", "", 1.0, 1.0, 1, 3, 200, 1.0, "rfc9568")
    assert (refused.address, refused.refusal, refused.priority) == ("192.0.2.1", "ttl", 200)
    speaker.pass_time(100.0)
    reporter.want("web")
    later = reporter.next_slice(speaker, {"eth0": ETH0})
    assert later is not None
    assert (later.routers[0].state, later.routers[0].active_address) == ("active", "192.0.2.2")


def test_a_list_of_other_addresses_is_named_in_part() -> None:
    speaker, reporter = started(WEB), Reporter()
    others = tuple(bytes((192, 0, 2, last)) for last in range(200, 210))
    speaker.receive("eth0", encode(Advertisement(51, 200, 1.0, others), PEER), 255, PEER, MULTICAST_GROUP, 1.0)
    reporter.want("web")
    report = reporter.next_slice(speaker, {"eth0": ETH0})
    assert report is not None
    (source,) = report.routers[0].sources
    assert (source.others, source.lacks) == (("192.0.2.200", "192.0.2.201", "192.0.2.202"), ("192.0.2.100",))


def test_a_router_without_interface_and_one_that_is_gone() -> None:
    speaker, reporter = started(replace(WEB, interface="eth9")), Reporter()
    reporter.want("web", "gone")
    report = reporter.next_slice(speaker, {"eth0": ETH0})
    assert report is not None
    assert [(each.ifindex, each.state, each.primary_address) for each in report.routers] == [(0, "initialize", "")]
    assert "eth9 does not exist" in report.routers[0].reason


def test_every_counter_that_the_process_keeps_has_its_place_in_the_snapshot() -> None:
    """The director builds RouterCounters from them by name."""
    source = "".join((ROOT / "haagent" / part).read_text() for part in ("processes/vrrp.py", "vrrp/speaker.py"))
    kept = set(re.findall(r'counters\[f?"(\w+)"', source)) | {"advertisements_sent", "send_failures"}
    kept |= set(re.findall(r'tally\.\w+, "(\w+)"', source)) | {"checksum_rfc9568", "checksum_pseudo_header"}
    assert kept - {"checksum_"} <= set(RouterCounters.__struct_fields__)
    assert {"address_repairs", "priority_zero_received"} <= kept
