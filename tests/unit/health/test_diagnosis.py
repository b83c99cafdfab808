"""From an answer to the sentence that names the cause: the faults that real IIS servers were seen with."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from haagent.config.model import HttpCheck, TcpCheck
from haagent.health.diagnosis import Answer, Question, cause, questions, status_of
from haagent.health.transcript import Transcript

CHECK = HttpCheck(name="iis", path="/check.txt", body="webserverisworking")
HOSTED = replace(CHECK, host="www.example.com")


def answered(received: bytes) -> Transcript:
    return Transcript(passed=False, detail="", received=received)


def head(status: int, *fields: str) -> bytes:
    return f"HTTP/1.1 {status} X\r\n".encode() + b"".join(f"{each}\r\n".encode() for each in fields) + b"\r\n"


UTF_16 = "webserverisworking".encode("utf-16")  # with a byte order mark
BY_ANSWER = {
    "utf-16": (CHECK, head(200) + UTF_16, "is saved as UTF-16"),
    "login": (CHECK, head(401, "WWW-Authenticate: NTLM", "Server: x"), "the site wants a login (NTLM) for /check.txt"),
    "forbidden": (CHECK, head(403), "the site forbids /check.txt to us: look at the file's permissions"),
    "substatus": (CHECK, head(403) + b"<h2>HTTP Error 403.14 - Forbidden</h2>", "to us (403.14): look"),
    "redirect": (
        CHECK,
        head(301, "location: https://www.example.com/check.txt"),
        "the site redirects /check.txt to https://www.example.com/check.txt; that is not followed",
    ),
    "302 without a location": (CHECK, head(302), "redirects /check.txt to nowhere"),
    "application pool": (CHECK, head(503, "Server: Microsoft-HTTPAPI/2.0"), "start the application pool"),
    "no host name known": (
        CHECK,
        head(404),
        "for a request without a host name: if it is bound to one, give the check",
    ),
    "interim answers are passed over": (CHECK, b"HTTP/1.1 103 Early\r\n\r\n" + head(403), "forbids /check.txt"),
}


@pytest.mark.parametrize(("check", "received", "said"), BY_ANSWER.values(), ids=BY_ANSWER)
def test_the_answer_alone_names_it(check, received, said):
    assert said in cause(check, answered(received))


NOTHING_TO_ADD = {
    "another text": (CHECK, head(200) + b"under construction"),
    "503 of another server": (CHECK, head(503, "Server: nginx")),
    "500": (CHECK, head(500)),
    "404 with a host name": (HOSTED, head(404)),
    "silence": (CHECK, b""),
    "no HTTP": (CHECK, b"SSH-2.0-OpenSSH"),
}


@pytest.mark.parametrize(("check", "received"), NOTHING_TO_ADD.values(), ids=NOTHING_TO_ADD)
def test_where_the_failure_says_it_all(check, received):
    assert cause(check, answered(received)) == ""


def test_our_own_trouble_and_other_checks_have_no_diagnosis():
    assert cause(CHECK, replace(answered(head(403)), local=True)) == ""
    assert cause(TcpCheck(name="t"), answered(head(403))) == ""
    assert questions(TcpCheck(name="t"), answered(head(404)), ["a"]) == ()
    assert questions(CHECK, replace(answered(head(404)), local=True), ["a"]) == ()


# -------------------------------------------------------------------------------------- further questions


def test_404_without_a_host_name_asks_with_those_that_are_known_and_with_the_suffix_that_explorer_hides():
    asked = questions(CHECK, answered(head(404)), ["www.example.com", "", "www.example.com"])
    assert [(each.about, each.check.host, each.check.path) for each in asked] == [
        ("host", "www.example.com", "/check.txt"),
        ("path", "", "/check.txt.txt"),
    ]


def test_404_with_a_host_name_asks_without_it_too():
    asked = questions(HOSTED, answered(head(404)), ["www.example.com"])
    assert [(each.about, each.check.host) for each in asked] == [("host", ""), ("path", "www.example.com")]


def test_what_is_no_question_of_names_asks_nothing():
    for status in (200, 401, 403, 500, 503):
        assert questions(CHECK, answered(head(status)), ["a"]) == ()
    assert [each.about for each in questions(CHECK, answered(head(400)), ["a"])] == ["host"]


@given(st.sampled_from([400, 404, 421]), st.lists(st.text(max_size=5), max_size=50))
def test_never_many_questions(status, hosts):
    assert len(questions(HOSTED, answered(head(status)), hosts)) <= 5


def test_a_site_that_is_bound_to_a_host_name():
    yes = Answer(Question("host", HOSTED), True, "HTTP 200")
    said = cause(CHECK, answered(head(404)), [yes])
    assert said.startswith("HTTP 404 without a host name, fine with www.example.com: the site is bound to host names")
    assert said.endswith('give the check iis host = "www.example.com"')


def test_a_site_that_is_not_bound_to_the_host_name():
    yes = Answer(Question("host", CHECK), True, "HTTP 200")
    assert "not bound to www.example.com" in cause(HOSTED, answered(head(404)), [yes])


def test_a_suffix_that_explorer_hid():
    no = Answer(Question("host", HOSTED), False, "HTTP 404, wanted 200")
    yes = Answer(Question("path", replace(CHECK, path="/check.txt.txt")), True, "HTTP 200")
    assert cause(CHECK, answered(head(404)), [no, yes]) == (
        "/check.txt does not exist and /check.txt.txt does: Explorer hid the suffix when the file was made; "
        "rename it to check.txt"
    )


@given(st.binary(max_size=400))
def test_any_answer_is_judged(received):
    assert isinstance(cause(CHECK, answered(received)), str)
    assert isinstance(questions(CHECK, answered(received), ["a"]), tuple)
    status = status_of(received)
    assert status is None or 0 <= status <= 999
