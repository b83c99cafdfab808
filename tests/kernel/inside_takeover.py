"""Fact M8 as a standing test: 20 open connections are handed to another director that has the same table
but none of their entries (direct routing, mh). With the parameters that haagent sets all of them go on, without none.

    client .200 ── bridge ── directors .1 and .2, real servers .11, .12, .13 (virtual address on lo)

What stands for the switch of roles: the client's route to the virtual address.
"""

import contextlib
import os
import socket
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from haagent.config.load import load
from haagent.config.model import Config
from haagent.core.core import Core
from haagent.core.effects import SetVirtualServices
from haagent.core.events import ConfigLoaded
from haagent.linux.ipvs import Ipvs
from haagent.processes.kernel_settings import KernelSettings
from haagent.processes.table_keeper import Level, TableKeeper
from tests.daemon_stage import wait_until
from tests.netns.segment import inside

VIP, COUNT = "198.51.100.100", 20
PREFIX = f"hm{os.getpid() % 100000}"
CLIENT, FIRST, SECOND = f"{PREFIX}cl", f"{PREFIX}d1", f"{PREFIX}d2"
REAL = {f"{PREFIX}r{n}": f"198.51.100.1{n}" for n in (1, 2, 3)}
ADDRESSES = {CLIENT: "198.51.100.200", FIRST: "198.51.100.1", SECOND: "198.51.100.2", **REAL}
CONFIG = f"""
[director]
names = ["d1"]

[sysctl]
sloppy = %s

[virtual_service.web]
address = "{VIP}"
port = 80
scheduler = "mh"
scheduler_flags = ["fallback", "port"]
forwarding_method = "direct_routing"
real_servers = [{", ".join(f'{{ name = "{name}", address = "{address}" }}' for name, address in REAL.items())}]
"""


def ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True)


@pytest.fixture
def segment() -> Iterator[None]:
    try:
        ip("link", "add", "br0", "up", "type", "bridge")
        for number, (name, address) in enumerate(ADDRESSES.items()):
            ip("netns", "add", name)
            ip(
                "link",
                "add",
                f"port{number}",
                "up",
                "master",
                "br0",
                "type",
                "veth",
                "peer",
                "name",
                "eth0",
                "netns",
                name,
            )
            ip("-n", name, "link", "set", "lo", "up")
            ip("-n", name, "link", "set", "eth0", "up")
            ip("-n", name, "addr", "add", f"{address}/24", "dev", "eth0")
            if name != CLIENT:
                with inside(name):
                    Path("/proc/sys/net/ipv4/conf/all/arp_ignore").write_text("1")
                    Path("/proc/sys/net/ipv4/conf/all/arp_announce").write_text("2")
                ip("-n", name, "addr", "add", f"{VIP}/32", "dev", "lo")
        with contextlib.ExitStack() as stack:
            for name in REAL:
                with inside(name):
                    listener = stack.enter_context(socket.create_server((VIP, 80), backlog=64))
                threading.Thread(target=serve, args=(listener, name), daemon=True).start()
            yield
    finally:
        for name in ADDRESSES:
            subprocess.run(["ip", "netns", "del", name], check=False)
        ip("link", "del", "br0")


def serve(listener: socket.socket, name: str) -> None:
    def answer(connection: socket.socket) -> None:
        with contextlib.suppress(OSError), connection:
            while connection.recv(100):
                connection.sendall(name.encode())

    with contextlib.suppress(OSError):
        while True:
            threading.Thread(target=answer, args=(listener.accept()[0],), daemon=True).start()


def program(director: str, config: Config, directory: Path) -> None:
    """As a daemon would whose real servers are all in service."""
    with inside(director):
        ipvs = Ipvs.open()
        assert isinstance(ipvs, Ipvs), ipvs
        settings = KernelSettings(ipvs, directory / f"{director}.json")
        keeper = TableKeeper(ipvs, 30.0, lambda _: None, settings)
        effects = Core().handle(ConfigLoaded(config), 1.0)
        (level,) = [each for each in effects if isinstance(each, SetVirtualServices)]
        observed = keeper.round(Level(level.table, level.owned, level.marks, level.settings))
        assert observed.failures == ()
        ipvs.close()


def through(director: str) -> None:
    ip("-n", CLIENT, "route", "replace", f"{VIP}/32", "via", ADDRESSES[director])


def told(connection: socket.socket) -> str:
    try:
        connection.sendall(b"who")
        return connection.recv(100).decode()
    except OSError:
        return ""


def entries(director: str) -> int:
    """Established connections that this director's kernel knows."""
    command = ["ip", "netns", "exec", director, "ipvsadm", "-Lcn"]
    told_ = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return sum(1 for line in told_.splitlines() if "ESTABLISHED" in line)


def test_synced_connections_go_on_where_no_hash_would_find_their_server(segment: None, tmp_path: Path) -> None:
    """M8 with `[connection_sync]`: rr, nothing sloppy; the entries came over the wire before the switch."""
    text = (CONFIG % "false").replace('scheduler = "mh"\nscheduler_flags = ["fallback", "port"]', 'scheduler = "rr"')
    (tmp_path / "all.toml").write_text(text + '\n[connection_sync]\ninterface = "eth0"\nsync_id = 7\n')
    config = load(tmp_path, "d1")
    assert isinstance(config, Config), config
    for director in (FIRST, SECOND):
        program(director, config, tmp_path)
    through(FIRST)
    with contextlib.ExitStack() as stack:
        with inside(CLIENT):
            connections = [stack.enter_context(socket.create_connection((VIP, 80), timeout=10)) for _ in range(COUNT)]
        before = [told(each) for each in connections]
        assert set(before) == set(REAL)
        assert wait_until(lambda: entries(SECOND) == COUNT, 30), entries(SECOND)
        through(SECOND)
        after = [told(each) for each in connections]
    for director in (FIRST, SECOND):
        for role in ("master", "backup"):
            subprocess.run(["ip", "netns", "exec", director, "ipvsadm", "--stop-daemon", role], check=True)
    assert after == before


@pytest.mark.parametrize(("sloppy", "survivors"), [("true", COUNT), ("false", 0)])
def test_open_connections_after_a_switch_of_directors(
    segment: None, tmp_path: Path, sloppy: str, survivors: int
) -> None:
    (tmp_path / "all.toml").write_text(CONFIG % sloppy)
    config = load(tmp_path, "d1")
    assert isinstance(config, Config), config
    for director in (FIRST, SECOND):
        program(director, config, tmp_path)
    through(FIRST)
    with contextlib.ExitStack() as stack:
        with inside(CLIENT):
            connections = [stack.enter_context(socket.create_connection((VIP, 80), timeout=10)) for _ in range(COUNT)]
        before = [told(each) for each in connections]
        assert set(before) == set(REAL)
        through(SECOND)
        for each in connections:
            each.settimeout(5)
        after = [told(each) for each in connections]
    assert sum(1 for name, now in zip(before, after, strict=True) if name == now) == survivors, (before, after)
