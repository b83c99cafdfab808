"""What one try said and heard, bounded: for `haagent why`.

Octets are kept as they were on the wire, the first OCTETS of each direction; `masked` must be applied before anybody
sees them. `Kept` is what remains of all tries of one probe.
"""

import re
from dataclasses import dataclass

from msgspec import Struct

OCTETS = 2048  # kept of each direction
FAILURES = 3  # kept of each probe


class Transcript(Struct, frozen=True, kw_only=True):
    """One try. `*_after` are seconds from its start; None: it did not come so far."""

    passed: bool
    detail: str
    local: bool = False  # our own trouble
    at: float = 0.0  # its start: monotonic in the prober, wall clock in an answer
    target: str = ""  # "198.51.100.100:80"
    source: str = ""  # the address that we used; "" the kernel's choice
    mark: int = 0
    connected_after: float | None = None
    first_octet_after: float | None = None
    ended_after: float = 0.0
    error: str = ""  # of the kernel: "ECONNREFUSED"
    sent: bytes = b""
    received: bytes = b""
    received_octets: int = 0  # all that came, kept or not


@dataclass(frozen=True, slots=True)
class Kept:
    """The tries of one probe that are remembered."""

    last: Transcript | None = None
    good: Transcript | None = None  # the last that passed
    failures: tuple[Transcript, ...] = ()  # the last few, oldest first

    def and_(self, transcript: Transcript) -> "Kept":
        """With one more."""
        if transcript.passed:
            return Kept(transcript, transcript, self.failures)
        return Kept(transcript, self.good, (*self.failures, transcript)[-FAILURES:])

    def all(self) -> tuple[Transcript, ...]:
        """Each once, oldest first."""
        own = {id(each): each for each in (*self.failures, self.good, self.last) if each is not None}
        return tuple(sorted(own.values(), key=lambda each: each.at))


_SECRETS = (
    re.compile(rb"(?im)^((?:proxy-)?authorization|cookie|set-cookie|x-api-key)(:[ \t]*)([^\r\n]+)"),
    re.compile(rb"(?i)\b(pass(?:word|wd)?|secret|token|api_?key)(\"?[ \t]*[=:][ \t]*\"?)([^\s&\"]+)"),
    re.compile(rb"(?im)^(\S+ LOGIN \S+|PASS|AUTH(?: PLAIN| LOGIN)?)([ \t]+)([^\r\n]+)"),
)
MASK = rb"\1\2***"


def masked(octets: bytes) -> bytes:
    """Without passwords, cookies and tokens."""
    for pattern in _SECRETS:
        octets = pattern.sub(MASK, octets)
    return octets


def escaped(octets: bytes) -> str:
    """Printable: line ends and NUL as in Python's literals, other octets as \\xNN."""
    return octets.decode("latin-1").encode("unicode_escape").decode("ascii")
