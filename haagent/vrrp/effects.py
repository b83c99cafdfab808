"""All that a virtual router can cause: edges happen once, the level SetAddresses states the whole wanted end."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SendAdvertisement:
    """Edge. The priority is the router's own, or PRIORITY_RELEASE."""

    router: str
    priority: int


@dataclass(frozen=True, slots=True)
class SetAddresses:
    """Level. Hold all of the router's addresses, or none of them."""

    router: str
    held: bool


@dataclass(frozen=True, slots=True)
class AnnounceAddresses:
    """Edge. One round of gratuitous ARP for every address of the router; after its SetAddresses."""

    router: str


Effect = SendAdvertisement | SetAddresses | AnnounceAddresses
