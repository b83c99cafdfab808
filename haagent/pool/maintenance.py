"""Maintenance files: a file in a directory drains the real server that its name says, while it is there. Pure.

ldirectord's maintenancedir as administrators script it: ADDRESS, ADDRESS:PORT or a real server's name, and beside
these NAME:PORT and SERVICE:SERVER. IPv6 addresses stand bare, with a port in brackets. Hidden files and editors'
backups do not count. The file's word and the operator's are merged: the stricter one wins, and both are shown.
"""

from collections.abc import Iterable, Mapping
from ipaddress import ip_address

from msgspec import structs

from haagent.config.model import SCHEDULER_FLAGS, RealServer, VirtualService
from haagent.pool.operator import AUTOMATIC, Override, Overrides, ServerKey
from haagent.snapshot import AdminState

Files = Mapping[ServerKey, str]  # the file's name
MAINTENANCE = "maintenance_directory"  # the actor
_STRICTNESS: Mapping[AdminState, int] = {"enabled": 0, "drained": 1, "disabled": 2}


def drained_by_file(services: Iterable[VirtualService], files: Iterable[str]) -> Files:
    """Who is drained; of several files the first by name."""
    found: dict[ServerKey, str] = {}
    names = sorted(name for name in files if counts(name))
    for service in services:
        for server in service.real_servers:
            for name in names:
                if _means(name, service, server):
                    found.setdefault((service.name, server.name), name)
    return found


def counts(name: str) -> bool:
    return not name.startswith((".", "#")) and not name.endswith("~")


def strangers(services: Iterable[VirtualService], files: Iterable[str]) -> tuple[str, ...]:
    """Files that mean nobody."""
    services = tuple(services)
    return tuple(
        name
        for name in sorted(files)
        if counts(name)
        and not any(_means(name, service, server) for service in services for server in service.real_servers)
    )


def with_files(services: Mapping[str, VirtualService], overrides: Overrides, files: Files) -> Overrides:
    """Operators' words and files' words as one."""
    if not files:
        return overrides
    merged = dict(overrides)
    for key, name in files.items():
        service = services.get(key[0])
        word = overrides.get(key, AUTOMATIC)
        admin: AdminState = "drained"
        if service is not None and service.scheduler in SCHEDULER_FLAGS and "fallback" not in service.scheduler_flags:
            admin = "disabled"  # with weight 0 these would refuse their share of the clients (M6)
        merged[key] = stricter(word, Override(admin=admin, keep=True, actor=f"the file {name}"))
    return merged


def stricter(one: Override, other: Override) -> Override:
    """Of two that are as strict as each other, `one`."""
    if _STRICTNESS[one.admin] >= _STRICTNESS[other.admin]:
        return one
    return structs.replace(other, version=one.version)


def _means(name: str, service: VirtualService, server: RealServer) -> bool:
    if name in (server.name, f"{service.name}:{server.name}", f"{server.name}:{server.port}"):
        return True
    address, port = _address_and_port(name)
    return address == server.address and port in ("", str(server.port))


def _address_and_port(name: str) -> tuple[str, str]:
    """A canonical address and a port, which may be empty; two empty strings where it is no address."""
    if name.startswith("["):
        address, _, rest = name[1:].partition("]")
        port = rest.removeprefix(":")
        if rest and not rest.startswith(":"):
            return "", ""
    elif name.count(":") == 1:
        address, _, port = name.partition(":")
    else:
        address, port = name, ""
    try:
        return str(ip_address(address)), port
    except ValueError:
        return "", ""
