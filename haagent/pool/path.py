"""The way into each real server that a path probe takes: IPVS services by firewall mark, one destination each. Pure.

A direct-routing or tunneling server may answer on its own address and be deaf on the virtual one. A probe of the
virtual address goes to the server that we mean because its socket has a mark (SO_MARK) and IPVS has a service for that
mark whose only destination is that server: OUTPUT -> ip_vs_local_request -> the server, whatever the pool looks like
(measured on Linux 6.1, on the Active and on the Backup director).

Marks are `director.path_mark_base` and a number of 16 bits that follows from the names of service and server, so they
are the same after a restart, and whatever other servers come and go.
"""

from collections.abc import Iterator
from zlib import crc32

from haagent.config.model import Check, Config, RealServer, VirtualService
from haagent.ipvs.table import Destination, DestinationKey, Service, ServiceKey, Table
from haagent.pool.desired import destination_of, packed

MARKS = 1 << 16
PATH_METHODS = ("direct_routing", "tunneling")  # where a real server needs the virtual address itself
WITHOUT_MARK = ("icmp", "exec")
_NO_ADDRESS = {"ipv4": b"", "ipv6": bytes(16)}

ServerKey = tuple[str, str]  # service name, real server name


def travels(check: Check) -> bool:
    """Whether the check can be repeated on the virtual address: a mark leads TCP and UDP alone through IPVS."""
    return check.__struct_config__.tag not in WITHOUT_MARK


def has_path(server: RealServer) -> bool:
    """Whether the path can differ from the server's own address at all."""
    return server.forwarding_method in PATH_METHODS


def path_addresses(service: VirtualService) -> tuple[str, ...]:
    """The virtual addresses that each real server must answer on."""
    return (service.address,) if service.address else service.addresses


def checked(config: Config) -> Iterator[tuple[VirtualService, RealServer]]:
    """Every real server whose path is to be probed."""
    for service in config.virtual_services:
        if service.path_check != "off":
            yield from ((service, server) for server in service.real_servers if has_path(server))


def path_marks(config: Config) -> dict[ServerKey, int]:
    """The mark of each real server's path. Two names with one number: the later in the configuration takes the next."""
    taken: set[int] = set()
    marks: dict[ServerKey, int] = {}
    for service, server in checked(config):
        number = crc32(f"{service.name}/{server.name}".encode()) % MARKS
        while number in taken:
            number = (number + 1) % MARKS
        taken.add(number)
        marks[service.name, server.name] = config.director.path_mark_base + number
    return marks


def path_key(service: VirtualService, mark: int) -> ServiceKey:
    return ServiceKey(0, _NO_ADDRESS[service.family], 0, mark)


def path_table(config: Config, marks: dict[ServerKey, int]) -> Table:
    """The part of the wanted table that path probes use. The port is the probe's own: both methods keep it."""
    table: dict[ServiceKey, Service] = {}
    for service, server in checked(config):
        key = path_key(service, marks[service.name, server.name])
        at = DestinationKey(packed(server.address), 0)
        netmask = 128 if service.family == "ipv6" else 0xFFFFFFFF
        destination: Destination = destination_of(server, 1)
        table[key] = Service("rr", netmask=netmask, destinations={at: destination})
    return table
