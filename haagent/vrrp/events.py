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


Event = Startup | Shutdown | AdvertisementReceived | DeadlinePassed | ParametersChanged | SegmentChanged
