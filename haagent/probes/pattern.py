"""What an answer must contain: a text, a regular expression, or octets that it begins with."""

import re
from dataclasses import dataclass
from functools import lru_cache

from haagent.config.checks import TcpCheck, UdpCheck
from haagent.probes.words import plain

SEARCHED = 65536  # octets of an answer


@dataclass(frozen=True, slots=True)
class Pattern:
    """`at_start`: of the answer, else anywhere in it."""

    regex: re.Pattern[bytes]
    words: str  # "does not contain ..."
    at_start: int = 0  # octets that it takes; 0: anywhere

    def is_in(self, answer: bytes) -> bool:
        found = self.regex.match(answer) if self.at_start else self.regex.search(answer, 0, SEARCHED)
        return found is not None

    def is_refuted(self, answer: bytes) -> bool:
        """No more octets can help."""
        return len(answer) >= (self.at_start or SEARCHED) and not self.is_in(answer)


def pattern_of(check: TcpCheck | UdpCheck) -> Pattern | None:
    """None: anything will do."""
    return compiled(check.expect, check.expect_regex, check.expect_hex)


@lru_cache(maxsize=1024)
def compiled(text: str, regex: str, octets: str) -> Pattern | None:
    if text:
        return Pattern(re.compile(re.escape(text.encode())), f'does not contain "{plain(text)}"')
    if regex:
        return Pattern(re.compile(regex.encode()), f'does not match "{plain(regex)}"')
    if octets:
        pairs = [octets[at : at + 2] for at in range(0, len(octets), 2)]
        pieces = [b"." if pair == "??" else re.escape(bytes.fromhex(pair)) for pair in pairs]
        return Pattern(re.compile(b"".join(pieces), re.DOTALL), f"does not begin with {plain(octets)}", len(pairs))
    return None


def payload(check: TcpCheck | UdpCheck) -> bytes:
    return check.send.encode() or bytes.fromhex(check.send_hex)
