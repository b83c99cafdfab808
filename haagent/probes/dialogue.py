"""One engine for the protocols of questions and answers: a script says and expects, in order, as a person would.

A script is a generator. It yields what it wants next: octets to send, `Line`, `Octets` or `Message` to hear (the value
of the yield), or Upgrade.START_TLS. It returns the result. `Broken` ends it from any depth. All is bounded: each line,
each count, the sum.
"""

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass

from haagent.config.checks import UpgradableTls
from haagent.health.probe import ProbeResult
from haagent.probes.exchange import Conversation, Step, Upgrade
from haagent.probes.tls import TlsConversation, TlsSettings
from haagent.probes.words import masked, shown

LINE_LIMIT = 8192
MESSAGE_LIMIT = 65536
TOTAL_LIMIT = 256 * 1024  # octets heard in one dialogue


@dataclass(frozen=True, slots=True)
class Line:
    """Up to the next line feed; the value lacks it and a carriage return before it."""

    what: str  # in the sentence: "no complete answer within 1 s (waiting for ...)"


@dataclass(frozen=True, slots=True)
class Octets:
    """Exactly so many."""

    count: int
    what: str


@dataclass(frozen=True, slots=True)
class Message:
    """As many octets as `length_of` finds in the first ones; it returns None until it knows, and may raise Broken."""

    length_of: Callable[[bytes], int | None]
    what: str


class Broken(Exception):
    """The answer is not what it should be; the text is the sentence."""


class Closed(Broken):
    """The peer closed while something was awaited. A script may catch it after its last word."""


Ask = bytes | Line | Octets | Message | Upgrade
Script = Generator[Ask, bytes, ProbeResult]
Part = Generator[Ask, bytes, bytes]  # of a script: brings the octets of one answer


class Dialogue:
    """Runs a script as a conversation."""

    request = b""

    def __init__(self, script: Script, secrets: Sequence[str] = ()) -> None:
        """`secrets` are hidden wherever an answer repeats them."""
        self._script: Script | None = script
        self._secrets = secrets
        self._ask: Ask | None = None  # None: not begun
        self._buffer = bytearray()
        self._received = 0

    def connected(self) -> Step:
        """The connection stands; or, after START_TLS, it is secure."""
        return self._run(None if self._ask is None else b"")

    def feed(self, data: bytes) -> Step:
        self._buffer += data
        self._received += len(data)
        if self._received > TOTAL_LIMIT:
            return ProbeResult(False, f"an answer without end (more than {TOTAL_LIMIT} octets)")
        return self._answer()

    def ended(self) -> ProbeResult:
        assert self._script is not None
        got = f" after {len(self._buffer)} octets of it" if self._buffer else ""
        closed = Closed(f"connection closed instead of {self._what()}{got}")
        try:
            self._script.throw(closed)
        except StopIteration as end:
            return self._result(end.value)
        except Broken as broken:
            return self._result(ProbeResult(False, str(broken)))
        return self._result(ProbeResult(False, str(closed)))  # it went on to ask, in vain

    def heard(self) -> str:
        if not self._received and not isinstance(self._ask, Line | Octets | Message):
            return ""
        got = f", {len(self._buffer)} octets of it received" if self._buffer else ""
        return f"waiting for {self._what()}{got}"

    def close(self) -> None:
        self._script = None

    def _what(self) -> str:
        return self._ask.what if isinstance(self._ask, Line | Octets | Message) else "the answer"

    def _result(self, result: ProbeResult) -> ProbeResult:
        return masked(result, self._secrets)

    def _answer(self) -> Step:
        try:
            value = self._awaited()
        except Broken as broken:
            return self._result(ProbeResult(False, str(broken)))
        return None if value is None else self._run(value)

    def _run(self, value: bytes | None) -> Step:
        """Resumes the script with what it asked for, until it must wait."""
        assert self._script is not None
        said = b""
        while True:
            try:
                self._ask = self._script.send(value)  # type: ignore[arg-type]  # None alone begins a generator
                if isinstance(self._ask, bytes):
                    said += self._ask
                    value = b""
                    continue
                if self._ask is Upgrade.START_TLS:
                    assert not said
                    if self._buffer:
                        raise Broken(f"more than the answer to STARTTLS was sent: {shown(bytes(self._buffer))}")
                    return self._ask
                value = self._awaited()
            except StopIteration as end:
                return self._result(end.value)
            except Broken as broken:
                return self._result(ProbeResult(False, str(broken)))
            if value is None:
                return said or None

    def _awaited(self) -> bytes | None:
        """What is asked for, taken from the buffer; None: not all there. Raises Broken beyond the limits."""
        buffer = self._buffer
        match self._ask:
            case Line(what=what):
                at = buffer.find(b"\n")
                if at < 0 and len(buffer) <= LINE_LIMIT:
                    return None
                if at < 0 or at > LINE_LIMIT:
                    raise Broken(f"{what}: a line without end (more than {LINE_LIMIT} octets)")
                return self._take(at + 1).rstrip(b"\r\n")
            case Octets(count=count):
                return self._take(count) if len(buffer) >= count else None
            case Message(length_of=length_of, what=what):
                length = length_of(bytes(buffer))
                if length is not None and length > MESSAGE_LIMIT:
                    raise Broken(f"{what}: announced with {length} octets, more than {MESSAGE_LIMIT}")
                return self._take(length) if length is not None and len(buffer) >= length else None
        raise AssertionError("octets came before anything was asked for")

    def _take(self, count: int) -> bytes:
        taken = bytes(self._buffer[:count])
        del self._buffer[:count]
        return taken


def secured(inner: Conversation, tls: UpgradableTls, settings: TlsSettings, name: str) -> Conversation:
    """The conversation as the check's key `tls` wants it."""
    match tls:
        case "none":
            return inner
        case "on_connect":
            return TlsConversation(inner, settings, name)
        case "starttls":
            return TlsConversation(inner, settings, name, is_upgrade=True)


def numbered(what: str) -> Part:
    """A reply with a three-digit code, of one or several lines (RFC 5321 §4.2, RFC 959 §4.2): its last line."""
    first: bytes = yield Line(what)
    if len(first) < 3 or not first[:3].isdigit() or first[3:4] not in (b"", b" ", b"-"):
        raise Broken(f"{what} is {shown(first, 64)}, which has no code")
    last = first
    while last[:4] != first[:3] + b" " and last != first[:3]:
        last = yield Line(what)
    return last
