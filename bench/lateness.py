"""How punctual 10 ms advertisements are on the wire: haagent beside keepalived, idle, under load, with many addresses.

    python bench/lateness.py [--seconds 10] [--hogs 0 4] [--addresses 1 500]

One director and a listener on one bridge; the kernel's receive time stamps count. `first` is the longest gap among the
first 50 advertisements, when the addresses are added and announced: beyond 30 ms a Backup router takes over again.
"""

import argparse
import itertools
import os
import socket
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bench.outage import ADVERTISED, SUBNETS, addresses
from tests.netns.segment import Segment, address, inside, router, write_routers

INTERVAL = 0.01
_SO_TIMESTAMPNS = 35
_ETH_P_IP = 0x0800


def gaps(kind: str, seconds: float, hogs: int, count: int) -> list[float]:
    """Seconds between advertisements, in order."""
    held = addresses(count)
    with Segment("d1", "client", prefix="hl") as segment, tempfile.TemporaryDirectory() as folder:
        for number, host in enumerate(segment.hosts.values(), 251):
            for subnet in SUBNETS if count > 1 else ():
                host.run("ip", "addr", "add", f"{subnet}.{number}/24", "dev", "eth0")
        with inside(segment.hosts["client"].netns):
            wire = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(_ETH_P_IP))
            wire.bind(("eth0", _ETH_P_IP))
        wire.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
        busy = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(hogs)]
        try:
            start(kind, segment, Path(folder), held)
            return [b - a for a, b in itertools.pairwise(listen(wire, seconds))]
        finally:
            wire.close()
            for each in busy:
                each.kill()
                each.wait()


def start(kind: str, segment: Segment, path: Path, held: list[str]) -> None:
    if kind == "keepalived":
        segment.start_keepalived("d1", path, 200, held[:ADVERTISED], interval=INTERVAL, excluded=held[ADVERTISED:])
        return
    settings = router(
        priority=200,
        advertisement_interval=INTERVAL,
        virtual_addresses=tuple(address(each) for each in held[:ADVERTISED]),
        unadvertised_addresses=tuple(address(each) for each in held[ADVERTISED:]),
    )
    file = write_routers(path / "d1.json", settings)
    segment.start("d1", sys.executable, "-m", "haagent.processes.vrrp", "--routers", str(file), cwd=path)


def listen(wire: socket.socket, seconds: float) -> list[float]:
    """When advertisements arrived, for so long after the first one. A twin in the other checksum form is the same."""
    arrived: list[float] = []
    wire.settimeout(5.0)
    until = time.monotonic() + 15.0
    while time.monotonic() < until:
        packet, ancillary, _, _ = wire.recvmsg(100, 100)
        if packet[9] != 112:
            continue
        second, nanosecond = struct.unpack_from("=qq", ancillary[0][2])
        at = second + nanosecond * 1e-9
        if not arrived:
            until = time.monotonic() + seconds
        if not arrived or at - arrived[-1] > 0.001:
            arrived.append(at)
    return arrived


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--hogs", type=int, nargs="+", default=[0, 4])
    parser.add_argument("--addresses", type=int, nargs="+", default=[1, 500])
    options = parser.parse_args()
    if os.geteuid() != 0:
        print("bench/lateness.py: makes network namespaces: run it as root", file=sys.stderr)
        return 77
    for count, hogs in itertools.product(options.addresses, options.hogs):
        for kind in ("haagent", "keepalived"):
            found = [each * 1000 for each in gaps(kind, options.seconds, hogs, count)]
            first, rest = max(found[:50], default=float("nan")), sorted(found[50:]) or [float("nan")]
            p50, p99 = (rest[int(share * (len(rest) - 1))] for share in (0.5, 0.99))
            print(
                f"10 ms {count:4} addresses {hogs} hogs  {kind:10} {len(found) + 1:5} of"
                f" {options.seconds / INTERVAL:.0f} sent, gap p50 {p50:6.2f} p99 {p99:6.2f} max {rest[-1]:6.2f} ms,"
                f" first {first:6.2f} ms",
                flush=True,
            )
    return 0


if __name__ == "__main__":
    sys.exit(main())
