"""For the tests of the fuzzer: a fault behind four comparisons, not found by chance; and one that ends the process."""

import os
from random import Random

from tests.fuzz.targets import Target


def run(octets: bytes, random: Random) -> None:
    assert not is_deep(octets)


def is_deep(octets: bytes) -> bool:
    if len(octets) < 4 or octets[0] != 0x9C:
        return False
    if octets[1] != 0x3E:
        return False
    if octets[2] != 0xD1:
        return False
    return octets[3] == 0x57


def die(octets: bytes, random: Random) -> None:
    if octets:
        os.abort()


TARGETS = {"planted": Target("planted", (b"hello",), run), "lethal": Target("lethal", (b"hello",), die)}
