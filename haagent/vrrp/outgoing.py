"""The datagrams of a router's advertisements, encoded when its parameters are set and not when they are due.

One for each destination of each path: over IPv6, and over IPv4 in one of the two forms, the checksum covers it.
"""

from dataclasses import dataclass

from haagent.vrrp import advertisement as wire
from haagent.vrrp import advertisement_v2 as wire_v2
from haagent.vrrp.advertisement import Advertisement, ChecksumForm
from haagent.vrrp.virtual_router import HIGHEST_PRIORITY, VirtualRouter


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A prepared message and where it goes."""

    interface: str
    source: bytes
    destination: bytes
    message: bytes


def encode_all(parameters: VirtualRouter, form: ChecksumForm) -> dict[int, tuple[Outgoing, ...]]:
    """Priority -> datagrams, for everything that a router ever says."""
    priorities = {parameters.priority, wire.PRIORITY_RELEASE}
    if parameters.sticky:
        priorities.add(max(parameters.priority, HIGHEST_PRIORITY))
    return {
        priority: tuple(
            Outgoing(path.interface, path.source, each, _message(parameters, priority, form, path.source, each))
            for path in parameters.paths
            for each in path.destinations
        )
        for priority in priorities
    }


def _message(parameters: VirtualRouter, priority: int, form: ChecksumForm, source: bytes, destination: bytes) -> bytes:
    interval, addresses = parameters.advertisement_interval, parameters.advertised
    if parameters.version == 2:
        auth_type, auth_data = wire_v2.authentication(parameters.password)
        return wire_v2.encode(
            Advertisement(parameters.vrid, priority, interval, addresses, form, 2, auth_type, auth_data)
        )
    return wire.encode(Advertisement(parameters.vrid, priority, interval, addresses, form), source, destination)
