"""Two directors that masquerade: the outside address and the inside gateway are together, whichever cable is cut.

client .200 ── 198.51.100.0/24 ── d1, d2 ── 192.0.2.0/24 ── real servers .11, .12, default gateway .254
"""

import contextlib
import os
import socket
import subprocess
import threading
import time
from collections.abc import Iterator

import pytest

from tests.daemon_stage import Daemon, folder, wait_until
from tests.netns.segment import inside

PREFIX = f"hg{os.getpid() % 100000}"
OUTSIDE, INSIDE = f"{PREFIX}out", f"{PREFIX}in"
DIRECTORS = ("d1", "d2")
VIP, GATEWAY = "198.51.100.100", "192.0.2.254"
REAL = ("192.0.2.11", "192.0.2.12")
PATIENCE = 60.0
CONFIG = f"""
[virtual_router.outside]
interface = "eth1"
vrid = 51
priority = {{ d1 = 200, d2 = 100 }}
advertisement_interval = 0.2
virtual_addresses = ["{VIP}/24"]

[virtual_router.inside]
interface = "eth2"
vrid = 52
priority = {{ d1 = 200, d2 = 100 }}
advertisement_interval = 0.2
virtual_addresses = ["{GATEWAY}/24"]

[check.alive]
type = "tcp"
interval = 0.5
timeout = 0.5

[virtual_service.web]
address = "{VIP}"
port = 80
scheduler = "rr"
forwarding_method = "masquerading"
check = ["alive"]
real_servers = [
  {{ name = "rs1", address = "{REAL[0]}", port = 8080 }},
  {{ name = "rs2", address = "{REAL[1]}", port = 8080 }},
]
"""

TOGETHER = {  # the two ways to say it
    "group": CONFIG + '[virtual_router_group.nat]\nrouters = ["outside", "inside"]\n',
    "tracks": CONFIG.replace(f'["{VIP}/24"]', f'["{VIP}/24"]\ntrack = [{{ interface = "eth2" }}]').replace(
        f'["{GATEWAY}/24"]', f'["{GATEWAY}/24"]\ntrack = [{{ interface = "eth1" }}]'
    ),
}


def ip(batch: str) -> None:
    for line in batch.strip().splitlines():
        subprocess.run(["ip", *line.split()], check=True)


def netns(director: str) -> str:
    return f"{PREFIX}{director}"


def serve(listener: socket.socket, address: str) -> None:
    with contextlib.suppress(OSError):
        while True:
            connection, peer = listener.accept()
            with connection, contextlib.suppress(OSError):
                connection.sendall(f"{address} for {peer[0]}\n".encode())


@pytest.fixture
def pair() -> Iterator[dict[str, Daemon]]:
    with folder() as base, contextlib.ExitStack() as stack:
        found = {name: Daemon(base, netns(name), name) for name in DIRECTORS}
        try:
            for lan in (OUTSIDE, INSIDE):
                ip(f"netns add {lan}\n-n {lan} link set lo up\n-n {lan} link add br0 up type bridge")
            ip(f"-n {OUTSIDE} addr add 198.51.100.200/24 dev br0")
            for address in REAL:
                ip(f"-n {INSIDE} addr add {address}/24 dev br0")
            ip(f"-n {INSIDE} route add default via {GATEWAY}")
            for number, name in enumerate(DIRECTORS, 1):
                ip(f"netns add {netns(name)}\n-n {netns(name)} link set lo up")
                for eth, lan, net in (("eth1", OUTSIDE, "198.51.100"), ("eth2", INSIDE, "192.0.2")):
                    ip(
                        f"""
-n {netns(name)} link add {eth} type veth peer name port{number} netns {lan}
-n {lan} link set port{number} up master br0
-n {netns(name)} addr add {net}.{number}/24 dev {eth}
-n {netns(name)} link set {eth} up
"""
                    )
            for address in REAL:
                with inside(INSIDE):
                    listener = stack.enter_context(socket.create_server((address, 8080), backlog=64))
                threading.Thread(target=serve, args=(listener, address), daemon=True).start()
            yield found
        finally:
            for daemon in found.values():
                if daemon.process is not None:
                    daemon.stop()
            for name in (OUTSIDE, INSIDE, *map(netns, DIRECTORS)):
                subprocess.run(["ip", "netns", "delete", name], check=False)


def holds(director: str) -> set[str]:
    told = subprocess.run(
        ["ip", "-n", netns(director), "-4", "-br", "addr", "show"], check=True, capture_output=True, text=True
    ).stdout
    return {each for each in (VIP, GATEWAY) if f" {each}/" in told}


def ask() -> str:
    with inside(OUTSIDE):
        client = socket.socket()
    with client:
        client.settimeout(1.0)
        try:
            client.connect((VIP, 80))
            return client.recv(100).decode().strip()
        except OSError as error:
            return str(error)


def answers_come() -> bool:
    """Four in a row, from both real servers, which see the client's own address."""
    return {ask() for _ in range(4)} == {f"{address} for 198.51.100.200" for address in REAL}


def moved_to(active: str, other: str) -> bool:
    return holds(active) == {VIP, GATEWAY} and holds(other) == set()


@pytest.mark.timeout(300)
@pytest.mark.parametrize(("cable", "words"), [("eth1", "group"), ("eth2", "group"), ("eth2", "tracks")])
def test_outside_and_inside_move_together(pair: dict[str, Daemon], cable: str, words: str) -> None:
    pair["d1"].write(TOGETHER[words])
    for daemon in pair.values():
        daemon.start()
    assert wait_until(lambda: moved_to("d1", "d2") and answers_come(), PATIENCE), pair["d1"].log[-3000:]
    lan = OUTSIDE if cable == "eth1" else INSIDE
    ip(f"-n {lan} link set port1 down")
    assert wait_until(lambda: moved_to("d2", "d1"), PATIENCE), (holds("d1"), holds("d2"), pair["d1"].log[-3000:])
    assert wait_until(answers_come, PATIENCE), ask()
    ip(f"-n {lan} link set port1 up")
    assert wait_until(lambda: moved_to("d1", "d2"), PATIENCE), (holds("d1"), holds("d2"))
    assert wait_until(answers_come, PATIENCE), ask()
    time.sleep(1)
    assert moved_to("d1", "d2")
