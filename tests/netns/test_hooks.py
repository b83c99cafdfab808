"""Hooks and the stream of events with a whole daemon, on a segment where it wins and loses elections."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.netns.segment import ROOT, Segment, end, router, run, wait_until

pytestmark = pytest.mark.root

VIRTUAL = "192.0.2.100"


@pytest.fixture
def segment() -> Iterator[Segment]:
    with Segment("a", "b", prefix="hx") as each:
        yield each


class Daemon:
    """`haagent run` on host a with one hook that writes what it gets, one line an event."""

    def __init__(self, segment: Segment, path: Path) -> None:
        path.chmod(0o755)
        self.told = path / "told"
        self.told.touch()
        self.told.chmod(0o666)
        command = path / "hook"
        command.write_text(
            f'#!/bin/sh\ncat >> {self.told}\n[ "$HAAGENT_STATE" != backup ] || {{ echo "oh no"; exit 4; }}\n'
        )
        command.chmod(0o755)
        for parent in path.parents:  # the user of the hook may get there
            if str(parent).startswith("/tmp/"):
                parent.chmod(0o755)
        self.conf = path / "conf"
        self.conf.mkdir()
        (self.conf / "all.toml").write_text(
            f'[director]\nnames = ["d1"]\nruntime_directory = "{path}/run"\nstate_directory = "{path}/state"\n'
            '[virtual_router.web]\ninterface = "eth0"\nvrid = 51\nadvertisement_interval = 0.1\n'
            f'virtual_addresses = ["{VIRTUAL}/24"]\n'
            f'[hook.tell]\non = ["router"]\ncommand = ["{command}"]\nuser = "nobody"\n'
        )
        self.socket = path / "run" / "d1" / "control.sock"
        self.process = segment.start(
            "a", sys.executable, "-m", "haagent", "run", "-c", str(self.conf), "--name", "d1", cwd=ROOT
        )

    def events(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.told.read_text().splitlines()]

    def states(self) -> list[str]:
        return [each["state"] for each in self.events()]

    def history(self, *options: str) -> list[dict[str, Any]]:
        out = run(*(sys.executable, "-m", "haagent", "history", "--json", "--socket", str(self.socket)), *options)
        return [json.loads(line) for line in out.splitlines()]

    def director_pid(self) -> int:
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        (pid,) = [each for each in children if b"processes.director" in Path(f"/proc/{each}/cmdline").read_bytes()]
        return int(pid)


def test_hooks_follow_the_router_and_their_ends_are_history(segment: Segment, tmp_path: Path) -> None:
    daemon = Daemon(segment, tmp_path)
    assert wait_until(lambda: segment.owners() == ["a"] and daemon.states()[-1:] == ["active"], 20), daemon.events()
    event = daemon.events()[-1]
    assert (event["subject"], event["name"], event["director"], event["hook"]) == ("router", "web", "d1", "tell")
    assert "no Active router was heard" in event["cause"]

    rival = segment.start_vrrp("b", tmp_path, router(priority=200))
    assert wait_until(lambda: daemon.states()[-1:] == ["backup"]), daemon.events()
    assert "192.0.2.2 has priority 200" in daemon.events()[-1]["cause"]
    end(rival.process)
    assert wait_until(lambda: daemon.states()[-1:] == ["active"]), daemon.events()  # and back

    assert wait_until(lambda: daemon.history()[-1]["subject"] == "hook")
    ended = [(each["name"], each["state"]) for each in daemon.history() if each["subject"] == "hook"]
    assert ("tell/web", "succeeded") in ended
    assert ("tell/web", "failed") in ended  # the hook fails for backup
    causes = [each["cause"] for each in daemon.history() if each["state"] == "failed"]
    assert "router web backup: exit status 4, 'oh no'" in causes[-1]

    # the numbers that a hook is told are those of the history
    by_number = {each["sequence"]: each for each in daemon.history()}
    for each in daemon.events():
        if each["sequence"]:
            assert by_number[each["sequence"]]["state"] == each["state"]

    count = len(daemon.events())
    os.kill(daemon.director_pid(), signal.SIGKILL)  # the next director says the state again
    assert wait_until(lambda: len(daemon.events()) > count, 20)
    again = daemon.events()[count]
    assert (again["state"], again["reasserted"]) == ("active", True)

    count = len(daemon.events())
    assert end(daemon.process) == 0  # and a clean stop is told too
    assert [each["state"] for each in daemon.events()[count:]] == ["initialize"]


def test_a_follower_from_a_number_on_gets_each_event_once(segment: Segment, tmp_path: Path) -> None:
    daemon = Daemon(segment, tmp_path)
    assert wait_until(lambda: daemon.states()[-1:] == ["active"], 20), daemon.events()
    command = (
        sys.executable,
        "-m",
        "haagent",
        "history",
        "--socket",
        str(daemon.socket),
        "--json",
        "-f",
        "--from",
        "3",
    )
    output = tmp_path / "followed"
    with output.open("wb") as file:
        follower = subprocess.Popen(command, stdout=file, cwd=ROOT)
    segment.processes.append(follower)

    def numbers() -> list[int]:
        return [json.loads(line)["sequence"] for line in output.read_text().splitlines()]

    assert wait_until(numbers)
    for _ in range(2):
        rival = segment.start_vrrp("b", tmp_path, router(priority=200))
        assert wait_until(lambda: daemon.states()[-1:] == ["backup"])
        end(rival.process)
        assert wait_until(lambda: daemon.states()[-1:] == ["active"])
    assert wait_until(lambda: numbers()[-1] >= daemon.history("-n", "1")[0]["sequence"])
    told = numbers()
    assert told == list(range(3, 3 + len(told)))
    assert [each["sequence"] for each in daemon.history("--from", "5")][:3] == [5, 6, 7]
    assert end(daemon.process) == 0


def test_the_winner_of_a_split_has_the_last_word(segment: Segment, tmp_path: Path) -> None:
    """For it nothing changes, but the loser's hooks ran after its own."""
    daemon = Daemon(segment, tmp_path)
    assert wait_until(lambda: daemon.states()[-1:] == ["active"], 20), daemon.events()
    deaf = segment.hosts["b"]
    deaf.run("nft", "add", "table", "inet", "deaf")
    deaf.run("nft", "add", "chain", "inet", "deaf", "in", "{ type filter hook input priority 0; }")
    deaf.run("nft", "add", "rule", "inet", "deaf", "in", "ip", "protocol", "112", "drop")
    rival = segment.start_vrrp("b", tmp_path, router(priority=50))
    assert wait_until(lambda: sorted(segment.owners()) == ["a", "b"])
    count = len(daemon.events())
    time.sleep(4.5)  # long enough for two reports of the counters
    assert len(daemon.events()) == count  # nothing to say while it lasts
    deaf.run("nft", "delete", "table", "inet", "deaf")
    assert wait_until(lambda: rival.director.state() == "backup")
    assert wait_until(lambda: len(daemon.events()) > count, 20)
    (again,) = daemon.events()[count:]
    assert (again["state"], again["reasserted"]) == ("active", True)
    assert again["cause"] == "another router spoke for the same VRID, and does not any more"
    assert end(daemon.process) == 0
