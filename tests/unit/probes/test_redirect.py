"""Where redirects lead."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from haagent.probes.redirect import Target, target_of

BEFORE = Target(False, "www.example.com", 8080, "/a/b?c", "GET")


@pytest.mark.parametrize(
    ("location", "expected"),
    [
        ("/x?y=z", Target(False, "www.example.com", 8080, "/x?y=z", "GET")),
        ("x", Target(False, "www.example.com", 8080, "/a/x", "GET")),
        ("../x", Target(False, "www.example.com", 8080, "/x", "GET")),
        ("?q", Target(False, "www.example.com", 8080, "/a/b?q", "GET")),
        ("http://other.example", Target(False, "other.example", 80, "/", "GET")),
        ("https://other.example/p", Target(True, "other.example", 443, "/p", "GET")),
        ("https://other.example:8443/p?q", Target(True, "other.example:8443", 8443, "/p?q", "GET")),
        ("//other.example/p", Target(False, "other.example", 80, "/p", "GET")),
        ("https://[2001:db8::1]:444/", Target(True, "[2001:db8::1]:444", 444, "/", "GET")),
        ("", None),
        ("ftp://other.example/", None),
        ("http://user:word@other.example/", None),
        ("http://other.example:99999/", None),
        ("http://[bad/", None),
        ("/a b", None),
        ("/\r\nX: y", None),
        ("/gr\u00fcn", None),
    ],
)
def test_targets(location: str, expected: Target | None) -> None:
    assert target_of(location, 302, BEFORE) == expected


def test_methods() -> None:
    """RFC 9110 §15.4: 307 and 308 keep the method, HEAD stays HEAD, all else becomes GET."""
    post = Target(False, "", 80, "/", "POST")
    assert [getattr(target_of("/x", status, post), "method", "") for status in (301, 302, 303, 307, 308)] == [
        "GET", "GET", "GET", "POST", "POST",
    ]  # fmt: skip
    head = Target(False, "", 80, "/", "HEAD")
    assert getattr(target_of("/x", 303, head), "method", "") == "HEAD"


def test_names() -> None:
    assert Target(True, "[2001:db8::1]:444", 444, "/", "GET").name() == "2001:db8::1"
    assert Target(True, "www.example.com:8443", 8443, "/", "GET").name() == "www.example.com"
    assert Target(False, "", 80, "/x", "GET").url() == "http://*/x"


@given(st.text(max_size=60))
def test_any_location(location: str) -> None:
    target = target_of(location, 302, BEFORE)
    if target is not None:
        assert target.path.startswith("/")
        assert 1 <= target.port <= 65535
        assert all("!" <= each <= "~" for each in target.host + target.path)
