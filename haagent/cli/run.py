"""`haagent run`: look before the leap, then become the supervisor of the four processes."""

import argparse
import fcntl
import grp
import os
import shutil
import sys
from pathlib import Path

from haagent.cli.options import add_configuration, load_or_complain
from haagent.config.model import Config
from haagent.control.paths import accepted_file, control_socket, internal_socket, lock_file
from haagent.linux.ipvs import Ipvs

SOCKET_PATH_LIMIT = 107  # unix(7): sun_path, without its final null
CAPABILITIES = {"CAP_NET_ADMIN": 12, "CAP_NET_RAW": 13}  # include/uapi/linux/capability.h


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_configuration(parser)


def run(options: argparse.Namespace) -> int:
    config = load_or_complain(options)
    if config is None:
        return 1
    if refusal := refuse(config) or make_directories(config) or take_lock(config):
        print(f"haagent: {refusal}", file=sys.stderr)
        return 1
    tell_missing_interfaces(config)
    accepted_file(config.director).unlink(missing_ok=True)
    supervisor = [
        *(sys.executable, "-m", "haagent.processes.supervisor"),
        *("--config", str(options.config.resolve()), "--name", config.director.name),
        *("--socket", str(internal_socket(config.director)), "--accepted", str(accepted_file(config.director))),
        *("--user", config.director.user, "--agentx", config.snmp.agentx),
    ]
    sys.stdout.flush()
    os.execv(sys.executable, supervisor)  # the same process id: the service manager's main process


def refuse(config: Config) -> str | None:
    """Why this director cannot run here: one sentence that says what to do."""
    missing = [name for name, bit in CAPABILITIES.items() if not has_capability(bit)]
    if missing:
        return f"needs {' and '.join(missing)}: run as root, or grant them in the service's unit"
    if config.virtual_services and isinstance(ipvs := Ipvs.open(), str):
        return ipvs
    return None


def tell_missing_interfaces(config: Config) -> None:
    """No reason to refuse: the router waits for its interface, in state initialize."""
    for router in config.virtual_routers:
        if not os.path.exists(f"/sys/class/net/{router.interface}"):
            print(
                f"haagent: virtual router {router.name} waits: interface {router.interface} does not exist;"
                " create it or correct the router's `interface`",
                file=sys.stderr,
            )


def take_lock(config: Config) -> str | None:
    """One daemon for each director: the supervisor that we become holds the lock while it lives."""
    try:
        descriptor = os.open(lock_file(config.director), os.O_RDWR | os.O_CREAT, 0o600)
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return f"director {config.director.name} runs already ({lock_file(config.director)} is locked): stop it first"
    except OSError as error:
        return f"{lock_file(config.director)} cannot be made: {error.strerror}; correct runtime_directory"
    os.set_inheritable(descriptor, True)
    return None


def has_capability(bit: int) -> bool:
    """From our effective set (proc(5), CapEff)."""
    status = Path("/proc/self/status").read_text()
    effective = next(line.split()[1] for line in status.splitlines() if line.startswith("CapEff:"))
    return bool(int(effective, 16) >> bit & 1)


def make_directories(config: Config) -> str | None:
    """The folders of our sockets and files; the control group may enter the first. A sentence where that fails."""
    director = config.director
    longest = internal_socket(director)
    if len(os.fsencode(longest)) > SOCKET_PATH_LIMIT:
        return f"{longest}: a socket's path has at most {SOCKET_PATH_LIMIT} octets; shorten runtime_directory"
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
