"""The HTTP check: an accepted status, and a body that says what it should (RFC 9110, RFC 9112); through TLS as well.

The answer is read only as far as the verdict needs: a wrong status ends it, and so does the wanted text. With the right
status and no wanted text the whole body must arrive, up to OCTETS_LIMIT. It is never decompressed. A redirect is an
answer like any other; followed only where the check says so, and then to the probed real server, whatever name it
carries: the answer to be judged is this server's, not that of wherever the name points to.
"""

import re
import socket
from dataclasses import replace
from functools import lru_cache

import httptools

from haagent.config.checks import HttpCheck, HttpsCheck
from haagent.health.probe import ProbeResult
from haagent.probes.exchange import Conversation, Done, Elsewhere, Exchange, Step, Way, converse, way_of
from haagent.probes.json_path import wrong_in
from haagent.probes.pattern import compiled
from haagent.probes.poller import Poller
from haagent.probes.redirect import REDIRECTS, Target, target_of
from haagent.probes.tls import TlsConversation
from haagent.probes.words import alternatives, codes, counted, masked, plain, shown

HEADERS_LIMIT = 64 * 1024
OCTETS_LIMIT = 1024 * 1024  # of one answer, looked at
PROTOCOL = b"HTTP/"
INTERIM = range(100, 200)  # RFC 9110 §15.2: the answer proper follows
PLAIN = HttpsCheck(name="")  # how TLS is spoken where an http check is redirected to https


class Question:
    """What is asked and wanted; the same at each try."""

    __slots__ = (
        "accepted",
        "address",
        "check",
        "hops",
        "is_plain",
        "pattern",
        "request",
        "secrets",
        "target",
        "wanted",
    )

    def __init__(self, check: HttpCheck, address: str, target: Target, hops: int) -> None:
        """`target`: where redirects have led so far, after `hops` of them."""
        self.check, self.address, self.target, self.hops = check, address, target, hops
        self.request = request_to(check, target, address)
        self.accepted = accepted(check.status)
        self.wanted = check.body.encode()
        self.pattern = compiled("", check.body_regex, "") if check.body_regex else None
        self.secrets = [value for _, value in check.headers if len(value) > 7]
        self.is_plain = check.method != "HEAD" and not (self.pattern or check.json or hops or self.secrets)


class HttpConversation:
    """Judges the octets of one answer, however they are cut."""

    _parser: httptools.HttpResponseParser | None = None
    _status = 0  # of the answer proper; 0 before it
    _received = 0
    _headers_received = False
    _body_length: int | None = None  # as announced
    _chunked = False
    _location = ""
    _encoding = ""
    _body_received = 0
    _kept: bytearray | None = None
    _wanted = b""
    _tail = b""  # end of the body so far, where a wanted text may have begun
    _verdict: ProbeResult | Elsewhere | None = None

    def __init__(self, question: Question) -> None:
        self._question = question
        self.request = question.request

    def connected(self) -> None:
        return None

    def feed(self, data: bytes) -> Step:
        if not self._received and not PROTOCOL.startswith(data[: len(PROTOCOL)]):  # the parser takes RTSP and ICE too
            return self._said(ProbeResult(False, f"not HTTP: the answer begins with {shown(data)}"))
        if not self._received and self._question.is_plain and (passed := passed_at_once(self._question, data)):
            return passed
        self._received += len(data)
        if self._parser is None:
            self._begin_to_parse()
        assert self._parser is not None
        trouble = ""
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserCallbackError:  # a fault of ours, not of the answer
            raise
        except httptools.HttpParserUpgrade:
            trouble = "the answer switches to another protocol"
        except httptools.HttpParserError as error:
            trouble = " ".join(str(error).split())[:80]
        if self._verdict is None and trouble:  # octets after the end of the answer are not ours to judge
            self._verdict = ProbeResult(False, f"not HTTP: {trouble}")
        if self._verdict is None:
            self._check_limits()
        return self._said(self._verdict)

    def ended(self) -> Step:
        """RFC 9112 §8: only a body without length and chunks may end with the connection."""
        return self._said(self._at_end())

    def heard(self) -> str:
        if self._headers_received:
            return f"headers received, {self._body_received} body octets"
        return f"{self._received} octets of the headers received" if self._received else ""

    def close(self) -> None:
        self._parser = None  # it refers to us as we do to it; without the cycle both go at once

    def _begin_to_parse(self) -> None:
        question = self._question
        self._wanted = question.wanted
        self._kept = bytearray() if question.pattern or question.check.json else None
        self._parser = httptools.HttpResponseParser(self)

    # Called by the parser.

    def on_status(self, reason: bytes) -> None:
        """Before the headers: a wrong status needs no more of them."""
        assert self._parser is not None
        status = self._parser.get_status_code()
        if status in INTERIM:
            return
        self._status = status
        if status not in self._question.accepted and self._verdict is None and not self._is_to_be_followed():
            self._verdict = ProbeResult(False, f"HTTP {status}, wanted {alternatives(self._question.check.status)}")

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self._status or self._headers_received:  # of an interim answer, or a trailer
            return
        match name.lower():
            case b"content-length" if value.isdigit() and len(value) < 20:  # else the parser objects
                self._body_length = int(value)
            case b"transfer-encoding":
                self._chunked = value.lower().strip().endswith(b"chunked")
            case b"content-encoding":
                self._encoding = value.decode("latin-1").strip().lower()
            case b"location":
                self._location = value.decode("latin-1").strip()

    def on_headers_complete(self) -> None:
        if not self._status:
            self.on_status(b"")  # without a reason phrase the parser does not call it
        if not self._status or self._verdict is not None:
            return
        self._headers_received = True
        if self._is_to_be_followed():
            self._verdict = self._follow()
        elif self._question.check.method == "HEAD":  # RFC 9110 §9.3.2: no body follows, whatever the length says
            self._verdict = self._complete()

    def on_body(self, data: bytes) -> None:
        self._body_received += len(data)
        if self._verdict is not None:
            return
        if self._kept is not None:
            self._kept += data[: OCTETS_LIMIT - len(self._kept)]
        if not self._wanted:
            return
        seen = self._tail + data
        if self._wanted in seen:
            self._tail, self._wanted = b"", b""
            if self._kept is None:  # else the rest must be seen as well
                self._verdict = ProbeResult(True, f"HTTP {self._status}")
        else:
            self._tail = seen[max(0, len(seen) - len(self._wanted) + 1) :]

    def on_message_complete(self) -> None:
        if self._headers_received and self._verdict is None:
            self._verdict = self._complete()

    # Inside.

    def _is_to_be_followed(self) -> bool:
        return (
            self._question.check.follow_redirects > 0
            and self._status in REDIRECTS
            and self._status not in self._question.accepted
        )

    def _follow(self) -> ProbeResult | Elsewhere:
        words = f'HTTP {self._status} to "{plain(self._location)}"'
        if self._question.hops >= self._question.check.follow_redirects:
            return ProbeResult(False, f"{words}, after {counted(self._question.hops, 'redirect')} already")
        target = target_of(self._location, self._status, self._question.target)
        if target is None:
            return ProbeResult(False, f"{words}, which cannot be followed")
        following = conversation_to(self._question.check, self._question.address, target, self._question.hops + 1)
        return Elsewhere(following, target.port, socket.SOCK_STREAM)

    def _at_end(self) -> ProbeResult | Elsewhere:
        if not self._received:
            return ProbeResult(False, "connection closed without an answer")
        if not self._headers_received:
            return ProbeResult(False, f"answer cut off within the headers ({self._received} octets)")
        if self._chunked:
            return ProbeResult(False, f"answer cut off after {self._body_received} octets of a chunked body")
        if self._body_length is not None:
            return ProbeResult(False, f"answer cut off after {self._body_received} of {self._body_length} octets")
        return self._complete()

    def _complete(self) -> ProbeResult:
        if self._question.check.method != "HEAD" and (wrong := self._wrong_body()):
            coded = f" (it is encoded: {plain(self._encoding)})" if self._encoding not in ("", "identity") else ""
            return ProbeResult(False, f"HTTP {self._status} but {wrong}{coded}")
        return ProbeResult(True, f"HTTP {self._status}")

    def _wrong_body(self) -> str:
        if self._wanted:  # found, it would have been forgotten
            return f'{self._amount(plural=True)} "{self._question.check.body}"'
        pattern = self._question.pattern
        if pattern is not None and self._kept is not None and (wrong := pattern.wrong(bytes(self._kept))):
            return f"{self._amount(plural=False)} {wrong}"
        return wrong_in(bytes(self._kept or b""), self._question.check.json) if self._question.check.json else ""

    def _amount(self, *, plural: bool) -> str:
        if self._received > OCTETS_LIMIT:
            return f"the first {self._body_received} octets of the body" + (" do not contain" if plural else "")
        return f"the body ({self._body_received} octets)" + (" does not contain" if plural else "")

    def _check_limits(self) -> None:
        if not self._headers_received and self._received > HEADERS_LIMIT:
            self._verdict = ProbeResult(False, f"headers without end (more than {HEADERS_LIMIT} octets)")
        elif self._received > OCTETS_LIMIT:
            self._verdict = self._complete()

    def _said(self, verdict: ProbeResult | Elsewhere | None) -> Step:
        """The verdict as it leaves here: with the redirect that led to it, and without secrets."""
        if not isinstance(verdict, ProbeResult):
            return verdict
        if self._question.hops:
            verdict = replace(verdict, detail=f"{verdict.detail} (redirected to {plain(self._question.target.url())})")
        return masked(verdict, self._question.secrets)


# A whole answer as most servers give it: RFC 9112 §4, §5, without what the parser knows to handle or to refuse.
HEAD = re.compile(
    rb"HTTP/1\.[01] ([2-5]\d\d)(?: [\t -~\x80-\xff]*+)?\r\n"
    rb"((?:[!#$%&'*+.^_`|~0-9A-Za-z-]++:[\t -~\x80-\xff]*+\r\n)*+)\r\n"
)
FRAMING = re.compile(rb"\r\n(?i:(content-length)|transfer-encoding|upgrade):([^\r]*+)")
BODILESS = (204, 304)


def passed_at_once(question: Question, data: bytes) -> ProbeResult | None:
    """The verdict on a whole, ordinary and accepted answer in one piece; None: let the parser see.

    1.4 us where the parser, which calls back for each field, takes 3.6.
    """
    head = HEAD.match(data)
    if head is None:
        return None
    status, framing = int(head[1]), FRAMING.findall(data, 0, head.end())
    if status not in question.accepted or status in BODILESS or len(framing) != 1:
        return None
    is_length, said = framing[0]
    length = said.strip(b" \t")
    if not (is_length and length.isdigit() and len(length) < 10 and int(length) == len(data) - head.end()):
        return None
    return passed(status) if data.find(question.wanted, head.end()) >= 0 else None


@lru_cache(maxsize=1024)
def passed(status: int) -> ProbeResult:
    return ProbeResult(True, f"HTTP {status}")


@lru_cache(maxsize=1024)
def accepted(status: tuple[int | str, ...]) -> frozenset[int]:
    return codes(status)


def first_target(check: HttpCheck, port: int) -> Target:
    return Target(isinstance(check, HttpsCheck), check.host, port, check.path, check.method)


def request(check: HttpCheck, address: str, port: int) -> bytes:
    """The octets of the first request."""
    return request_to(check, first_target(check, port), address)


def request_to(check: HttpCheck, target: Target, address: str) -> bytes:
    """RFC 9112 §3.2: Host is the probed authority unless the check names one."""
    name = f"[{address}]" if ":" in address else address
    usual = 443 if target.is_secure else 80
    host = target.host or (name if target.port == usual else f"{name}:{target.port}")
    fields = "".join(f"{name}: {value}\r\n" for name, value in check.headers)
    given = {name.lower() for name, _ in check.headers}
    for field, value in (("User-Agent", "haagent"), ("Accept", "*/*"), ("Accept-Encoding", "identity")):
        if field.lower() not in given:
            fields += f"{field}: {value}\r\n"
    body = check.request_body.encode() if target.method == check.method else b""
    if body:
        fields += f"Content-Length: {len(body)}\r\n"
    return (
        f"{target.method} {target.path} HTTP/{check.version}\r\nHost: {host}\r\n{fields}Connection: close\r\n\r\n"
    ).encode() + body


def conversation_to(check: HttpCheck, address: str, target: Target, hops: int) -> Conversation:
    return spoken(Question(check, address, target, hops))


def spoken(question: Question) -> Conversation:
    """One try at the question."""
    inner, check, target = HttpConversation(question), question.check, question.target
    if not target.is_secure:
        return inner
    settings = check if isinstance(check, HttpsCheck) else PLAIN
    return TlsConversation(inner, settings, settings.sni or target.name())


def conversation(check: HttpCheck, address: str, port: int) -> Conversation:
    return conversation_to(check, address, first_target(check, port), 0)


def question(check: HttpCheck, address: str, port: int) -> Question:
    return Question(check, address, first_target(check, port), 0)


def ask(question: Question, way: Way, poller: Poller, done: Done) -> Exchange:
    """The result goes to `done`. Never raises for what the network or the peer does; both are results."""
    check, port = question.check, question.target.port
    return Exchange(question.address, port, check.timeout, spoken(question), poller, done, way)


async def probe(check: HttpCheck, address: str, port: int, poller: Poller) -> ProbeResult:
    """As `begin`, for one who waits."""
    return await converse(address, port, check.timeout, conversation(check, address, port), poller, way_of(check))
