"""Whoever may take part in an election on a `Segment`: our vrrp process, Debian's keepalived, FRR's vrrpd.

Each is started, stopped (a clean stop) and killed; all with one virtual router, of one version, family and transport.
"""

import itertools
import os
import shutil
import signal
import subprocess
import tempfile
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path
from typing import Protocol

from haagent.vrrp.settings import RouterSettings
from tests.netns.segment import Director, Segment, Vrrp, end, router, wait_until

VRID = 51
PASSWORD = "s3cr3t"
_numbers = itertools.count()


@dataclass(frozen=True)
class Terms:
    """What all routers of one election agree on."""

    version: int = 3
    family: int = 4
    is_unicast: bool = False
    has_password: bool = False

    def __str__(self) -> str:
        transport = "unicast" if self.is_unicast else "multicast"
        return f"v{self.version} IPv{self.family} {transport}{' password' if self.has_password else ''}"

    @property
    def interval(self) -> float:
        return 1.0 if self.version == 2 else 0.1

    @property
    def virtual(self) -> str:
        """The address that clients use."""
        return "192.0.2.100" if self.family == 4 else "2001:db8::64"

    @property
    def addresses(self) -> tuple[str, ...]:
        return ("192.0.2.100/24",) if self.family == 4 else ("fe80::64/64", "2001:db8::64/64")

    def own(self, segment: Segment, name: str) -> str:
        """A host's own address of the family."""
        number = list(segment.hosts).index(name) + 1
        return f"192.0.2.{number}" if self.family == 4 else f"2001:db8::{number}"


class Participant(Protocol):
    """A program that runs on the host `name`."""

    segment: Segment
    name: str

    def start(self) -> None: ...
    def stop(self) -> None: ...
    def kill(self) -> None: ...
    @property
    def mac(self) -> str:
        """What the clients are to have in their caches while it is Active."""


def packed(text: str) -> tuple[bytes, int]:
    host, _, length = text.partition("/")
    return ip_address(host).packed, int(length)


@dataclass
class Haagent:
    segment: Segment
    name: str
    path: Path
    terms: Terms
    priority: int
    peer: str
    director: Director | None = None
    vrrp: Vrrp | None = None

    def settings(self, **changes: object) -> RouterSettings:
        peers = (ip_address(self.terms.own(self.segment, self.peer)).packed,)
        values: dict[str, object] = {
            "vrid": VRID,
            "priority": self.priority,
            "advertisement_interval": self.terms.interval,
            "virtual_addresses": tuple(packed(each) for each in self.terms.addresses),
            "version": self.terms.version,
            "password": PASSWORD if self.terms.has_password else "",
            "unicast_peers": peers if self.terms.is_unicast else None,
        }
        return router(**{**values, **changes})  # type: ignore[arg-type]

    def start(self) -> None:
        if self.director is None:
            self.vrrp = self.segment.start_vrrp(self.name, self.path, self.settings())
            self.director = self.vrrp.director
        else:
            self.vrrp = self.segment.restart_vrrp(self.name, self.director)

    def stop(self) -> None:
        assert self.vrrp is not None
        end(self.vrrp.process)

    def kill(self) -> None:
        assert self.vrrp is not None
        end(self.vrrp.process, signal.SIGKILL)

    @property
    def mac(self) -> str:
        return self.segment.hosts[self.name].mac()


@dataclass
class Keepalived:
    segment: Segment
    name: str
    path: Path
    terms: Terms
    priority: int
    peer: str
    process: "subprocess.Popen[bytes] | None" = None

    def start(self) -> None:
        lines = [
            "state BACKUP",
            "interface eth0",
            f"virtual_router_id {VRID}",
            f"priority {self.priority}",
            f"advert_int {self.terms.interval:g}",
        ]
        if self.terms.has_password:
            lines.append(f"authentication {{\n auth_type PASS\n auth_pass {PASSWORD}\n}}")
        if self.terms.is_unicast:
            own, peer = (self.terms.own(self.segment, each) for each in (self.name, self.peer))
            lines.append(f"unicast_src_ip {own}\nunicast_peer {{\n {peer}\n}}")
        held = "\n".join(f" {each} dev eth0" for each in self.terms.addresses)
        lines.append(f"virtual_ipaddress {{\n{held}\n}}")
        config = self.path / f"keepalived-{next(_numbers)}.conf"
        config.write_text(
            f"global_defs {{\n vrrp_version {self.terms.version}\n}}\n"
            "vrrp_instance web {\n" + "\n".join(lines) + "\n}\n"
        )
        log = open(self.path / "keepalived.log", "ab")  # noqa: SIM115 - lives as long as the process
        pids = (f"{config}.pid", f"{config}.vrrp.pid", f"{config}.checkers.pid")
        self.process = self.segment.start(
            self.name,
            *("keepalived", "-n", "-l", "-D", "-G", "-P", "-f", str(config)),
            *("-p", pids[0], "-r", pids[1], "-c", pids[2]),
            stdout=log,
            stderr=subprocess.STDOUT,
        )

    def stop(self) -> None:
        assert self.process is not None
        end(self.process)

    def kill(self) -> None:
        """Both processes: the child would stop cleanly when its parent dies."""
        assert self.process is not None
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        self.process.send_signal(signal.SIGSTOP)
        for child in children:
            os.kill(int(child), signal.SIGKILL)
        end(self.process, signal.SIGKILL)

    @property
    def mac(self) -> str:
        return self.segment.hosts[self.name].mac()


@dataclass
class Frr:
    """zebra and vrrpd of one host. The macvlan with the virtual MAC and the virtual address has to be there before;
    vrrpd takes it down and up (protodown)."""

    segment: Segment
    name: str
    path: Path
    terms: Terms
    priority: int
    peer: str
    processes: "list[subprocess.Popen[bytes]]" = field(default_factory=list)
    _is_prepared: bool = False
    # of the user that the daemons become, who cannot enter the folders of pytest
    _folder: "tempfile.TemporaryDirectory[str]" = field(
        default_factory=lambda: tempfile.TemporaryDirectory(prefix="haagent-frr-")
    )

    def start(self) -> None:
        self._prepare()
        folder = Path(self._folder.name)
        key = "ip" if self.terms.family == 4 else "ipv6"
        config = folder / "vrrpd.conf"
        config.write_text(
            "log stdout\ninterface eth0\n"
            f" vrrp {VRID} version {self.terms.version}\n"
            f" vrrp {VRID} priority {self.priority}\n"
            f" vrrp {VRID} advertisement-interval {self.terms.interval * 1000:.0f}\n"
            + "".join(f" vrrp {VRID} {key} {each.partition('/')[0]}\n" for each in self.terms.addresses)
        )
        empty = folder / "zebra.conf"
        empty.write_text("")
        api = folder / "zserv.api"
        api.unlink(missing_ok=True)
        for each in (folder, config, empty):
            shutil.chown(each, "frr", "frr")
        for program, file in (("zebra", empty), ("vrrpd", config)):
            log = open(self.path / f"{program}.log", "ab")  # noqa: SIM115 - lives as long as the process
            process = self.segment.start(
                self.name,
                *(f"/usr/lib/frr/{program}", "-P", "0", "-f", str(file), "-z", str(api)),
                *("-i", str(folder / f"{program}.pid"), "--vty_socket", str(folder)),
                stdout=log,
                stderr=subprocess.STDOUT,
            )
            self.processes.append(process)
            assert wait_until(api.exists), "zebra does not listen"  # vrrpd would try again 10 s later

    def _prepare(self) -> None:
        if self._is_prepared:
            return
        self._is_prepared = True
        host = self.segment.hosts[self.name]
        device = f"vrrp{self.terms.family}-{VRID}"
        host.run("ip", "link", "add", device, "link", "eth0", "type", "macvlan", "mode", "bridge")
        host.run("sysctl", "-qw", f"net.ipv6.conf.{device}.addr_gen_mode=1")  # no address from the virtual MAC
        host.run("ip", "link", "set", device, "address", self.mac)
        if self.terms.family == 6:
            host.run("ip", "addr", "add", "fe80::5151/64", "dev", device, "nodad")  # what it advertises from
        for each in self.terms.addresses:
            host.run("ip", "addr", "add", each, "dev", device, *(("nodad",) if self.terms.family == 6 else ()))
        for parameter in ("arp_ignore=1", "arp_filter=1", "rp_filter=0"):  # eth0 must not answer for the macvlan
            host.run("sysctl", "-qw", f"net.ipv4.conf.eth0.{parameter}")
        host.run("ip", "link", "set", device, "up")

    def stop(self) -> None:
        for process in reversed(self.processes):
            end(process)
        self.processes.clear()

    def kill(self) -> None:
        for process in reversed(self.processes):
            end(process, signal.SIGKILL)
        self.processes.clear()

    @property
    def mac(self) -> str:
        return f"00:00:5e:00:0{1 if self.terms.family == 4 else 2}:{VRID:02x}"


PROGRAMS = {"haagent": Haagent, "keepalived": Keepalived, "FRR": Frr}
