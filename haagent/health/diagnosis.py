"""What may have caused a failed HTTP check, from the answer and from a few further questions. Pure.

These are the faults that real web servers were seen with (IIS behind direct routing above all): a host name that the
site wants, a suffix that Explorer hid, a file in UTF-16, a login, a redirect. A question is the same check with one
thing changed; it is asked once when a failure changes, never while all is well.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from msgspec import structs

from haagent.config.model import Check, HttpCheck
from haagent.health.transcript import Transcript

HOSTS = 3  # host names that are tried
_STATUS = re.compile(rb"HTTP/\d\.?\d? (\d{3})")
_SUBSTATUS = re.compile(rb"HTTP Error (\d{3}\.\d+)")
MISSING = (400, 404, 421)  # what a site says that is bound to another host name


@dataclass(frozen=True, slots=True)
class Question:
    """The check with one thing changed. `about` says which: the host name, or the path."""

    about: str  # "host" or "path"
    check: HttpCheck


@dataclass(frozen=True, slots=True)
class Answer:
    question: Question
    passed: bool
    detail: str


def questions(check: Check, failed: Transcript, hosts: Iterable[str]) -> tuple[Question, ...]:
    """What to ask. `hosts`: the host names that checks of this configuration use."""
    if not isinstance(check, HttpCheck) or failed.local:
        return ()
    status = status_of(failed.received)
    asked: list[Question] = []
    if status in MISSING:
        others = sorted({host for host in hosts if host and host != check.host})[:HOSTS]
        for host in [*others, ""] if check.host else others:
            asked.append(Question("host", structs.replace(check, host=host)))
    if status == 404 and not check.path.endswith("/"):
        asked.append(Question("path", structs.replace(check, path=check.path + ".txt")))
    return tuple(asked)


def cause(check: Check, failed: Transcript, answers: Sequence[Answer] = ()) -> str:
    """One sentence with the remedy; empty: the failure says it all."""
    if failed.passed or failed.local or not isinstance(check, HttpCheck):
        return ""
    status = status_of(failed.received)
    for answer in answers:
        if answer.passed:
            return _answered(check, status, answer.question)
    headers, body = split(failed.received)
    if status is None:
        return ""
    if status in check.status:
        return _wrong_body(check, body)
    return _wrong_status(check, status, headers, body)


def _answered(check: HttpCheck, status: int | None, question: Question) -> str:
    if question.about == "path":
        wanted = check.path.rsplit("/", 1)[1]
        return (
            f"{check.path} does not exist and {question.check.path} does: Explorer hid the suffix when the file was "
            f"made; rename it to {wanted}"
        )
    other = question.check.host
    if not other:
        return (
            f"HTTP {status} for the host name {check.host}, fine without one: the site is not bound to {check.host}; "
            f"add that host name to its binding, or leave host out of the check {check.name}"
        )
    without = f"for the host name {check.host}" if check.host else "without a host name"
    return (
        f"HTTP {status} {without}, fine with {other}: the site is bound to host names; "
        f'give the check {check.name} host = "{other}"'
    )


def _wrong_body(check: HttpCheck, body: bytes) -> str:
    wanted = check.body
    if wanted and any(wanted.encode(form) in body for form in ("utf-16-le", "utf-16-be")):
        return (
            f"{check.path} is saved as UTF-16 (a NUL beside every letter): save it again as ANSI or UTF-8 "
            f"(Notepad: Save as, Encoding)"
        )
    return ""


def _wrong_status(check: HttpCheck, status: int, headers: dict[str, str], body: bytes) -> str:
    found = _SUBSTATUS.search(body)
    sub = f" ({found[1].decode()})" if found else ""
    match status:
        case 401:
            scheme = headers.get("www-authenticate", "").split(" ")[0]
            how = f" ({scheme})" if scheme else ""
            return (
                f"the site wants a login{how} for {check.path}{sub}: allow anonymous access to that one file, "
                "or check another"
            )
        case 403:
            return (
                f"the site forbids {check.path} to us{sub}: look at the file's permissions, at address restrictions "
                "and at whether the site requires TLS"
            )
        case 301 | 302 | 303 | 307 | 308:
            where = headers.get("location", "nowhere")
            return (
                f"the site redirects {check.path} to {where}; that is not followed, since it need not be this server: "
                "check the page that it redirects to, or except this one from the redirect"
            )
        case 503 if "microsoft" in headers.get("server", "").lower():
            return f"IIS runs but its application does not{sub}: start the application pool, or remove app_offline.htm"
        case 404 | 400 | 421 if not check.host:
            return (
                f"the site has no {check.path} for a request without a host name: if it is bound to one, "
                f"give the check {check.name} host = the site's name"
            )
    return f"the server says which: HTTP Error {found[1].decode()}" if found else ""


def status_of(received: bytes) -> int | None:
    """Of the answer proper: interim answers are passed over."""
    while found := _STATUS.match(received):
        status = int(found[1])
        if not 100 <= status < 200:
            return status
        received = received.partition(b"\r\n\r\n")[2]
    return None


def split(received: bytes) -> tuple[dict[str, str], bytes]:
    """Header fields by lower-case name (the last of equal ones) and what follows them."""
    head, _, body = received.partition(b"\r\n\r\n")
    while (status := _STATUS.match(head)) and 100 <= int(status[1]) < 200:
        head, _, body = body.partition(b"\r\n\r\n")
    headers = {}
    for line in head.split(b"\r\n")[1:]:
        name, _, value = line.partition(b":")
        headers[name.decode("latin-1").strip().lower()] = value.decode("latin-1").strip()
    return headers, body
