"""Every check against any octets in any pieces: a declared value comes out, in harmless words, within bounds."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from haagent.config.checks import Check, ExecCheck
from haagent.health.probe import ProbeResult
from haagent.probes import agent
from haagent.probes.exchange import Elsewhere
from haagent.probes.exec import judge_code, judge_json
from tests.probe_play import DATAGRAMS, STREAMS, conversation_for, hear

BEGINNINGS = (
    b"", b"220 x\r\n250 x\r\n", b"+OK\r\n+OK\r\n", b"* OK\r\nl OK\r\n", b"HTTP/1.1 200 OK\r\n\r\n", b"+PONG\r\n",
    b"R\0\0\0\x08\0\0\0\0", b"R\0\0\0\x0c\0\0\0\x0bx=y,", b"\x30\x0c\2\1\2\x61\7\x0a\1\0\4\0\4\0",
    b"\0\0\0\4\0\0\0\0\0", b"SIP/2.0 200 OK\r\n",
    b"\x4a\0\0\0\x0a5.5\0", b"ff??00", b"HTTP/1.1 302 F\r\nLocation: ", b"\0\x20",
)  # fmt: skip
PIECES = st.lists(st.one_of(st.binary(max_size=60), st.sampled_from(BEGINNINGS)), max_size=8)


def examine(result: object, check: Check) -> None:
    if result is None or isinstance(result, Elsewhere):
        return
    assert isinstance(result, ProbeResult)
    assert not result.local  # what a server says is no trouble of this director
    assert result.detail
    assert result.detail.isprintable()
    assert len(result.detail) < 600
    assert "sesame" not in result.detail
    assert result.weight is None or 0 <= result.weight <= 1000


@pytest.mark.parametrize("check", STREAMS, ids=lambda check: check.name)
@given(pieces=PIECES, ends=st.booleans())
def test_streams(check: Check, pieces: list[bytes], ends: bool) -> None:
    conversation = conversation_for(check)
    examine(hear(conversation, [each for each in pieces if each], ends=ends), check)
    conversation.close()


@pytest.mark.parametrize("check", DATAGRAMS, ids=lambda check: check.name)
@given(pieces=PIECES)
def test_datagrams(check: Check, pieces: list[bytes]) -> None:
    conversation = conversation_for(check)
    own = conversation.request[:2]  # so that some are taken for answers
    examine(hear(conversation, [*pieces, *(own + each for each in pieces)], ends=False), check)
    conversation.close()


@given(st.binary(max_size=200), st.integers(0, 255))
def test_programs(said: bytes, code: int) -> None:
    check = ExecCheck(name="c", command=("/bin/true",))
    examine(judge_json(said, code), check)
    examine(judge_code(said, code), check)
    assert judge_code(said, code).passed is (code == 0)


@given(st.text(alphabet="0123456789%upreadymaintdown drain,#\n.", max_size=30))
def test_the_agents_words(text: str) -> None:
    result = agent.judge(text.encode())
    examine(result, ExecCheck(name="c", command=("x",)))
    if result.weight is not None:
        assert result.passed
