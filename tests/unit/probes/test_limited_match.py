"""Operators' expressions on hostile answers: they end, the sentence says so, and nothing else is disturbed."""

import asyncio
import re
import signal
import time

import pytest
import uvloop

from haagent.config.checks import HttpCheck, TcpCheck, UdpCheck
from haagent.probes.limited_match import MATCH_TIME, Search, search
from tests.probe_play import play

HOSTILE = (
    (rb"(a+)+$", b"a" * 60 + b"!"),  # exponential
    (rb"(?:a|a)*b", b"a" * 60),
    (rb".*a.*a.*b", b"a" * 65536),  # a power of the length
    (rb"\s+$", b" " * 65535 + b"x"),
)


@pytest.mark.parametrize(("pattern", "answer"), HOSTILE)
def test_an_expression_that_runs_away_is_stopped(pattern: bytes, answer: bytes) -> None:
    before = time.process_time()
    assert search(re.compile(pattern), answer, 65536) is Search.TOO_SLOW
    assert time.process_time() - before < 100 * MATCH_TIME  # without: for years
    assert signal.getitimer(signal.ITIMER_VIRTUAL) == (0.0, 0.0)
    assert search(re.compile(rb"b+"), b"aabb", 65536) is Search.FOUND  # and the next one is as any
    assert search(re.compile(rb"b+"), b"aabb", 2) is Search.MISSING


def test_the_sentences() -> None:
    said = b"a" * 60 + b"!"
    slow = 'takes "(a+)+$" more than 50 ms: simplify the expression'
    assert play(TcpCheck(name="c", expect_regex="(a+)+$"), [said])[0].detail.endswith(slow)
    assert play(UdpCheck(name="c", send="x", expect_regex="(a+)+$"), [said], ends=False)[0].detail.endswith(slow)
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 61\r\n\r\n" + said
    result, _ = play(HttpCheck(name="c", body_regex="(a+)+$"), [answer], ends=False)
    assert (result.passed, result.local, result.detail) == (False, False, f"HTTP 200 but the body (61 octets) {slow}")


@pytest.mark.parametrize("new_loop", [asyncio.new_event_loop, uvloop.new_event_loop])
def test_within_a_loop_too(new_loop: object) -> None:
    async def ask() -> Search:
        return search(re.compile(rb"(a+)+$"), HOSTILE[0][1], 65536)

    with asyncio.Runner(loop_factory=new_loop) as runner:  # type: ignore[arg-type]
        assert runner.run(ask()) is Search.TOO_SLOW
        assert runner.run(ask()) is Search.TOO_SLOW
