"""`haagent history`: every transition with time and cause, oldest first."""

import argparse
import sys
import time

import msgspec

from haagent.cli.options import add_daemon, find_socket
from haagent.control.client import Unreachable, converse
from haagent.control.requests import EntryAdded, History, HistoryAnswer, Refused
from haagent.processes.history import Entry


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_daemon(parser)
    parser.add_argument("-n", "--limit", type=int, default=100, help="the last N entries; default: 100")
    parser.add_argument(
        "--from", type=int, dest="since", metavar="N", help="from sequence number N on, instead of the last ones"
    )
    parser.add_argument("-f", "--follow", action="store_true", help="then every new one, until interrupted")
    parser.add_argument("--json", action="store_true", help="one JSON object a line")


def run(options: argparse.Namespace) -> int:
    path = find_socket(options)
    if path is None:
        return 1
    show = show_json if options.json else show_line
    if options.since is not None and options.since < 1:
        print("haagent: --from: sequence numbers begin with 1", file=sys.stderr)
        return 1
    request = History(limit=options.limit, follow=options.follow, since=options.since)
    try:
        for answer in converse(path, request, timeout=None if options.follow else 30.0):
            match answer:
                case HistoryAnswer(entries):
                    tell_missing(options.since, entries)
                    for entry in entries:
                        show(entry)
                    if not options.follow:
                        return 0
                case EntryAdded(entry):
                    show(entry)
                case Refused(reason) | Unreachable(reason):
                    print(f"haagent: {reason}", file=sys.stderr)
                    return 1
    except KeyboardInterrupt:
        return 0
    print("haagent: the daemon ended the connection", file=sys.stderr)
    return 1


def tell_missing(since: int | None, entries: tuple[Entry, ...]) -> None:
    """The history is bounded: what was asked for may be there no more."""
    if since is not None and entries and entries[0].sequence > since:
        first = entries[0].sequence
        print(f"haagent: {since} to {first - 1} are not kept any more; the oldest is {first}", file=sys.stderr)


def show_json(entry: Entry) -> None:
    print(msgspec.json.encode(entry).decode(), flush=True)


def show_line(entry: Entry) -> None:
    moment = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(entry.at)) + f".{int(entry.at % 1 * 1000):03}"
    change = f"{entry.previous} -> {entry.state}" if entry.previous else entry.state
    print(f"{moment}  {entry.subject.replace('_', ' '):13} {entry.name:24} {change:22} {entry.cause}", flush=True)
