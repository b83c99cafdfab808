"""SIP: OPTIONS is answered with an accepted status, over UDP or TCP (RFC 3261 §11)."""

import os
import re
import socket

from haagent.config.checks import SipCheck
from haagent.health.probe import ProbeResult
from haagent.probes.dialogue import Broken, Dialogue, Line, Script
from haagent.probes.exchange import Conversation, Way, way_of
from haagent.probes.one_reply import OneReply
from haagent.probes.words import alternatives, codes, line

STATUS_LINE = re.compile(rb"SIP/2\.0 ([1-6][0-9]{2}) ?[^\r\n]*")
HEADER_LINES = 200
RESPONSES = 10  # provisional ones, of one question


class Options:
    """One question, and which answers are to it."""

    def __init__(self, check: SipCheck, address: str, port: int) -> None:
        self._check = check
        self._call_id = os.urandom(12).hex()
        host = f"[{address}]" if ":" in address else address
        where = host if port == 5060 else f"{host}:{port}"
        uri = check.uri or f"sip:{where}"
        fields = (
            f"OPTIONS {uri} SIP/2.0",
            f"Via: SIP/2.0/{check.transport.upper()} haagent.invalid;branch=z9hG4bK{self._call_id};rport",
            "Max-Forwards: 1",
            f"From: <sip:haagent@haagent.invalid>;tag={self._call_id[:8]}",
            f"To: <{uri}>",
            f"Call-ID: {self._call_id}",
            "CSeq: 1 OPTIONS",
            "Accept: application/sdp",
            "User-Agent: haagent",
            "Content-Length: 0",
        )
        self.octets = "".join(f"{field}\r\n" for field in fields).encode() + b"\r\n"

    def judge(self, message: bytes) -> ProbeResult | None:
        """None: no final answer to this question."""
        first = STATUS_LINE.match(message)
        if first is None:
            return ProbeResult(False, f"the answer is no SIP: {line(message)}")
        head = message.split(b"\r\n\r\n", 1)[0].lower()
        if self._call_id.encode() not in head or first[1] < b"200":
            return None
        if int(first[1]) not in codes(self._check.status):
            return ProbeResult(False, f"{line(first[0])[1:-1]}, wanted {alternatives(self._check.status)}")
        return ProbeResult(True, line(first[0])[1:-1])

    def by_tcp(self) -> Script:
        yield self.octets
        for _ in range(RESPONSES):
            head = b""
            for _ in range(HEADER_LINES):
                one = yield Line("the answer to OPTIONS")
                if not one and head:
                    break
                head += one + b"\r\n" if one else b""
                if not head.startswith(b"SIP/2.0 "[: len(head)]):
                    break
            else:
                raise Broken(f"headers without end (more than {HEADER_LINES} lines)")
            result = self.judge(head)
            if result is not None:
                return result
        raise Broken(f"more than {RESPONSES} answers, none of them final")


def conversation(check: SipCheck, address: str, port: int) -> Conversation:
    options = Options(check, address, port)
    return Dialogue(options.by_tcp()) if check.transport == "tcp" else OneReply(options.octets, options.judge)


def way(check: SipCheck) -> Way:
    return way_of(check, socket.SOCK_STREAM if check.transport == "tcp" else socket.SOCK_DGRAM)
