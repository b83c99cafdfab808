"""Pieces of the sentences that probes say: a server's octets made harmless and short, sets of codes, secrets hidden."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from haagent.health.probe import ProbeResult

ELLIPSIS = 64  # octets of an answer that a sentence quotes


def shown(data: bytes, most: int = 24) -> str:
    """The first octets in quotes, printable."""
    return '"' + "".join(chr(octet) if 32 <= octet < 127 else "." for octet in data[:most]) + '"'


def line(data: bytes) -> str:
    """The first line in quotes, printable, with dots where it goes on."""
    first = data.strip().split(b"\n", 1)[0].rstrip(b"\r")
    quoted = shown(first, ELLIPSIS)
    return quoted if len(first) <= ELLIPSIS else quoted[:-1] + '..."'


def plain(text: str, most: int = ELLIPSIS) -> str:
    """Somebody else's words inside a sentence of ours: one line, printable, bounded."""
    joined = " ".join("".join(each if each.isprintable() else " " for each in text[: 4 * most]).split())
    return joined if len(joined) <= most else joined[:most] + "..."


def codes(status: Iterable[int | str]) -> frozenset[int]:
    """200 and "300-302" -> {200, 300, 301, 302}"""
    found: set[int] = set()
    for each in status:
        first, _, last = str(each).partition("-")
        found.update(range(int(first), int(last or first) + 1))
    return frozenset(found)


def alternatives(status: Iterable[int | str]) -> str:
    """ "200 or 300-302" """
    return " or ".join(str(each) for each in status)


def counted(number: int, noun: str) -> str:
    """ "1 day", "2 days" """
    return f"{number} {noun}" + ("" if number == 1 else "s")


def masked(result: ProbeResult, secrets: Sequence[str]) -> ProbeResult:
    """A server may repeat what we told it; the sentence must not."""
    detail = result.detail
    for secret in secrets:
        if secret and secret in detail:
            detail = detail.replace(secret, "***")
    return result if detail == result.detail else replace(result, detail=detail)
