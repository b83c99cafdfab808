"""`haagent disable SERVER`: out of the table at once; open connections are reset (see docs/operations.md)."""

import argparse

from haagent.cli.operate import add_whom, end, say
from haagent.control.requests import Operate


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_whom(parser)


def run(options: argparse.Namespace) -> int:
    request = Operate(
        verb="disable", server=options.server, service=options.service, until=end(options), force=options.force
    )
    return 1 if say(options, request) is None else 0
