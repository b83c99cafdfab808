"""`haagent status`: the daemon's snapshot, for people or as JSON. Exit 0 healthy, 2 degraded, 1 no answer."""

import argparse
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TextIO

import msgspec

from haagent.cli.colour import painted, wanted
from haagent.cli.durations import duration
from haagent.cli.judgement_words import judgement_words
from haagent.cli.options import add_daemon, find_socket
from haagent.cli.watch import watch
from haagent.control.client import Unreachable, ask
from haagent.control.requests import Refused, Status, StatusAnswer
from haagent.snapshot import RealServerStatus, RouterStatus, ServiceStatus, Snapshot


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_daemon(parser)
    parser.add_argument("--json", action="store_true", help="the whole snapshot as one JSON object")
    parser.add_argument("--watch", action="store_true", help="again every second, in place; q leaves")


def run(options: argparse.Namespace) -> int:
    path = find_socket(options)
    if path is None:
        return 1
    if options.watch and not options.json:
        return watch(lambda: look(path))
    code = 0
    try:
        while True:
            code, found = look(path, as_json=options.json)
            show(found, to=sys.stderr if code == 1 else sys.stdout, is_plain=options.json)
            if not options.watch:
                return code
            time.sleep(1)
    except KeyboardInterrupt:
        return code


def show(found: Iterable[str], *, to: TextIO, is_plain: bool = False) -> None:
    is_coloured = wanted(to) and not is_plain
    print("\n".join(painted(line) if is_coloured else line for line in found), file=to, flush=True)


def look(path: Path, *, as_json: bool = False) -> tuple[int, list[str]]:
    """The exit code, and what to show of the daemon behind this socket."""
    match ask(path, Status()):
        case StatusAnswer(snapshot):
            code = 2 if snapshot.problems else 0
            return code, [msgspec.json.encode(snapshot).decode()] if as_json else list(lines(snapshot))
        case Refused(reason) | Unreachable(reason):
            sentence = reason
        case answer:
            sentence = f"the daemon answered {type(answer).__name__} to a status request"
    return 1, [f"haagent: {sentence}"]


def lines(snapshot: Snapshot) -> Iterator[str]:
    """The whole view, top down: who we are, what is wrong, routers, services, processes."""
    up_time = duration(snapshot.at - snapshot.started_at)
    yield f"director {snapshot.director}   haagent {snapshot.version}, running for {up_time}"
    yield "state    " + (f"DEGRADED: {len(snapshot.problems)} to look at" if snapshot.problems else "healthy")
    for problem in snapshot.problems:
        yield f"         ! {problem}"
    for router in snapshot.routers:
        yield ""
        yield from router_lines(router, snapshot.at)
    for service in snapshot.services:
        yield ""
        yield from service_lines(service, snapshot.at)
    yield ""
    yield from table_lines(snapshot)
    for peer in snapshot.peers:
        last = f"last exchange {duration(snapshot.at - peer.at)} ago" if peer.at else "no exchange yet"
        yield f"peer     {peer.name:9} {peer.address}, {last}: {peer.detail}"
    for process in snapshot.processes:
        state = f"pid {process.pid}" if process.running else "NOT RUNNING"
        yield f"process  {process.name:9} {state:12} for {duration(snapshot.at - process.since):11} {process.detail}"


def table_lines(snapshot: Snapshot) -> Iterator[str]:
    """The kernel's table, as far as there is something to say about it."""
    for each in snapshot.table_leaving:
        left = duration(max(0.0, each.until - snapshot.at))
        yield f"leaving  {each.name}   {each.destination}, for at most {left} more"
    if snapshot.table_drifts:
        yield f"table    somebody else changed {snapshot.table_drifts} entries; {len(snapshot.table_left)} are left so"
    if snapshot.table_foreign:
        some = ", ".join(snapshot.table_foreign[:3]) + (", ..." if len(snapshot.table_foreign) > 3 else "")
        yield f"table    {len(snapshot.table_foreign)} entries are not haagent's: {some}"


def router_lines(router: RouterStatus, now: float) -> Iterator[str]:
    effective = router.effective_priority
    priority = f"{effective}" if effective == router.priority else f"{effective} (configured {router.priority})"
    yield (
        f"router   {router.name}   {router.state.upper()} for {duration(now - router.since)}"
        f"   vrid {router.vrid} on {router.interface}, priority {priority}"
    )
    yield f"         {router.reason}"
    yield from priority_lines(router)
    yield from agreement_lines(router, now)
    if router.active_address and router.state == "backup":
        yield f"         Active is {router.active_address}"
    yield f"         {', '.join(router.virtual_addresses)}"
    if router.announced.state:
        mark = "! " if router.announced.state == "contested" else ""
        yield f"         {mark}segment {router.announced.state}: {router.announced.reason}"


def priority_lines(router: RouterStatus) -> Iterator[str]:
    """What moves the router, beside its configured priority."""
    if router.group:
        yield f"         moves with the group {router.group}"
    if router.terms:
        yield f"         priority {router.priority} as configured, {', '.join(router.terms)}"
    if router.yields:
        yield "         yields to an Active router of lower priority: a handover, or a preempt_delay that runs"


def agreement_lines(router: RouterStatus, now: float) -> Iterator[str]:
    """Whether the directors agree, why, and who else speaks for the router."""
    agreement = router.agreement
    if agreement is not None and agreement.state != "unknown":
        state = agreement.state.replace("_", " ")
        word = state if agreement.state == "agreed" else state.upper()
        yield f"         directors {word} for {duration(now - agreement.since)}: {'; '.join(agreement.evidence)}"
    for source in router.sources:
        if not source.refusal and router.state == "backup" and source.address == router.active_address:
            continue  # told already
        how = f"refused ({source.refusal})" if source.refusal else f"{source.checksum} checksum"
        yield (
            f"         heard {source.address} with priority {source.priority}, VRRPv{source.version}, {how}:"
            f" {source.heard} advertisements, the last {duration(now - source.last_at)} ago"
        )


def service_lines(service: ServiceStatus, now: float) -> Iterator[str]:
    servers = [server for server in service.real_servers if not server.sorry]
    yield (
        f"service  {service.name}   {service.state.upper()} for {duration(now - service.since)}"
        f"   {service_name(service)}, {service.scheduler}, {service.forwarding_method};"
        f" {service.in_service} of {len(servers)} in service"
    )
    if service.state not in ("serving", "empty") and service.reason:
        yield f"         {service.reason}"
    is_tiered = any(server.tier > 1 for server in servers)
    said = [f"tier {service.tier} serves"] if is_tiered and service.tier else []
    if service.quorum > 1:
        word = "reached" if service.has_quorum else "LOST"
        said.append(f"quorum of {service.quorum} {word} with live weight {service.live_weight}")
    if service.persistence_timeout:
        said.append(f"clients stay for {service.persistence_timeout} s")
    if said:
        yield f"         {', '.join(said)}"
    for sentence in service.arp:
        yield f"         ! {sentence}"
    width = max([len(server.name) for server in service.real_servers], default=0)
    for server in service.real_servers:
        yield server_line(server, width, now, is_tiered=is_tiered)


def service_name(service: ServiceStatus) -> str:
    """What names it in the kernel: "tcp 192.0.2.1:80", "firewall mark 7 (tcp 192.0.2.1 80 443)"."""
    if not service.firewall_mark:
        return f"{service.protocol} {host_port(service.address, service.port)}"
    name = f"firewall mark {service.firewall_mark}"
    if not service.addresses:
        return name
    return f"{name} ({'+'.join(service.protocols)} {' '.join(service.addresses)} ports {' '.join(service.ports)})"


def host_port(address: str, port: int) -> str:
    """Without the port where it is the client's choice."""
    if not port:
        return address
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def server_line(server: RealServerStatus, width: int, now: float, *, is_tiered: bool = False) -> str:
    weight = "out" if server.weight is None else f"weight {server.weight}"
    health = "sorry" if server.sorry else server.health
    tier = f"tier {server.tier}  " if is_tiered else ""
    counts = f"{server.active_connections} active {server.inactive_connections} inactive"
    return (
        f"         {server.name:{width}}  {tier}{host_port(server.address, server.port):21} {health:8}{weight:11}"
        f"for {duration(now - server.since):10} {counts:22} {operator_words(server, now)}"
        f"{judgement_words(server, now)}"
        f"{unjudged_words(server, now)}{server.reason}{path_words(server)}"
    )


def unjudged_words(server: RealServerStatus, now: float) -> str:
    """ "NOT JUDGED for 2 min 5 s, the verdict is held; ", or nothing."""
    since = min((each.unjudged_since for each in server.checks if each.unjudged_since), default=0.0)
    return f"NOT JUDGED for {duration(now - since)}, the verdict is held; " if since else ""


def path_words(server: RealServerStatus) -> str:
    """The verdict on the virtual address through this server, where the way there is its own."""
    match server.path:
        case "up":
            return "; path ok"
        case "down" if server.path_reason not in server.reason:
            return f"; PATH BROKEN: {server.path_reason}"
        case "not_tested" if server.path_reason not in server.reason:
            return f"; {server.path_reason}"
    return ""


def operator_words(server: RealServerStatus, now: float) -> str:
    """ "DRAINED by ann, 3 connections left, disabled in 4 min 2 s; ", or nothing."""
    if server.override is None:
        return ""
    override = server.override
    what = server.admin if override.weight is None else f"weight {override.weight}"
    said = [f"{what.upper()} by {override.actor}"]
    if server.admin == "drained":
        said.append(f"{override.connections_left} connections left")
    said += [f"disabled in {duration(override.deadline - now)}"] if override.deadline else []
    said += [f"enabled in {duration(override.until - now)}"] if override.until else []
    return ", ".join(said) + "; "
