"""`haagent sniff` on a live segment, with keepalived and our vrrp process as the peers that it hears."""

import json
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from haagent.vrrp.settings import RouterSettings
from tests.netns.segment import ROOT, Segment, end, inside, router, run, wait_until

pytestmark = pytest.mark.root

VIRTUAL = "192.0.2.100"


@pytest.fixture
def segment() -> Iterator[Segment]:
    with Segment("a", "b", "client", prefix="hx") as each:
        yield each


class Sniffer:
    """The command on the client's eth0; or on the bridge, which sees what a client behind a switch port does not."""

    def __init__(self, segment: Segment, path: Path, *options: str, on_bridge: bool = False) -> None:
        self.output = path / "sniffed"
        self.netns = segment.bridge if on_bridge else segment.hosts["client"].netns
        command = ("ip", "netns", "exec", self.netns, sys.executable, "-m", "haagent", "sniff", "--json")
        self.errors = path / "errors"
        with self.output.open("wb") as file, self.errors.open("wb") as errors:
            self.process = subprocess.Popen(
                (*command, "br0" if on_bridge else "eth0", *options), cwd=ROOT, stdout=file, stderr=errors
            )
        segment.processes.append(self.process)
        assert wait_until(lambda: "listening on" in self.errors.read_text(), 20), self.errors.read_text()

    def said(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.output.read_text().splitlines()]

    def texts(self, kind: str) -> list[str]:
        return [each["text"] for each in self.said() if each.get("kind") == kind]

    def finish(self) -> tuple[int, dict[str, Any]]:
        code = end(self.process, signal.SIGINT)
        summary: dict[str, Any] = self.said()[-1]["summary"]
        return code, summary


def haagent(*arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        (sys.executable, "-m", "haagent", *arguments), capture_output=True, text=True, cwd=ROOT, check=False
    )


def isolate_hearing(segment: Segment, name: str) -> None:
    """The host sends, and hears nothing of VRRP."""
    host = segment.hosts[name]
    rules = "table inet deaf {\n chain in {\n type filter hook input priority 0\n ip protocol 112 drop\n }\n}\n"
    with inside(host.netns):
        subprocess.run(("nft", "-f", "-"), input=rules, text=True, check=True)


def test_a_split_between_keepalived_and_us_is_named_and_comes_back_from_the_file(
    segment: Segment, tmp_path: Path
) -> None:
    capture = tmp_path / "split.pcap"
    sniffer = Sniffer(segment, tmp_path, "--write", str(capture))
    isolate_hearing(segment, "a")
    isolate_hearing(segment, "b")
    segment.start_keepalived("a", tmp_path, 200)
    assert wait_until(lambda: segment.owners() == ["a"])
    segment.start_vrrp("b", tmp_path, router(priority=100))
    assert wait_until(lambda: any("split" in text for text in sniffer.texts("conflict"))), sniffer.output.read_text()
    macs = [segment.hosts[name].mac() for name in ("a", "b")]
    (split,) = [text for text in sniffer.texts("conflict") if "split" in text]
    assert f"192.0.2.1 ({macs[0]}) with priority 200 and 192.0.2.2 ({macs[1]}) with priority 100" in split
    assert any("pseudo-header" in text and "192.0.2.1 " in text for text in sniffer.texts("conflict"))
    for _ in range(3):  # and a client that asks is answered by both
        segment.hosts["client"].run("ip", "neigh", "flush", "dev", "eth0")
        segment.hosts["client"].ping(VIRTUAL)
    assert wait_until(lambda: any(f"for {VIRTUAL}" in t or f"claim {VIRTUAL}" in t for t in sniffer.texts("conflict")))
    (disputed,) = [text for text in sniffer.texts("conflict") if f"for {VIRTUAL}" in text or f"claim {VIRTUAL}" in text]
    assert all(mac in disputed for mac in macs)

    time.sleep(0.5)
    code, summary = sniffer.finish()
    assert code == 2
    assert [(each["vrid"], each["source"], each["priority"]) for each in summary["speakers"]] == [
        (51, "192.0.2.1", 200),
        (51, "192.0.2.2", 100),
    ]
    assert all(each["addresses"] == [VIRTUAL] and each["count"] > 3 for each in summary["speakers"])
    assert VIRTUAL in [each["address"] for each in summary["owners"]]

    again = haagent("sniff", "--replay", str(capture), "--json")
    assert again.returncode == 2, again.stderr
    replayed = [json.loads(line) for line in again.stdout.splitlines()]
    for kind in ("fact", "change", "conflict"):
        assert [each["text"] for each in replayed if each.get("kind") == kind] == sniffer.texts(kind)
    assert replayed[-1]["summary"]["records"] == summary["records"]
    for one, other in zip(replayed[-1]["summary"]["speakers"], summary["speakers"], strict=True):
        assert one | {"first_at": 0, "last_at": 0} == other | {"first_at": 0, "last_at": 0}
        assert (one["first_at"], one["last_at"]) == pytest.approx((other["first_at"], other["last_at"]), abs=1e-5)

    read_by_tcpdump = run("tcpdump", "-n", "-r", str(capture), "ip proto 112 and src 192.0.2.2")
    lines = [line for line in read_by_tcpdump.splitlines() if "VRRPv3" in line]
    assert len(lines) == summary["speakers"][1]["count"]
    assert "vrid 51, prio 100" in lines[0]


def test_a_keepalived_that_falls_silent_and_keeps_the_address(segment: Segment, tmp_path: Path) -> None:
    """keepalived 2.2.7 puts its own advertisement off with each one that it discards: here, for the other checksum."""
    sniffer = Sniffer(segment, tmp_path)
    isolate_hearing(segment, "b")
    segment.start_keepalived("a", tmp_path, 200)
    assert wait_until(lambda: segment.owners() == ["a"])
    segment.start_vrrp("b", tmp_path, router(priority=100, checksum="rfc9568"))
    macs = [segment.hosts[name].mac() for name in ("a", "b")]
    assert wait_until(lambda: any("two MACs" in text for text in sniffer.texts("conflict")), 20)
    conflicts = sniffer.texts("conflict")
    assert "192.0.2.1 and 192.0.2.2 differ in what the checksum covers (pseudo_header, rfc9568)" in " ".join(conflicts)
    assert any(all(mac in text for mac in (*macs, VIRTUAL)) for text in conflicts)
    assert any("192.0.2.1 fell silent" in text for text in sniffer.texts("change"))
    assert sorted(segment.owners()) == ["a", "b"]


def test_a_healthy_takeover_is_no_conflict_and_our_machine_replays_it(segment: Segment, tmp_path: Path) -> None:
    capture = tmp_path / "takeover.pcap"
    a = segment.start_vrrp("a", tmp_path, router(priority=200))
    assert wait_until(lambda: segment.owners() == ["a"])
    b = segment.start_vrrp("b", tmp_path, router(priority=100))
    assert wait_until(lambda: b.director.state() == "backup")
    sniffer = Sniffer(segment, tmp_path, "--write", str(capture))
    time.sleep(0.5)
    end(a.process, signal.SIGKILL)
    assert wait_until(lambda: b.director.state() == "active")
    assert wait_until(lambda: any("priority 100" in text for text in sniffer.texts("fact")))
    assert wait_until(lambda: any("192.0.2.1 fell silent" in text for text in sniffer.texts("change")))
    code, summary = sniffer.finish()
    assert code == 0, summary["conflicts"]
    assert [each["is_silent"] for each in summary["speakers"]] == [True, False]

    conf = tmp_path / "conf"
    conf.mkdir()
    write_configuration(conf, router(priority=100))
    again = haagent(
        *("sniff", "eth0", "--replay", str(capture), "--json"),
        *("-c", str(conf), "--name", "d2", "--router", "web", "--address", "192.0.2.2"),
    )
    assert again.returncode == 0, again.stderr
    would = [each for line in again.stdout.splitlines() if (each := json.loads(line)).get("replayed")]
    assert [(each["previous"], each["state"]) for each in would] == [("initialize", "backup"), ("backup", "active")]
    assert would[1]["reason"] == "nothing more was heard from 192.0.2.1"
    silent = next(each for each in summary["speakers"] if each["source"] == "192.0.2.1")["last_at"]
    heard = next(each for each in summary["speakers"] if each["source"] == "192.0.2.2")["first_at"]
    assert silent < would[1]["at"] <= heard  # the real one did it then, too


def write_configuration(folder: Path, settings: RouterSettings) -> None:
    (folder / "all.toml").write_text(
        '[director]\nnames = ["d1", "d2"]\n'
        f'[virtual_router.{settings.name}]\ninterface = "{settings.interface}"\nvrid = {settings.vrid}\n'
        f"priority = {settings.priority}\nadvertisement_interval = {settings.advertisement_interval}\n"
        f'virtual_addresses = ["{VIRTUAL}/24"]\n'
    )


def test_what_nobody_believes_and_who_has_what(segment: Segment, tmp_path: Path) -> None:
    """Sent by hand: a wrong TTL, a broken checksum, a duplicate address asked for by arping, a DAD over IPv6."""
    sniffer = Sniffer(segment, tmp_path, on_bridge=True)
    host = segment.hosts["a"]
    good = bytes.fromhex("31336401000a0000c0000264")
    with inside(host.netns):
        sock = socket.socket(socket.AF_INET, socket.SOCK_RAW, 112)
    with sock:
        sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton(host.ip))
        sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, 255)
        sock.sendto(good, ("224.0.0.18", 0))  # checksum 0
        sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, 64)
        total = sum(int.from_bytes(good[place : place + 2], "big") for place in range(0, len(good), 2))
        right = ~((total & 0xFFFF) + (total >> 16)) & 0xFFFF
        sock.sendto(good[:6] + right.to_bytes(2, "big") + good[8:], ("224.0.0.18", 0))
    probe = bytes.fromhex("ffffffffffff020000000009080600010800060400010200000000090000000000000000000000")
    probe = probe[:38] + socket.inet_aton("192.0.2.2")
    with inside(host.netns):
        raw = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
    with raw:
        raw.bind(("eth0", 0))
        raw.send(probe)
    assert wait_until(lambda: len(sniffer.texts("conflict")) >= 3), sniffer.said()
    conflicts = sniffer.texts("conflict")
    assert any("discards (CHECKSUM)" in text for text in conflicts)
    assert any("sends with TTL 64" in text for text in conflicts)
    mac = segment.hosts["b"].mac()
    assert f"duplicate address: 02:00:00:00:00:09 asked whether 192.0.2.2 is free, and {mac} has it" in conflicts
    segment.hosts["a"].run("ip", "addr", "add", "2001:db8::1/64", "dev", "eth0")
    assert wait_until(
        lambda: any(re.search("asks whether 2001:db8::1 is free", text) for text in sniffer.texts("fact"))
    )
    code, summary = sniffer.finish()
    assert code == 2
    assert summary["discarded"] == {"192.0.2.1 CHECKSUM": 1}


def test_it_ends_by_itself_and_says_what_it_cannot_do(tmp_path: Path) -> None:
    with Segment("client", prefix="hx") as segment:
        done = segment.hosts["client"].run(
            *(sys.executable, "-m", "haagent", "sniff", "eth0", "--seconds", "0.5"), check=True
        )
        assert "0 conflicts" in done
    done_ = haagent("sniff", "no-such-link")
    assert (done_.returncode, done_.stderr) == (1, "haagent: no-such-link: there is no such interface\n")
