"""The TCP check: the connection is accepted; with TLS, the handshake succeeds; with something to expect, it comes."""

from haagent.config.checks import TcpCheck
from haagent.health.probe import ProbeResult
from haagent.probes.exchange import Conversation, Done, Exchange, converse, way_of
from haagent.probes.limited_match import Search
from haagent.probes.pattern import Pattern, pattern_of, payload
from haagent.probes.poller import Poller
from haagent.probes.tls import TlsConversation
from haagent.probes.words import counted, shown

CONNECTED = ProbeResult(True, "connected")
SECURED = ProbeResult(True, "TLS handshake done")


class TcpConversation:
    """Over as soon as it begins."""

    __slots__ = ("_result",)
    request = b""

    def __init__(self, result: ProbeResult = CONNECTED) -> None:
        self._result = result

    def connected(self) -> ProbeResult:
        return self._result

    def feed(self, data: bytes) -> ProbeResult:
        return self._result

    def ended(self) -> ProbeResult:
        return self._result

    def heard(self) -> str:
        return ""

    def close(self) -> None:
        pass


class ExpectConversation:
    """Says something, perhaps nothing, and listens until the pattern has come."""

    def __init__(self, request: bytes, pattern: Pattern) -> None:
        self.request = request
        self._pattern = pattern
        self._answer = b""

    def connected(self) -> None:
        return None

    def feed(self, data: bytes) -> ProbeResult | None:
        self._answer += data
        found = self._pattern.search(self._answer)
        if found is Search.FOUND:
            return ProbeResult(True, f"answered {shown(self._answer)}")
        if found is Search.TOO_SLOW:
            return ProbeResult(False, f"the answer {shown(self._answer)} {self._pattern.slow_words}")
        return self._wrong() if self._pattern.is_decided(self._answer) else None

    def ended(self) -> ProbeResult:
        if not self._answer:
            return ProbeResult(False, "connection closed without an answer")
        return self._wrong()

    def heard(self) -> str:
        if not self._answer:
            return ""
        return f"{counted(len(self._answer), 'octet')} {shown(self._answer)}, which {self._pattern.words}"

    def close(self) -> None:
        pass

    def _wrong(self) -> ProbeResult:
        return ProbeResult(False, f"the answer {shown(self._answer)} {self._pattern.words}")


def conversation(check: TcpCheck) -> Conversation:
    pattern = pattern_of(check)
    if check.tls == "none":
        return TcpConversation() if pattern is None else ExpectConversation(payload(check), pattern)
    inner = TcpConversation(SECURED) if pattern is None else ExpectConversation(payload(check), pattern)
    return TlsConversation(inner, check, check.sni)


def begin(check: TcpCheck, address: str, port: int, poller: Poller, done: Done) -> Exchange:
    """The result goes to `done`. Never raises for what the network does; OSError is a result."""
    return Exchange(address, port, check.timeout, conversation(check), poller, done, way_of(check))


async def probe(check: TcpCheck, address: str, port: int, poller: Poller) -> ProbeResult:
    """As `begin`, for one who waits."""
    return await converse(address, port, check.timeout, conversation(check), poller, way_of(check))
