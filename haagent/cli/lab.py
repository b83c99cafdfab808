"""`haagent lab FILE.clab.yml`: plays a containerlab topology on network namespaces, without containers.

Natively where that suffices; a topology that needs IPVS on a kernel without it is played inside the user-mode kernel.
"""

import argparse
import signal
import subprocess
import sys
import threading
from pathlib import Path

from haagent.lab.namespaces import Lab, LabError
from haagent.lab.shell import explore
from haagent.lab.topology import Topology, parse
from haagent.lab.uml import inside_uml, kernel_has_ipvs, stream_in_uml, uml_available

NEEDS_IPVS = {"haagent", "ipvsadm", "keepalived", "ldirectord"}  # commands that are of no use without it


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", type=Path, metavar="FILE.clab.yml", help="containerlab topology file")
    parser.add_argument("--keep", action="store_true", help="open a shell to explore; leaving it takes the lab down")
    where = parser.add_mutually_exclusive_group()
    where.add_argument("--native", action="store_true", help="on this kernel, whether it has IPVS or not")
    where.add_argument("--uml", action="store_true", help="inside the user-mode kernel")
    parser.add_argument(
        "--command",
        nargs=argparse.REMAINDER,
        metavar="WORD",
        help="run this once the lab is up, then take the lab down; the exit status is the command's",
    )


def run(arguments: argparse.Namespace) -> int:
    file: Path = arguments.file
    try:
        topology = parse(file.read_text(), file)
    except (OSError, UnicodeDecodeError) as error:
        print(f"{file}: {error.strerror if isinstance(error, OSError) else 'not UTF-8'}", file=sys.stderr)
        return 1
    if not isinstance(topology, Topology):
        for problem in topology:
            print(problem, file=sys.stderr)
        return 1
    signal.signal(signal.SIGTERM, _interrupt)
    if arguments.uml or not (arguments.native or not needs_ipvs(topology) or inside_uml() or kernel_has_ipvs()):
        return _run_inside_uml(arguments)
    try:
        return _play(topology, arguments)
    except LabError as error:
        print(f"haagent lab: {error}", file=sys.stderr)
        return 1


def needs_ipvs(topology: Topology) -> bool:
    """Whether a command of the topology is one that works on the kernel's IPVS table."""
    words = (word for node in topology.nodes for command in (node.command, *node.exec) for word in command)
    return any(Path(part).name in NEEDS_IPVS for word in words for part in word.split())


def _run_inside_uml(arguments: argparse.Namespace) -> int:
    missing = uml_available()
    if missing is not None:
        print(f"haagent lab: this kernel has no IPVS, and {missing}", file=sys.stderr)
        return 1
    print("This kernel has no IPVS (or --uml was given): booting the user-mode kernel.", flush=True)
    command = [sys.executable, "-m", "haagent.cli.lab", str(arguments.file), "--native"]
    command += ["--keep"] if arguments.keep else []
    command += ["--command", *arguments.command] if arguments.command else []
    try:
        return stream_in_uml(command, interactive=arguments.keep or (sys.stdin.isatty() and not arguments.command))
    except KeyboardInterrupt:
        return 130 if arguments.command else 0


def _play(topology: Topology, arguments: argparse.Namespace) -> int:
    stopped = threading.Event()
    try:
        with Lab(topology) as lab:
            print(f"Lab {topology.name} is up: {', '.join(node.name for node in topology.nodes)}", flush=True)
            status = 0
            if arguments.command:
                status = subprocess.run(arguments.command, check=False).returncode
            if arguments.keep:
                explore(lab)
            elif not arguments.command:
                print("Ctrl-C takes it down.", flush=True)
                stopped.wait()
            return status
    except KeyboardInterrupt:
        return 0 if not arguments.command else 130
    except OSError as error:
        raise LabError(str(error)) from error


def _interrupt(number: int, frame: object) -> None:
    raise KeyboardInterrupt


def main() -> int:
    """For the user-mode kernel, where importing the whole command line costs seconds."""
    parser = argparse.ArgumentParser(prog="haagent lab")
    add_arguments(parser)
    return run(parser.parse_args())


if __name__ == "__main__":
    raise SystemExit(main())
