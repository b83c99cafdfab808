"""A director's namespace and a real server's on one wire, real daemons in the second, probes from the first.

Each daemon runs from a folder of its own, in a mount namespace with an empty /run, as a child of the test: nothing of
the machine's is started, read or changed.
"""

import json
import os
import select
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import pytest

from haagent.config.checks import Check

SERVER, SERVER_6 = "192.0.2.11", "2001:db8::11"
DIRECTOR, DIRECTOR_6 = "192.0.2.1", "2001:db8::1"

ASK = """
import asyncio, json, sys
import msgspec
from haagent.config.checks import Check
from haagent.health.probe import Probe
from haagent.probes.begin import begin
from haagent.probes.poller import Poller
async def ask(check, address, port):
    poller = Poller(asyncio.get_running_loop())
    done = asyncio.get_running_loop().create_future()
    begin(Probe(1, check, address, port), poller, done.set_result)
    result = await done
    poller.close()
    if isinstance(result, Exception):
        raise result
    return result
for line in sys.stdin:
    check, address, port = json.loads(line)
    result = asyncio.run(ask(msgspec.convert(check, Check), address, port))
    print(json.dumps([result.passed, result.local, result.detail, result.weight]), flush=True)
"""

Answer = tuple[bool, str]  # passed, sentence


def ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True, timeout=30)


class Stage:
    def __init__(self, prefix: str) -> None:
        self.director, self.server = f"{prefix}-d{os.getpid()}", f"{prefix}-r{os.getpid()}"
        self._asker: subprocess.Popen[str] | None = None
        self.weight: int | None = None  # of the last answer
        self.local = False

    def build(self) -> None:
        ip("netns", "add", self.director)
        ip("netns", "add", self.server)
        ip("-n", self.director, "link", "add", "eth0", "type", "veth", "peer", "name", "eth0", "netns", self.server)
        ends = ((self.director, DIRECTOR, DIRECTOR_6), (self.server, SERVER, SERVER_6))
        for name, address, address_6 in ends:
            ip("-n", name, "address", "add", f"{address}/24", "dev", "eth0")
            ip("-n", name, "address", "add", f"{address_6}/64", "dev", "eth0", "nodad")
            ip("-n", name, "link", "set", "eth0", "up")
            ip("-n", name, "link", "set", "lo", "up")
        self._asker = subprocess.Popen(
            ["ip", "netns", "exec", self.director, sys.executable, "-c", ASK],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def clear(self) -> None:
        if self._asker is not None:
            assert self._asker.stdin is not None
            self._asker.stdin.close()
            self._asker.wait(timeout=30)
        for name in (self.director, self.server):
            subprocess.run(["ip", "netns", "delete", name], check=False, capture_output=True, timeout=30)

    def ask(self, check: Check, port: int, address: str = SERVER) -> Answer:
        """One try, from the director."""
        assert self._asker is not None
        assert self._asker.stdin is not None
        assert self._asker.stdout is not None
        self._asker.stdin.write(json.dumps([msgspec.to_builtins(check), address, port]) + "\n")
        self._asker.stdin.flush()
        assert select.select([self._asker.stdout], [], [], 60)[0]
        passed, self.local, detail, self.weight = json.loads(self._asker.stdout.readline())
        return passed, detail

    @contextmanager
    def serve(
        self, *command: str, folder: Path, ready: Callable[[], bool] | None = None, setup: str = ":", user: str = ""
    ) -> Iterator[subprocess.Popen[bytes]]:
        """A daemon in the foreground, until the end of the block. `setup` runs before it, as root, in its mounts."""
        if shutil.which(command[0]) is None:  # tools/packages says when it leaves one out
            pytest.skip(f"{command[0]} is not installed")
        script = f'set -e; mount -t tmpfs none /run; mkdir -p /run/lock; {setup}; exec "$@"'
        as_user = ["setpriv", f"--reuid={user}", f"--regid={user}", "--init-groups"] if user else []
        log = (folder / "daemon.log").open("ab")
        process = subprocess.Popen(
            ["ip", "netns", "exec", self.server, "unshare", "-m", "sh", "-c", script, "sh", *as_user, *command],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            cwd=folder,
        )
        log.close()
        try:
            if ready is not None:
                wait_for(ready, process, folder)
            yield process
        finally:
            end(process)


def wait_for(ready: Callable[[], bool], process: subprocess.Popen[bytes], folder: Path) -> None:
    until = time.monotonic() + 30
    while not ready():
        assert process.poll() is None, (folder / "daemon.log").read_text(errors="replace")[-3000:]
        assert time.monotonic() < until, (folder / "daemon.log").read_text(errors="replace")[-3000:]
        time.sleep(0.05)


def end(process: subprocess.Popen[bytes]) -> None:
    """The daemon and what it started."""
    for number in (signal.SIGCONT, signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, number)
        except ProcessLookupError:
            break
        if number != signal.SIGCONT:
            try:
                process.wait(timeout=5)
            except subprocess.TimeoutExpired:
                continue
    process.wait(timeout=30)
