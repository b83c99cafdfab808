"""`haagent cleanup`: let go of virtual addresses that a killed daemon left on the interfaces; for ExecStopPost.

An address that stays behind answers ARP beside the new Active router's, for as long as nobody deletes it. Ours are
those that carry our protocol number (IFA_PROTO, kernel 5.18), and those that the configuration gives to a virtual
router which is not their owner (priority 255). Interfaces with a virtual MAC address that we made go, with what is on
them. Nothing else is touched. Exit 0 done or nothing to do, 1 not possible.
"""

import argparse
import fcntl
import os
import socket
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path

from haagent.cli.options import add_configuration
from haagent.config.load import load
from haagent.config.model import Config
from haagent.control.paths import accepted_file, lock_file
from haagent.linux import macvlan
from haagent.linux.netlink import NetlinkFailure, NetlinkSocket, split_messages
from haagent.linux.rtnetlink import AddressHeard, LinkHeard, delete_address, get_addresses, get_links, parse
from haagent.processes import accepted
from haagent.vrrp.advertisement import PRIORITY_OWNER
from haagent.vrrp.virtual_mac import router_of

_GONE = (0, 99, 19)  # done; EADDRNOTAVAIL, ENODEV: somebody else did it


@dataclass(frozen=True, slots=True)
class Held:
    """An address on an interface."""

    interface: str
    heard: AddressHeard

    def __str__(self) -> str:
        octets, prefix_length = self.heard.address
        return f"{ip_address(octets)}/{prefix_length} on {self.interface}"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_configuration(parser)


def run(options: argparse.Namespace) -> int:
    configs = what_ran(options)
    if not configs:
        return 1
    if running := [config.director.name for config in configs if is_locked(lock_file(config.director))]:
        name = running[0]
        print(f"haagent: director {name} runs: it keeps its addresses; stop it first", file=sys.stderr)
        return 1
    sock = NetlinkSocket.open(socket.NETLINK_ROUTE)
    if isinstance(sock, NetlinkFailure):
        return complain(f"no netlink socket: {sock.text}")
    try:
        seen = observe(sock)
        if isinstance(seen, NetlinkFailure):
            return complain(f"the addresses cannot be read: {seen.text}")
        links, held = seen
        takes_unknown = not others_run(configs[0])
        made = interfaces_left(links, configs, takes_unknown=takes_unknown)
        code = remove(sock, made)
        held = [each for each in held if each.heard.index not in {link.index for link in made}]
        doomed = left_behind(held, configs, takes_unknown=takes_unknown)
        return (release(sock, held, doomed) if doomed or not made else 0) or code
    finally:
        sock.close()


def complain(sentence: str) -> int:
    print(f"haagent: {sentence}", file=sys.stderr)
    return 1


# ---------------------------------------------------------------------- which configuration, which daemons


def what_ran(options: argparse.Namespace) -> list[Config]:
    """What is on disk, and what the daemon ran with last. A broken file must not keep addresses where they are."""
    loaded = load(options.config, options.name)
    if not isinstance(loaded, list):
        last = accepted.read(accepted_file(loaded.director))
        return [loaded, last] if last else [loaded]
    host = socket.gethostname()
    for name in (options.name, host, host.partition(".")[0]):
        last = accepted.read(Path("/run/haagent") / name / "accepted.msgpack") if name else None
        if last:
            return [last]
    print(*loaded, sep="\n", file=sys.stderr)
    return []


def is_locked(path: Path) -> bool:
    """Whether a supervisor lives: it holds the lock, and a killed one does not."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def others_run(config: Config) -> bool:
    """Another director on this host: an address with our protocol number may be its."""
    own = lock_file(config.director)
    return any(path != own and is_locked(path) for path in own.parent.parent.glob(f"*/{own.name}"))


# ---------------------------------------------------------------------- which addresses


def observe(sock: NetlinkSocket) -> tuple[list[LinkHeard], list[Held]] | NetlinkFailure:
    """Every interface, and every address of every one."""
    links, addresses = sock.dump(get_links()), sock.dump(get_addresses())
    if isinstance(links, NetlinkFailure):
        return links
    if isinstance(addresses, NetlinkFailure):
        return addresses
    heard = [parse(message) for octets in (*links, *addresses) for message in split_messages(octets)]
    found = [each for each in heard if isinstance(each, LinkHeard)]
    names = {each.index: each.name for each in found}
    return found, [Held(names.get(each.index, "?"), each) for each in heard if isinstance(each, AddressHeard)]


def interfaces_left(links: Iterable[LinkHeard], configs: Iterable[Config], *, takes_unknown: bool) -> list[LinkHeard]:
    """Those with a virtual MAC address that a vrrp process made. `takes_unknown`: also of routers that no
    configuration has any more."""
    links = list(links)
    indices = {each.name: each.index for each in links}
    configured = {
        (len(ip_address(router.virtual_addresses[0].address).packed), router.vrid, indices.get(router.interface, 0))
        for config in configs
        for router in config.virtual_routers
    }
    made = ((each, router_of(each.name, each.mac)) for each in links)
    return [each for each, router in made if router is not None and (takes_unknown or router in configured)]


def left_behind(held: Iterable[Held], configs: Iterable[Config], *, takes_unknown: bool) -> list[Held]:
    """What is to go. `takes_unknown`: also what has our protocol number and no configuration."""
    configured: set[tuple[str, bytes, int]] = set()  # interface, address, prefix length
    owned: set[tuple[str, bytes, int]] = set()
    for config in configs:
        for router in config.virtual_routers:
            group = owned if router.priority == PRIORITY_OWNER else configured
            for each in router.virtual_addresses + router.unadvertised_addresses:
                group.add((router.interface, ip_address(each.address).packed, each.prefix_length))
    doomed = []
    for place in held:
        key = (place.interface, *place.heard.address)
        is_known = key in configured or key in owned
        is_added = place.heard.is_ours and (takes_unknown or is_known)
        if is_added or (key in configured and key not in owned):
            doomed.append(place)
    return doomed


# ---------------------------------------------------------------------- how they go


def remove(sock: NetlinkSocket, interfaces: list[LinkHeard]) -> int:
    code = 0
    for each, error in zip(interfaces, sock.request([macvlan.delete(each.index) for each in interfaces]), strict=True):
        if error in _GONE:
            print(f"removed {each.name} with the MAC address {each.mac.hex(':')}")
        else:
            code = complain(f"{each.name} cannot be removed: {os.strerror(error)}")
    return code


def release(sock: NetlinkSocket, held: list[Held], doomed: list[Held]) -> int:
    if not doomed:
        print("no virtual address was left behind")
        return 0
    with promoted_secondaries(interfaces_at_risk(held, doomed)):
        results = sock.request([delete_address(each.heard.index, each.heard.address) for each in doomed])
    code = 0
    for each, error in zip(doomed, results, strict=True):
        if error in _GONE:
            print(f"released {each}")
        else:
            code = complain(f"{each} cannot be released: {os.strerror(error)}")
    return code


def interfaces_at_risk(held: Iterable[Held], doomed: list[Held]) -> set[str]:
    """Where a primary address goes, and with it, by the kernel's habit, secondaries of its subnet that are not ours."""
    going = {(each.interface, subnet(each)) for each in doomed if not each.heard.is_secondary}
    known = set(doomed)
    return {
        each.interface
        for each in held
        if each not in known and each.heard.is_secondary and (each.interface, subnet(each)) in going
    }


def subnet(each: Held) -> tuple[int, int]:
    octets, prefix_length = each.heard.address
    return int.from_bytes(octets, "big") >> (8 * len(octets) - prefix_length), prefix_length


@contextmanager
def promoted_secondaries(interfaces: Iterable[str]) -> Iterator[None]:
    """Documentation/networking/ip-sysctl.rst, promote_secondaries: the next secondary becomes the primary instead."""
    files = [Path("/proc/sys/net/ipv4/conf") / interface / "promote_secondaries" for interface in interfaces]
    before = {file: file.read_text() for file in files if file.exists()}
    for file in before:
        file.write_text("1\n")
    try:
        yield
    finally:
        for file, text in before.items():
            file.write_text(text)
