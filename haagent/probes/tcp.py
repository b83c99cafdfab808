"""The TCP check: the connection is accepted. Nothing is said and nothing is heard."""

from haagent.config.model import TcpCheck
from haagent.health.probe import ProbeResult
from haagent.probes.exchange import Done, Exchange, converse
from haagent.probes.poller import Poller

CONNECTED = ProbeResult(True, "connected")


class TcpConversation:
    """Over as soon as it begins."""

    __slots__ = ()
    request = b""

    def connected(self) -> ProbeResult:
        return CONNECTED

    def feed(self, data: bytes) -> ProbeResult:
        return CONNECTED

    def ended(self) -> ProbeResult:
        return CONNECTED

    def heard(self) -> str:
        return ""

    def close(self) -> None:
        pass


def begin(check: TcpCheck, address: str, port: int, poller: Poller, done: Done) -> Exchange:
    """The result goes to `done`. Never raises for what the network does; OSError is a result."""
    return Exchange(address, port, check.timeout, TcpConversation(), poller, done)


async def probe(check: TcpCheck, address: str, port: int, poller: Poller) -> ProbeResult:
    """As `begin`, for one who waits."""
    return await converse(address, port, check.timeout, TcpConversation(), poller)
