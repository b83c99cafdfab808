"""A whole daemon that is reloaded a thousand times, and one whose disk is full."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from haagent.control.requests import Reload, ReloadAnswer
from tests.daemon_stage import Daemon, folder, wait_until

WARM, RELOADS = 150, 1000
GROWTH = 2048  # kB that a process may grow between the two: an allocator's noise, not a leak of 3 kB for each reload
PATIENCE = 40.0


def configuration(number: int) -> str:
    """Every reload changes a weight, a scheduler, a check's interval, the pools, and the number of services."""
    text = f"""
[check.page]
type = "tcp"
interval = {30 + number % 2}
"""
    for service in range(1, 3 + number % 2):
        rows = ", ".join(
            f'{{ name = "rs{at}", address = "127.0.0.{10 + at}", weight = {1 + (number + at) % 3} }}'
            for at in range(1, 4 + number % 3)
        )
        text += f"""
[virtual_service.s{service}]
address = "127.0.0.{100 + service}"
port = 80
scheduler = "{("rr", "wlc")[number % 2]}"
forwarding_method = "masquerading"
check = ["page"]
real_servers = [{rows}]
"""
    return text


@pytest.fixture
def daemon() -> Iterator[Daemon]:
    with folder() as base:
        found = Daemon(base, "")
        try:
            yield found
        finally:
            if found.process is not None:
                found.stop()


def services() -> list[str]:
    told = subprocess.run(["ipvsadm", "-Sn"], check=True, capture_output=True, text=True).stdout
    return [line for line in told.splitlines() if line.startswith("-A")]


def descriptors(pid: int) -> int:
    return len(os.listdir(f"/proc/{pid}/fd"))


def resident(pid: int) -> int:
    """kB."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1])
    return 0


@pytest.mark.timeout(360)
def test_a_thousand_reloads_leave_memory_and_descriptors_flat(daemon: Daemon) -> None:
    daemon.write(configuration(0))
    daemon.start()
    assert wait_until(daemon.is_complete, PATIENCE), daemon.log[-2000:]
    seen: list[dict[str, tuple[int, int]]] = []
    for number in range(1, RELOADS + 1):
        daemon.write(configuration(number))
        assert daemon.ask(Reload()) == ReloadAnswer(errors=())
        if number in (WARM, RELOADS):
            assert daemon.status() is not None
            seen.append({name: (descriptors(pid), resident(pid)) for name, pid in daemon.pids().items()})
    warm, last = seen
    print(f"after {WARM} and {RELOADS} reloads (descriptors, kB):", warm, last)
    assert len(last) == 5
    assert {name: fds for name, (fds, _) in last.items()} == {name: fds for name, (fds, _) in warm.items()}
    grown = {name: last[name][1] - warm[name][1] for name in last}
    assert max(grown.values()) < GROWTH, grown
    assert wait_until(lambda: len(services()) == 2, PATIENCE)


def test_a_full_disk_takes_nobody_out_and_is_told_and_made_good(daemon: Daemon) -> None:
    """The list of what is ours cannot be written: service goes on, and it is written as soon as there is room."""
    state = daemon.base / "state"
    state.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k,mode=755", "tmpfs", state], check=True)
    try:
        daemon.write(configuration(0))
        daemon.start()
        assert wait_until(daemon.is_complete, PATIENCE), daemon.log[-2000:]
        ours = next(state.rglob("*own*"))
        before = ours.read_bytes()
        filler = state / "filler"
        with filler.open("wb", buffering=0) as file:
            try:
                while file.write(bytes(4096)):
                    pass
            except OSError:
                pass
        daemon.write(configuration(1))
        assert daemon.ask(Reload()) == ReloadAnswer(errors=())
        assert wait_until(lambda: len(services()) == 3, PATIENCE)
        status = daemon.status()
        assert status is not None
        assert any(f"{ours} cannot be written: No space left on device" in each for each in status.problems)
        assert ours.read_bytes() == before
        filler.unlink()
        daemon.write(configuration(3))  # the same services as before, other weights
        assert daemon.ask(Reload()) == ReloadAnswer(errors=())
        assert wait_until(lambda: ours.read_bytes() != before, PATIENCE)
        status = daemon.status()
        assert status is not None
        assert not [each for each in status.problems if "cannot be written" in each]
        assert wait_until(lambda: len(services()) == 3, PATIENCE)
        daemon.stop()
    finally:
        subprocess.run(["umount", "-l", state], check=True)
