"""The agent check: the real server itself says how it is, in the words of HAProxy's agent-check.

Words, separated by spaces, commas or tabs, up to the end of the line: "75%" (of the configured weight), "up", "ready",
"down", "fail", "stopped" (what follows "#" or a separator after these is a reason), "drain" (weight 0), "maint".
"maxconn:N" and "cpu" hints of others are read over. Over TCP the server speaks at once and closes; over UDP one
datagram asks and one answers.
"""

import re
import socket

from haagent.config.checks import AgentCheck
from haagent.health.probe import ProbeResult
from haagent.probes.exchange import Conversation, Way, way_of
from haagent.probes.one_reply import OneReply
from haagent.probes.words import line, plain

ANSWER_LIMIT = 1024
PERCENT = re.compile(r"[0-9]{1,4}(?:\.[0-9]+)?%")
UP, DOWN = ("up", "ready"), ("down", "fail", "failed", "stopped")
LARGEST = 1000  # percent


def judge(answer: bytes) -> ProbeResult:
    """The first line of an answer. `maint` is down, `drain` up with weight 0."""
    text = answer.split(b"\n", 1)[0].decode("latin-1").strip()
    spoken, _, reason = text.partition("#")
    words = [each for each in re.split(r"[\s,;]+", spoken.lower()) if each]
    weight: int | None = None
    verdict: bool | None = None
    known = False
    for word in words:
        match word:
            case _ if PERCENT.fullmatch(word):
                weight, known = min(round(float(word[:-1])), LARGEST), True
            case "drain":
                weight, known = 0, True
            case "maint":
                return ProbeResult(False, "the agent says maint" + because(reason))
            case _ if word in UP:
                verdict, known = True, True
            case _ if word in DOWN:
                return ProbeResult(False, f"the agent says {word}" + because(reason))
    if not known:
        return ProbeResult(False, f"the agent says {line(answer)}, which is none of its words")
    said = " ".join(word for word in words if word in (*UP, "drain") or PERCENT.fullmatch(word))
    return ProbeResult(verdict is not False, f"the agent says {plain(said)}" + because(reason), weight=weight)


def because(reason: str) -> str:
    return f" ({plain(reason)})" if reason.strip() else ""


class AgentConversation:
    """Over TCP: up to the end of the line, or of the connection."""

    def __init__(self, check: AgentCheck) -> None:
        self.request = check.send.encode()
        self._answer = b""

    def connected(self) -> None:
        return None

    def feed(self, data: bytes) -> ProbeResult | None:
        self._answer += data
        if b"\n" in self._answer:
            return judge(self._answer)
        if len(self._answer) > ANSWER_LIMIT:
            return ProbeResult(False, f"the agent's line does not end (more than {ANSWER_LIMIT} octets)")
        return None

    def ended(self) -> ProbeResult:
        if not self._answer:
            return ProbeResult(False, "the agent closed without a word")
        return judge(self._answer)

    def heard(self) -> str:
        return f"{line(self._answer)} without an end of the line" if self._answer else ""

    def close(self) -> None:
        pass


def conversation(check: AgentCheck) -> Conversation:
    if check.transport == "udp":
        return OneReply(check.send.encode() or b"\n", lambda datagram: judge(datagram[:ANSWER_LIMIT]))
    return AgentConversation(check)


def way(check: AgentCheck) -> Way:
    return way_of(check, socket.SOCK_STREAM if check.transport == "tcp" else socket.SOCK_DGRAM)
