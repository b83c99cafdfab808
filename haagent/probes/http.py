"""The HTTP check: an accepted status, and a body that says what it should (RFC 9110, RFC 9112); through TLS as well.

The answer is read only as far as the verdict needs: a wrong status ends it, and so does the wanted text. With the right
status and no wanted text the whole body must arrive, up to OCTETS_LIMIT. It is never decompressed. A redirect is an
answer like any other; followed only where the check says so, and then to the probed real server, whatever name it
carries: the answer to be judged is this server's, not that of wherever the name points to.
"""

import socket
from dataclasses import replace
from functools import lru_cache

import httptools

from haagent.config.checks import HttpCheck, HttpsCheck
from haagent.health.probe import ProbeResult
from haagent.probes.exchange import Conversation, Done, Elsewhere, Exchange, Step, converse, way_of
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


class HttpConversation:
    """Judges the octets of one answer, however they are cut."""

    def __init__(self, check: HttpCheck, address: str, port: int, target: Target | None = None, hops: int = 0) -> None:
        """`target`: where redirects have led so far, after `hops` of them."""
        self._target = target or first_target(check, port)
        self.request = request_to(check, self._target, address)
        self._check, self._address, self._hops = check, address, hops
        self._accepted = accepted(check.status)
        self._wanted = check.body.encode()
        self._pattern = compiled("", check.body_regex, "") if check.body_regex else None
        self._kept: bytearray | None = bytearray() if self._pattern or check.json else None
        self._parser: httptools.HttpResponseParser | None = httptools.HttpResponseParser(self)
        self._status = 0  # of the answer proper; 0 before it
        self._received = 0
        self._headers_received = False
        self._body_length: int | None = None  # as announced
        self._chunked = False
        self._location = ""
        self._encoding = ""
        self._body_received = 0
        self._tail = b""  # end of the body so far, where a wanted text may have begun
        self._verdict: ProbeResult | Elsewhere | None = None

    def connected(self) -> None:
        return None

    def feed(self, data: bytes) -> Step:
        if not self._received and not PROTOCOL.startswith(data[: len(PROTOCOL)]):  # the parser takes RTSP and ICE too
            return self._said(ProbeResult(False, f"not HTTP: the answer begins with {shown(data)}"))
        self._received += len(data)
        assert self._parser is not None  # nothing is fed after close
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

    # Called by the parser.

    def on_status(self, reason: bytes) -> None:
        """Before the headers: a wrong status needs no more of them."""
        assert self._parser is not None
        status = self._parser.get_status_code()
        if status in INTERIM:
            return
        self._status = status
        if status not in self._accepted and self._verdict is None and not self._is_to_be_followed():
            self._verdict = ProbeResult(False, f"HTTP {status}, wanted {alternatives(self._check.status)}")

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
        elif self._check.method == "HEAD":  # RFC 9110 §9.3.2: no body follows, whatever the length says
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
        return self._check.follow_redirects > 0 and self._status in REDIRECTS and self._status not in self._accepted

    def _follow(self) -> ProbeResult | Elsewhere:
        words = f'HTTP {self._status} to "{plain(self._location)}"'
        if self._hops >= self._check.follow_redirects:
            return ProbeResult(False, f"{words}, after {counted(self._hops, 'redirect')} already")
        target = target_of(self._location, self._status, self._target)
        if target is None:
            return ProbeResult(False, f"{words}, which cannot be followed")
        following = conversation_to(self._check, self._address, target, self._hops + 1)
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
        if self._check.method != "HEAD" and (wrong := self._wrong_body()):
            coded = f" (it is encoded: {plain(self._encoding)})" if self._encoding not in ("", "identity") else ""
            return ProbeResult(False, f"HTTP {self._status} but {wrong}{coded}")
        return ProbeResult(True, f"HTTP {self._status}")

    def _wrong_body(self) -> str:
        if self._wanted:  # found, it would have been forgotten
            return f'{self._amount(plural=True)} "{self._check.body}"'
        if self._pattern is not None and self._kept is not None and not self._pattern.is_in(bytes(self._kept)):
            return f"{self._amount(plural=False)} {self._pattern.words}"
        return wrong_in(bytes(self._kept or b""), self._check.json) if self._check.json else ""

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
        if self._hops:
            verdict = replace(verdict, detail=f"{verdict.detail} (redirected to {plain(self._target.url())})")
        return masked(verdict, [value for _, value in self._check.headers if len(value) > 7])


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
    inner = HttpConversation(check, address, target.port, target, hops)
    if not target.is_secure:
        return inner
    settings = check if isinstance(check, HttpsCheck) else PLAIN
    return TlsConversation(inner, settings, settings.sni or target.name())


def conversation(check: HttpCheck, address: str, port: int) -> Conversation:
    return conversation_to(check, address, first_target(check, port), 0)


def begin(check: HttpCheck, address: str, port: int, poller: Poller, done: Done) -> Exchange:
    """The result goes to `done`. Never raises for what the network or the peer does; both are results."""
    return Exchange(address, port, check.timeout, conversation(check, address, port), poller, done, way_of(check))


async def probe(check: HttpCheck, address: str, port: int, poller: Poller) -> ProbeResult:
    """As `begin`, for one who waits."""
    return await converse(address, port, check.timeout, conversation(check, address, port), poller, way_of(check))
