"""All that can happen to a virtual router."""

from dataclasses import dataclass

from haagent.vrrp.advertisement import Advertisement
from haagent.vrrp.virtual_router import VirtualRouter


@dataclass(frozen=True, slots=True)
class Startup:
    """The router may take part: configured, its interface is up with an address, nothing tracked has a fault."""


@dataclass(frozen=True, slots=True)
class Shutdown:
    """The router must not take part any more: stop, removal from the configuration, or a fault."""


@dataclass(frozen=True, slots=True)
class AdvertisementReceived:
    """A datagram passed every check of section 7.1 and names our VRID."""

    advertisement: Advertisement
    source: bytes  # packed
    breaks_ties: bool = True  # of several segments that a group is on, one alone compares addresses
    is_held: bool = False  # the director's tracking holds a preemption
    is_mute: bool = False  # the kernel has refused our advertisements for longer than a Backup router waits


@dataclass(frozen=True, slots=True)
class DeadlinePassed:
    """Time went by; early and late deliveries are harmless."""


@dataclass(frozen=True, slots=True)
class ParametersChanged:
    """A reload or tracking replaced the router's parameters; the machine goes on with the new ones."""

    previous: VirtualRouter


@dataclass(frozen=True, slots=True)
class SegmentChanged:
    """The link came back or the segment may have forgotten us: announce again."""


@dataclass(frozen=True, slots=True)
class SegmentHeard:
    """The interface received a frame since the router started: the segment is there."""


@dataclass(frozen=True, slots=True)
class LeaveAsked:
    """Give the addresses to the peer, and keep them until it has them.

    `preempt_at`: a handover, the peer is followed until then (infinity: until it goes). None: we are stopping.
    """

    preempt_at: float | None


@dataclass(frozen=True, slots=True)
class ReturnAsked:
    """A handover, or a preempt_delay that runs, is over."""


@dataclass(frozen=True, slots=True)
class SpokenAgain:
    """The kernel took an advertisement after it had refused some."""


Event = (
    Startup
    | Shutdown
    | AdvertisementReceived
    | DeadlinePassed
    | ParametersChanged
    | SegmentChanged
    | SegmentHeard
    | LeaveAsked
    | ReturnAsked
    | SpokenAgain
)
