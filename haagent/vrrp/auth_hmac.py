"""Signed advertisements of one virtual router: its settings, its own sequence, and how far each sender's has come.

The rules are those of keepalived 2.4.3. `time`: a sequence is a time of day within `time_window` of ours, and grows.
`monotonic`: it grows, that is all. Nothing is stored: a sequence comes from the clock, so it goes on growing over a
restart, as long as the clock does.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from haagent.vrrp.advertisement import Discard
from haagent.vrrp.outgoing import Outgoing
from haagent.vrrp.trailer import SIZE, TICKS, TYPE_SHA256, ahead, is_signed_by, read, sequence_at, signed

MOST_SENDERS = 16  # whose sequence is remembered; only who has a key gets a place

Mode = Literal["enforce", "permissive", "receive_only"]
AntiReplay = Literal["time", "monotonic"]
Secrets = Mapping[str, bytes | str]  # by file: the key, or the sentence why there is none


@dataclass(frozen=True, slots=True)
class KeyFile:
    """A key and where the shell reads it."""

    id: int
    file: str


@dataclass(frozen=True, slots=True)
class AuthHmac:
    """What is configured."""

    keys: tuple[KeyFile, ...]
    active_key: int  # signs; all of them verify
    mode: Mode = "enforce"
    anti_replay: AntiReplay = "time"
    time_window: float = 30.0


@dataclass(slots=True)
class Authenticator:
    """One virtual router's signing and verifying. `utc` is the time of day in seconds."""

    settings: AuthHmac
    keys: Mapping[int, bytes] = field(repr=False)
    sequence: int = 0  # the last one sent
    marks: dict[bytes, int] = field(default_factory=dict)  # source -> the last one accepted; least recent first

    def sign(self, messages: tuple[Outgoing, ...], utc: float) -> tuple[Outgoing, ...]:
        """One advertisement to all its destinations: they share a sequence."""
        key_id = self.settings.active_key
        if self.settings.mode == "receive_only" or not messages:
            return messages
        sequence, key = self._next(utc), self.keys[key_id]
        return tuple(
            replace(each, message=signed(each.message, each.source, each.destination, key_id, key, sequence))
            for each in messages
        )

    def _next(self, utc: float) -> int:
        """The clock, or where that has not moved on, one more than the last. A clock that was set back further than
        receivers forgive is followed, where time is what they look at."""
        clock = sequence_at(utc)
        lead = ahead(self.sequence, clock)
        is_stranded = self.settings.anti_replay == "time" and lead > self.settings.time_window * TICKS
        self.sequence = clock if lead < 0 or is_stranded else self.sequence + 1 & (1 << 64) - 1
        return self.sequence

    def refusal(self, message: bytes, trailer: bytes, source: bytes, utc: float) -> Discard | None:
        """Why an advertisement that is otherwise in order is not believed. `trailer`: empty, or SIZE octets."""
        if len(trailer) != SIZE:
            return Discard.SIGNATURE_MISSING if self.settings.mode == "enforce" else None
        claim, clock = read(trailer), sequence_at(utc)
        if claim.type != TYPE_SHA256 or claim.reserved:
            return Discard.SIGNATURE_TYPE
        window = self.settings.time_window * TICKS if self.settings.anti_replay == "time" else None
        if window is not None and abs(ahead(claim.sequence, clock)) > window:
            return Discard.SIGNATURE_STALE
        key = self.keys.get(claim.key_id)
        if key is None:
            return Discard.SIGNATURE_KEY
        if not is_signed_by(message, source, trailer, key):
            return Discard.SIGNATURE_WRONG
        mark = self.marks.get(source)
        if mark is not None and window is not None and abs(ahead(mark, clock)) > window:
            mark = None  # the window refuses all that it would: whoever set a wrong clock right is heard again
        if mark is not None and ahead(claim.sequence, mark) <= 0:
            return Discard.SIGNATURE_REPLAYED
        self.marks.pop(source, None)
        self.marks[source] = claim.sequence
        if len(self.marks) > MOST_SENDERS:
            del self.marks[next(iter(self.marks))]
        return None


def why_no_key(settings: AuthHmac, secrets: Secrets) -> str:
    """A sentence; empty: every key is there."""
    for each in settings.keys:
        secret = secrets.get(each.file, f"the key {each.file} was not read")
        if isinstance(secret, str):
            return secret
    return ""


def renewed(before: Authenticator | None, settings: AuthHmac | None, secrets: Secrets) -> Authenticator | None:
    """For other keys or another mode: what was sent and what was heard stays known. None: nothing is signed.

    Without all keys the router has a fault; until then it says farewell with what it had."""
    if settings is None:
        return None
    keys = {each.id: key for each in settings.keys if isinstance(key := secrets.get(each.file), bytes)}
    if len(keys) < len(settings.keys):
        return before
    if before is None:
        return Authenticator(settings, keys)
    before.settings, before.keys = settings, keys
    return before
