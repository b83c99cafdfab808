"""One virtual router as configured, and the state of its surroundings: what a `VirtualRouter` is computed from."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from haagent.vrrp.auth_hmac import AuthHmac, Secrets, why_no_key
from haagent.vrrp.path import SecondPath, choose, why_none
from haagent.vrrp.virtual_router import HIGHEST_PRIORITY, Address, Path, VirtualRouter

NO_VIRTUAL_MAC = "waiting for the interface of its virtual MAC address"
LOWEST_PRIORITY = 1  # tracking leaves this much of a priority, and at most the highest; the owner's 255 is never moved


@dataclass(frozen=True, slots=True)
class TrackedInterface:
    """While its link is down the router has a fault, or a priority term.

    It counts as down (up) only once it has been so for down_delay (up_delay) seconds.
    """

    interface: str
    fault: bool
    priority: int
    down_delay: float = 0.0
    up_delay: float = 0.0


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
    announce_form: str = "request"  # of gratuitous ARP: "request", "reply" or "both"
    tracked_interfaces: tuple[TrackedInterface, ...] = ()
    version: int = 3
    password: str = ""  # version 2 alone
    unicast_peers: tuple[bytes, ...] | None = None  # None: multicast
    minimum_ttl: int = 0  # of what a unicast peer sends; multicast is always 255
    also_via: SecondPath | None = None
    preempt_delay: float = 0.0
    mute_hold: float = 60.0
    guard_time: float = 0.0  # 0: nothing guards a preemption
    sticky: bool = False
    hold_off: float = 0.0
    group: str = ""  # empty: it moves by itself
    auth_hmac: AuthHmac | None = None
    virtual_mac: bool = False  # the addresses are on an interface with the virtual router's MAC address

    @property
    def octets(self) -> int:
        """Of an address of the router's family: 4 or 16."""
        return len(self.virtual_addresses[0][0]) if self.virtual_addresses else 4

    @property
    def place(self) -> tuple[str, int, int]:
        """Which virtual router this is on the wire: interface, family, VRID."""
        return self.interface, self.octets, self.vrid

    @property
    def places(self) -> tuple[tuple[str, int, int], ...]:
        """Everywhere that advertisements for it arrive."""
        second = self.also_via
        return (self.place, (second.interface, self.octets, self.vrid)) if second else (self.place,)

    def peers_on(self, interface: str) -> tuple[bytes, ...] | None:
        """Who may speak to us there; None: whoever multicasts."""
        if self.also_via is not None and interface == self.also_via.interface:
            return self.also_via.peers
        return self.unicast_peers


@dataclass(frozen=True, slots=True)
class Interface:
    """A network interface as the kernel reports it."""

    name: str
    index: int
    is_up: bool  # administratively up and with carrier
    mac: bytes
    addresses: tuple[Address, ...] = ()  # usable, in the kernel's order, primaries before secondaries
    tentative: tuple[Address, ...] = ()  # IPv6: duplicate address detection is not over
    duplicate: tuple[Address, ...] = ()  # IPv6: it is over, and another host has it


@dataclass(frozen=True, slots=True)
class Term:
    """Something that holds now, and what it adds to the priority."""

    cause: str  # a sentence
    priority: int

    def __str__(self) -> str:
        return f"{self.cause} ({self.priority:+d})"


@dataclass(frozen=True, slots=True)
class Tracking:
    """What the director's tracking says of one router."""

    fault: str = ""  # a sentence; empty: none
    terms: tuple[Term, ...] = ()
    hold: str = ""  # why a preemption has to wait; empty: it has not


@dataclass(frozen=True, slots=True)
class Fault:
    """Why a router cannot take part: one sentence that says what to do."""

    sentence: str


@dataclass(frozen=True, slots=True)
class Surroundings:
    interfaces: Mapping[str, Interface] = field(default_factory=dict)
    tracking: Mapping[str, Tracking] = field(default_factory=dict)
    virtual: frozenset[tuple[str, bytes]] = frozenset()  # (interface, address) of every configured router
    links: Mapping[TrackedInterface, bool] = field(default_factory=dict)  # is it up, where a delay decides that
    secrets: Secrets = field(default_factory=dict, repr=False)
    no_virtual_mac: Mapping[str, str] = field(default_factory=dict)  # router -> why; empty: it has it


def terms(settings: RouterSettings, surroundings: Surroundings) -> tuple[Term, ...]:
    """Everything that moves the priority now."""
    links = tuple(
        Term(f"tracked interface {each.interface} is down", each.priority)
        for each in settings.tracked_interfaces
        if not each.fault and not _link_is_up(each, surroundings)
    )
    return surroundings.tracking.get(settings.name, Tracking()).terms + links


def effective_priority(configured: int, holding: Iterable[Term]) -> int:
    """The configured priority plus every term that holds now: recomputed from all inputs, never moved step by step."""
    if configured > HIGHEST_PRIORITY:
        return configured
    return max(LOWEST_PRIORITY, min(HIGHEST_PRIORITY, configured + sum(each.priority for each in holding)))


def is_impaired(holding: Iterable[Term]) -> bool:
    """Whether all of it together is to the worse: a sticky router does not stick to that."""
    return sum(each.priority for each in holding) < 0


def resolve(settings: RouterSettings, surroundings: Surroundings) -> VirtualRouter | Fault:
    """The parameters to run with now, or why the router must stay in Initialize."""
    interface = surroundings.interfaces.get(settings.interface)
    if interface is None:
        return Fault(f"interface {settings.interface} does not exist: create it or correct the router's `interface`")
    if not interface.is_up:
        return Fault(f"interface {settings.interface} is down or has no carrier")
    for tracked in settings.tracked_interfaces:
        if tracked.fault and not _link_is_up(tracked, surroundings):
            return Fault(f"tracked interface {tracked.interface} is down")
    if fault := surroundings.tracking.get(settings.name, Tracking()).fault:
        return Fault(fault)
    if settings.auth_hmac and (sentence := why_no_key(settings.auth_hmac, surroundings.secrets)):
        return Fault(sentence)
    if settings.virtual_mac and (sentence := surroundings.no_virtual_mac.get(settings.name, NO_VIRTUAL_MAC)):
        return Fault(sentence)
    paths = _paths(settings, interface, surroundings)
    if isinstance(paths, Fault):
        return paths
    holding = terms(settings, surroundings)
    return VirtualRouter(
        name=settings.name,
        interface=settings.interface,
        vrid=settings.vrid,
        priority=effective_priority(settings.priority, holding),
        advertisement_interval=settings.advertisement_interval,
        addresses=settings.virtual_addresses + settings.unadvertised_addresses,
        advertised=tuple(address for address, _ in settings.virtual_addresses),
        primary_address=paths[0].source,
        preempt=settings.preempt,
        checksum=settings.checksum,
        announce_burst=settings.announce_burst,
        announce_delay=settings.announce_delay,
        announce_refresh=settings.announce_refresh,
        version=settings.version,
        password=settings.password,
        paths=paths,
        preempt_delay=settings.preempt_delay,
        mute_hold=settings.mute_hold,
        guard_time=settings.guard_time,
        sticky=settings.sticky,
        is_impaired=is_impaired(holding),
        hold_off=settings.hold_off,
    )


def is_up(name: str, interfaces: Mapping[str, Interface]) -> bool:
    interface = interfaces.get(name)
    return interface is not None and interface.is_up


def _link_is_up(tracked: TrackedInterface, surroundings: Surroundings) -> bool:
    settled = surroundings.links.get(tracked)
    return is_up(tracked.interface, surroundings.interfaces) if settled is None else settled


def _paths(settings: RouterSettings, interface: Interface, surroundings: Surroundings) -> tuple[Path, ...] | Fault:
    """The way by the router's own interface, without which it cannot run; and the second one while it is there."""
    peers, octets = settings.unicast_peers, settings.octets
    if peers == ():
        return Fault(
            "unicast_peers is empty: name the other directors' addresses, or leave it out to advertise by multicast"
        )
    first = choose(interface.name, _own_addresses(settings, interface, surroundings), octets, peers)
    if first is None:
        return Fault(why_none(interface.name, octets, peers, interface.tentative, interface.duplicate))
    second = surroundings.interfaces.get(settings.also_via.interface) if settings.also_via else None
    if settings.also_via is None or second is None or not second.is_up:
        return (first,)
    other = choose(second.name, _own_addresses(settings, second, surroundings), octets, settings.also_via.peers)
    return (first,) if other is None else (first, other)


def _own_addresses(settings: RouterSettings, interface: Interface, surroundings: Surroundings) -> list[bytes]:
    """Those that are no virtual ones; an owner that has no other speaks from its virtual addresses, which are its own
    (RFC 9568 section 1.7)."""
    there = [address for address, _ in interface.addresses if len(address) == settings.octets]
    own = [address for address in there if (interface.name, address) not in surroundings.virtual]
    return own or (there if settings.priority > HIGHEST_PRIORITY else [])
