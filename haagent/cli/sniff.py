"""`haagent sniff INTERFACE`: who speaks VRRP, ARP and ND for what on the segment, and what of it contradicts itself.

One line for each new fact, not for each packet; a summary at the end. Nothing is sent. Exit 0 no conflict, 2 conflicts,
1 it cannot be told.
"""

import argparse
import socket
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import asdict
from ipaddress import AddressValueError, IPv4Address
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from haagent.cli.options import DEFAULT_DIRECTORY, load_or_complain
from haagent.core.routers import router_settings
from haagent.linux.inventory import interface_addresses
from haagent.linux.netlink import NetlinkFailure
from haagent.sniff.finding import Finding
from haagent.sniff.records import Record
from haagent.sniff.replay import Replay, Replayed
from haagent.sniff.segment import Segment, lines

if TYPE_CHECKING:
    from haagent.sniff import capture

PAUSE = 0.25  # seconds after which silence is looked at
INSTALL = "haagent sniff needs scapy: pip install 'haagent[sniff]'"
_UNKNOWN_ADDRESS = bytes((0, 0, 0, 1))  # loses every tie, and is nobody's source


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("interface", nargs="?", metavar="INTERFACE", help="listen here")
    parser.add_argument("--seconds", type=float, metavar="N", help="this long; default: until interrupted")
    parser.add_argument("--json", action="store_true", help="one JSON object a line")
    file = parser.add_mutually_exclusive_group()
    file.add_argument("--write", type=Path, metavar="FILE.pcap", help="keep the frames")
    file.add_argument("--replay", type=Path, metavar="FILE.pcap", help="read a capture instead of listening")
    machine = parser.add_argument_group(
        "with --replay, what this director's routers would have done", "(any of these asks for it)"
    )
    machine.add_argument(
        "-c", "--config", type=Path, metavar="DIR", help=f"its configuration; default: {DEFAULT_DIRECTORY}"
    )
    machine.add_argument("--name", help="which director of the configuration; default: the host's name")
    machine.add_argument("--router", metavar="NAME", help="this virtual router alone")
    machine.add_argument(
        "--address", metavar="IPV4", help="the director's own address; default: the interface's on this host"
    )


def run(options: argparse.Namespace) -> int:
    try:
        from haagent.sniff import capture
    except ImportError as error:
        if not (error.name or "").startswith("scapy"):
            raise
        print(INSTALL, file=sys.stderr)
        return 1
    if options.replay is None and not options.interface:
        print("haagent: name an INTERFACE to listen on, or a capture with --replay FILE.pcap", file=sys.stderr)
        return 1
    if options.replay is None and wants_machine(options):
        print("haagent: -c, --name, --router and --address belong to --replay", file=sys.stderr)
        return 1
    if options.replay is not None:
        return replay(options, capture.read(options.replay))
    with ExitStack() as stack:
        live = capture.Live.open(options.interface)
        if isinstance(live, str):
            print(f"haagent: {live}", file=sys.stderr)
            return 1
        stack.callback(live.close)
        try:
            writer = stack.enter_context(capture.Writer(options.write)) if options.write else None
        except OSError as error:
            print(f"haagent: {options.write}: {error.strerror}", file=sys.stderr)
            return 1
        segment = Segment()
        print(f"listening on {options.interface}; Ctrl-C ends it", file=sys.stderr, flush=True)
        try:
            for frame in frames(live, options.seconds):
                if frame is None:
                    show(segment.pass_time(time.time()), as_json=options.json)
                    continue
                record = capture.dissect(frame)
                if record is None:
                    continue
                if writer:
                    writer.write(frame)
                show(segment.hear(record), as_json=options.json)
        except KeyboardInterrupt:
            pass
        except OSError as error:
            print(f"haagent: {options.interface}: {error.strerror}", file=sys.stderr)
        return conclude(segment, time.time(), as_json=options.json)


def frames(live: "capture.Live", seconds: float | None) -> "Iterator[capture.Frame | None]":
    """None whenever nothing came for a while."""
    end = time.monotonic() + seconds if seconds is not None else float("inf")
    while (left := end - time.monotonic()) > 0:
        there = list(live.frames(min(PAUSE, left)))
        yield from there
        if not there:
            yield None


def replay(options: argparse.Namespace, records: Iterator[Record] | str) -> int:
    if isinstance(records, str):
        print(f"haagent: {records}", file=sys.stderr)
        return 1
    machine = machine_of(options) if wants_machine(options) else None
    if isinstance(machine, str):
        if machine:
            print(f"haagent: {machine}", file=sys.stderr)
        return 1
    segment, at = Segment(), 0.0
    for record in records:
        at = max(at, record.at)
        show(segment.hear(record), as_json=options.json)
        if machine:
            show(machine.hear(record), as_json=options.json)
    if machine and (discarded := machine.discarded()) and not options.json:
        print("this director discarded: " + ", ".join(f"{count} {reason}" for reason, count in discarded.items()))
    return conclude(segment, at, as_json=options.json)


def wants_machine(options: argparse.Namespace) -> bool:
    return any(each is not None for each in (options.config, options.name, options.router, options.address))


def machine_of(options: argparse.Namespace) -> Replay | str:
    """A sentence where the configuration does not tell; an empty one where that has been printed."""
    options.config = options.config or DEFAULT_DIRECTORY
    config = load_or_complain(options)
    if config is None:
        return ""
    routers = [
        each
        for each in config.virtual_routers
        if options.router in (None, each.name) and options.interface in (None, each.interface)
    ]
    interfaces = sorted({each.interface for each in routers})
    if not routers:
        names = ", ".join(f"{each.name} on {each.interface}" for each in config.virtual_routers)
        return f"no such virtual router; the configuration has {names or 'none'}"
    if len(interfaces) > 1:
        return f"a capture is of one segment: name the INTERFACE, one of {', '.join(interfaces)}"
    virtual = {each.address for router in routers for each in router.virtual_addresses + router.unadvertised_addresses}
    address = own_address(options.address, interfaces[0], virtual)
    if isinstance(address, str):
        return address
    return Replay([router_settings(each) for each in routers], interfaces[0], address)


def own_address(given: str | None, interface: str, virtual: set[str]) -> bytes | str:
    """Packed: it decides ties, and tells which advertisements of the capture are this director's own."""
    if given is not None:
        try:
            return IPv4Address(given).packed
        except AddressValueError:
            return f"--address {given} is no IPv4 address"
    here = interface_addresses()
    for name, address, _ in [] if isinstance(here, NetlinkFailure) else here:
        if name == interface and address not in virtual:
            return socket.inet_aton(address)
    print(
        f"haagent: {interface} has no address here, so the director loses every tie; say its own with --address",
        file=sys.stderr,
    )
    return _UNKNOWN_ADDRESS


def show(findings: Iterable[Finding | Replayed], *, as_json: bool) -> None:
    for each in findings:
        if as_json:
            tag = {"replayed": True} if isinstance(each, Replayed) else {}
            print(msgspec.json.encode(asdict(each) | tag).decode(), flush=True)
        elif isinstance(each, Replayed):
            change = f"{each.previous} -> {each.state}" if each.previous != each.state else each.state
            print(f"{moment(each.at)}  would     router {each.router}: {change}: {each.reason}", flush=True)
        else:
            kind = each.kind.upper() if each.kind == "conflict" else each.kind
            print(f"{moment(each.at)}  {kind:9} {each.about}: {each.text}", flush=True)


def conclude(segment: Segment, at: float, *, as_json: bool) -> int:
    summary = segment.summary()
    if as_json:
        print(msgspec.json.encode({"summary": asdict(summary)}).decode(), flush=True)
    else:
        print("", *lines(summary, at), sep="\n", flush=True)
    return 2 if summary.conflicts else 0


def moment(at: float) -> str:
    return time.strftime("%H:%M:%S", time.localtime(at)) + f"{at % 1:.3f}"[1:]
