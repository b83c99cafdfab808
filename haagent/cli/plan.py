"""`haagent plan`: what the daemon's own loop would change in the kernel now.

Exit 0 nothing, 2 changes, 1 it cannot be told.

With a daemon running it is asked, since it knows the verdicts; without one the kernel is read here, and every real
server is as yet unjudged, as it would be for a daemon that starts now.
"""

import argparse
import sys
import time

import msgspec

from haagent.cli.options import add_daemon, find_socket, load_or_complain
from haagent.config.model import Config
from haagent.control.client import Unreachable, ask
from haagent.control.paths import kernel_file, operator_file, ownership_file
from haagent.control.requests import Plan, PlanAnswer, Refused, Step
from haagent.core.core import Core
from haagent.core.events import OperatorChanged, TableAdopted
from haagent.linux import nftables
from haagent.linux.inventory import interface_addresses
from haagent.linux.ipvs import Ipvs
from haagent.linux.netlink import NetlinkFailure
from haagent.pool.sysctls import wanted_sysctls
from haagent.preview import left_over, preview
from haagent.processes import operator_state, ownership
from haagent.processes.kernel_settings import KernelSettings

_SIGNS = {"add": "+", "set": "~", "remove": "-"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_daemon(parser)
    parser.add_argument("--json", action="store_true", help="the steps as one JSON array")


def run(options: argparse.Namespace) -> int:
    config = load_or_complain(options)
    path = find_socket(options) if config else None
    if config is None or path is None:
        return 1
    answer = ask(path, Plan())
    match answer:
        case PlanAnswer(steps=steps, errors=()):
            return show(steps, options)
        case PlanAnswer(errors=errors):
            print(*errors, sep="\n", file=sys.stderr)
            return 1
        case Unreachable():
            steps_or_reason = plan_here(config)
        case Refused(reason):
            steps_or_reason = reason
        case _:
            steps_or_reason = f"the daemon answered {type(answer).__name__} to a plan"
    if isinstance(steps_or_reason, str):
        print(f"haagent: {steps_or_reason}", file=sys.stderr)
        return 1
    return show(steps_or_reason, options)


def plan_here(config: Config) -> tuple[Step, ...] | str:
    """What a daemon that starts now would do, or why that cannot be told."""
    steps: tuple[Step, ...] = ()
    if config.virtual_routers:
        addresses = interface_addresses()
        if isinstance(addresses, NetlinkFailure):
            return f"the addresses cannot be read: {addresses.text}"
        steps += left_over(config, addresses)
    owned = ownership.read(ownership_file(config.director))
    if isinstance(owned, str):
        return owned
    if config.virtual_services or owned.services:
        ipvs = Ipvs.open()
        if isinstance(ipvs, str):
            return ipvs
        observed = ipvs.observe()
        if isinstance(observed, NetlinkFailure):
            return f"the kernel's IPVS table cannot be read: {observed.text}"
        marks = nftables.observe()
        if isinstance(marks, str):
            if any(service.addresses for service in config.virtual_services):
                return marks
            marks = frozenset()
        core, now = Core(), time.monotonic()
        core.handle(TableAdopted(observed[0], owned, marks), now)
        core.handle(OperatorChanged(operator_state.read(operator_file(config.director), puts_aside=False)[0]), now)
        settings = KernelSettings(ipvs, kernel_file(config.director)).look(wanted_sysctls(config))
        steps += preview(core, config, now, settings)
    return steps


def show(steps: tuple[Step, ...], options: argparse.Namespace) -> int:
    if options.json:
        print(msgspec.json.encode(steps).decode())
    elif not steps:
        print("nothing to change")
    else:
        for step in steps:
            change = f"{step.before} -> {step.after}" if step.before and step.after else step.before or step.after
            print(f"{_SIGNS[step.action]} {step.subject:12} {step.name:48} {change}")
    return 2 if steps else 0
