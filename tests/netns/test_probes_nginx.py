"""The probes against a real nginx across a wire, in every state that an operator meets, and against a wrong network."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

pytestmark = pytest.mark.root

NGINX = """
daemon off; master_process off; pid {folder}/nginx.pid; error_log {folder}/nginx.log;
events {{ }}
http {{
  access_log {folder}/access.log;
  server {{
    listen 192.0.2.11:80;
    root {folder}/www;
    location = /403 {{ return 403; }}
    location = /500 {{ return 500; }}
    location = /503 {{ return 503; }}
    location = /302 {{ return 302 http://192.0.2.11/check.txt; }}
  }}
}}
"""

ASK = """
import asyncio, json, sys
from haagent.config.model import HttpCheck, TcpCheck
from haagent.probes import http, tcp
from haagent.probes.poller import Poller
kind, address, changes = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])
changes = {key: tuple(value) if isinstance(value, list) else value for key, value in changes.items()}
async def main():
    poller = Poller(asyncio.get_running_loop())
    if kind == "http":
        return await http.probe(HttpCheck(name="web", **({"timeout": 5.0} | changes)), address, 80, poller)
    return await tcp.probe(TcpCheck(name="tcp", **({"timeout": 5.0} | changes)), address, 80, poller)
result = asyncio.run(main())
print(json.dumps([result.passed, result.local, result.detail]))
"""

PASSED, FAILED, LOCAL = [True, False], [False, False], [False, True]


def ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True, timeout=30)


class Pair:
    """A director's namespace and a real server's, joined by one wire: 192.0.2.1 and 192.0.2.11."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.director, self.server = f"hx-d{os.getpid()}", f"hx-r{os.getpid()}"

    def exec(self, *command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["ip", "netns", "exec", self.director, *command], check=True, capture_output=True, text=True, timeout=60
        )

    def ask(self, address: str = "192.0.2.11", kind: str = "http", **changes: object) -> list[object]:
        """[passed and local, sentence]"""
        output = self.exec(sys.executable, "-c", ASK, kind, address, json.dumps(changes)).stdout
        passed, local, detail = json.loads(output)
        return [[passed, local], detail]

    @contextmanager
    def nginx(self) -> Iterator[subprocess.Popen[bytes]]:
        www = self.folder / "www"
        www.mkdir(exist_ok=True)
        (www / "check.txt").write_text("webserverisworking\n")
        (www / "large.bin").write_bytes(b"x" * 5_000_000)
        file = self.folder / "nginx.conf"
        file.write_text(NGINX.format(folder=self.folder))
        process = subprocess.Popen(["ip", "netns", "exec", self.server, "nginx", "-c", str(file)])
        try:
            for _ in range(200):
                if self.ask(kind="tcp")[0] == PASSED:
                    break
                time.sleep(0.05)
            yield process
        finally:
            process.kill()
            process.wait(timeout=30)


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[Pair]:
    pair = Pair(tmp_path)
    for parent in (tmp_path, *tmp_path.parents[:2]):  # nginx's worker may run as another user
        parent.chmod(0o755)
    try:
        ip("netns", "add", pair.director)
        ip("netns", "add", pair.server)
        ip("-n", pair.director, "link", "add", "eth0", "type", "veth", "peer", "name", "eth0", "netns", pair.server)
        for name, address in ((pair.director, "192.0.2.1/24"), (pair.server, "192.0.2.11/24")):
            ip("-n", name, "address", "add", address, "dev", "eth0")
            ip("-n", name, "link", "set", "eth0", "up")
            ip("-n", name, "link", "set", "lo", "up")
        yield pair
    finally:
        for name in (pair.director, pair.server):
            subprocess.run(["ip", "netns", "delete", name], check=False, capture_output=True, timeout=30)


def test_a_working_server_and_wrong_answers(pair: Pair) -> None:
    with pair.nginx():
        assert pair.ask(path="/check.txt", body="webserverisworking") == [PASSED, "HTTP 200"]
        assert pair.ask(path="/check.txt", method="HEAD") == [PASSED, "HTTP 200"]
        assert pair.ask(path="/large.bin") == [PASSED, "HTTP 200"]
        assert pair.ask(kind="tcp") == [PASSED, "connected"]
        sentence = 'HTTP 200 but the body (19 octets) does not contain "databaseisworking"'
        assert pair.ask(path="/check.txt", body="databaseisworking") == [FAILED, sentence]
        for status in (302, 403, 404, 500, 503):
            assert pair.ask(path=f"/{status}") == [FAILED, f"HTTP {status}, wanted 200"]
        assert pair.ask(path="/404", status=[404]) == [PASSED, "HTTP 404"]


def test_no_connection_is_left_in_time_wait(pair: Pair) -> None:
    with pair.nginx():
        for _ in range(3):
            assert pair.ask(path="/check.txt")[0] == PASSED
        assert pair.exec("ss", "-Htan", "state", "time-wait").stdout == ""


def test_a_stopped_server_and_a_killed_one(pair: Pair) -> None:
    with pair.nginx() as process:
        process.send_signal(signal.SIGSTOP)
        # The kernel goes on accepting for it: that is why a TCP check alone proves little.
        assert pair.ask(kind="tcp") == [PASSED, "connected"]
        assert pair.ask(timeout=0.5) == [FAILED, "no complete answer within 0.5 s (connected, nothing received)"]
        process.send_signal(signal.SIGCONT)
        assert pair.ask(path="/check.txt")[0] == PASSED
        process.kill()
        process.wait(timeout=30)
        assert pair.ask() == [FAILED, "connection refused (192.0.2.11:80)"]


def test_nobody_has_the_address(pair: Pair) -> None:
    assert pair.ask("192.0.2.99", timeout=0.5) == [FAILED, "no answer to the connection within 0.5 s"]
    assert pair.ask("192.0.2.99", timeout=20.0) == [FAILED, "host unreachable (192.0.2.99:80)"]


def test_trouble_of_the_director_is_not_the_servers(pair: Pair) -> None:
    prefix = "this director cannot probe: "
    assert pair.ask("198.51.100.1") == [LOCAL, prefix + "it has no route to 198.51.100.1"]
    pair.exec("ip", "route", "add", "unreachable", "198.51.100.1")
    pair.exec("ip", "route", "add", "prohibit", "198.51.100.2")
    pair.exec("ip", "route", "add", "blackhole", "198.51.100.3")
    assert pair.ask("198.51.100.1") == [LOCAL, prefix + "its routing table calls 198.51.100.1 unreachable"]
    assert pair.ask("198.51.100.2") == [LOCAL, prefix + "its routing table prohibits 198.51.100.2"]
    assert pair.ask("198.51.100.3") == [LOCAL, prefix + "its routing table discards packets to 198.51.100.3"]
    pair.exec("ip", "address", "flush", "dev", "eth0")
    assert pair.ask() == [LOCAL, prefix + "it has no route to 192.0.2.11"]
