"""The HTTP check: an accepted status, and a body that contains a text (RFC 9110, RFC 9112).

The answer is read only as far as the verdict needs: a wrong status ends it, and so does the wanted text. With the right
status and no wanted text the whole body must arrive, up to OCTETS_LIMIT. Redirects are not followed: the answer to be
judged is this server's, not that of wherever it points to.
"""

import httptools

from haagent.config.model import HttpCheck
from haagent.health.probe import ProbeResult
from haagent.probes.exchange import Done, Exchange, converse
from haagent.probes.poller import Poller

HEADERS_LIMIT = 64 * 1024
OCTETS_LIMIT = 1024 * 1024  # of one answer, looked at
PROTOCOL = b"HTTP/"
INTERIM = range(100, 200)  # RFC 9110 §15.2: the answer proper follows


class HttpConversation:
    """Judges the octets of one answer, however they are cut."""

    def __init__(self, check: HttpCheck, address: str, port: int) -> None:
        self.request = request(check, address, port)
        self._check = check
        self._wanted = check.body.encode()
        self._parser: httptools.HttpResponseParser | None = httptools.HttpResponseParser(self)
        self._status = 0  # of the answer proper; 0 before it
        self._received = 0
        self._headers_received = False
        self._body_length: int | None = None  # as announced
        self._chunked = False
        self._body_received = 0
        self._tail = b""  # end of the body so far, where a wanted text may have begun
        self._verdict: ProbeResult | None = None

    def connected(self) -> None:
        return None

    def feed(self, data: bytes) -> ProbeResult | None:
        if not self._received and not PROTOCOL.startswith(data[: len(PROTOCOL)]):  # the parser takes RTSP and ICE too
            return ProbeResult(False, f"not HTTP: the answer begins with {shown(data)}")
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
        return self._verdict

    def ended(self) -> ProbeResult:
        """RFC 9112 §8: only a body without length and chunks may end with the connection."""
        if not self._received:
            return ProbeResult(False, "connection closed without an answer")
        if not self._headers_received:
            return ProbeResult(False, f"answer cut off within the headers ({self._received} octets)")
        if self._chunked:
            return ProbeResult(False, f"answer cut off after {self._body_received} octets of a chunked body")
        if self._body_length is not None:
            return ProbeResult(False, f"answer cut off after {self._body_received} of {self._body_length} octets")
        return self._complete()

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
        if status not in self._check.status and self._verdict is None:
            wanted = " or ".join(str(code) for code in self._check.status)
            self._verdict = ProbeResult(False, f"HTTP {status}, wanted {wanted}")

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self._status or self._headers_received:  # of an interim answer, or a trailer
            return
        match name.lower():
            case b"content-length" if value.isdigit() and len(value) < 20:  # else the parser objects
                self._body_length = int(value)
            case b"transfer-encoding":
                self._chunked = value.lower().strip().endswith(b"chunked")

    def on_headers_complete(self) -> None:
        if not self._status:
            self.on_status(b"")  # without a reason phrase the parser does not call it
        if not self._status or self._verdict is not None:
            return
        self._headers_received = True
        if self._check.method == "HEAD":  # RFC 9110 §9.3.2: no body follows, whatever the length says
            self._verdict = self._complete()

    def on_body(self, data: bytes) -> None:
        self._body_received += len(data)
        if self._verdict is not None or not self._wanted:
            return
        seen = self._tail + data
        if self._wanted in seen:
            self._verdict = ProbeResult(True, f"HTTP {self._status}")
        self._tail = seen[max(0, len(seen) - len(self._wanted) + 1) :]

    def on_message_complete(self) -> None:
        if self._headers_received and self._verdict is None:
            self._verdict = self._complete()

    def _complete(self) -> ProbeResult:
        if self._wanted and self._check.method == "GET":  # found earlier, it would have ended the try
            amount = f"the body ({self._body_received} octets) does not contain"
            if self._received > OCTETS_LIMIT:
                amount = f"the first {self._body_received} octets of the body do not contain"
            return ProbeResult(False, f'HTTP {self._status} but {amount} "{self._check.body}"')
        return ProbeResult(True, f"HTTP {self._status}")

    def _check_limits(self) -> None:
        if not self._headers_received and self._received > HEADERS_LIMIT:
            self._verdict = ProbeResult(False, f"headers without end (more than {HEADERS_LIMIT} octets)")
        elif self._received > OCTETS_LIMIT:
            self._verdict = self._complete()


def request(check: HttpCheck, address: str, port: int) -> bytes:
    """The octets of the request. RFC 9112 §3.2: Host is the probed authority unless the check names one."""
    name = f"[{address}]" if ":" in address else address
    host = check.host or (name if port == 80 else f"{name}:{port}")
    return (
        f"{check.method} {check.path} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: haagent\r\nAccept: */*\r\n"
        "Connection: close\r\n\r\n"
    ).encode()


def shown(data: bytes) -> str:
    """The first octets in quotes, printable."""
    return '"' + "".join(chr(octet) if 32 <= octet < 127 else "." for octet in data[:24]) + '"'


def begin(check: HttpCheck, address: str, port: int, poller: Poller, done: Done) -> Exchange:
    """The result goes to `done`. Never raises for what the network or the peer does; both are results."""
    return Exchange(address, port, check.timeout, HttpConversation(check, address, port), poller, done)


async def probe(check: HttpCheck, address: str, port: int, poller: Poller) -> ProbeResult:
    """As `begin`, for one who waits."""
    return await converse(address, port, check.timeout, HttpConversation(check, address, port), poller)
