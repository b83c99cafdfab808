"""Who advertises for one virtual router: every source that was heard, accepted or refused. Pure.

Evidence for `core/agreement.py`. Bounded, whoever forges sources: the accepted and the refused have so many places
each, and a newcomer gets one only from a source that was silent for FORGET_TIME; those that found none are counted.
"""

from dataclasses import dataclass, field

from haagent.vrrp.advertisement import Advertisement

Instant = float

MOST_ACCEPTED = 8
MOST_REFUSED = 4
FORGET_TIME = 60.0  # seconds of silence


@dataclass(slots=True)
class Source:
    """One address that speaks for the VRID; changed in place, for it is heard up to a hundred times a second."""

    address: bytes
    refusal: str  # why it is not listened to: a Discard, lower case; empty: it is
    first_at: Instant
    last_at: Instant
    heard: int = 0
    version: int = 0
    priority: int = 0  # 0 is a farewell
    interval: float = 0.0  # of an accepted one, like all that follows
    checksum: str = ""
    addresses: tuple[bytes, ...] = ()


@dataclass(slots=True)
class Sources:
    """Of one router, by address; one that is refused now and then stands in both."""

    accepted: dict[bytes, Source] = field(default_factory=dict)
    refused: dict[bytes, Source] = field(default_factory=dict)
    uncounted: int = 0  # datagrams of sources for which there was no place

    def hear(self, address: bytes, heard: Advertisement, now: Instant) -> None:
        source = self._place(self.accepted, MOST_ACCEPTED, address, now)
        if source is None:
            return
        source.heard += 1
        source.last_at = now
        source.version = heard.version
        source.priority = heard.priority
        source.interval = heard.max_advertise_interval
        source.checksum = heard.checksum_form.value
        source.addresses = heard.addresses

    def refuse(self, address: bytes, message: bytes, reason: str, now: Instant) -> None:
        """`message` is not to be trusted beyond its first octets."""
        source = self._place(self.refused, MOST_REFUSED, address, now)
        if source is None:
            return
        source.heard += 1
        source.last_at = now
        source.refusal = reason
        source.version = message[0] >> 4
        source.priority = message[2] if len(message) > 2 else 0

    def all(self) -> list[Source]:
        return [*self.accepted.values(), *self.refused.values()]

    def _place(self, among: dict[bytes, Source], most: int, address: bytes, now: Instant) -> Source | None:
        source = among.get(address)
        if source is not None:
            return source
        if len(among) >= most:
            oldest = min(among.values(), key=lambda each: each.last_at)
            if now - oldest.last_at < FORGET_TIME:
                self.uncounted += 1
                return None
            del among[oldest.address]
        source = among[address] = Source(address, "", now, now)
        return source
