"""One `linux` node while it is up: an init process that holds its own net, mount, pid, uts and ipc namespaces.

The init is a `sleep` that reaps orphans; when it dies the kernel kills every process of the node and with the last of
them go the mounts and the network namespace. A command enters by being forked straight into the pid namespace (so it is
our child, with an ordinary Popen) and joining the others before exec.
"""

import contextlib
import os
import signal
import subprocess
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from haagent.lab import filesystem, syscalls
from haagent.lab.syscalls import CLONE_NEWIPC, CLONE_NEWNET, CLONE_NEWNS, CLONE_NEWPID, CLONE_NEWUTS
from haagent.lab.topology import Node

_forking = threading.Lock()  # a thread's pid namespace for children is changed for one fork at a time


@dataclass(frozen=True, slots=True)
class Process:
    """A process of a node, under its number outside."""

    pid: int
    arguments: tuple[str, ...]


@dataclass(slots=True)
class NodeInit:
    """The init process of a node that is up."""

    pid: int
    pidfd: int
    pid_namespace: int  # inode, as in /proc/PID/ns/pid


def start_init(node: Node, title: str, staging: Path) -> NodeInit:
    """Forks the node's init; `title` is its name in process lists. OSError says what the kernel refused."""
    told, tell = os.pipe()
    with _forking, _children_in(None):
        pid = os.fork()
        if pid == 0:
            os.close(told)
            _become_init(node, title, staging, tell)
    os.close(tell)
    with open(told, "rb") as answer:
        complaint = answer.read()  # ends when exec closes the other end
    if complaint:
        os.waitpid(pid, 0)
        raise OSError(f"node {node.name}: {complaint.decode(errors='replace')}")
    return NodeInit(pid, os.pidfd_open(pid), os.stat(f"/proc/{pid}/ns/pid").st_ino)


def _become_init(node: Node, title: str, staging: Path, tell: int) -> None:
    """In the new pid namespace's process 1; never returns."""
    try:
        os.setsid()
        syscalls.die_with_parent()
        syscalls.unshare(CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWNET)
        syscalls.set_host_name(node.name)
        filesystem.enter(staging, node.binds)
        nowhere = os.open(os.devnull, os.O_RDWR)
        for descriptor in (0, 1, 2):
            os.dup2(nowhere, descriptor)
        os.set_inheritable(tell, False)
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # survives exec: the kernel reaps the node's orphans
        os.closerange(3, tell)
        os.closerange(tell + 1, 0x7FFFFFFF)
        os.execvp("sleep", [title, "infinity"])
    except BaseException as error:  # noqa: BLE001  a forked child must not unwind into its parent's code
        os.write(tell, str(error).encode()[:4000] or b"interrupted")
    os._exit(1)


@contextlib.contextmanager
def _children_in(pidfd: int | None) -> Iterator[None]:
    """Children forked meanwhile are born into the pid namespace of `pidfd`; None: into a new one."""
    home = os.open("/proc/self/ns/pid", os.O_RDONLY | os.O_CLOEXEC)
    try:
        if pidfd is None:
            syscalls.unshare(CLONE_NEWPID)
        else:
            syscalls.setns(pidfd, CLONE_NEWPID)
        yield
    finally:
        syscalls.setns(home, CLONE_NEWPID)
        os.close(home)


def spawn(init: NodeInit, command: Sequence[str], environment: dict[str, str], **popen: Any) -> subprocess.Popen[Any]:
    """A Popen in the node; `cwd` is a directory of the node. OSError where the command cannot be executed."""
    directory = popen.pop("cwd", "/")

    def join() -> None:
        syscalls.setns(init.pidfd, CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWNET)
        os.chdir(directory)

    popen.setdefault("stdin", subprocess.DEVNULL)
    with _forking, _children_in(init.pidfd):
        return subprocess.Popen(command, env=environment, preexec_fn=join, **popen)


def processes(init: NodeInit) -> list[Process]:
    """Every process of the node but its init and zombies."""
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == init.pid:
            continue
        try:
            if os.stat(entry / "ns/pid").st_ino == init.pid_namespace:
                words = (entry / "cmdline").read_bytes().split(b"\0")[:-1]
                found.append(Process(int(entry.name), tuple(word.decode(errors="replace") for word in words)))
        except (OSError, ValueError):
            continue  # gone meanwhile
    return [process for process in sorted(found, key=lambda process: process.pid) if process.arguments]
