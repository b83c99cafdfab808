"""How punctual 10 ms advertisements are on the wire: haagent beside keepalived, idle, under load, with many addresses.

    python -m bench.lateness [--seconds 10] [--hogs 0 4] [--addresses 1 500] [--loaded-seconds 20]

One director and a listener on one bridge; the kernel's receive time stamps count. `late` is how much longer than 10 ms
a gap is, `sent` how many advertisements there were of those that fit into the time, so fewer is drift. `first` is the
longest gap among the first 50, when the addresses are added and announced: beyond 30 ms a Backup router takes over
again. At last haagent beside all that a busy director does (bench/load.py), and keepalived beside the hogs alone.
"""

import argparse
import itertools
import os
import socket
import struct
import sys
import tempfile
import time
from pathlib import Path

from bench.load import HOGS, full_load, hogs
from bench.outage import ADVERTISED, addresses, settle
from haagent.linux.netlink import SO_RCVBUFFORCE
from tests.netns.participants import packed
from tests.netns.segment import Segment, inside, router, write_routers

INTERVAL = 0.01
_SO_TIMESTAMPNS = 35
_ETH_P_IP = 0x0800


def gaps(kind: str, seconds: float, count: int) -> list[float]:
    """Seconds between advertisements, in order."""
    held = addresses(count)
    with Segment("d1", "client", prefix="hl") as segment, tempfile.TemporaryDirectory() as folder:
        settle(segment, held)
        with inside(segment.hosts["client"].netns):
            wire = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(_ETH_P_IP))
            wire.bind(("eth0", _ETH_P_IP))
        wire.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
        wire.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 1 << 23)  # nothing is lost while we do not run
        with wire:
            start(kind, segment, Path(folder), held)
            return [b - a for a, b in itertools.pairwise(listen(wire, seconds))]


def start(kind: str, segment: Segment, path: Path, held: list[str]) -> None:
    if kind == "keepalived":
        segment.start_keepalived("d1", path, 200, held[:ADVERTISED], interval=INTERVAL, excluded=held[ADVERTISED:])
        return
    settings = router(
        priority=200,
        advertisement_interval=INTERVAL,
        virtual_addresses=tuple(packed(each) for each in held[:ADVERTISED]),
        unadvertised_addresses=tuple(packed(each) for each in held[ADVERTISED:]),
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


def show(what: str, kind: str, found: list[float], seconds: float) -> None:
    first = max(found[:50], default=float("nan")) * 1000
    late = sorted(max(0.0, each - INTERVAL) * 1000 for each in found[50:]) or [float("nan")]
    p50, p99, p999 = (late[int(share * (len(late) - 1))] for share in (0.5, 0.99, 0.999))
    print(
        f"{what:24} {kind:10} {len(found) + 1:5} of {seconds / INTERVAL:.0f} sent, late p50 {p50:5.2f} p99 {p99:6.2f}"
        f" p99.9 {p999:6.2f} max {late[-1]:6.2f} ms, first {first:6.2f} ms",
        flush=True,
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--hogs", type=int, nargs="*", default=[0, 4])
    parser.add_argument("--addresses", type=int, nargs="+", default=[1, 500])
    parser.add_argument("--loaded-seconds", type=float, default=20.0, help="0: not beside the whole load")
    options = parser.parse_args()
    if os.geteuid() != 0:
        print("bench.lateness: makes network namespaces: run it as root", file=sys.stderr)
        return 77
    for count, busy in itertools.product(options.addresses, options.hogs):
        for kind in ("haagent", "keepalived"):
            with hogs(busy):
                found = gaps(kind, options.seconds, count)
            show(f"{count:4} addresses {busy} hogs", kind, found, options.seconds)
    if options.loaded_seconds:
        with full_load() as done:
            found = gaps("haagent", options.loaded_seconds, 1)
        show("beside the whole load", "haagent", found, options.loaded_seconds)
        with hogs(HOGS):
            found = gaps("keepalived", options.loaded_seconds, 1)
        show(f"beside {HOGS} hogs alone", "keepalived", found, options.loaded_seconds)
        print(done.sentence)
    return 0


if __name__ == "__main__":
    sys.exit(main())
