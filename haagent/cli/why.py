"""`haagent why NAME`: why a real server or a virtual router is as it is, with the last probes. Exit 0, 1 no answer."""

import argparse
import sys
import time
from collections.abc import Iterator

import msgspec

from haagent.cli.durations import duration
from haagent.cli.options import add_daemon, find_socket
from haagent.cli.status import operator_words, router_lines
from haagent.control.client import Unreachable, ask
from haagent.control.requests import ProbeWhy, Refused, RouterWhy, ServerWhy, Try, Why, WhyAnswer
from haagent.processes.history import Entry

PATH = {"up": "ok", "down": "BROKEN", "not_tested": "not tested", "": "none of its own"}
STEPS = {
    "start": "it could not be started here",
    "connection": "the connection was not accepted",
    "answer": "the connection stood, and nothing came",
    "judgement": "the answer came, and is not what was wanted",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("subject", metavar="NAME", help="a real server, SERVICE/SERVER, a service or a virtual router")
    add_daemon(parser)
    parser.add_argument("--json", action="store_true", help="everything as one JSON object")


def run(options: argparse.Namespace) -> int:
    path = find_socket(options)
    if path is None:
        return 1
    match ask(path, Why(options.subject)):
        case WhyAnswer() as answer:
            print(msgspec.json.encode(answer).decode() if options.json else "\n".join(lines(answer)))
            return 0
        case Refused(reason) | Unreachable(reason):
            print(f"haagent: {reason}", file=sys.stderr)
        case other:
            print(f"haagent: the daemon answered {type(other).__name__} to a question why", file=sys.stderr)
    return 1


def lines(answer: WhyAnswer) -> Iterator[str]:
    parts = [list(_router(each, answer.at)) for each in answer.routers]
    parts += [list(_server(each, answer.at)) for each in answer.servers]
    for number, part in enumerate(parts):
        if number:
            yield ""
        yield from part


def _router(router: RouterWhy, now: float) -> Iterator[str]:
    yield from router_lines(router.status, now)
    yield ""
    yield "priority " + "\n         ".join(router.priority_terms)
    counters = msgspec.structs.asdict(router.status.counters)
    counted = [
        f"{name.replace('_', ' ')} {value}" for name, value in counters.items() if isinstance(value, int) and value
    ]
    counted += [
        f"discarded for {name.replace('_', ' ')} {count}" for name, count in counters["discarded"].items() if count
    ]
    yield "counters " + ("; ".join(counted) or "all zero")
    yield from _history(router.history)


def _server(server: ServerWhy, now: float) -> Iterator[str]:
    status = server.status
    weight = (
        "out of the kernel's table" if status.weight is None else f"in the kernel's table with weight {status.weight}"
    )
    yield (
        f"real server  {server.service}/{status.name} ({status.address})   {status.health.upper()} for "
        f"{duration(now - status.since)}, {weight}"
    )
    yield f"             {status.reason}"
    yield f"path         {PATH[status.path]}" + (f": {status.path_reason}" if status.path_reason else "")
    for sentence in server.arp:
        yield f"arp          {sentence}"
    if status.override is not None:
        yield f"operator     {operator_words(status, now).removesuffix('; ')}"
    for probe in server.probes:
        yield ""
        yield from _probe(probe, now)
    yield from _history(server.history)


def _probe(probe: ProbeWhy, now: float) -> Iterator[str]:
    way = f" through {probe.through}" if probe.through else ""
    yield f"check {probe.check} on {probe.target}{way}: {probe.health.upper()} for {duration(now - probe.since)}"
    yield f"      {probe.detail}"
    if probe.failing_step:
        yield f"      first failing step: {probe.failing_step}: {STEPS[probe.failing_step]}"
    if probe.cause:
        yield f"      cause: {probe.cause}"
    for each in probe.difference:
        yield f"      differs from the last good one: {each}"
    if not probe.tries:
        yield "      no try is remembered"
    for tried in probe.tries:
        yield from _try(tried)


def _try(tried: Try) -> Iterator[str]:
    clock = time.strftime("%H:%M:%S", time.localtime(tried.at)) + f"{tried.at % 1:.3f}"[1:]
    source = f" from {tried.source}" if tried.source else ""
    mark = f" mark {tried.mark:#x}" if tried.mark else ""
    yield f"   {'good' if tried.passed else 'FAIL'} {clock}  {tried.target}{source}{mark}: {tried.detail}"
    timings = []
    if tried.connected_after is not None:
        timings.append(f"connected after {tried.connected_after * 1000:.1f} ms")
    if tried.first_octet_after is not None:
        timings.append(f"first octet after {tried.first_octet_after * 1000:.1f} ms")
    timings.append(f"over after {tried.ended_after * 1000:.1f} ms")
    yield f"        {', '.join(timings)}" + (f", {tried.error}" if tried.error else "")
    for note in tried.notes:
        yield f"        {note}"
    yield from _octets("> ", tried.sent)
    yield from _octets("< ", tried.received)
    if tried.received_octets > 2048:
        yield f"        < ... {tried.received_octets} octets in all"


def _octets(mark: str, escaped: str) -> Iterator[str]:
    """One line for each line that went over the wire."""
    rest = escaped
    while rest:
        line, end, rest = rest.partition("\\n")
        for at in range(0, len(line + end), 200):
            yield f"        {mark}{(line + end)[at : at + 200]}"


def _history(entries: tuple[Entry, ...]) -> Iterator[str]:
    if entries:
        yield ""
    for entry in entries:
        when = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(entry.at))
        yield f"history  {when}  {entry.subject}: {entry.previous or '-'} -> {entry.state}: {entry.cause}"
