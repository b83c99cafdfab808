"""One virtual router as configured, and the state of its surroundings: what a `VirtualRouter` is computed from."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from haagent.vrrp.virtual_router import Address, VirtualRouter

LOWEST_PRIORITY, HIGHEST_PRIORITY = 1, 254  # what tracking may leave of a priority; the owner's 255 is never moved


@dataclass(frozen=True, slots=True)
class TrackedInterface:
    """While its link is down the router has a fault, or a priority term."""

    interface: str
    fault: bool
    priority: int


@dataclass(frozen=True, slots=True)
class RouterSettings:
    name: str
    interface: str
    vrid: int
    priority: int
    advertisement_interval: float
    virtual_addresses: tuple[Address, ...]
    unadvertised_addresses: tuple[Address, ...] = ()
    preempt: bool = True
    checksum: str = "auto"
    announce_burst: int = 5
    announce_delay: float = 5.0
    announce_refresh: float = 60.0
    tracked_interfaces: tuple[TrackedInterface, ...] = ()


@dataclass(frozen=True, slots=True)
class Interface:
    """A network interface as the kernel reports it."""

    name: str
    index: int
    is_up: bool  # administratively up and with carrier
    mac: bytes
    addresses: tuple[Address, ...] = ()  # IPv4, in the kernel's order, primaries before secondaries


@dataclass(frozen=True, slots=True)
class Tracking:
    """What the director's tracking says of one router."""

    fault: str = ""  # a sentence; empty: none
    priority: int = 0  # a term


@dataclass(frozen=True, slots=True)
class Fault:
    """Why a router cannot take part: one sentence that says what to do."""

    sentence: str


@dataclass(frozen=True, slots=True)
class Surroundings:
    interfaces: Mapping[str, Interface] = field(default_factory=dict)
    tracking: Mapping[str, Tracking] = field(default_factory=dict)
    virtual: frozenset[tuple[str, bytes]] = frozenset()  # (interface, address) of every configured router


def effective_priority(settings: RouterSettings, surroundings: Surroundings) -> int:
    """The configured priority plus every term that holds now: recomputed from all inputs, never moved step by step."""
    if settings.priority > HIGHEST_PRIORITY:
        return settings.priority
    terms = surroundings.tracking.get(settings.name, Tracking()).priority
    terms += sum(
        t.priority for t in settings.tracked_interfaces if not t.fault and not _is_up(t.interface, surroundings)
    )
    return max(LOWEST_PRIORITY, min(HIGHEST_PRIORITY, settings.priority + terms))


def resolve(settings: RouterSettings, surroundings: Surroundings) -> VirtualRouter | Fault:
    """The parameters to run with now, or why the router must stay in Initialize."""
    interface = surroundings.interfaces.get(settings.interface)
    if interface is None:
        return Fault(f"interface {settings.interface} does not exist: create it or correct the router's `interface`")
    if not interface.is_up:
        return Fault(f"interface {settings.interface} is down or has no carrier")
    for tracked in settings.tracked_interfaces:
        if tracked.fault and not _is_up(tracked.interface, surroundings):
            return Fault(f"tracked interface {tracked.interface} is down")
    if fault := surroundings.tracking.get(settings.name, Tracking()).fault:
        return Fault(fault)
    primary = _primary_address(settings, interface, surroundings)
    if primary is None:
        return Fault(
            f"interface {settings.interface} has no IPv4 address of its own to advertise from:"
            " add one beside the virtual ones"
        )
    return VirtualRouter(
        name=settings.name,
        interface=settings.interface,
        vrid=settings.vrid,
        priority=effective_priority(settings, surroundings),
        advertisement_interval=settings.advertisement_interval,
        addresses=settings.virtual_addresses + settings.unadvertised_addresses,
        advertised=tuple(address for address, _ in settings.virtual_addresses),
        primary_address=primary,
        preempt=settings.preempt,
        checksum=settings.checksum,
        announce_burst=settings.announce_burst,
        announce_delay=settings.announce_delay,
        announce_refresh=settings.announce_refresh,
    )


def _is_up(name: str, surroundings: Surroundings) -> bool:
    interface = surroundings.interfaces.get(name)
    return interface is not None and interface.is_up


def _primary_address(settings: RouterSettings, interface: Interface, surroundings: Surroundings) -> bytes | None:
    """The first address that is no virtual one; the owner's virtual addresses are its own (RFC 9568 section 1.7)."""
    for address, _ in interface.addresses:
        if (interface.name, address) not in surroundings.virtual:
            return address
    if settings.priority > HIGHEST_PRIORITY and interface.addresses:
        return interface.addresses[0][0]
    return None
