"""A topology on network namespaces of the running kernel: every node, every cable, and nothing left afterwards.

A `linux` node is an init process with namespaces of its own (node.py) on a copy-on-write view of the host's files
(filesystem.py); a `bridge` node is a Linux bridge inside a network namespace of its own. A link is a veth pair created
straight in its two namespaces: no interface of the lab is ever seen in the host's. Each network namespace is registered
under /run/netns as `clab-<lab>-<node>`, so `ip netns exec` works. Needs root.

Order: namespaces, links, then every node's `exec` in the file's order, then every node's `cmd` in the background.
"""

import hashlib
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from haagent.lab import syscalls
from haagent.lab.node import NodeInit, Process, processes, spawn, start_init
from haagent.lab.syscalls import CLONE_NEWNET, MS_BIND
from haagent.lab.topology import Endpoint, Link, Node, Topology

NAMESPACES = Path("/run/netns")  # where ip-netns(8) looks
FORWARDING_TIMEOUT = 10.0  # seconds
EXEC_TIMEOUT = 60.0  # seconds, for one command of `exec`
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class LabError(Exception):
    """The lab could not be built, or was asked for something that it does not have; one sentence or more."""


class Lab:
    """A topology that is up between `start` and `stop`; as a context manager it is started and stopped."""

    def __init__(self, topology: Topology) -> None:
        self.topology = topology
        self.mains: dict[str, subprocess.Popen[Any]] = {}  # node -> its `cmd`
        self._inits: dict[str, NodeInit] = {}
        self._children: list[subprocess.Popen[Any]] = []
        self._registered: list[str] = []
        self._directory: Path | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Builds everything; on any failure takes it down again and raises LabError with what failed and its output."""
        if os.geteuid() != 0:
            raise LabError("a lab makes network namespaces: run it as root")
        try:
            self._build()
        except OSError as error:
            self.stop()
            raise LabError(str(error)) from error
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Ends every process of the lab and removes its namespaces; harmless when called again."""
        with _signals_held():
            for init in self._inits.values():
                os.kill(init.pid, signal.SIGKILL)  # the kernel kills all the others of the node
            for child in self._children:
                child.kill()
                child.wait()  # before the init, whose end waits until all of its namespace are reaped
            for init in self._inits.values():
                os.waitpid(init.pid, 0)
                os.close(init.pidfd)
            for name in self._registered:
                _unregister(name)
            if self._directory is not None:
                shutil.rmtree(self._directory)
            self._inits, self._children, self._registered, self._directory = {}, [], [], None
            self.mains = {}

    def namespace(self, node: str) -> str:
        """The name under which `ip netns exec` knows the node."""
        if self.topology.node(node) is None:
            raise LabError(f"there is no node {node!r}; nodes are {', '.join(n.name for n in self.topology.nodes)}")
        return f"clab-{self.topology.name}-{node}"

    def pid(self, node: str) -> int:
        """The process number of the node's init, for nsenter(1)."""
        return self._init(node).pid

    def run(self, node: str, command: Sequence[str], *, timeout: float) -> subprocess.CompletedProcess[str]:
        """Runs a command in the node, stdout and stderr captured apart; subprocess.TimeoutExpired after `timeout` s."""
        child = self.spawn(node, command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        try:
            output, errors = child.communicate(timeout=timeout)
        finally:
            child.kill()  # nothing when it has ended
            child.wait()
            self._children.remove(child)
        return subprocess.CompletedProcess(list(command), child.returncode, output, errors)

    def spawn(self, node: str, command: Sequence[str], **popen: Any) -> subprocess.Popen[Any]:
        """Starts a command in the node, in a session of its own unless told otherwise; it ends with the lab.

        `env` is added to the node's environment; `cwd` is a directory of the node. OSError where it cannot run.
        """
        environment = self._environment(node) | popen.pop("env", {})
        popen.setdefault("start_new_session", True)
        child = spawn(self._init(node), command, environment, **popen)
        self._children.append(child)
        return child

    def processes(self, node: str) -> list[Process]:
        """What runs in the node, without its init."""
        return processes(self._init(node))

    def kill_node(self, node: str) -> None:
        """SIGKILL for every process of the node, as a power cut would; the node itself and its links stay."""
        while found := self.processes(node):
            for process in found:
                try:
                    os.kill(process.pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
            for child in self._children:
                child.poll()

    def log(self, node: str) -> str:
        """What the node's `cmd` has printed so far."""
        path = None if self._directory is None else self._directory / f"{node}.log"
        return path.read_text(errors="replace") if path is not None and path.exists() else ""

    def link_down(self, node: str, interface: str) -> None:
        """Cuts the cable: the other end goes down, so the node sees its carrier go and nothing passes."""
        self._set_far_end(node, interface, "down")

    def link_up(self, node: str, interface: str) -> None:
        """Mends the cable; it may take the kernel a second to let packets pass (linkwatch)."""
        self._set_far_end(node, interface, "up")

    def _set_far_end(self, node: str, interface: str, state: str) -> None:
        near = Endpoint(node, interface)
        for link in self.topology.links:
            if near in (link.a, link.b):
                far = link.b if link.a == near else link.a
                _ip(["-n", self.namespace(far.node), "link", "set", far.interface, state])
                return
        raise LabError(f"there is no link {near}")

    def _init(self, node: str) -> NodeInit:
        if node not in self._inits:
            raise LabError(f"no linux node {node!r} is up in lab {self.topology.name}")
        return self._inits[node]

    def _environment(self, node: str) -> dict[str, str]:
        """Python's own directory first in PATH, so that `haagent` in a topology is this very installation."""
        declared = self.topology.node(node)
        inherited = {name: os.environ[name] for name in ("LANG", "LC_ALL", "TERM", "VIRTUAL_ENV") if name in os.environ}
        own = {"PATH": f"{Path(sys.executable).parent}:{PATH}", "HOME": "/root", "USER": "root"}
        return inherited | own | (declared.env if declared else {})

    def _build(self) -> None:
        _clear_leftovers([self.namespace(node.name) for node in self.topology.nodes])
        directory = self._directory = Path(tempfile.mkdtemp(prefix=f"haagent-lab-{self.topology.name}-"))
        staging = directory / "staging"
        staging.mkdir()
        for node in self.topology.nodes:
            name = self.namespace(node.name)
            if node.kind == "bridge":
                self._registered.append(name)
                _register_new(name)
            else:
                with _signals_held():
                    self._inits[node.name] = init = start_init(node, name, staging)
                self._registered.append(name)
                _register(name, f"/proc/{init.pid}/ns/net")
        self._connect()
        for node in self.topology.nodes:
            for command in node.exec:
                self._execute(node, command)
        self._await_bridges()
        for node in self.topology.nodes:
            if node.command:
                with (directory / f"{node.name}.log").open("wb") as log:
                    self.mains[node.name] = self.spawn(
                        node.name, node.command, stdout=log, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL
                    )

    def _connect(self) -> None:
        _ip(["-batch", "-"], [self._veth(link) for link in self.topology.links])
        for node in self.topology.nodes:
            ports = [end.interface for link in self.topology.links for end in (link.a, link.b) if end.node == node.name]
            lines = ["link set lo up"]
            if node.kind == "bridge":
                lines.append(f"link add {node.name} type bridge")
                lines += [f"link set {port} master {node.name}" for port in ports] + [f"link set {node.name} up"]
            lines += [f"link set {port} up" for port in ports]
            _ip(["-n", self.namespace(node.name), "-batch", "-"], lines)

    def _await_bridges(self) -> None:
        """Until all ports forward: the kernel looks at link changes once a second where there were many (linkwatch)."""
        deadline = time.monotonic() + FORWARDING_TIMEOUT
        for node in self.topology.nodes:
            while node.kind == "bridge":
                arguments = ["-n", self.namespace(node.name), "-details", "-json", "link", "show", "master", node.name]
                states = re.findall(r'"state":"(\w+)"', _ip(arguments))
                if all(state == "forwarding" for state in states):
                    break
                if time.monotonic() > deadline:
                    raise LabError(f"bridge {node.name}: a port does not forward after {FORWARDING_TIMEOUT:g} s")
                time.sleep(0.05)

    def _veth(self, link: Link) -> str:
        def side(end: Endpoint) -> str:
            address = hardware_address(self.topology.name, end)
            return f"name {end.interface} mtu {link.mtu} address {address} netns {self.namespace(end.node)}"

        return f"link add {side(link.a)} type veth peer {side(link.b)}"

    def _execute(self, node: Node, command: tuple[str, ...]) -> None:
        words = " ".join(command)
        try:
            result = self.run(node.name, command, timeout=EXEC_TIMEOUT)
        except subprocess.TimeoutExpired as error:
            raise LabError(f"node {node.name}: exec {words!r} did not end within {EXEC_TIMEOUT:g} s") from error
        except (OSError, subprocess.SubprocessError) as error:
            raise LabError(f"node {node.name}: exec {words!r} could not be started: {error}") from error
        if result.returncode != 0:
            output = (result.stdout + result.stderr).strip() or "(no output)"
            raise LabError(f"node {node.name}: exec {words!r} ended with status {result.returncode}:\n{output}")


def hardware_address(lab: str, end: Endpoint) -> str:
    """A locally administered MAC that is the same in every run."""
    digest = hashlib.sha256(f"{lab}/{end}".encode()).digest()
    return ":".join(f"{octet:02x}" for octet in bytes([0x02]) + digest[:5])


def _ip(arguments: list[str], lines: Sequence[str] = ()) -> str:
    result = subprocess.run(["ip", *arguments], input="\n".join(lines), capture_output=True, text=True, check=False)
    if result.returncode != 0:
        raise LabError(f"ip {' '.join(arguments)}: {result.stderr.strip()}")
    return result.stdout


def _register(name: str, source: str) -> None:
    NAMESPACES.mkdir(mode=0o755, parents=True, exist_ok=True)
    path = NAMESPACES / name
    path.touch(mode=0o444, exist_ok=False)
    syscalls.mount(source, str(path), flags=MS_BIND)


def _register_new(name: str) -> None:
    """A network namespace that no process lives in: the mount keeps it."""
    told, tell = os.pipe()
    done, leave = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.close(leave)
            syscalls.unshare(CLONE_NEWNET)
            os.write(tell, b"1")
            os.read(done, 1)
        finally:
            os._exit(0)
    os.close(tell)
    os.close(done)
    try:
        if not os.read(told, 1):
            raise LabError(f"namespace {name}: the kernel made no network namespace")
        _register(name, f"/proc/{pid}/ns/net")
    finally:
        os.close(told)
        os.close(leave)
        os.waitpid(pid, 0)


def _unregister(name: str) -> None:
    path = NAMESPACES / name
    try:
        syscalls.unmount(str(path))
    except OSError:
        pass  # it was not mounted yet
    path.unlink(missing_ok=True)


def _clear_leftovers(names: Sequence[str]) -> None:
    """A namespace of ours with processes in it is a lab that runs, and then its bridges' namespaces are in use too,
    though no process lives there. What a killed lab left has none."""
    found = {path.stat().st_ino: name for name in names if (path := NAMESPACES / name).exists()}
    for entry in Path("/proc").iterdir():
        try:
            name = found.get(os.stat(entry / "ns/net").st_ino) if entry.name.isdigit() else None
        except OSError:
            continue
        if name is not None:
            raise LabError(f"network namespace {name} exists and is in use: this lab is up already")
    for name in found.values():
        _unregister(name)


@contextmanager
def _signals_held() -> Iterator[None]:
    """SIGINT and SIGTERM wait until the end: half a clean-up would leave the rest behind."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
