"""What a configuration would change in the kernel now: the core's own answer, on a copy of it. Pure."""

import copy
from collections.abc import Iterable
from dataclasses import fields
from ipaddress import IPv4Address

from haagent.config.model import Config
from haagent.control.requests import Step
from haagent.core import ConfigLoaded, Core, Instant, SetVirtualServices
from haagent.ipvs.plan import (
    AddDestination,
    AddService,
    Change,
    RemoveDestination,
    RemoveService,
    SetDestination,
    SetService,
    plan,
)
from haagent.ipvs.table import (
    PROTOCOL_SCTP,
    PROTOCOL_TCP,
    PROTOCOL_UDP,
    Destination,
    DestinationKey,
    Service,
    ServiceKey,
    Table,
)
from haagent.vrrp.advertisement import PRIORITY_OWNER

_PROTOCOLS = {PROTOCOL_TCP: "tcp", PROTOCOL_UDP: "udp", PROTOCOL_SCTP: "sctp"}


def preview(core: Core, config: Config, now: Instant) -> tuple[Step, ...]:
    """The changes that the table keeper would make if `config` were loaded, in its order."""
    trial = copy.copy(core)
    for each in fields(trial):
        value = getattr(trial, each.name)
        if isinstance(value, dict):
            setattr(trial, each.name, dict(value))
    levels = [effect for effect in trial.handle(ConfigLoaded(config), now) if isinstance(effect, SetVirtualServices)]
    changes = plan(core.observed, levels[-1].table, levels[-1].owned)
    return tuple(step(change, core.observed) for change in changes)


def step(change: Change, observed: Table) -> Step:
    """One change in words, with what the kernel holds now."""
    match change:
        case AddService(key, service):
            return Step(action="add", subject="service", name=service_name(key), after=service_text(service))
        case SetService(key, service):
            return Step(
                action="set",
                subject="service",
                name=service_name(key),
                before=service_text(observed[key]),
                after=service_text(service),
            )
        case RemoveService(key):
            return Step(action="remove", subject="service", name=service_name(key), before=service_text(observed[key]))
        case AddDestination(key, target, destination):
            return Step(
                action="add",
                subject="destination",
                name=destination_name(key, target),
                after=destination_text(destination),
            )
        case SetDestination(key, target, destination):
            return Step(
                action="set",
                subject="destination",
                name=destination_name(key, target),
                before=destination_text(observed[key].destinations[target]),
                after=destination_text(destination),
            )
        case RemoveDestination(key, target):
            return Step(
                action="remove",
                subject="destination",
                name=destination_name(key, target),
                before=destination_text(observed[key].destinations[target]),
            )


def service_name(key: ServiceKey) -> str:
    if key.firewall_mark:
        return f"firewall mark {key.firewall_mark}"
    return f"{_PROTOCOLS.get(key.protocol, key.protocol)} {IPv4Address(key.address)}:{key.port}"


def destination_name(key: ServiceKey, target: DestinationKey) -> str:
    return f"{service_name(key)} -> {IPv4Address(target.address)}:{target.port}"


def service_text(service: Service) -> str:
    return service.scheduler + (f" flags {service.flags:#x}" if service.flags else "")


def destination_text(destination: Destination) -> str:
    return f"{destination.forwarding.name.lower()} weight {destination.weight}"


def left_over(config: Config, found: Iterable[tuple[str, str, int]]) -> tuple[Step, ...]:
    """Virtual addresses that are on an interface although no router has become Active yet: they are let go first.

    `found` holds (interface, address, prefix length). The owner's addresses (priority 255) are its own and stay.
    """
    present = set(found)
    return tuple(
        Step(
            action="remove",
            subject="address",
            name=f"{each.address}/{each.prefix_length} on {router.interface}",
            before="left by a predecessor; the router starts as Backup",
        )
        for router in config.virtual_routers
        if router.priority != PRIORITY_OWNER
        for each in router.virtual_addresses + router.unadvertised_addresses
        if (router.interface, each.address, each.prefix_length) in present
    )
