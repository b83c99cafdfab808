"""The conversation of one question and one answer, each a datagram."""

from collections.abc import Callable

from haagent.health.probe import ProbeResult
from haagent.probes.exchange import Step

STRANGERS = 64  # answers that are not ours, before we stop listening

Judge = Callable[[bytes], Step]  # None: this is no answer to our question, listen on


class OneReply:
    """Asks, and judges each datagram until one answers the question."""

    def __init__(self, request: bytes, judge: Judge) -> None:
        self.request = request
        self._judge: Judge | None = judge
        self._strangers = 0

    def connected(self) -> None:
        return None

    def feed(self, data: bytes) -> Step:
        assert self._judge is not None  # nothing is fed after close
        step = self._judge(data)
        if step is None:
            self._strangers += 1
            if self._strangers > STRANGERS:
                return ProbeResult(False, f"more than {STRANGERS} datagrams that answer another question")
        return step

    def ended(self) -> ProbeResult:
        raise AssertionError("datagrams have no end")

    def heard(self) -> str:
        return f"{self._strangers} datagrams that answer another question" if self._strangers else ""

    def close(self) -> None:
        self._judge = None
