"""The HTTP check against real servers on loopback, and its parser against anything."""

import asyncio
import gc
import socket
import struct
import weakref
from collections.abc import Awaitable, Callable
from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from haagent.config.model import HttpCheck
from haagent.health.probe import ProbeResult
from haagent.probes import http
from haagent.probes.http import HEADERS_LIMIT, OCTETS_LIMIT, HttpConversation, passed_at_once, question
from haagent.probes.poller import Poller

TEXT = "webserverisworking"
Answer = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def check(**changes: object) -> HttpCheck:
    return HttpCheck(**({"name": "web", "timeout": 5.0} | changes))  # type: ignore[arg-type]


def ask(answer: Answer, **changes: object) -> ProbeResult:
    """Probes a server that behaves as `answer`."""

    async def run() -> ProbeResult:
        server = await asyncio.start_server(answer, "127.0.0.1", 0)
        poller = Poller(asyncio.get_running_loop())
        try:
            port = server.sockets[0].getsockname()[1]
            return await http.probe(check(**changes), "127.0.0.1", port, poller)
        finally:
            poller.close()
            server.close()

    return asyncio.run(run())


def says(*parts: bytes, pause: float = 0.02, then_close: bool = True) -> Answer:
    """A server that reads a request and sends the parts, each in a segment of its own."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        try:
            for part in parts:
                writer.write(part)
                await writer.drain()
                await asyncio.sleep(pause)
            if then_close:
                writer.close()
            else:
                await reader.read()
        except ConnectionError:
            pass

    return answer


def page(body: bytes, status: str = "200 OK", length: int | None = None) -> bytes:
    return b"HTTP/1.1 %b\r\nContent-Length: %d\r\n\r\n%b" % (
        status.encode(),
        len(body) if length is None else length,
        body,
    )


CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.mark.parametrize(
    ("parts", "changes"),
    [
        ((page(b"hello"),), {}),
        ((page(b""),), {}),
        ((page(b"x", "204 No Content", length=0),), {"status": (200, 204)}),
        ((page(b"<p>webserverisworking</p>"),), {"body": TEXT}),
        ((page(b"..webserver", length=400), b"isworking.."), {"body": TEXT}),  # split over two reads, and enough
        ((CHUNKED + b"9\r\nwebserver\r\n", b"9\r\nisworking\r\n0\r\n\r\n"), {"body": TEXT}),
        ((CHUNKED + b"3\r\nabc\r\n0\r\nTrailer: x\r\n\r\n",), {}),
        ((b"HTTP/1.0 200 OK\r\n\r\nwebserverisworking",), {"body": TEXT}),
        ((b"HTTP/1.0 200 OK\r\n\r\nsome", b"thing"), {}),  # ends with the connection
        ((b"HTTP/1.1 200\r\nContent-Length: 2\r\n\r\nok",), {}),  # no reason phrase
        ((b"HTTP/1.1 100 Continue\r\n\r\n", page(b"webserverisworking")), {"body": TEXT}),
        ((page(b"", length=5000),), {"method": "HEAD"}),
        ((page(b"", length=5000),), {"method": "HEAD", "body": TEXT}),
        ((page("gr\u00fcn".encode()),), {"body": "r\u00fc"}),
        ((page(b"a" * 30000 + b"webserverisworking" + b"b" * 3_000_000),), {"body": TEXT}),
        ((page(b"a" * 3_000_000),), {}),  # more than we look at, and nothing to look for
        ((*(bytes([octet]) for octet in page(b"working")),), {"body": "working", "pause": 0.001}),
    ],
)
def test_passes(parts: tuple[bytes, ...], changes: dict[str, object]) -> None:
    pause = changes.pop("pause", 0.02)
    result = ask(says(*parts, pause=pause), **changes)  # type: ignore[arg-type]
    status = int(parts[0][9:12]) if len(parts[0]) > 12 and not parts[0].startswith(b"HTTP/1.1 100") else 200
    assert result == ProbeResult(True, f"HTTP {status}")


@pytest.mark.parametrize(
    ("parts", "changes", "detail"),
    [
        ((page(b"sorry", "503 Service Unavailable"),), {}, "HTTP 503, wanted 200"),
        ((page(b"", "302 Found"),), {"status": (200, 204)}, "HTTP 302, wanted 200 or 204"),
        ((b"HTTP/1.1 404\r\n\r\n",), {}, "HTTP 404, wanted 200"),
        ((page(b"webserverisbroken"),), {"body": TEXT}, f'HTTP 200 but the body (17 octets) does not contain "{TEXT}"'),
        (
            (b"HTTP/1.0 200 OK\r\n\r\nhm",),
            {"body": TEXT},
            f'HTTP 200 but the body (2 octets) does not contain "{TEXT}"',
        ),
        ((page(b"x" * 120, length=4096),), {}, "answer cut off after 120 of 4096 octets"),
        ((CHUNKED + b"5\r\nhello\r\n",), {}, "answer cut off after 5 octets of a chunked body"),
        ((b"HTTP/1.1 200 OK\r\nContent-Le",), {}, "answer cut off within the headers (27 octets)"),
        ((), {}, "connection closed without an answer"),
        ((b"SSH-2.0-OpenSSH_9.2p1\r\n",), {}, 'not HTTP: the answer begins with "SSH-2.0-OpenSSH_9.2p1.."'),
        ((b"\x15\x03\x01\x00\x02\x02F",), {}, 'not HTTP: the answer begins with "......F"'),
        ((b"RTSP/1.0 200 OK\r\n\r\n",), {}, 'not HTTP: the answer begins with "RTSP/1.0 200 OK...."'),
        ((b"HTTP/1.1 20 OK\r\n\r\n",), {}, "not HTTP: Invalid status code"),
        ((b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n",), {}, "not HTTP: Invalid header token"),
        ((CHUNKED + b"zz\r\n",), {}, "not HTTP: Invalid character in chunk size"),
        (
            (b"HTTP/1.1 101 Switching\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n",),
            {},
            "not HTTP: the answer switches to another protocol",
        ),
    ],
)
def test_failures_and_their_sentences(parts: tuple[bytes, ...], changes: dict[str, object], detail: str) -> None:
    assert ask(says(*parts), **changes) == ProbeResult(False, detail)


async def headers_without_end(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        writer.write(b"HTTP/1.1 200 OK\r\n")
        while True:
            writer.write(b"X-Filler: %b\r\n" % (b"y" * 1000))
            await writer.drain()
    except ConnectionError:
        pass


async def body_without_end(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            writer.write(b"z" * 60000)
            await writer.drain()
    except ConnectionError:
        pass


def test_endless_headers_are_cut() -> None:
    result = ask(headers_without_end)
    assert result == ProbeResult(False, f"headers without end (more than {HEADERS_LIMIT} octets)")


def test_an_endless_body_is_looked_at_up_to_the_limit() -> None:
    result = ask(body_without_end, body=TEXT)
    assert not result.passed
    assert result.detail.endswith(f'octets of the body do not contain "{TEXT}"')
    looked_at = int(result.detail.removeprefix("HTTP 200 but the first ").split()[0])
    assert OCTETS_LIMIT - 100 <= looked_at <= OCTETS_LIMIT + 65536


async def hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read()


async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
        while True:
            writer.write(b"x")
            await writer.drain()
            await asyncio.sleep(0.05)
    except ConnectionError:
        pass


async def reset(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


def test_a_server_that_never_answers() -> None:
    result = ask(hang, timeout=0.3)
    assert result == ProbeResult(False, "no complete answer within 0.3 s (connected, nothing received)")


def test_a_server_that_drips_runs_into_the_total_deadline() -> None:
    result = ask(drip, timeout=0.5)
    assert not result.passed
    assert result.detail.startswith("no complete answer within 0.5 s (headers received, ")
    assert result.detail.endswith(" body octets)")


def test_a_server_that_does_not_close_after_its_answer_passes() -> None:
    assert ask(says(page(b"hello"), then_close=False)) == ProbeResult(True, "HTTP 200")


def test_a_body_that_ends_with_a_connection_that_does_not_end_fails() -> None:
    result = ask(says(b"HTTP/1.0 200 OK\r\n\r\n" + b"x" * 300, then_close=False), timeout=0.3)
    assert result == ProbeResult(False, "no complete answer within 0.3 s (headers received, 300 body octets)")


def test_a_reset() -> None:
    result = ask(reset)
    assert not result.passed
    assert not result.local
    assert result.detail.startswith("connection reset (127.0.0.1:")


@pytest.mark.parametrize(
    ("changes", "address", "port", "lines"),
    [
        ({}, "192.0.2.11", 80, [b"GET / HTTP/1.1", b"Host: 192.0.2.11"]),
        ({}, "192.0.2.11", 8080, [b"GET / HTTP/1.1", b"Host: 192.0.2.11:8080"]),
        ({}, "2001:db8::1", 8080, [b"GET / HTTP/1.1", b"Host: [2001:db8::1]:8080"]),
        (
            {"host": "www.example.com", "path": "/check.txt", "method": "HEAD"},
            "192.0.2.11",
            8080,
            [b"HEAD /check.txt HTTP/1.1", b"Host: www.example.com"],
        ),
    ],
)
def test_the_request(changes: dict[str, object], address: str, port: int, lines: list[bytes]) -> None:
    octets = http.request(check(**changes), address, port)
    assert octets.split(b"\r\n")[:2] == lines
    assert b"\r\nConnection: close\r\n" in octets
    assert octets.endswith(b"\r\n\r\n")


# ------------------------------------------------------------------------------ the parser alone


def judged(parts: list[bytes], **changes: object) -> ProbeResult:
    """The verdict on an answer that comes in these parts and then ends."""
    conversation = HttpConversation(question(check(**changes), "192.0.2.11", 80))
    for part in parts:
        if part and (verdict := conversation.feed(part)) is not None:
            assert isinstance(conversation.heard(), str)
            return verdict
    verdict = conversation.ended()
    assert isinstance(verdict, ProbeResult)
    return verdict


SEEDS = [
    page(b"webserverisworking"),
    page(b"no", "500 Internal Server Error"),
    CHUNKED + b"12\r\nwebserverisworking\r\n0\r\n\r\n",
    b"HTTP/1.0 200 OK\r\nServer: x\r\n\r\nwebserverisworking",
    b"HTTP/1.1 100 Continue\r\n\r\n" + page(b"webserverisworking"),
    b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\nabcd",
    b"HTTP/1.1 200 OK\r\nContent-Length:\r\nX:\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: 18446744073709551616\r\n\r\n",
    b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\nrest",
    page(b"") + page(b"", "503 no"),
]


@st.composite
def answers(draw: st.DrawFn) -> bytes:
    """A well-formed answer with some octets replaced, removed, inserted or repeated."""
    octets = bytearray(draw(st.sampled_from(SEEDS)))
    for _ in range(draw(st.integers(0, 4))):
        at = draw(st.integers(0, len(octets)))
        end = min(len(octets), at + draw(st.integers(0, 6)))
        octets[at:end] = draw(st.one_of(st.binary(max_size=6), st.just(bytes(octets[at:end]) * 3)))
    return bytes(octets)


@given(st.one_of(st.binary(max_size=200), answers()), st.booleans(), st.sampled_from(["GET", "HEAD"]))
@example(b"", False, "GET")
def test_any_octets_give_a_verdict_and_a_sentence(octets: bytes, with_text: bool, method: str) -> None:
    result = judged([octets], body=TEXT if with_text else "", method=method)
    assert isinstance(result, ProbeResult)
    assert result.detail.isprintable()
    assert not result.local
    assert result.passed == (result.detail == "HTTP 200")


@given(st.sampled_from(SEEDS), st.lists(st.integers(0, 200), max_size=8))
def test_the_verdict_does_not_depend_on_how_the_answer_is_cut(octets: bytes, cuts: list[int]) -> None:
    places = [0, *sorted(min(cut, len(octets)) for cut in cuts), len(octets)]
    parts = [octets[a:b] for a, b in pairwise(places)]
    whole, cut = judged([octets], body=TEXT), judged(parts, body=TEXT)
    assert (whole.passed, whole.detail) == (cut.passed, cut.detail)


@given(answers(), st.booleans())
def test_an_ordinary_answer_is_judged_as_the_parser_would(octets: bytes, with_text: bool) -> None:
    asked = question(check(body=TEXT if with_text else ""), "192.0.2.11", 80)
    at_once = passed_at_once(asked, octets)
    asked.is_plain = False
    parsed = HttpConversation(asked).feed(octets)
    assert at_once is None or at_once == parsed


def test_most_answers_need_no_parser() -> None:
    asked = question(check(body=TEXT), "192.0.2.11", 80)
    assert passed_at_once(asked, page(b"webserverisworking")) == ProbeResult(True, "HTTP 200")
    for slow in (
        page(b"webserverisworking") + b"x",
        page(b"webserverisworking")[:-1],
        page(b"webserverisworking").replace(b"Length", b"Length: 18\r\nContent-Length"),
        CHUNKED + b"12\r\nwebserverisworking\r\n0\r\n\r\n",
        page(b"another"),
    ):
        assert passed_at_once(asked, slow) is None


@given(st.binary(max_size=300), st.lists(st.integers(0, 300), max_size=6), st.integers(0, 300))
def test_a_text_in_the_body_is_found_wherever_the_cuts_fall(body: bytes, cuts: list[int], at: int) -> None:
    body = body[:at] + TEXT.encode() + body[at:]
    octets = b"HTTP/1.0 200 OK\r\n\r\n" + body
    places = [0, *sorted(min(19 + cut, len(octets)) for cut in cuts), len(octets)]
    parts = [octets[a:b] for a, b in pairwise(places)]
    assert judged(parts, body=TEXT) == ProbeResult(True, "HTTP 200")


def test_parser_and_conversation_go_without_the_collector() -> None:
    gc.disable()
    try:
        conversation = HttpConversation(question(check(), "192.0.2.11", 80))
        conversation.feed(page(b"x"))
        conversation.close()
        gone = weakref.ref(conversation)
        del conversation
        assert gone() is None
    finally:
        gc.enable()


# ------------------------------------------------------------------------- requests and bodies with more to them


def test_a_request_with_everything() -> None:
    octets = http.request(
        check(
            version="1.0",
            method="POST",
            request_body="a=gr\u00fcn",
            headers=(("X-Probe", "1"), ("accept", "text/plain")),
            host="www.example.com",
        ),
        "192.0.2.11",
        80,
    )
    assert octets == (
        b"POST / HTTP/1.0\r\nHost: www.example.com\r\nX-Probe: 1\r\naccept: text/plain\r\nUser-Agent: haagent\r\n"
        b"Accept-Encoding: identity\r\nContent-Length: 7\r\nConnection: close\r\n\r\na=gr\xc3\xbcn"
    )


@pytest.mark.parametrize(
    ("changes", "body", "detail"),
    [
        ({"body_regex": "w.*g"}, b"working", ""),
        ({"body_regex": "^x"}, b"working", 'the body (7 octets) does not match "^x"'),
        ({"json": (("a", "1"),)}, b'{"a": 1}', ""),
        ({"json": (("a", "1"),)}, b'{"a": 2}', "a is 2, wanted 1"),
        ({"json": (("a", "1"),)}, b"<html>", 'the body "<html>" is no JSON'),
        ({"json": (("a", "1"),), "body": "a"}, b'{"a": 2}', "a is 2, wanted 1"),  # all of them
        ({"json": (("a", "1"),), "body": "b"}, b'{"a": 1}', 'the body (8 octets) does not contain "b"'),
    ],
)
def test_bodies(changes: dict[str, object], body: bytes, detail: str) -> None:
    expected = ProbeResult(not detail, "HTTP 200" + (f" but {detail}" if detail else ""))
    answer = page(body)
    assert judged([answer], **changes) == expected
    assert judged([answer[at : at + 1] for at in range(len(answer))], **changes) == expected


def test_status_ranges() -> None:
    assert judged([page(b"", "304 x")], status=(200, "300-308")).passed
    assert judged([page(b"", "309 x")], status=(200, "300-308")).detail == "HTTP 309, wanted 200 or 300-308"


def test_a_server_that_repeats_a_secret_header_does_not_bring_it_into_the_sentence() -> None:
    secret = (("Authorization", "Bearer sesame"),)
    assert judged([b"Bearer sesame!\r\n"], headers=secret).detail == 'not HTTP: the answer begins with "***!.."'


@pytest.mark.parametrize(
    ("location", "detail"),
    [
        (b"", 'HTTP 302 to "", which cannot be followed'),
        (b"gopher://x/", 'HTTP 302 to "gopher://x/", which cannot be followed'),
    ],
)
def test_redirects_that_lead_nowhere(location: bytes, detail: str) -> None:
    answer = b"HTTP/1.1 302 Found\r\nLocation: %b\r\nContent-Length: 0\r\n\r\n" % location
    assert judged([answer], follow_redirects=1) == ProbeResult(False, detail)
    assert judged([answer], follow_redirects=1, status=(302,)) == ProbeResult(True, "HTTP 302")
    assert judged([answer]) == ProbeResult(False, "HTTP 302, wanted 200")
