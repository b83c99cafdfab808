"""`haagent reload`: the running daemon validates its directory, then switches; on any error nothing changes."""

import argparse
import sys

from haagent.cli.options import add_daemon, find_socket
from haagent.control.client import Unreachable, ask
from haagent.control.requests import Refused, Reload, ReloadAnswer


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_daemon(parser)


def run(options: argparse.Namespace) -> int:
    path = find_socket(options)
    if path is None:
        return 1
    match ask(path, Reload()):
        case ReloadAnswer(errors=()):
            print("reloaded")
            return 0
        case ReloadAnswer(errors=errors):
            print(*errors, sep="\n", file=sys.stderr)
            print(f"{len(errors)} errors; the running configuration stays", file=sys.stderr)
        case Refused(reason) | Unreachable(reason):
            print(f"haagent: {reason}", file=sys.stderr)
        case answer:
            print(f"haagent: the daemon answered {type(answer).__name__} to a reload", file=sys.stderr)
    return 1
