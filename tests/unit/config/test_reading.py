"""Drafts by hand: what Reading keeps of a table in which something is wrong."""

import pytest

from haagent.config.error import Found
from haagent.config.model import SorryServer
from haagent.config.reading import Draft, Reading, build, suggest
from haagent.config.shape import REAL_SERVER, SORRY_SERVER, VIRTUAL_ROUTER


def test_a_draft_holds_what_is_right_and_the_defaults() -> None:
    reading = Reading("d1", ("d1", "d2"), is_complete=True)
    draft = reading.table(VIRTUAL_ROUTER, {"vrid": 0, "priority": {"d1": 7, "d2": 8}, "preempt": False}, ("r",))
    assert draft is not None
    assert draft.get("vrid") is None
    assert "interface" not in draft.values
    assert (draft.get("priority"), draft.get("preempt"), draft.get("checksum")) == (7, False, "auto")
    assert draft.at("priority") == ("r", "priority", "d1")
    assert draft.at("preempt") == ("r", "preempt")
    assert [found.path for found in reading.found] == [("r", "vrid"), ("r", "interface"), ("r", "virtual_addresses")]


def test_nothing_is_missing_while_a_file_could_not_be_read() -> None:
    reading = Reading("d1", ("d1", "d2"), is_complete=False)
    draft = reading.table(VIRTUAL_ROUTER, {"vrid": 0}, ("r",))
    assert draft is not None
    assert reading.found == [Found(("r", "vrid"), "expected an integer from 1 to 255, got the integer 0")]


def test_derived_values_wait_for_the_rules() -> None:
    reading = Reading("d1", ("d1",), is_complete=True)
    draft = reading.table(REAL_SERVER, {"name": "a", "address": "192.0.2.1"}, ())
    assert draft is not None
    derived = ("port", "forwarding_method", "tunnel")
    assert draft.values == {
        "name": "a",
        "address": "192.0.2.1",
        "weight": 1,
        "tier": 1,
        "upper_threshold": 0,
        "lower_threshold": 0,
        **dict.fromkeys(derived),
    }


def test_build() -> None:
    values = {"address": "192.0.2.1", "port": 80, "forwarding_method": "tunneling"}
    assert build(Draft((), SORRY_SERVER, values)) == SorryServer(
        address="192.0.2.1", port=80, forwarding_method="tunneling"
    )


@pytest.mark.parametrize(
    ("word", "known", "words"),
    [
        ("weigth", ["weight", "port"], 'did you mean "weight"?'),
        ("xyz", ["weight", "port"], "one of weight, port"),
        ("n1", [f"n{number}" for number in range(201)], "one of n0, n1, n2, n3, n4, n5, n6, n7, n8, n9 and 191 more"),
    ],
)
def test_suggest(word: str, known: list[str], words: str) -> None:
    assert suggest(word, known) == words
