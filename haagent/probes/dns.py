"""The DNS check: the right answer to a question, over UDP with TCP where it is truncated, or over TCP (RFC 7766)."""

import os
import socket

from haagent.config.checks import DnsCheck
from haagent.health.probe import ProbeResult
from haagent.probes.dialogue import Dialogue, Octets, Script
from haagent.probes.dns_message import AA, OPCODE, QR, TC, TYPES, Malformed, Message, canonical, decode, encode_query
from haagent.probes.exchange import Conversation, Elsewhere, Way, way_of
from haagent.probes.one_reply import OneReply
from haagent.probes.words import plain

SHOWN = 4  # answers in a sentence


class Question:
    """One question, and the judgement of what comes for it."""

    def __init__(self, check: DnsCheck, port: int) -> None:
        self._check, self._port = check, port
        self._id = int.from_bytes(os.urandom(2), "big")
        self._type = TYPES[check.record_type]
        self.octets = encode_query(self._id, check.query, self._type, recursion=check.recursion, edns=check.edns)

    def judge_datagram(self, octets: bytes) -> ProbeResult | Elsewhere | None:
        message = decode(octets)
        if isinstance(message, Malformed):
            if octets[:2] == self.octets[:2]:
                return ProbeResult(False, f"the answer is no DNS message: {message.reason}")
            return None
        if not self._is_ours(message):
            return None
        if message.flags & TC:
            return Elsewhere(Dialogue(self.by_tcp(" (by TCP)")), self._port, socket.SOCK_STREAM)
        return self._judge(message)

    def by_tcp(self, note: str = "") -> Script:
        yield len(self.octets).to_bytes(2, "big") + self.octets
        length = yield Octets(2, f"the answer{note}")
        octets = yield Octets(int.from_bytes(length, "big"), f"the answer{note}")
        message = decode(octets)
        if isinstance(message, Malformed):
            return ProbeResult(False, f"the answer is no DNS message: {message.reason}{note}")
        if not self._is_ours(message):
            return ProbeResult(False, f"the answer is to another question{note}")
        result = self._judge(message)
        return ProbeResult(result.passed, result.detail + note)

    def _is_ours(self, message: Message) -> bool:
        """RFC 5452 §9.1: identifier and question are repeated; an error may come without the question."""
        if message.id != self._id or not message.flags & QR or message.flags & OPCODE:
            return False
        if message.question is None:
            return message.rcode != "NOERROR"
        return message.question == (canonical(self._check.query), self._type)

    def _judge(self, message: Message) -> ProbeResult:
        check = self._check
        if message.rcode != check.rcode:
            return ProbeResult(False, f"{message.rcode} for {self._words()}, wanted {check.rcode}")
        if check.authoritative and not message.flags & AA:
            return ProbeResult(False, f"{message.rcode} for {self._words()}, but not authoritative")
        if check.rcode != "NOERROR":
            return ProbeResult(True, f"{message.rcode} for {self._words()}")
        answers = [record.text for record in message.answers if record.type == self._type]
        if not answers:
            return ProbeResult(False, f"NOERROR without an answer to {self._words()}")
        wrong = self._wrong(answers)
        return ProbeResult(not wrong, wrong or f"{self._words()} is {listed(answers)}")

    def _wrong(self, answers: list[str]) -> str:
        check = self._check
        found = {comparable(each, check.record_type) for each in answers}
        missing = [each for each in check.expect if comparable(each, check.record_type) not in found]
        is_wrong = bool(missing) if check.match == "all" else len(missing) == len(check.expect) > 0
        if is_wrong:
            several = f"{check.match} of " if len(check.expect) > 1 else ""
            return f"{self._words()} is {listed(answers)}, wanted {several}{listed(check.expect)}"
        if check.minimum_serial:
            serial = int(answers[0].split()[2])
            if (serial - check.minimum_serial) & 0xFFFFFFFF >= 0x80000000:  # RFC 1982 §3.2
                return f"the serial of {plain(check.query)} is {serial}, wanted at least {check.minimum_serial}"
        return ""

    def _words(self) -> str:
        return f"{plain(self._check.query)} {self._check.record_type}"


def comparable(answer: str, record_type: str) -> str:
    """Names without regard to case and the last dot, addresses in one form; a TXT record is what it is."""
    if record_type == "TXT":
        return answer
    if record_type == "AAAA":
        try:
            return socket.inet_ntop(socket.AF_INET6, socket.inet_pton(socket.AF_INET6, answer))
        except OSError:
            return answer
    return " ".join(part.rstrip(".").lower() or "." for part in answer.split())


def listed(answers: list[str] | tuple[str, ...]) -> str:
    more = len(answers) - SHOWN
    return ", ".join(plain(each) for each in answers[:SHOWN]) + (f" and {more} more" if more > 0 else "")


def conversation(check: DnsCheck, port: int) -> Conversation:
    question = Question(check, port)
    if check.transport == "tcp":
        return Dialogue(question.by_tcp())
    return OneReply(question.octets, question.judge_datagram)


def way(check: DnsCheck) -> Way:
    return way_of(check, socket.SOCK_STREAM if check.transport == "tcp" else socket.SOCK_DGRAM)
