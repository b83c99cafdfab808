"""A captured segment, played to the production machine: the transitions that this director's routers would have made.

Signatures are not verified: a capture has no keys, and its advertisements are heard as if they were not signed.

Pure. The machine runs in the capture's own time. What it sends reaches nobody: the capture says what the others did.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from haagent.sniff.records import Record, VrrpHeard
from haagent.vrrp.settings import Interface, RouterSettings
from haagent.vrrp.speaker import Speaker, SpeakerEffect, Transition
from haagent.vrrp.trailer import split


@dataclass(frozen=True, slots=True)
class Replayed:
    """One transition at the instant of the capture at which it would have happened."""

    at: float
    router: str
    previous: str
    state: str
    reason: str


class Replay:
    """The routers of one interface, whose own address is `address` (packed IPv4)."""

    def __init__(self, settings: Iterable[RouterSettings], interface: str, address: bytes) -> None:
        self._settings = tuple(replace(each, auth_hmac=None) for each in settings)
        self._interface, self._address = interface, address
        self._speaker: Speaker | None = None

    def hear(self, record: Record) -> Iterator[Replayed]:
        """Every record moves the time on; VRRP over IPv4 is delivered, after what was due before it."""
        if self._speaker is None:
            self._speaker = Speaker()
            interface = Interface(self._interface, 1, True, bytes(6), ((self._address, 24),))
            yield from _transitions(record.at, self._speaker.set_interfaces((interface,), record.at))
            yield from _transitions(record.at, self._speaker.set_routers(self._settings, record.at))
        yield from self.pass_time(record.at)
        if isinstance(record, VrrpHeard) and len(record.source) == 4:
            message, _ = split(record.message, len(record.source))
            heard = self._speaker.receive(
                self._interface, message, record.ttl, record.source, record.destination, record.at
            )
            yield from _transitions(record.at, heard)
        yield from _transitions(record.at, self._speaker.pass_time(record.at))

    def pass_time(self, now: float) -> Iterator[Replayed]:
        """Everything that is due before `now`, each at its own instant."""
        speaker = self._speaker
        while speaker is not None and (due := speaker.next_deadline()) is not None and due < now:
            yield from _transitions(due, speaker.pass_time(due))

    def discarded(self) -> dict[str, int]:
        """Why datagrams were not believed, by the production codec's names."""
        if self._speaker is None:
            return {}
        return {reason.name: count for reason, count in self._speaker.discarded.get(self._interface, Counter()).items()}


def _transitions(at: float, effects: Iterable[SpeakerEffect]) -> Iterator[Replayed]:
    for effect in effects:
        if isinstance(effect, Transition):
            yield Replayed(at, effect.router, effect.previous, effect.state, effect.reason)
