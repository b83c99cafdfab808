"""The `haagent` command: one file a verb in this folder, loaded only when it is asked for."""

import argparse
import importlib
import os
import sys
from collections.abc import Sequence

from haagent.version import VERSION

COMMANDS = {  # verb -> what it does, as the help says it; the module of the same name has add_arguments and run
    "run": "the daemon, in the foreground",
    "check": "validate a configuration: every error at once, with its place",
    "plan": "what `run` would change in the kernel now",
    "reload": "validate, then switch; on any error the running configuration stays",
    "status": "routers, services, real servers, checks, and since when",
    "drain": "no new connections to a real server; it leaves when the last one is closed, or at a deadline",
    "disable": "take a real server out at once",
    "enable": "let the configuration and the checks decide about a real server again",
    "weight": "another weight for a real server, for a while or until told otherwise",
    "handover": "move a virtual router to the peer: it has announced the addresses before this director lets go",
    "history": "every transition with time and cause",
    "cleanup": "let go of virtual addresses that a killed daemon left behind",
    "why": "why a real server or virtual router is as it is: the last probes, what failed first",
    "recipe": "the exact commands that prepare a real server, for Linux or Windows",
    "sniff": "who speaks VRRP, ARP and ND for what on a segment, and which conflicts there are",
    "lab": "play a containerlab topology on network namespaces, without containers",
    "mib": "where the MIB files are",
    "schema": "the configuration's JSON Schema",
}


def main(arguments: Sequence[str] | None = None) -> int:
    arguments = sys.argv[1:] if arguments is None else arguments
    parser = argparse.ArgumentParser(
        prog="haagent", description="High-availability agent for Linux Virtual Server directors."
    )
    parser.add_argument("--version", action="version", version=f"haagent {VERSION}")
    verbs = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    wanted = next((word for word in arguments if not word.startswith("-")), "")
    for verb, does in COMMANDS.items():
        sub = verbs.add_parser(verb, help=does, description=does[0].upper() + does[1:] + ".")
        if verb == wanted:
            module = importlib.import_module(f"haagent.cli.{verb}")
            module.add_arguments(sub)
            sub.set_defaults(run=module.run)
    options = parser.parse_args(arguments)
    try:
        code: int = options.run(options)
        sys.stdout.flush()
    except BrokenPipeError:  # the reader of our output went away
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    return code
