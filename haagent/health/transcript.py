"""What one try said and heard, bounded: for `haagent why`.

Octets are kept as they were on the wire, the first OCTETS of each direction; `masked` must be applied before anybody
sees them. `Kept` is what remains of all tries of one probe.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from msgspec import Struct
from msgspec.structs import replace

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
    notes: tuple[str, ...] = ()  # what the octets mean: the TLS handshake and its chain, DNS messages decoded

    def without(self, secrets: Sequence[str]) -> "Transcript":
        """As anybody may see it; `secrets` are those that the check itself has."""
        notes = tuple(masked(each.encode(), secrets).decode() for each in self.notes)
        return replace(self, sent=masked(self.sent, secrets), received=masked(self.received, secrets), notes=notes)


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


def masked(octets: bytes, secrets: Sequence[str] = ()) -> bytes:
    """Without passwords, cookies and tokens; `secrets` are those that the check itself has."""
    for secret in secrets:
        if secret:
            octets = octets.replace(secret.encode(), b"***")
    for pattern in _SECRETS:
        octets = pattern.sub(MASK, octets)
    return octets


def escaped(octets: bytes) -> str:
    """Printable: line ends and NUL as in Python's literals, other octets as \\xNN."""
    return octets.decode("latin-1").encode("unicode_escape").decode("ascii")


def step(tried: Transcript) -> str:
    """The first step that failed, in order: "start", "connection", "answer", "judgement"; "" where it passed."""
    if tried.passed:
        return ""
    if tried.local:
        return "start"
    if tried.connected_after is None:
        return "connection"
    return "judgement" if tried.received_octets else "answer"


VOLATILE = (b"date", b"expires", b"last-modified", b"etag", b"set-cookie", b"age")
SLOWER = 5.0  # times: worth a word
LEAST = 0.05  # seconds: below, slowness is chance


def difference(failed: Transcript, good: Transcript) -> tuple[str, ...]:
    """What was otherwise when it last passed."""
    words: list[str] = []
    for name, field in (("connected", "connected_after"), ("answered", "first_octet_after")):
        now, then = getattr(failed, field), getattr(good, field)
        if then is not None and now is None:
            words.append(f"it {name} after {then * 1000:.0f} ms then, not at all now")
        elif now is not None and then is not None and now > max(LEAST, SLOWER * then):
            words.append(f"it {name} after {now * 1000:.0f} ms, {then * 1000:.0f} ms then")
    words += _notes(failed.notes, good.notes)
    if any(each.startswith("dns") for each in (*failed.notes, *good.notes)):
        return tuple(words)  # the octets themselves differ in every try
    if failed.sent != good.sent and failed.connected_after is not None and failed.sent:
        words.append("we asked otherwise then")
    if failed.received_octets and good.received_octets:
        words += _answers(failed.received, good.received)
    return tuple(words)


_PASSING = (  # what differs in every try, or from day to day
    (re.compile(r"^(dns [<>]) id \d+, "), r"\1 "),
    (re.compile(r"^(dns < (?:answer|authority|additional) \S+) \d+ "), r"\1 "),
    (re.compile(r"^(tls certificate .*?): \d+ days? left$"), r"\1"),
)


def _notes(now: Sequence[str], then: Sequence[str]) -> list[str]:
    """The lines that only one of the tries has. Where one of them did not come so far, there is nothing to compare."""
    words = []
    for kind in ("tls", "dns >", "dns <"):
        one, other = (
            list(dict.fromkeys(_lasting(each) for each in notes if each.startswith(kind))) for notes in (now, then)
        )
        if one and other:
            words += [f"{each}, not then" for each in one if each not in other]
            words += [f"{each}, then, not now" for each in other if each not in one]
    return words[:8]


def _lasting(note: str) -> str:
    for pattern, kept in _PASSING:
        note = pattern.sub(kept, note)
    return note


def _answers(now: bytes, then: bytes) -> list[str]:
    (now_head, _, now_body), (then_head, _, then_body) = now.partition(b"\r\n\r\n"), then.partition(b"\r\n\r\n")
    words = []
    now_lines, then_lines = now_head.split(b"\r\n"), then_head.split(b"\r\n")
    if now_lines[0] != then_lines[0]:
        words.append(f"first line: {escaped(now_lines[0][:120])}, then: {escaped(then_lines[0][:120])}")
    now_fields, then_fields = _fields(now_lines[1:]), _fields(then_lines[1:])
    for name in sorted(now_fields.keys() | then_fields.keys()):
        one, other = now_fields.get(name), then_fields.get(name)
        if one != other and name not in VOLATILE:
            words.append(f"{escaped(name)}: {_shown(one)}, then: {_shown(other)}")
    if now_body != then_body:
        words.append(f"body: {_shown(now_body)}, then: {_shown(then_body)}")
    return words[:8]


def _fields(lines: list[bytes]) -> dict[bytes, bytes]:
    return {line.partition(b":")[0].strip().lower(): line.partition(b":")[2].strip() for line in lines}


def _shown(octets: bytes | None) -> str:
    if octets is None:
        return "absent"
    return escaped(octets[:60]) + ("..." if len(octets) > 60 else "") if octets else "empty"
