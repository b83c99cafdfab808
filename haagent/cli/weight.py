"""`haagent weight SERVER N`: this weight instead of the configured one, as long as the real server is healthy."""

import argparse

from haagent.cli.operate import add_whom, end, say
from haagent.control.requests import Operate


def weight(text: str) -> int:
    """Raises ArgumentTypeError."""
    if not text.isdecimal() or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"expected an integer from 0 to 65535, got {text!r}")
    return int(text)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_whom(parser)
    parser.add_argument("weight", type=weight, metavar="N")


def run(options: argparse.Namespace) -> int:
    request = Operate(
        verb="weight",
        server=options.server,
        service=options.service,
        weight=options.weight,
        until=end(options),
        force=options.force,
    )
    return 1 if say(options, request) is None else 0
