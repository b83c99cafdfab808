"""`haagent run`: look before the leap, then become the supervisor of the four processes."""

import argparse
import grp
import os
import shutil
import sys
from pathlib import Path

from haagent.cli.options import add_configuration, load_or_complain
from haagent.config.model import Config
from haagent.control.client import Unreachable, ask
from haagent.control.paths import control_socket, internal_socket
from haagent.control.requests import Status
from haagent.linux.ipvs import Ipvs

CAPABILITIES = {"CAP_NET_ADMIN": 12, "CAP_NET_RAW": 13}  # include/uapi/linux/capability.h


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_configuration(parser)


def run(options: argparse.Namespace) -> int:
    config = load_or_complain(options)
    if config is None:
        return 1
    if refusal := refuse(config) or make_directories(config):
        print(f"haagent: {refusal}", file=sys.stderr)
        return 1
    supervisor = [
        *(sys.executable, "-m", "haagent.processes.supervisor"),
        *("--config", str(options.config.resolve()), "--name", config.director.name),
        *("--socket", str(internal_socket(config.director)), "--user", config.director.user),
        *("--agentx", config.snmp.agentx),
    ]
    sys.stdout.flush()
    os.execv(sys.executable, supervisor)  # the same process id: the service manager's main process


def refuse(config: Config) -> str | None:
    """Why this director cannot run here: one sentence that says what to do."""
    missing = [name for name, bit in CAPABILITIES.items() if not has_capability(bit)]
    if missing:
        return f"needs {' and '.join(missing)}: run as root, or grant them in the service's unit"
    if not isinstance(ask(control_socket(config.director), Status()), Unreachable):
        return f"director {config.director.name} runs already ({control_socket(config.director)}): stop it first"
    if config.virtual_services and isinstance(ipvs := Ipvs.open(), str):
        return ipvs
    for router in config.virtual_routers:
        if not os.path.exists(f"/sys/class/net/{router.interface}"):
            print(
                f"haagent: virtual router {router.name} waits: interface {router.interface} does not exist;"
                " create it or correct the router's `interface`",
                file=sys.stderr,
            )
    return None


def has_capability(bit: int) -> bool:
    """From our effective set (proc(5), CapEff)."""
    status = Path("/proc/self/status").read_text()
    effective = next(line.split()[1] for line in status.splitlines() if line.startswith("CapEff:"))
    return bool(int(effective, 16) >> bit & 1)


def make_directories(config: Config) -> str | None:
    """The folders of our sockets and files; the control group may enter the first. A sentence where that fails."""
    director = config.director
    try:
        for path in (control_socket(director).parent, Path(director.state_directory) / director.name):
            path.mkdir(parents=True, exist_ok=True)
            path.chmod(0o750)
            try:
                shutil.chown(path, group=grp.getgrnam(director.control_group).gr_gid)
            except KeyError:
                continue  # no such group: root alone; the director says so in its log
    except OSError as error:
        return f"{error.filename} cannot be made: {error.strerror}; correct runtime_directory or state_directory"
    return None
