"""Values in JSON bodies."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from haagent.probes.json_path import wrong_in

BODY = (
    b'{"status": "ok", "db": {"replicas": 2, "up": true}, "nodes": [{"name": "a"}], "a.b": 1, "none": null, "e": 1.0}'
)


@pytest.mark.parametrize(
    ("key", "wanted", "wrong"),
    [
        ("status", '"ok"', ""),
        ("db.replicas", "2", ""),
        ("db.up", "true", ""),
        ("nodes.0.name", '"a"', ""),
        ("a.b", "1", ""),
        ("e", "1", ""),
        ("status", '"good"', 'status is "ok", wanted "good"'),
        ("db.up", "1", "db.up is true, wanted 1"),
        ("db", '"x"', 'db is an object, wanted "x"'),
        ("nodes", "1", "nodes is an array, wanted 1"),
        ("none", '"x"', 'none is null, wanted "x"'),
        ("nodes.1.name", '"a"', "the JSON has no nodes.1.name"),
        ("status.x", '"a"', "the JSON has no status.x"),
        ("missing", "1", "the JSON has no missing"),
    ],
)
def test_values(key: str, wanted: str, wrong: str) -> None:
    assert wrong_in(BODY, [(key, wanted)]) == wrong


@pytest.mark.parametrize("body", [b"", b"<html>", b'{"a":', b"[" * 100_000, b'"\xff"'])
def test_what_is_no_json(body: bytes) -> None:
    assert wrong_in(body, [("a", "1")]).startswith("the body ")
    assert wrong_in(body, [("a", "1")]).endswith(" is no JSON")


@given(st.binary(max_size=100), st.text(max_size=10))
def test_any_body(body: bytes, key: str) -> None:
    assert wrong_in(body, [(key, "1")]).isprintable()
