"""Whole daemons: `haagent handover` and SIGTERM lose no request; files, processes and scripts move a router."""

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.daemon_stage import Daemon, folder, wait_until
from tests.netns.load import Load
from tests.netns.segment import Segment

pytestmark = [pytest.mark.root, pytest.mark.timeout(180)]

VIRTUAL = "192.0.2.100"
ROUTER = """
[virtual_router.web]
interface = "eth0"
vrid = 51
priority = {{ d1 = 200, d2 = 100 }}
advertisement_interval = 0.1
virtual_addresses = ["192.0.2.100/24"]
{more}
"""


@pytest.fixture
def base() -> Iterator[Path]:
    with folder() as path:
        yield path


@pytest.fixture
def segment() -> Iterator[Segment]:
    with Segment("d1", "d2", "client", prefix="hy") as each:
        yield each


def pair(segment: Segment, base: Path, more: str = "") -> tuple[Daemon, Daemon]:
    d1, d2 = (Daemon(base, segment.hosts[name].netns, name) for name in ("d1", "d2"))
    d1.write(ROUTER.format(more=more))
    d1.start()
    d2.start()
    assert wait_until(lambda: d1.is_complete() and d2.is_complete() and is_at(segment, d1, d2, "d1")), d1.log + d2.log
    assert segment.hosts["client"].ping(VIRTUAL)
    return d1, d2


def is_at(segment: Segment, d1: Daemon, d2: Daemon, name: str) -> bool:
    wanted = ("active", "backup") if name == "d1" else ("backup", "active")
    return (d1.state(), d2.state()) == wanted and segment.owners() == [name]


def load(segment: Segment) -> Load:
    return Load(segment.hosts["client"], VIRTUAL, segment.hosts["d1"], segment.hosts["d2"])


def test_a_handover_there_and_back_loses_no_request(segment: Segment, base: Path) -> None:
    d1, d2 = pair(segment, base)
    with load(segment) as asked:
        done = d1.run("handover", "web")
        assert (done.returncode, done.stdout) == (0, "web is backup: handed over to 192.0.2.2\n"), done.stderr
        assert wait_until(lambda: is_at(segment, d1, d2, "d2"))
        time.sleep(1.0)
        assert segment.owners() == ["d2"]
        back = d2.run("handover", "web")
        assert back.returncode == 0, back.stderr
        assert wait_until(lambda: is_at(segment, d1, d2, "d1"))
    assert (asked.lost, asked.sent > 200) == (0, True), asked.outage
    said = [entry for entry in d1.history() if (entry.subject, entry.state) == ("operator", "handed over")]
    assert [(entry.name, entry.actor) for entry in said] == [("web", "root")]


def test_what_is_refused_and_how_it_ends(segment: Segment, base: Path) -> None:
    d1, d2 = pair(segment, base)
    assert wait_until(lambda: (router := d2.router()) is not None and router.active_address == "192.0.2.1")
    refused = d2.run("handover", "web")
    assert refused.returncode == 1
    assert "web is backup here, not active: say it on the director that is (at 192.0.2.1)" in refused.stderr
    assert d1.run("handover", "web").returncode == 0
    assert wait_until(lambda: (router := d1.router()) is not None and router.yields)
    assert d1.run("handover", "web", "--back").stdout == "web: the priorities decide again\n"
    assert wait_until(lambda: is_at(segment, d1, d2, "d1"))
    d2.stop()
    alone = d1.run("handover", "web")
    assert alone.returncode == 1
    assert "no peer took over" in alone.stderr
    assert segment.owners() == ["d1"]


def test_a_clean_stop_of_the_daemon_loses_no_request(segment: Segment, base: Path) -> None:
    d1, d2 = pair(segment, base)
    with load(segment) as asked:
        assert d1.stop() == 0
        assert wait_until(lambda: d2.state() == "active")
        time.sleep(0.5)
    assert (asked.lost, asked.sent > 250) == (0, True), asked.outage
    assert segment.owners() == ["d2"]


def test_files_processes_and_scripts_are_followed(segment: Segment, base: Path) -> None:
    program = base / f"hy-{os.getpid()}"
    program.symlink_to("/bin/sleep")
    check = base / "check"
    check.write_text(f"#!/bin/sh\ntest ! -e {base}/ill\n")
    check.chmod(0o755)
    tracks = (
        f'{{ file = "{base}/maintenance", fault = true }}',
        f'{{ file = "{base}/term.{{}}", when = "value" }}',
        f'{{ process = "{program.name}", priority = -120 }}',
        f'{{ script = ["{check}"], interval = 0.2, fall = 2, rise = 1, priority = -150 }}',
    )
    d1_tracks = ", ".join(each.replace("{}", "d1") for each in tracks)
    worker = segment.start("d1", str(program), "600")
    d1, d2 = pair(segment, base, f"track = {{ d1 = [{d1_tracks}], d2 = [] }}")
    (base / "maintenance").touch()
    assert wait_until(lambda: d1.state() == "initialize" and segment.owners() == ["d2"])
    router = d1.router()
    assert router is not None
    assert router.reason == f"file {base}/maintenance exists"
    (base / "maintenance").unlink()
    assert wait_until(lambda: is_at(segment, d1, d2, "d1"))
    (base / "term.d1").write_text("-101\n")
    assert wait_until(lambda: is_at(segment, d1, d2, "d2"))
    assert wait_until(lambda: terms(d1) == (f"file {base}/term.d1 says -101 (-101)",))
    (base / "term.d1").write_text("0\n")
    assert wait_until(lambda: is_at(segment, d1, d2, "d1"))
    (base / "ill").touch()
    assert wait_until(lambda: is_at(segment, d1, d2, "d2"))
    assert wait_until(lambda: terms(d1) == (f"script {check} failed with exit status 1 (-150)",))
    (base / "ill").unlink()
    assert wait_until(lambda: is_at(segment, d1, d2, "d1"))
    worker.kill()
    worker.wait()
    assert wait_until(lambda: is_at(segment, d1, d2, "d2"))
    why = d1.run("why", "web").stdout
    assert f"-120 while fewer than 1 processes {program.name} run: so it is: no process {program.name} runs" in why
    assert f"as the file {base}/term.d1 says: it is not" in why


def terms(daemon: Daemon) -> tuple[str, ...]:
    router = daemon.router()
    return router.terms if router else ()
