"""One sentence about the segment, and the words for addresses in it."""

from dataclasses import dataclass
from ipaddress import ip_address
from typing import Literal


@dataclass(frozen=True, slots=True)
class Finding:
    """`about` is the VRID ("vrid 51", "vrid 51 (IPv6)") or the address that the sentence is about."""

    at: float
    kind: Literal["fact", "change", "conflict", "calm"]
    about: str
    text: str


def ip_text(address: bytes) -> str:
    return str(ip_address(address))


def mac_text(mac: bytes) -> str:
    return mac.hex(":")


def listed(words: list[str]) -> str:
    """ "a, b and c"."""
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)
