"""The demo's stage: a lab that is up, what its directors say, what its client sees, and waiting with a bound.

Directors are asked over their control sockets, which a node's own file system holds: reached through /proc/PID/root.
"""

import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from haagent.config.model import Config
from haagent.control.client import ask
from haagent.control.paths import control_socket
from haagent.control.requests import Status, StatusAnswer
from haagent.lab.namespaces import Lab
from haagent.lab.observed import Statuses, active_director, changes, in_service
from haagent.lab.outage import Request, read_request, servers
from haagent.snapshot import Snapshot

POLL_INTERVAL = 0.1  # seconds between looks at the directors
REQUEST_INTERVAL = 0.02  # seconds between the client's requests
REQUEST_TIMEOUT = 0.3
CALM = 2.0  # seconds that a state must last before the demo goes on
SILENCE = 10.0  # seconds after which a wait says what it waits for


class DemoFailed(Exception):
    """One sentence: what should have happened and did not."""


@dataclass(slots=True)
class Event:
    """What the demo did to the pair, and the time in which its consequences were seen."""

    name: str
    since: float
    until: float = float("inf")


@dataclass(slots=True)
class Stage:
    """A lab that is up, and what is known of it."""

    lab: Lab
    configs: dict[str, Config]  # by director
    bound: float  # seconds in which an expected thing must happen
    started_at: float
    statuses: Statuses = field(default_factory=dict)
    said_at: float = 0.0
    requests: list[Request] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)

    def say(self, text: str) -> None:
        self.said_at = time.monotonic()
        print(f"{self.said_at - self.started_at:7.1f} s  {text}", flush=True)

    def names(self, role: str) -> list[str]:
        return [node.name for node in self.lab.topology.nodes if node.labels.get("role") == role]

    def look(self) -> None:
        """Asks every director, prints what changed; a director process that ended is a failure."""
        after = {name: self._snapshot(name) for name in self.configs}
        for line in changes(self.statuses, after):
            self.say(line)
        self.statuses = after
        for name in self.configs:
            main = self.lab.mains.get(name)
            if main is not None and main.poll() is not None:
                raise DemoFailed(f"{name}: haagent ended with status {main.returncode}")

    def _snapshot(self, name: str) -> Snapshot | None:
        """None where it does not answer; a view that lacks a router is not complete yet, so the last one stands."""
        config = self.configs[name]
        path = control_socket(config.director)
        answer = ask(Path(f"/proc/{self.lab.pid(name)}/root{path}"), Status())
        if not isinstance(answer, StatusAnswer):
            return None
        shown = {router.name for router in answer.snapshot.routers}
        complete = shown == {router.name for router in config.virtual_routers}
        return answer.snapshot if complete else self.statuses.get(name)

    def until(self, expectation: str, is_true: Callable[[], bool]) -> None:
        deadline = time.monotonic() + self.bound
        while True:
            self.look()
            if is_true():
                return
            if time.monotonic() > deadline:
                raise DemoFailed(f"within {self.bound:g} s this did not happen: {expectation}")
            if time.monotonic() > self.said_at + SILENCE:
                self.say(f"still waiting for: {expectation}")
            time.sleep(POLL_INTERVAL)

    def calm(self, seconds: float = CALM) -> float:
        """Looks on for a while; returns when that began."""
        began = time.monotonic()
        while time.monotonic() < began + seconds:
            time.sleep(POLL_INTERVAL)
            self.look()
        return began

    @contextmanager
    def event(self, name: str) -> Iterator[Event]:
        event = Event(name, time.monotonic())
        yield event
        event.until = time.monotonic()
        self.events.append(event)

    def active(self) -> str:
        name = active_director(self.statuses)
        if name is None:
            raise DemoFailed("there should be one Active director now, and there is none or more than one")
        return name

    def served(self) -> set[str]:
        """The real servers in service on the Active director."""
        active = active_director(self.statuses)
        return in_service(self.statuses[active]) if active else set()

    def is_answered(self, since: float) -> bool:
        return bool(servers(list(self.requests), since))


def show_page(stage: Stage, address: str, port: int, expected: set[str]) -> None:
    """One load of the page as a person would see it."""
    node = stage.names("client")[0]
    script = f"exec 3<>/dev/tcp/{address}/{port}; printf 'GET / HTTP/1.0\\r\\nHost: {address}\\r\\n\\r\\n' >&3; cat <&3"
    result = stage.lab.run(node, ["timeout", "5", "bash", "-c", script], timeout=30)
    lines = result.stdout.splitlines() or [result.stderr.strip() or "nothing"]
    stage.say(f"{node}: GET http://{address}{'' if port == 80 else f':{port}'}/ -> {lines[0]}: {lines[-1]}")
    if lines[-1].removeprefix("served by ") not in expected:
        raise DemoFailed("the page did not come from a real server in service")


@contextmanager
def client(stage: Stage, address: str, port: int) -> Iterator[None]:
    """The load generator in the client's node; its answers arrive in `stage.requests`."""
    script = Path(__file__).with_name("load.py")
    command = [sys.executable, "-I", "-S", str(script), address, str(port)]
    command += ["--interval", str(REQUEST_INTERVAL), "--timeout", str(REQUEST_TIMEOUT)]
    process = stage.lab.spawn(stage.names("client")[0], command, stdout=subprocess.PIPE, text=True)
    lines = process.stdout
    assert lines is not None

    def collect() -> None:
        for line in lines:
            request = read_request(line)
            if request is not None:
                stage.requests.append(request)

    reader = threading.Thread(target=collect, daemon=True)
    reader.start()
    try:
        yield
    finally:
        process.terminate()
        process.wait()
        reader.join(timeout=5)
