"""Damage octets: some small steps away from a valid input, or from several; everything drawn from the given Random."""

import re
from collections.abc import Callable, Sequence
from random import Random

INTERESTING = (0, 1, 2, 3, 4, 7, 8, 16, 20, 31, 32, 64, 100, 127, 128, 254, 255, 256, 4095, 4096, 32767, 32768, 65535)
NUMBER = re.compile(rb"-?\d+(\.\d+)?")
TOKENS = (
    b'"', b"'", b"[", b"]", b"{", b"}", b"=", b",", b"\n", b"#", b"\\", b"\0", b"\xff", b"true", b"null", b"nan", b"-0",
    b"1e999", b"99999999999999999999", b"\xf0\x9f\x90\xad", b"\r\n", b"HTTP/1.1 200 OK\r\n", b"Content-Length: ",
    b"Transfer-Encoding: chunked\r\n", b"0\r\n\r\n", b"ffffffffffffffff\r\n", b'"""', b"[[", b"]]", b"&a *a", b": ",
    b"- ", b"priority", b"address", b"0.0.0.0", b"1.2.3.4.5", b"255.255.255.256", b"../", b"inf", b"[director]\n",
)  # fmt: skip


def flip(octets: bytearray, random: Random, seeds: Sequence[bytes]) -> None:
    octets[random.randrange(len(octets))] ^= 1 << random.randrange(8)


def overwrite(octets: bytearray, random: Random, seeds: Sequence[bytes]) -> None:
    octets[random.randrange(len(octets))] = random.randrange(256)


def number(octets: bytearray, random: Random, seeds: Sequence[bytes]) -> None:
    """A length, a count, a type: in either byte order."""
    width = random.choice((1, 2, 4, 8))
    at = random.randrange(len(octets))
    value = random.choice(INTERESTING) if random.random() < 0.8 else (1 << 8 * width) - random.choice((1, 2, 16))
    octets[at : at + width] = (value % (1 << 8 * width)).to_bytes(width, random.choice(("big", "little")))


def cut(octets: bytearray, random: Random, seeds: Sequence[bytes]) -> None:
    at = random.randrange(len(octets))
    del octets[at : at + random.choice((1, 2, 4, 16, len(octets)))]


def repeat(octets: bytearray, random: Random, seeds: Sequence[bytes]) -> None:
    at = random.randrange(len(octets))
    piece = octets[at : at + random.choice((1, 4, 8, 32, 128))]
    octets[at:at] = piece * random.choice((1, 1, 2, 8, 64))


def insert(octets: bytearray, random: Random, seeds: Sequence[bytes]) -> None:
    at = random.randrange(len(octets) + 1)
    octets[at:at] = random.choice(TOKENS) if random.random() < 0.5 else random.randbytes(random.randrange(1, 12))


def splice(octets: bytearray, random: Random, seeds: Sequence[bytes]) -> None:
    other = random.choice(seeds)
    at, start = random.randrange(len(octets) + 1), random.randrange(len(other) + 1)
    octets[at:] = other[start:]


def renumber(octets: bytearray, random: Random, seeds: Sequence[bytes]) -> None:
    """A decimal number of a text."""
    found = list(NUMBER.finditer(octets))
    if found:
        start, end = random.choice(found).span()
        octets[start:end] = str(random.choice((*INTERESTING, -1, 1 << 32, 1 << 64, 0.001))).encode()


def swap_lines(octets: bytearray, random: Random, seeds: Sequence[bytes]) -> None:
    lines = bytes(octets).split(b"\n")
    one, other = random.randrange(len(lines)), random.randrange(len(lines))
    lines[one], lines[other] = lines[other], random.choice((lines[one], b"", lines[other]))
    octets[:] = b"\n".join(lines)


def nest(octets: bytearray, random: Random, seeds: Sequence[bytes]) -> None:
    """Deeper than any parser that calls itself can go."""
    at = random.randrange(len(octets) + 1)
    octets[at:at] = random.choice((b"[", b'{"a":', b"\x91", b"\x81\xa1a", b"a.", b"{a: ", b"- ")) * 3000


STEPS: tuple[Callable[[bytearray, Random, Sequence[bytes]], None], ...] = (
    *(flip, overwrite, number, cut, repeat, insert, splice, renumber, swap_lines) * 3, nest,
)  # fmt: skip
LONGEST = 1 << 17


def mutate(seeds: Sequence[bytes], random: Random) -> bytes:
    """One of the seeds, a few steps of damage later; now and then just noise."""
    if random.random() < 0.03:
        return random.randbytes(random.randrange(200))
    octets = bytearray(random.choice(seeds))
    for _ in range(random.choice((0, 1, 1, 1, 2, 2, 3, 5, 8))):
        if octets:
            random.choice(STEPS)(octets, random, seeds)
    return bytes(octets[:LONGEST])
