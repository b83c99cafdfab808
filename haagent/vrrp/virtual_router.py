"""The parameters of one virtual router (RFC 9568 section 6.1), as the machine needs them.

Never changed, only replaced.
"""

from dataclasses import dataclass

from haagent.vrrp.advertisement import PRIORITY_OWNER

Address = tuple[bytes, int]  # packed, prefix length
HIGHEST_PRIORITY = 254  # of all but the owner


@dataclass(frozen=True, slots=True)
class Path:
    """One way that advertisements take. Chosen in `path.py`."""

    interface: str
    source: bytes  # packed
    destinations: tuple[bytes, ...]  # the multicast group alone, or every peer


@dataclass(frozen=True, slots=True)
class VirtualRouter:
    name: str
    interface: str
    vrid: int
    priority: int  # effective: what tracking leaves of the configured one
    advertisement_interval: float
    addresses: tuple[Address, ...]  # held and announced
    advertised: tuple[bytes, ...]  # listed in the advertisement, in the configured order
    primary_address: bytes  # packed; source of our advertisements and our side of the tie-break
    preempt: bool = True
    checksum: str = "auto"  # or a ChecksumForm's value
    announce_burst: int = 5  # rounds, at once and again after announce_delay
    announce_delay: float = 5.0
    announce_refresh: float = 60.0
    version: int = 3
    password: str = ""  # version 2 alone
    paths: tuple[Path, ...] = ()  # the first comes from the primary address
    preempt_delay: float = 0.0  # * seconds from the first lower-priority advertisement heard
    mute_hold: float = 60.0  # * seconds that it follows a peer after the kernel refused its advertisements
    guard_time: float = 0.0  # * seconds that the director's tracking may hold a preemption; 0: it may not
    sticky: bool = False  # * as incumbent it keeps against a higher priority
    is_impaired: bool = False  # * tracking leaves less than the configured priority
    hold_off: float = 0.0  # * seconds that a start waits, at most, for a segment on which nothing is received

    @property
    def is_owner(self) -> bool:
        return self.priority == PRIORITY_OWNER
