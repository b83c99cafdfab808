"""`haagent drain SERVER`: no new connections; those that are open go on, and then the real server leaves the table."""

import argparse
import sys
import time

from haagent.cli.operate import add_whom, end, say, seconds, watch
from haagent.control.requests import Operate


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_whom(parser)
    parser.add_argument(
        "--deadline", type=seconds, metavar="TIME", help="disabled then, whatever is left: 90s, 20m, 2h"
    )
    parser.add_argument("--keep", action="store_true", help="it stays in the table with weight 0, whatever happens")
    parser.add_argument("--wait", action="store_true", help="show what is left every two seconds until it has ended")
    parser.add_argument(
        "--persistent",
        choices=("expire", "keep"),
        default="",
        help="whether persistent clients may come back; the kernel has one answer for all, others are refused",
    )


def run(options: argparse.Namespace) -> int:
    if options.wait and options.keep:
        print("haagent: with --keep the drain never ends; leave --wait out", file=sys.stderr)
        return 1
    answered = say(
        options,
        Operate(
            verb="drain",
            server=options.server,
            service=options.service,
            deadline=None if options.deadline is None else time.time() + options.deadline,
            until=end(options),
            keep=options.keep,
            persistent=options.persistent,
            force=options.force,
        ),
    )
    if answered is None:
        return 1
    path, answer = answered
    return watch(path, answer.servers) if options.wait else 0
