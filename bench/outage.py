"""Client-seen outage when the Active director's cable is cut: a haagent pair beside a keepalived pair.

    python -m bench.outage [--rounds 7] [--intervals 0.01 0.1] [--addresses 1 500 2000]

Same topology, same run, rounds alternating: two directors and a client on one bridge, the directors with nothing but
VRRP. The client sends an ICMP echo every 0.5 ms to one random address of the list and notes which are answered (by the
kernel of whoever holds the address); the outage is the longest gap between two answered ones. The port of the Active
director goes down right after one of its advertisements passed, so every round sees the worst phase, and the least
possible is the Active_Down_Interval: 3 intervals and the skew. keepalived runs with its defaults. Beyond 500 addresses
they are of IPv6, for the IPv4 networks for documentation are too small; the outage is then one of neighbor
advertisements. Of many addresses one is probed, so the median is that of an address in the middle.
"""

import argparse
import contextlib
import itertools
import os
import random
import re
import select
import socket
import statistics
import struct
import subprocess
import sys
import tempfile
import threading
import time
from ipaddress import ip_address
from pathlib import Path

from haagent.vrrp.timers import active_down_interval
from tests.netns.participants import packed
from tests.netns.segment import Host, Segment, end, inside, router, wait_until, write_routers

PROBE_INTERVAL = 0.0005
ATTEMPTS = 3  # for one round
PATIENCE_FOR_EACH = 0.0005  # seconds more until an outage counts as endless, for each address
ACTIVE_PRIORITY, BACKUP_PRIORITY = 200, 100
ADVERTISED = 20  # of many addresses; the others are held and announced, not listed
SUBNETS = ("198.51.100", "203.0.113")  # 250 addresses of each; the three hosts have .251 to .253 in them
LINK_LOCAL = "fe80::64/64"  # what IPv6 routers list first
_ETH_P_IP, _ETH_P_IPV6 = 0x0800, 0x86DD
_RTM_NEWLINK, _NLM_F_REQUEST, _IFF_UP = 16, 1, 1


def addresses(count: int) -> list[str]:
    if count == 1:
        return ["192.0.2.100/24"]
    if count > 250 * len(SUBNETS):
        return [LINK_LOCAL, *(f"2001:db8::1:{number:x}/64" for number in range(1, count))]
    return [f"{subnet}.{host}/24" for subnet in SUBNETS for host in range(1, 251)][:count]


def is_ipv6(held: list[str]) -> bool:
    return held[0] == LINK_LOCAL


def settle(segment: Segment, held: list[str]) -> None:
    """Addresses of their own for the hosts, in every network of the list."""
    if len(held) == 1:
        return
    for number, host in enumerate(segment.hosts.values(), 251):
        if is_ipv6(held):
            host.run("ip", "addr", "add", f"2001:db8::{number:x}/64", "dev", "eth0", "nodad")
            continue
        for subnet in SUBNETS:
            host.run("ip", "addr", "add", f"{subnet}.{number}/24", "dev", "eth0")
    wait_until(lambda: not any("tentative" in host.run("ip", "-6", "addr") for host in segment.hosts.values()))


def held_by(host: Host) -> set[str]:
    return set(re.findall(r"inet6? (\S+)/", host.run("ip", "addr", "show", "dev", "eth0", check=False)))


def bare(held: list[str]) -> set[str]:
    return {each.split("/")[0] for each in held}


class Client:
    """Sends, listens, cuts: one loop, so that the order of things is known."""

    def __init__(self, segment: Segment, ipv6: bool) -> None:
        client, active = segment.hosts["client"], segment.hosts["d1"]
        self._is_ipv6 = ipv6
        if ipv6:
            family, protocol, ethertype = socket.AF_INET6, socket.IPPROTO_ICMPV6, _ETH_P_IPV6
            there = re.findall(r"inet6 (fe80:\S+)/", active.run("ip", "-6", "addr", "show", "dev", "eth0"))
            self._active = next(ip_address(each).packed for each in there if each != LINK_LOCAL.split("/")[0])
        else:
            family, protocol, ethertype = socket.AF_INET, socket.IPPROTO_ICMP, _ETH_P_IP
            self._active = socket.inet_aton(active.ip)
        with inside(client.netns):
            self._icmp = socket.socket(family, socket.SOCK_RAW, protocol)
            self._wire = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(ethertype))
            self._wire.bind(("eth0", ethertype))
        with inside(segment.bridge):
            self._netlink = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0)
            self._port = socket.if_nametoindex(active.port)
        for each in (self._icmp, self._wire):
            each.setblocking(False)

    def outage(self, ip: str, lasting: float) -> float:
        """Seconds between the last answered probe before a cut and the first one after it."""
        sent: dict[int, float] = {}
        answered: list[float] = []
        begin = time.monotonic()
        cut_after, end_at = begin + 0.3, begin + 0.3 + lasting
        is_cut = False
        due, number = begin, 0
        cable = threading.Event()
        cutter = threading.Thread(target=self._cut, args=(cable,))
        cutter.start()
        while (now := time.monotonic()) < end_at:
            if now >= due:
                number += 1
                self._probe(ip, number)
                sent[number & 0xFFFF] = now
                due = max(due + PROBE_INTERVAL, now)
            readable, _, _ = select.select((self._icmp, self._wire), (), (), max(0.0, due - now))
            if self._wire in readable:
                heard = self._advertisement_heard()
                if heard and not is_cut and now > cut_after:
                    is_cut = True
                    cable.set()
            if self._icmp in readable:
                answered += self._answers(sent)
        cable.set()
        cutter.join()
        answered.sort()
        return max((b - a for a, b in itertools.pairwise(answered)), default=float("inf"))

    def _cut(self, cable: threading.Event) -> None:
        body = struct.pack("=BxHiII", 0, 0, self._port, 0, _IFF_UP)
        cable.wait()
        self._netlink.send(struct.pack("=IHHII", 16 + len(body), _RTM_NEWLINK, _NLM_F_REQUEST, 1, 0) + body)

    def _probe(self, ip: str, number: int) -> None:
        head = struct.pack("!BBHHH", 128 if self._is_ipv6 else 8, 0, 0, 0x6861, number & 0xFFFF)
        total = sum(struct.unpack("!4H", head))
        total = (total & 0xFFFF) + (total >> 16)
        with contextlib.suppress(OSError):  # over IPv6 the kernel fills in the checksum
            self._icmp.sendto(head[:2] + struct.pack("!H", ~total & 0xFFFF) + head[4:], (ip, 0))

    def _advertisement_heard(self) -> bool:
        heard = False
        while True:
            try:
                packet = self._wire.recv(64)
            except BlockingIOError:
                return heard
            if self._is_ipv6:
                heard |= packet[6] == 112 and packet[8:24] == self._active
            else:
                heard |= packet[9] == 112 and packet[12:16] == self._active

    def _answers(self, sent: dict[int, float]) -> list[float]:
        found: list[float] = []
        while True:
            try:
                packet = self._icmp.recv(128)
            except BlockingIOError:
                return found
            kind, _, _, identifier, number = struct.unpack_from("!BBHHH", packet, 0 if self._is_ipv6 else 20)
            if kind == (129 if self._is_ipv6 else 0) and identifier == 0x6861 and number in sent:
                found.append(sent[number])

    def close(self) -> None:
        for each in (self._icmp, self._wire, self._netlink):
            each.close()


def start(kind: str, segment: Segment, path: Path, interval: float, held: list[str]) -> list[subprocess.Popen[bytes]]:
    processes = []
    listed, unlisted = held[:ADVERTISED], held[ADVERTISED:]
    for name, priority in (("d1", ACTIVE_PRIORITY), ("d2", BACKUP_PRIORITY)):
        if kind == "keepalived":
            processes.append(
                segment.start_keepalived(name, path, priority, listed, interval=interval, excluded=unlisted)
            )
        else:
            settings = router(
                priority=priority,
                advertisement_interval=interval,
                virtual_addresses=tuple(packed(each) for each in listed),
                unadvertised_addresses=tuple(packed(each) for each in unlisted),
            )
            file = write_routers(path / f"{name}.json", settings)
            processes.append(
                segment.start(name, sys.executable, "-m", "haagent.processes.vrrp", "--routers", str(file), cwd=path)
            )
    return processes


def measure(kind: str, segment: Segment, path: Path, interval: float, held: list[str], probed: str) -> float:
    """One round: a fresh pair, calm, cut, end. Seconds."""
    processes = start(kind, segment, path, interval, held)
    try:
        d1, d2 = segment.hosts["d1"], segment.hosts["d2"]
        wanted = bare(held)

        def calm() -> bool:
            return wanted <= held_by(d1) and not wanted & held_by(d2)

        if not wait_until(calm, 30, 0.2):
            return float("nan")
        segment.hosts["client"].ping(probed)
        time.sleep(1.5)
        client = Client(segment, is_ipv6(held))
        try:
            return client.outage(probed, 0.5 + 5 * interval + len(held) * PATIENCE_FOR_EACH)
        finally:
            client.close()
    finally:
        for process in processes:
            end(process)
        segment.heal("d1")
        for name in ("d1", "d2"):
            left = bare(held) & held_by(segment.hosts[name])
            lines = "".join(f"addr del {each} dev eth0\n" for each in held if each.split("/")[0] in left)
            if lines:
                subprocess.run(
                    ("ip", "-n", segment.hosts[name].netns, "-force", "-batch", "-"),
                    input=lines,
                    text=True,
                    stderr=subprocess.DEVNULL,
                )


def compare(interval: float, count: int, rounds: int, chance: random.Random) -> None:
    held = addresses(count)
    limit = active_down_interval(BACKUP_PRIORITY, interval)
    results: dict[str, list[float]] = {"haagent": [], "keepalived": []}
    spoiled = dict.fromkeys(results, 0)
    with Segment("d1", "d2", "client", prefix="hb") as segment, tempfile.TemporaryDirectory() as folder:
        settle(segment, held)
        for _ in range(rounds):
            probed = chance.choice(held[1:] or held).split("/")[0]
            for kind, values in results.items():
                for _ in range(ATTEMPTS):
                    value = measure(kind, segment, Path(folder), interval, held, probed)
                    if 2 * interval < value < float("inf"):
                        values.append(value)
                        break
                    # the pair had swapped roles by itself and the cut hit the Backup; inf: nobody came back
                    spoiled[kind] += 1
    medians = {}
    for kind, values in results.items():
        good = sorted(each * 1000 for each in values)
        medians[kind] = statistics.median(good) if good else float("nan")
        spread = f"{good[0]:7.1f} .. {good[-1]:7.1f}" if good else "-"
        print(
            f"{interval * 1000:6.0f} ms {count:5} addresses  {kind:10} median {medians[kind]:7.1f} ms  ({spread})"
            f"  limit {limit * 1000:6.1f} ms  rounds {len(good)}, spoiled {spoiled[kind]}",
            flush=True,
        )
    print(f"{'':27}haagent / keepalived = {medians['haagent'] / medians['keepalived']:.3f}", flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--intervals", type=float, nargs="+", default=[0.01, 0.1], help="seconds")
    parser.add_argument("--addresses", type=int, nargs="+", default=[1, 500, 2000])
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    if os.geteuid() != 0:
        print("bench.outage: makes network namespaces: run it as root", file=sys.stderr)
        return 77
    os.sched_setscheduler(0, os.SCHED_FIFO | os.SCHED_RESET_ON_FORK, os.sched_param(40))
    chance = random.Random(options.seed)
    for interval in options.intervals:
        for count in options.addresses:
            compare(interval, count, options.rounds, chance)
    return 0


if __name__ == "__main__":
    sys.exit(main())
