"""The messages in which two directors exchange what operators said, and what they see and hear themselves. No I/O.

Framed, authenticated, never repeated:

    listener -> caller   "haagent 1" and 32 random octets (the challenge)
    caller -> listener   frame: authenticator, payload (who, the whole words, 32 random octets of its own)
    listener -> caller   frame: authenticator, payload

A frame is a 4-octet big-endian length and that many octets (frames.py). The authenticator is HMAC-SHA256 (RFC 2104)
with the shared secret over the direction, both directors' random octets as far as they are known, and the payload: so a
message that was recorded is good for no other conversation, and no clock is needed.
"""

import hmac
import math
from collections.abc import Mapping
from typing import Literal

import msgspec
from msgspec import Struct

from haagent.core.hearing import Hearing, is_finite
from haagent.pool.operator import Override, Overrides, ServerKey
from haagent.snapshot import HealthState

GREETING = b"haagent 1"
NONCE_SIZE, TAG_SIZE = 32, 32
CHALLENGE_SIZE = len(GREETING) + NONCE_SIZE
SIZE_LIMIT = 8 << 20  # octets of a frame: some 40,000 words
LEAST_SECRET = 16  # octets

Direction = Literal["call", "answer"]
Healths = Mapping[ServerKey, HealthState]


class _Word(Struct, frozen=True, array_like=True):
    service: str
    server: str
    override: Override


class _Seen(Struct, frozen=True, array_like=True):
    service: str
    server: str
    health: HealthState


class Told(Struct, frozen=True, kw_only=True):
    """One director's words, what it makes of the real servers, and what it hears of the virtual routers."""

    director: str
    nonce: bytes = b""  # of a call
    words: tuple[_Word, ...] = ()
    seen: tuple[_Seen, ...] = ()
    hearings: tuple[Hearing, ...] = ()  # instants are relative to this message

    @property
    def healths(self) -> Healths:
        return {(each.service, each.server): each.health for each in self.seen}

    @property
    def overrides(self) -> Overrides:
        return {(each.service, each.server): each.override for each in self.words}


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Told).decode


def challenge(nonce: bytes) -> bytes:
    return GREETING + nonce


def nonce_of(octets: bytes) -> bytes | str:
    """The challenge's random octets; a sentence where somebody else listens there."""
    if len(octets) != CHALLENGE_SIZE or not octets.startswith(GREETING):
        return "it is no haagent of a version that we know"
    return octets[len(GREETING) :]


def sealed(
    direction: Direction,
    secret: bytes,
    nonces: bytes,
    director: str,
    nonce: bytes,
    words: Overrides,
    healths: Healths | None = None,
    hearings: tuple[Hearing, ...] = (),
) -> bytes:
    """The octets of a frame. `nonces`: those of the conversation so far; `nonce`: the caller's own."""
    told = Told(
        director=director,
        nonce=nonce,
        words=tuple(_Word(*key, word) for key, word in _items(words)),
        seen=tuple(_Seen(*key, health) for key, health in sorted((healths or {}).items())),
        hearings=hearings,
    )
    payload = _encode(told)
    return tag(direction, secret, nonces, payload) + payload


def opened(direction: Direction, secret: bytes, nonces: bytes, octets: bytes) -> Told | str:
    """What was told, or why it is not believed."""
    said, payload = octets[:TAG_SIZE], octets[TAG_SIZE:]
    if not hmac.compare_digest(said, tag(direction, secret, nonces, payload)):
        return "it has another secret"
    try:
        told = _decode(payload)
        instants = [t for each in told.words for t in (each.override.deadline, each.override.until, each.override.at)]
        is_sound = all(t is None or math.isfinite(t) for t in instants) and all(map(is_finite, told.hearings))
        return told if is_sound else "it names a time that is none"
    except (ValueError, RecursionError) as error:
        return f"it said something that we do not know: {error}"


def tag(direction: Direction, secret: bytes, nonces: bytes, payload: bytes) -> bytes:
    """The authenticator."""
    return hmac.digest(secret, b"\0".join((GREETING, direction.encode(), nonces, payload)), "sha256")


def _items(words: Overrides) -> list[tuple[tuple[str, str], Override]]:
    return [(key, words[key]) for key in sorted(words)]
