"""Who says to have an address on a segment, and since when: what was heard by ARP and neighbour discovery. Pure.

Answers to questions of ours and what others said unasked are the same evidence (RFC 5227 section 2.4: any ARP packet
with the address as its sender). A thing said once may be old; what is said again after CONFIRM_TIME is so.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from haagent.pool.arp_leak import ArpAnswer

CONFIRM_TIME = 0.8  # seconds between two sightings that make one of them no leftover
FORGET_TIME = 40.0  # seconds after the last sighting


@dataclass(frozen=True, slots=True)
class Sighting:
    """Of one MAC that says to have an address; monotonic instants."""

    first_at: float
    last_at: float

    @property
    def is_confirmed(self) -> bool:
        return self.last_at - self.first_at >= CONFIRM_TIME


Place = tuple[str, str]  # interface, address
Claims = Mapping[Place, Mapping[str, Sighting]]  # by MAC, "02:00:00:00:00:01"; the virtual router's own MACs too


def remembered(claims: Claims, answers: Iterable[ArpAnswer], now: float) -> dict[Place, dict[str, Sighting]]:
    """With what was heard now, without what is too old."""
    known: dict[Place, dict[str, Sighting]] = {}
    for place, macs in claims.items():
        if kept := {mac: each for mac, each in macs.items() if now - each.last_at <= FORGET_TIME}:
            known[place] = kept
    for answer in answers:
        macs = known.setdefault((answer.interface, answer.address), {})
        before = macs.get(answer.mac)
        macs[answer.mac] = Sighting(before.first_at if before else now, now)
    return known
