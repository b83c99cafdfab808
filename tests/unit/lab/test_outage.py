"""The client's view of an event, from lists of requests."""

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from haagent.lab.outage import Outage, Request, measure, read_request, servers


def answered(*ends: float) -> list[Request]:
    return [Request(end - 0.001, end, server="rs1") for end in ends]


def test_the_longest_gap_is_between_answers_not_requests():
    requests = [*answered(1.0, 1.1, 1.9, 2.0), Request(1.2, 1.5, error="timeout"), Request(1.3, 1.6, error="timeout")]
    outage = measure(requests, since=1.15, until=1.95)
    assert outage.longest == pytest.approx(0.8)
    assert (outage.sent, outage.lost) == (3, 2)


def test_a_gap_that_only_ends_in_the_window_counts_and_one_outside_does_not():
    requests = answered(1.0, 5.0, 5.1, 5.2, 9.0)
    assert measure(requests, since=4.0, until=5.15).longest == pytest.approx(4.0)
    assert measure(requests, since=5.05, until=5.15).longest == pytest.approx(0.1)


def test_answers_that_never_came_back_are_an_endless_outage():
    assert measure(answered(1.0), since=1.5, until=2.0) == Outage(math.inf, 0, 0)
    assert measure([], since=1.5, until=2.0).longest == math.inf


def test_servers_counts_answers_of_requests_begun_since():
    requests = [
        Request(1.0, 2.0, "rs1"),
        Request(3.0, 3.1, "rs2"),
        Request(3.0, 3.1, "rs2"),
        Request(4.0, 4.1, error="x"),
    ]
    assert servers(requests, 2.5) == {"rs2": 2}


def test_a_line_of_the_load_generator_is_read():
    assert read_request('{"start": 1, "end": 2.5, "server": "rs1"}') == Request(1.0, 2.5, "rs1")
    assert read_request('{"start": 1, "end": 2.5, "error": "timeout"}') == Request(1.0, 2.5, error="timeout")


@given(st.text() | st.recursive(st.none() | st.floats() | st.text(), st.lists).map(json.dumps))
def test_any_other_line_is_none(line):
    assert read_request(line) is None
