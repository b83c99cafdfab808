"""What is remembered of a probe's tries, and what nobody may see."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from haagent.health.transcript import FAILURES, Kept, Transcript, escaped, masked


def tried(at: float, passed: bool = False) -> Transcript:
    return Transcript(passed=passed, detail="", at=at)


def test_the_last_failures_the_last_good_and_the_last_are_kept_each_once():
    kept = Kept()
    for at, passed in enumerate([True, False, False, False, False, True]):
        kept = kept.and_(tried(at, passed))
    assert [each.at for each in kept.all()] == [2, 3, 4, 5]
    assert [each.at for each in kept.and_(tried(6)).all()] == [3, 4, 5, 6]


@given(st.lists(st.booleans(), max_size=40))
def test_never_more_than_a_few(outcomes):
    kept = Kept()
    for at, passed in enumerate(outcomes):
        kept = kept.and_(tried(at, passed))
    assert len(kept.all()) <= FAILURES + 1
    assert [each.at for each in kept.all()] == sorted(each.at for each in kept.all())


@pytest.mark.parametrize(
    ("octets", "shown"),
    [
        (b"GET / HTTP/1.1\r\nAuthorization: Basic QWxh\r\n\r\n", b"GET / HTTP/1.1\r\nAuthorization: ***\r\n\r\n"),
        (b"a\r\nset-cookie: sid=secret; Path=/\r\nb: c\r\n", b"a\r\nset-cookie: ***\r\nb: c\r\n"),
        (b"user=ann&password=hunter2&x=1", b"user=ann&password=***&x=1"),
        (b'{"passwd": "hunter2"}', b'{"passwd": "***"}'),
        (b"USER ann\r\nPASS hunter2\r\n", b"USER ann\r\nPASS ***\r\n"),
        (b"a1 LOGIN ann hunter2\r\n", b"a1 LOGIN ann ***\r\n"),
        (b"AUTH hunter2\r\nPING\r\n", b"AUTH ***\r\nPING\r\n"),
        (b"the passage is open", b"the passage is open"),
    ],
)
def test_secrets_are_masked(octets, shown):
    assert masked(octets) == shown


@given(st.binary(max_size=300))
def test_any_octets_can_be_shown(octets):
    shown = escaped(masked(octets))
    assert shown.isascii()
    assert shown.isprintable()
