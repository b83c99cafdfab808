"""A whole daemon for tests: `haagent run` in a network namespace, its files in a folder of its own, and its commands.

Nothing here knows what should happen; the tests say it.
"""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from haagent.control.client import ask
from haagent.control.requests import Answer, Request, Status, StatusAnswer
from haagent.processes.history import Entry, History
from haagent.snapshot import RealServerStatus, RouterStatus, Snapshot

ROOT = Path(__file__).parents[1]
PROCESSES = ("director", "vrrp", "prober", "observer")
DIRECTOR = """\
[director]
names = ["d1", "d2"]
user = "nobody"
control_group = "users"
runtime_directory = "{base}/run"
state_directory = "{base}/state"
"""


def wait_until(predicate: Callable[[], object], timeout: float = 20.0, interval: float = 0.05) -> bool:
    """Poll until true; whether it became so."""
    end = time.monotonic() + timeout
    while not predicate():
        if time.monotonic() >= end:
            return False
        time.sleep(interval)
    return True


@contextlib.contextmanager
def folder() -> Iterator[Path]:
    """A short path, since a unix socket's is at most 107 octets; enterable by others, whom the sockets must refuse."""
    base = Path(tempfile.mkdtemp(prefix="hd-"))
    base.chmod(0o755)
    try:
        yield base
    finally:
        for pid in users_of(base):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        shutil.rmtree(base)


def users_of(base: Path) -> dict[int, str]:
    """Processes with this folder in their command line: every process of a daemon whose files are there."""
    found = {}
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            words = entry.joinpath("cmdline").read_bytes().decode(errors="replace").split("\0")
            is_zombie = entry.joinpath("stat").read_text().rpartition(")")[2].split()[0] == "Z"
            if not is_zombie and any(str(base) in word for word in words) and int(entry.name) != os.getpid():
                found[int(entry.name)] = " ".join(words)
    return found


@dataclass
class Daemon:
    """One director's installation. `start` and `stop` it as often as you like."""

    base: Path
    netns: str  # "": where the test is
    name: str = "d1"
    process: "subprocess.Popen[bytes] | None" = None
    environment: dict[str, str] = field(default_factory=dict)

    @property
    def config(self) -> Path:
        return self.base / "conf"

    @property
    def runtime(self) -> Path:
        return self.base / "run" / self.name

    @property
    def log_file(self) -> Path:
        return self.base / f"{self.name}.log"

    @property
    def log(self) -> str:
        return self.log_file.read_text(errors="replace") if self.log_file.exists() else ""

    def write(self, text: str, file: str = "site.toml") -> None:
        """The director's table and this."""
        self.config.mkdir(exist_ok=True)
        self.config.joinpath(file).write_text(DIRECTOR.format(base=self.base) + text)

    def command(self, *arguments: str) -> list[str]:
        prefix = ["ip", "netns", "exec", self.netns] if self.netns else []
        return [*prefix, sys.executable, "-m", "haagent", *arguments]

    def start(self) -> "Daemon":
        with self.log_file.open("ab") as log:
            self.process = subprocess.Popen(
                self.command("run", "-c", str(self.config), "--name", self.name),
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=os.environ | self.environment,
            )
        return self

    def run(self, verb: str, *options: str, timeout: float = 60.0) -> "subprocess.CompletedProcess[str]":
        """One of the other commands, with this directory and name."""
        return subprocess.run(
            self.command(verb, "-c", str(self.config), "--name", self.name, *options),
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
            timeout=timeout,
        )

    def ask(self, request: Request) -> Answer | None:
        answer = ask(self.runtime / "control.sock", request)
        return answer if isinstance(answer, Answer) else None

    def status(self) -> Snapshot | None:
        answer = self.ask(Status())
        return answer.snapshot if isinstance(answer, StatusAnswer) else None

    def router(self, name: str = "web") -> RouterStatus | None:
        status = self.status()
        return next((each for each in status.routers if each.name == name), None) if status else None

    def state(self, name: str = "web") -> str:
        router = self.router(name)
        return router.state if router else ""

    def server(self, service: str, name: str) -> RealServerStatus | None:
        status = self.status()
        found = [
            server
            for each in (status.services if status else ())
            if each.name == service
            for server in each.real_servers
            if server.name == name
        ]
        return found[0] if found else None

    def pids(self) -> dict[str, int]:
        """The children that live, by name; "supervisor" too."""
        if self.process is None:
            return {}
        found = {"supervisor": self.process.pid} if self.process.poll() is None else {}
        socket, config = str(self.runtime), str(self.config)
        for pid, words in users_of(self.base).items():
            for name in PROCESSES:
                if f" haagent.processes.{name} " in words and (
                    socket + "/" in words or (config in words and f" {self.name} " in words)
                ):
                    found[name] = pid
        return found

    def is_complete(self) -> bool:
        """All four processes have said hello."""
        status = self.status()
        return status is not None and all(each.running for each in status.processes)

    def kill(self, name: str) -> int:
        """SIGKILL to one process; its pid."""
        pid = self.pids()[name]
        os.kill(pid, signal.SIGKILL)
        if name == "supervisor" and self.process is not None:
            self.process.wait(10)
        return pid

    def kill_all(self) -> None:
        """Every process at once: stopped first, so that none sees another die."""
        pids = list(self.pids().values())
        for number in (signal.SIGSTOP, signal.SIGKILL):
            for pid in pids:
                os.kill(pid, number)
        assert self.process is not None
        self.process.wait(10)

    def stop(self, number: int = signal.SIGTERM, timeout: float = 30.0) -> int:
        """The exit code."""
        assert self.process is not None
        if self.process.poll() is None:
            self.process.send_signal(number)
        return self.process.wait(timeout)

    def history(self) -> list[Entry]:
        path = self.base / "state" / self.name / "history.jsonl"
        reader = History.__new__(History)  # only to read: no file is made
        reader.path = path
        return list(reader.entries())
