"""A client in the real server's own network, and another one elsewhere, on one segment with a director.

    client 192.0.2.200, 203.0.113.200 ── bridge ── director .1 of both networks, virtual address 198.51.100.100
                                          └────── real server 192.0.2.11, default route by the director

The real server answers with the address that it was asked from.
"""

import contextlib
import os
import socket
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.netns.segment import inside

VIP, REAL, NEAR, FAR = "198.51.100.100", "192.0.2.11", "192.0.2.200", "203.0.113.200"
OWN = "192.0.2.1"  # of the director


@dataclass(frozen=True)
class OneNetwork:
    """The names of the namespaces."""

    director: str
    client: str
    server: str

    def ask(self, source: str) -> str:
        """From where the real server was asked; empty: no answer came."""
        with inside(self.client):
            client = socket.socket()
        with client:
            client.settimeout(2.0)
            client.bind((source, 0))
            try:
                client.connect((VIP, 80))
                return client.recv(64).decode()
            except OSError:
                return ""


@contextlib.contextmanager
def one_network() -> Iterator[OneNetwork]:
    prefix = f"hpl{os.getpid() % 100000}"
    stage = OneNetwork(f"{prefix}d", f"{prefix}c", f"{prefix}s")
    try:
        _ip(f"netns add {prefix}b")
        _ip("link add br0 up type bridge", f"{prefix}b")
        for number, name in enumerate((stage.director, stage.client, stage.server)):
            _ip(f"netns add {name}")
            _ip(
                f"link set lo up\nlink add eth0 type veth peer name port{number} netns {prefix}b\nlink set eth0 up",
                name,
            )
            _ip(f"link set port{number} up master br0", f"{prefix}b")
        _ip(f"addr add {OWN}/24 dev eth0\naddr add 203.0.113.1/24 dev eth0\naddr add {VIP}/32 dev eth0", stage.director)
        _ip(f"addr add {NEAR}/24 dev eth0\naddr add {FAR}/24 dev eth0\nroute add {VIP} via {OWN}", stage.client)
        _ip(f"addr add {REAL}/24 dev eth0\nroute add default via {OWN}", stage.server)
        with inside(stage.director):
            for name in ("ip_forward", "conf/all/rp_filter", "conf/eth0/send_redirects", "conf/all/send_redirects"):
                Path("/proc/sys/net/ipv4", name).write_text("1" if name == "ip_forward" else "0")
        with inside(stage.server):
            listener = socket.create_server((REAL, 80), backlog=16)
        with listener:
            threading.Thread(target=_serve, args=(listener,), daemon=True).start()
            yield stage
    finally:
        for name in (stage.director, stage.client, stage.server, f"{prefix}b"):
            subprocess.run(["ip", "netns", "delete", name], check=False)


def _serve(listener: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while True:
            connection, peer = listener.accept()
            with connection, contextlib.suppress(OSError):
                connection.sendall(peer[0].encode())


def _ip(batch: str, netns: str = "") -> None:
    where = ["-n", netns] if netns else []
    subprocess.run(["ip", *where, "-batch", "-"], input=batch, text=True, check=True)
