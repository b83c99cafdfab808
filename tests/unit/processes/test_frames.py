"""Frames survive any way of being cut."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from haagent.processes.frames import FRAME_LIMIT, HEADER, FrameError, FrameReader, frame


@given(st.lists(st.binary(max_size=300), max_size=8), st.integers(1, 50))
def test_payloads_arrive_whole_however_the_octets_are_cut(payloads, size):
    stream = b"".join(frame(payload) for payload in payloads)
    reader, arrived = FrameReader(), []
    for start in range(0, len(stream), size):
        arrived += reader.feed(stream[start : start + size])
    assert arrived == payloads


def test_an_absurd_length_is_refused():
    with pytest.raises(FrameError, match="at most"):
        FrameReader().feed(HEADER.pack(FRAME_LIMIT + 1))
