"""`haagent enable SERVER`: the configuration and the checks decide again."""

import argparse

from haagent.cli.operate import add_whom, say
from haagent.control.requests import Operate


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_whom(parser, lasts=False, may_empty=False)


def run(options: argparse.Namespace) -> int:
    return 1 if say(options, Operate(verb="enable", server=options.server, service=options.service)) is None else 0
