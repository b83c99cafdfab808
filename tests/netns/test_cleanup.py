"""A daemon that is killed as a whole leaves its address; `haagent cleanup` takes that away and nothing else."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.netns.segment import ROOT, Host, Segment, end, router, wait_until, write_routers

pytestmark = pytest.mark.root

VIRTUAL, SECOND, NO_MORE = "192.0.2.100", "198.51.100.100", "192.0.2.101"


@pytest.fixture
def segment() -> Iterator[Segment]:
    with Segment("a", prefix="hx") as each:
        yield each


def configure(path: Path, *addresses: str) -> Path:
    folder = path / "conf"
    folder.mkdir(exist_ok=True)
    listed = ", ".join(f'"{each}/24"' for each in addresses)
    (folder / "all.toml").write_text(
        f'[director]\nnames = ["d1"]\nruntime_directory = "{path}/run"\nstate_directory = "{path}/state"\n'
        '[virtual_router.web]\ninterface = "eth0"\nvrid = 51\nadvertisement_interval = 0.1\n'
        f"virtual_addresses = [{listed}]\n"
    )
    return folder


def cleanup(host: Host, folder: Path) -> "subprocess.CompletedProcess[str]":
    command = (sys.executable, "-m", "haagent", "cleanup", "-c", str(folder), "--name", "d1")
    return subprocess.run(
        ("ip", "netns", "exec", host.netns, *command), capture_output=True, text=True, cwd=ROOT, check=False
    )


def descendants(pid: int) -> list[int]:
    """The process and everything below it."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *(each for child in children for each in descendants(int(child)))]


def kill_daemon(process: "subprocess.Popen[bytes]") -> None:
    """All of it at once: each is stopped first, so that none can do anything about the death of another."""
    pids = descendants(process.pid)
    for number in (signal.SIGSTOP, signal.SIGKILL):
        for pid in pids:
            os.kill(pid, number)
    process.wait(10)
    assert wait_until(lambda: not any(is_alive(pid) for pid in pids))


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def start(segment: Segment, folder: Path) -> "subprocess.Popen[bytes]":
    return segment.start("a", sys.executable, "-m", "haagent", "run", "-c", str(folder), "--name", "d1", cwd=ROOT)


def test_the_address_of_a_killed_daemon_goes_and_nothing_else(segment: Segment, tmp_path: Path) -> None:
    host = segment.hosts["a"]
    folder = configure(tmp_path, VIRTUAL, SECOND, NO_MORE)
    process = start(segment, folder)
    assert wait_until(lambda: all(host.has(each) for each in (VIRTUAL, SECOND, NO_MORE)))
    # an administrator's own, in the subnet whose primary address is a virtual one
    host.run("ip", "addr", "add", "198.51.100.5/24", "dev", "eth0")
    host.run("ip", "addr", "add", "203.0.113.9/32", "dev", "lo")
    host.run("sysctl", "-qw", "net.ipv4.conf.all.promote_secondaries=0", "net.ipv4.conf.eth0.promote_secondaries=0")

    refused = cleanup(host, folder)
    assert refused.returncode == 1
    assert refused.stderr == "haagent: director d1 runs: it keeps its addresses; stop it first\n"
    assert host.has(VIRTUAL)

    kill_daemon(process)
    assert all(host.has(each) for each in (VIRTUAL, SECOND, NO_MORE))
    configure(tmp_path, VIRTUAL, SECOND)  # the third one is still known by what ran, and by its protocol number
    done = cleanup(host, folder)
    assert done.returncode == 0, done.stderr
    assert sorted(done.stdout.splitlines()) == [
        f"released {VIRTUAL}/24 on eth0",
        f"released {NO_MORE}/24 on eth0",
        f"released {SECOND}/24 on eth0",
    ]
    assert sorted(host.addresses()) == ["192.0.2.1/24", "198.51.100.5/24"]
    assert "203.0.113.9/32" in host.run("ip", "-4", "addr", "show", "dev", "lo")
    assert host.run("sysctl", "-n", "net.ipv4.conf.eth0.promote_secondaries") == "0\n"
    again = cleanup(host, folder)
    assert (again.returncode, again.stdout) == (0, "no virtual address was left behind\n")


def test_a_broken_file_keeps_no_address_and_a_clean_stop_leaves_none(segment: Segment, tmp_path: Path) -> None:
    host = segment.hosts["a"]
    folder = configure(tmp_path, VIRTUAL)
    process = start(segment, folder)
    assert wait_until(lambda: host.has(VIRTUAL))
    assert end(process) == 0
    assert not host.has(VIRTUAL)
    host.run("ip", "addr", "add", f"{VIRTUAL}/24", "dev", "eth0")  # as a kernel without IFA_PROTO shows it
    (folder / "all.toml").write_text("this is no TOML")
    done = cleanup(host, folder)
    assert (done.returncode, host.has(VIRTUAL)) == (1, True)  # its runtime directory is not the default one
    assert "all.toml:1" in done.stderr
    assert cleanup(host, configure(tmp_path, VIRTUAL)).stdout == f"released {VIRTUAL}/24 on eth0\n"
    assert not host.has(VIRTUAL)


def test_an_ipv6_address_goes_too(segment: Segment, tmp_path: Path) -> None:
    host = segment.hosts["a"]
    folder = configure(tmp_path, VIRTUAL)
    file = folder / "all.toml"
    file.write_text(
        file.read_text() + '[virtual_router.web6]\ninterface = "eth0"\nvrid = 51\nadvertisement_interval = 0.1\n'
        'virtual_addresses = ["2001:db8::64/64"]\n'
    )
    process = start(segment, folder)
    assert wait_until(lambda: "2001:db8::64/64" in host.run("ip", "-6", "addr", "show", "dev", "eth0"))
    assert wait_until(lambda: host.has(VIRTUAL))
    kill_daemon(process)
    done = cleanup(host, folder)
    assert done.returncode == 0, done.stderr
    assert sorted(done.stdout.splitlines()) == [f"released {VIRTUAL}/24 on eth0", "released 2001:db8::64/64 on eth0"]
    assert "2001:db8::64" not in host.run("ip", "-6", "addr", "show", "dev", "eth0")
    assert "fe80::" in host.run("ip", "-6", "addr", "show", "dev", "eth0")


def test_an_interface_with_a_virtual_mac_address_goes_and_a_stranger_of_the_kind_stays(
    segment: Segment, tmp_path: Path
) -> None:
    host = segment.hosts["a"]
    folder = configure(tmp_path, VIRTUAL)
    file = folder / "all.toml"
    file.write_text(file.read_text() + "virtual_mac = true\n")
    process = start(segment, folder)
    assert wait_until(lambda: f"{VIRTUAL}/24" in host.run("ip", "-o", "addr", "show", "up"))
    assert not host.has(VIRTUAL)
    made = host.run("ip", "-o", "link", "show", "type", "macvlan").split()[1].split("@")[0]
    host.run("ip", "link", "add", "vrrp4-2-52", "link", "eth0", "type", "macvlan", "mode", "bridge")  # FRR's
    host.run("ip", "link", "set", "vrrp4-2-52", "address", "00:00:5e:00:01:34")
    kill_daemon(process)
    assert f"{VIRTUAL}/24" in host.run("ip", "-o", "addr", "show", "up")
    done = cleanup(host, folder)
    assert (done.returncode, done.stdout) == (0, f"removed {made} with the MAC address 00:00:5e:00:01:33\n"), (
        done.stderr
    )
    assert VIRTUAL not in host.run("ip", "addr")
    assert "vrrp4-2-52" in host.run("ip", "link")
    assert cleanup(host, folder).stdout == "no virtual address was left behind\n"


def test_a_stop_does_not_wait_for_a_pipe_that_blocks(segment: Segment, tmp_path: Path) -> None:
    """Until prober and observer run, nobody has made the supervisor's pipe non-blocking for all."""
    host = segment.hosts["a"]
    reader, writer = os.pipe()
    try:
        routers = write_routers(tmp_path / "routers", router())
        command = (sys.executable, "-m", "haagent.processes.vrrp", "--routers", str(routers), "--alive-fd", str(reader))
        process = segment.start("a", *command, cwd=ROOT, pass_fds=(reader,))
        assert wait_until(lambda: host.has(VIRTUAL))
        assert end(process) == 0
        assert not host.has(VIRTUAL)
    finally:
        os.close(reader)
        os.close(writer)
