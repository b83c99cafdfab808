"""What an answer must contain: a text, a regular expression, or octets that it begins with."""

import re
from dataclasses import dataclass
from functools import lru_cache

from haagent.config.checks import TcpCheck, UdpCheck
from haagent.probes.limited_match import MATCH_TIME, Search, search
from haagent.probes.words import plain

SEARCHED = 65536  # octets of an answer


@dataclass(frozen=True, slots=True)
class Pattern:
    """`at_start`: of the answer, else anywhere in it."""

    regex: re.Pattern[bytes]
    words: str  # "does not contain ..."
    at_start: int = 0  # octets that it takes; 0: anywhere
    is_limited: bool = False  # an expression of an operator's: stopped where it takes too long

    def search(self, answer: bytes) -> Search:
        if self.is_limited:
            return search(self.regex, answer, SEARCHED)
        found = self.regex.match(answer) if self.at_start else self.regex.search(answer, 0, SEARCHED)
        return Search.FOUND if found else Search.MISSING

    def wrong(self, answer: bytes) -> str:
        """What to say of the whole answer; empty: it is as wanted."""
        match self.search(answer):
            case Search.FOUND:
                return ""
            case Search.MISSING:
                return self.words
            case Search.TOO_SLOW:
                return self.slow_words

    @property
    def slow_words(self) -> str:
        return (
            f'takes "{plain(self.regex.pattern.decode())}" more than {MATCH_TIME * 1000:g} ms: simplify the expression'
        )

    def is_decided(self, answer: bytes) -> bool:
        """No more octets can help one that is missing."""
        return len(answer) >= (self.at_start or SEARCHED)


def pattern_of(check: TcpCheck | UdpCheck) -> Pattern | None:
    """None: anything will do."""
    return compiled(check.expect, check.expect_regex, check.expect_hex)


@lru_cache(maxsize=1024)
def compiled(text: str, regex: str, octets: str) -> Pattern | None:
    if text:
        return Pattern(re.compile(re.escape(text.encode())), f'does not contain "{plain(text)}"')
    if regex:
        return Pattern(re.compile(regex.encode()), f'does not match "{plain(regex)}"', is_limited=True)
    if octets:
        pairs = [octets[at : at + 2] for at in range(0, len(octets), 2)]
        pieces = [b"." if pair == "??" else re.escape(bytes.fromhex(pair)) for pair in pairs]
        return Pattern(re.compile(b"".join(pieces), re.DOTALL), f"does not begin with {plain(octets)}", len(pairs))
    return None


def payload(check: TcpCheck | UdpCheck) -> bytes:
    return check.send.encode() or bytes.fromhex(check.send_hex)
