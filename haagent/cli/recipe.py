"""`haagent recipe SERVICE --os SYSTEM`: the exact commands that prepare a real server. Exit 0, or 1."""

import argparse
import sys

from haagent.cli.options import add_configuration, load_or_complain
from haagent.recipe.recipe import SYSTEMS, recipe


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("service", metavar="SERVICE", help="a virtual service of the configuration")
    parser.add_argument("--os", required=True, choices=SYSTEMS, help="of the real server; windows: 2008 and newer")
    parser.add_argument("--server", default="", metavar="NAME", help="only this real server")
    add_configuration(parser)


def run(options: argparse.Namespace) -> int:
    config = load_or_complain(options)
    if config is None:
        return 1
    services = {each.name: each for each in config.virtual_services}
    service = services.get(options.service)
    if service is None:
        known = ", ".join(services) or "there are none"
        print(f'haagent: there is no virtual service "{options.service}"; {known}', file=sys.stderr)
        return 1
    names = [each.name for each in service.real_servers]
    if options.server and options.server not in names:
        print(f'haagent: {service.name} has no real server "{options.server}"; {", ".join(names)}', file=sys.stderr)
        return 1
    print(*recipe(config, service, options.os, options.server), sep="\n")
    return 0
