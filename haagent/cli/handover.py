"""`haagent handover ROUTER`: the peer gets it, and has announced it before this director lets go.

Exit 0: the peer is Active, or --back was heard; 1: refused, no answer, or no peer took over and it stays here.
"""

import argparse
import sys
import time
from pathlib import Path

from haagent.cli.operate import seconds
from haagent.cli.options import add_daemon, find_socket
from haagent.control.client import Unreachable, ask
from haagent.control.requests import HandOver, HandOverAnswer, Refused, Status, StatusAnswer
from haagent.snapshot import RouterStatus

LOOK_INTERVAL = 0.2  # seconds


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_daemon(parser)
    parser.add_argument("router", metavar="ROUTER", help="a virtual router (its whole group moves), or a group")
    ends = parser.add_mutually_exclusive_group()
    ends.add_argument("--for", dest="lasting", type=seconds, metavar="TIME", help="taken back after 90s, 20m, 2h")
    ends.add_argument(
        "--back", action="store_true", help="end a handover: from now on the priorities decide again, as configured"
    )


def run(options: argparse.Namespace) -> int:
    path = find_socket(options)
    if path is None:
        return 1
    request = HandOver(name=options.router, lasting=options.lasting, back=options.back)
    match ask(path, request):
        case HandOverAnswer() as answer:
            if not options.back:
                return wait(path, answer)
            print(f"{', '.join(answer.routers)}: the priorities decide again")
            return 0
        case Refused(reason) | Unreachable(reason):
            print(f"haagent: {reason}", file=sys.stderr)
        case other:
            print(f"haagent: the daemon answered {type(other).__name__} to a handover", file=sys.stderr)
    return 1


def wait(path: Path, answer: HandOverAnswer) -> int:
    """Until the peer has them, or it is clear that none will."""
    until = time.monotonic() + answer.timeout
    while True:
        told = ask(path, Status())
        if not isinstance(told, StatusAnswer):
            print(f"haagent: no status: {told}", file=sys.stderr)
            return 1
        routers = [each for each in told.snapshot.routers if each.name in answer.routers]
        if all(each.state != "active" for each in routers):
            for each in routers:
                print(said(each))
            return 0
        if time.monotonic() > until:
            for each in routers:
                print(f"haagent: {said(each)}", file=sys.stderr)
            return 1
        time.sleep(LOOK_INTERVAL)


def said(router: RouterStatus) -> str:
    return f"{router.name} is {router.state}: {router.reason}"
