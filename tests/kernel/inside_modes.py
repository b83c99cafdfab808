"""Tunneling across a router by ipip and by GUE with 20 kB uploads, and FTP through the kernel's helper.

    client .200 ─┬─ .1 director 203.0.113.1 ── 203.0.113.254 router 192.0.2.254 ── 192.0.2.11, .12 real servers
      198.51.100.└──────────────────────────────────── .254 ┘  answers go straight to the client

The director is this namespace; the virtual address 198.51.100.100 is on its lo. The real servers are set up by what
`haagent recipe` prints. Direct routing end to end: test_demo.py and inside_takeover.py; masquerading: inside_daemon.py.
"""

import contextlib
import ftplib
import os
import socket
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from haagent.config.load import load
from haagent.config.model import Config
from haagent.linux.ipvs import Ipvs
from haagent.recipe.linux import recipe
from haagent.recipe.site import sites
from tests.kernel.nat_stage import REAL as STAGE_REAL
from tests.kernel.nat_stage import Director, staged
from tests.netns.segment import inside

PREFIX = f"hv{os.getpid() % 100000}"
CLIENT, ROUTER = f"{PREFIX}cl", f"{PREFIX}rt"
REAL = {f"{PREFIX}r{number}": f"192.0.2.1{number}" for number in (1, 2)}
VIP = "198.51.100.100"
BODY = bytes(range(256)) * 80  # 20 kB
LIMIT = 5.0
DEAF = """
table bridge deaf {
  chain input {
    type filter hook input priority 0
    ip protocol icmp drop
  }
}
"""
SETUP = f"""
netns add {CLIENT}
netns add {ROUTER}
-n {CLIENT} link add br0 type bridge
-n {CLIENT} addr add 198.51.100.200/24 dev br0
-n {CLIENT} link set br0 up
-n {CLIENT} link add port1 type veth peer name eth0 netns {{here}}
-n {CLIENT} link add port2 type veth peer name eth0 netns {ROUTER}
-n {CLIENT} link set port1 up master br0
-n {CLIENT} link set port2 up master br0
-n {ROUTER} link add eth1 type veth peer name eth1 netns {{here}}
-n {ROUTER} link add br1 type bridge
-n {ROUTER} addr add 198.51.100.254/24 dev eth0
-n {ROUTER} addr add 203.0.113.254/24 dev eth1
-n {ROUTER} addr add 192.0.2.254/24 dev br1
-n {ROUTER} link set eth0 up
-n {ROUTER} link set eth1 up
-n {ROUTER} link set br1 up
addr add 198.51.100.1/24 dev eth0
addr add 203.0.113.1/24 dev eth1
addr add {VIP}/32 dev lo
link set eth0 up
link set eth1 up
route add 192.0.2.0/24 via 203.0.113.254
"""


def ip(batch: str) -> None:
    for line in batch.strip().splitlines():
        subprocess.run(["ip", *line.split()], check=True)


def sysctl(name: str, value: str, netns: str = "") -> None:
    with inside(netns) if netns else contextlib.nullcontext():
        Path("/proc/sys", name.replace(".", "/")).write_text(value)


@dataclass
class Tunnels:
    """Real servers that read what is sent to the virtual address, and say how much it was."""

    listeners: list[socket.socket] = field(default_factory=list)
    clients: set[str] = field(default_factory=set)  # as the servers see them

    def prepare(self, config: Config) -> None:
        (service,) = config.virtual_services
        for site in sites(config, service):
            netns = next(name for name, address in REAL.items() if address == site.address)
            subprocess.run(
                ["ip", "netns", "exec", netns, "sh", "-e"], input="\n".join(recipe(site)), text=True, check=True
            )
            with inside(netns):
                listener = socket.create_server((VIP, 80), backlog=64)
            self.listeners.append(listener)
            threading.Thread(target=self._serve, args=(listener, site.server), daemon=True).start()

    def _serve(self, listener: socket.socket, name: str) -> None:
        while True:
            try:
                connection, client = listener.accept()
            except OSError:
                return
            self.clients.add(client[0])
            threading.Thread(target=self._answer, args=(connection, name), daemon=True).start()

    def _answer(self, connection: socket.socket, name: str) -> None:
        with contextlib.suppress(OSError), connection, connection.makefile("rb") as stream:
            connection.settimeout(4 * LIMIT)  # the client gives up first
            length = 0
            while line := stream.readline().strip().lower():
                if line.startswith(b"content-length:"):
                    length = int(line.split(b":")[1])
            body = stream.read(length)
            answer = f"{name} {len(body)} {body == BODY}\n"
            connection.sendall(f"HTTP/1.1 200 OK\r\nContent-Length: {len(answer)}\r\n\r\n{answer}".encode())


@pytest.fixture
def tunnels() -> Iterator[Tunnels]:
    found = Tunnels()
    try:
        ip(SETUP.format(here=os.getpid()))
        sysctl("net.ipv4.ip_forward", "1", ROUTER)
        for number, (name, address) in enumerate(REAL.items()):
            ip(
                f"""
netns add {name}
-n {name} link set lo up
-n {name} link add eth0 type veth peer name port{number} netns {ROUTER}
-n {ROUTER} link set port{number} up master br1
-n {name} addr add {address}/24 dev eth0
-n {name} link set eth0 up
-n {name} route add default via 192.0.2.254
"""
            )
        yield found
    finally:
        for each in found.listeners:
            each.close()
        for name in (CLIENT, ROUTER, *REAL):
            subprocess.run(["ip", "netns", "delete", name], check=False)


@pytest.fixture
def ipvs() -> Iterator[Ipvs]:
    opened = Ipvs.open()
    assert isinstance(opened, Ipvs), opened
    yield opened
    opened.close()


def configuration(tunnel: str) -> str:
    rows = ", ".join(f'{{ name = "{name}", address = "{address}" }}' for name, address in REAL.items())
    return (
        f'[virtual_service.web]\naddress = "{VIP}"\nport = 80\nscheduler = "rr"\nforwarding_method = "tunneling"\n'
        f"tunnel = {tunnel}\nreal_servers = [{rows}]\n"
    )


def post(body: bytes = BODY) -> str:
    """One upload; who got how much of it, and whether it was all and right; or how it failed."""
    with inside(CLIENT):
        client = socket.socket()
    with client:
        client.settimeout(LIMIT)
        try:
            client.connect((VIP, 80))
            client.sendall(f"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)
            with client.makefile("rb") as stream:
                while stream.readline().strip():
                    pass
                return stream.readline().decode().strip()
        except OSError as error:
            return str(error)


def learned_mtu() -> int:
    """What the client was told of the way to the virtual address; 0: nothing."""
    told = subprocess.run(
        ["ip", "-n", CLIENT, "route", "get", VIP], check=True, capture_output=True, text=True
    ).stdout.split()
    return int(told[told.index("mtu") + 1]) if "mtu" in told else 0


TUNNELS = [
    pytest.param('{ type = "ipip" }', 20, id="ipip"),
    pytest.param('{ type = "gue", port = 6080 }', 32, id="gue"),
]


def play(tunnels: Tunnels, ipvs: Ipvs, directory: Path, tunnel: str) -> None:
    director = Director(ipvs, directory)
    director.load(configuration(tunnel))
    assert director.failures == ()
    config = load(directory, "d1")
    assert isinstance(config, Config)
    tunnels.prepare(config)


@pytest.mark.parametrize(("tunnel", "overhead"), TUNNELS)
def test_uploads_pass_a_tunnel_across_a_router(
    tunnels: Tunnels, ipvs: Ipvs, tmp_path: Path, tunnel: str, overhead: int
) -> None:
    """The kernel tells the client of the smaller MTU (pmtu_disc = 1, its default): nothing has to be clamped.

    Where the client does not hear that, small requests pass and uploads hang; two ways out are measured.
    """
    play(tunnels, ipvs, tmp_path, tunnel)
    good = {f"{name} {len(BODY)} True" for name in REAL}
    assert {post() for _ in range(4)} == good
    assert learned_mtu() == 1500 - overhead
    assert tunnels.clients == {"198.51.100.200"}

    subprocess.run(["ip", "netns", "exec", CLIENT, "nft", "-f", "-"], input=DEAF, text=True, check=True)
    ip(f"-n {CLIENT} route flush cache")
    assert {post(BODY[:100]) for _ in range(2)} == {f"{name} 100 False" for name in REAL}
    assert post() == "timed out"
    sysctl("net.ipv4.vs.pmtu_disc", "0")  # the director fragments the outer packet
    assert {post() for _ in range(4)} == good
    sysctl("net.ipv4.vs.pmtu_disc", "1")
    assert post() == "timed out"
    for name in REAL:  # the real servers ask for smaller segments
        ip(f"-n {name} route replace default via 192.0.2.254 advmss {1500 - overhead - 40}")
    assert {post() for _ in range(4)} == good
    assert learned_mtu() == 0


# --------------------------------------------------------------------------------------------------------------- FTP


def test_passive_ftp_through_the_kernels_helper(ipvs: Ipvs, tmp_path: Path) -> None:
    """ip_vs_ftp rewrites the answer to PASV. It needs no parameter: the helper alone has its connections tracked."""
    director = Director(ipvs, tmp_path)
    with staged() as stage, contextlib.ExitStack() as stack:
        for name, address in list(STAGE_REAL.items())[:2]:
            with inside(stage.servers):
                control = stack.enter_context(socket.create_server((address, 21)))
                data = stack.enter_context(socket.create_server((address, 3000)))
            threading.Thread(target=serve_ftp, args=(control, data, address, name), daemon=True).start()
        director.load(
            f'[virtual_service.ftp]\naddress = "{VIP}"\nport = 21\nscheduler = "rr"\n'
            'forwarding_method = "masquerading"\nreal_servers = ['
            + ", ".join(f'{{ name = "{n}", address = "{a}" }}' for n, a in list(STAGE_REAL.items())[:2])
            + "]\n"
        )
        assert director.failures == ()
        assert passive_address(stage.client) in list(STAGE_REAL.values())[:2]  # not what the client can reach
        subprocess.run(["modprobe", "ip_vs_ftp"], check=True)
        assert Path("/proc/sys/net/ipv4/vs/conntrack").read_text().strip() == "0"
        assert {fetch(stage.client) for _ in range(4)} == {("rs1", VIP), ("rs2", VIP)}


def passive_address(netns: str) -> str:
    """The address at which the client is told to fetch a file."""
    client = ftplib.FTP(timeout=LIMIT)
    client.trust_server_pasv_ipv4_address = True  # type: ignore[attr-defined]
    with inside(netns):
        client.connect(VIP, 21)
        client.login()
        host, _ = client.makepasv()
    client.close()
    return host


def fetch(netns: str) -> tuple[str, str]:
    """Who sent the file, and the address at which the client was told to fetch it."""
    client = ftplib.FTP(timeout=LIMIT)
    client.trust_server_pasv_ipv4_address = True  # type: ignore[attr-defined]  # else it would not look at the answer
    found: list[bytes] = []
    with inside(netns):
        client.connect(VIP, 21)
        client.login()
        host, _ = client.makepasv()
        client.retrbinary("RETR file", found.append)
    client.close()
    return b"".join(found).decode(), host


def serve_ftp(control: socket.socket, data: socket.socket, address: str, name: str) -> None:
    """As much of RFC 959 as one passive download takes."""
    while True:
        try:
            connection, _ = control.accept()
        except OSError:
            return
        with contextlib.suppress(OSError), connection, connection.makefile("rwb", buffering=0) as stream:
            connection.settimeout(LIMIT)
            data.settimeout(LIMIT)
            stream.write(b"220 ready\r\n")
            while line := stream.readline():
                match line.split()[0].upper():
                    case b"USER":
                        stream.write(b"230 welcome\r\n")
                    case b"TYPE":
                        stream.write(b"200 so be it\r\n")
                    case b"PASV":
                        ports = f"{address.replace('.', ',')},{3000 >> 8},{3000 & 255}"
                        stream.write(f"227 Entering Passive Mode ({ports}).\r\n".encode())
                    case b"RETR":
                        stream.write(b"150 here it comes\r\n")
                        sender, _ = data.accept()
                        with sender:
                            sender.sendall(name.encode())
                        stream.write(b"226 done\r\n")
                    case _:
                        stream.write(b"500 what?\r\n")
