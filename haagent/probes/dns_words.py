"""A DNS exchange in lines for a transcript: question, flags, rcode, answers, authority with the SOA's serial.

It reads the octets that a transcript kept, so it may meet half a message: what can be read is told, and that the rest
is missing. It judges nothing; that is dns.py's, from the whole message.
"""

import struct
from collections.abc import Iterator

from haagent.health.transcript import Transcript
from haagent.probes import dns_message
from haagent.probes.dns_message import RCODES, TYPE_NAMES, TYPE_OPT
from haagent.probes.words import plain

LINES = 16  # of one message
SECTIONS = ("answer", "authority", "additional")
FLAGS = ((0x8000, "qr"), (0x0400, "aa"), (0x0200, "tc"), (0x0100, "rd"), (0x0080, "ra"), (0x0020, "ad"), (0x0010, "cd"))
LONGEST = 120  # of a record's data in a line


def dns_words(tried: Transcript) -> tuple[str, ...]:
    """What was asked and what came. A question by TCP begins with its length, so does its answer (RFC 7766)."""
    is_stream = len(tried.sent) > 2 and int.from_bytes(tried.sent[:2], "big") == len(tried.sent) - 2
    start = 2 if is_stream else 0
    lines = [f"dns > {each}" for each in message_words(tried.sent[start:])] if tried.sent else []
    received = tried.received[start:]
    if received:
        lines += [f"dns < {each}" for each in message_words(received)]
    return tuple(lines)


def message_words(octets: bytes) -> Iterator[str]:
    if len(octets) < 12:
        yield f"no DNS message: only {len(octets)} octets"
        return
    id, flags, *counts = struct.unpack_from("!6H", octets)
    names = [name for bit, name in FLAGS if flags & bit]
    code = flags & 0xF
    rcode = RCODES[code] if code < len(RCODES) else f"rcode {code}"
    said = f"{rcode}, {', '.join(f'{count} {name}' for count, name in zip(counts[1:], SECTIONS, strict=True))}"
    yield f"id {id}, flags {' '.join(names) or 'none'}" + (f", {said}" if flags & 0x8000 else "")
    lines = _records(octets, counts)
    for _ in range(LINES):
        line = next(lines, None)
        if line is None:
            return
        yield line
    if next(lines, None) is not None:
        yield "and more"


def _records(octets: bytes, counts: list[int]) -> Iterator[str]:
    at = 12
    try:
        for _ in range(counts[0]):
            name, at = dns_message.name_at(octets, at)
            (type, klass) = dns_message.numbers_at("!2H", octets, at)
            at += 4
            yield f"question {plain(name)} {_type(type)}" + ("" if klass == 1 else f" class {klass}")
        for section, count in zip(SECTIONS, counts[1:], strict=True):
            for _ in range(count):
                words, at = _record(octets, at)
                yield f"{section} {words}"
    except dns_message.Broken as broken:
        yield f"the rest cannot be read: {broken}"


def _record(octets: bytes, at: int) -> tuple[str, int]:
    name, after = dns_message.name_at(octets, at)
    type, klass, ttl, size = dns_message.numbers_at("!HHIH", octets, after)
    if type == TYPE_OPT:  # RFC 6891 §6.1.3: the class is a size, the TTL holds the upper bits of the rcode
        if after + 10 + size > len(octets):
            raise dns_message.Broken("a record is cut off")
        return f"OPT: takes {klass} octets, extended rcode {ttl >> 24}", after + 10 + size
    record, end = dns_message.record_at(octets, at)
    if record is None:
        return f"{plain(name)} {ttl} {_type(type)}, {size} octets", end
    text = record.text
    if type == dns_message.TYPES["SOA"]:
        server, mailbox, serial, *_ = text.split()
        text = f"{server} {mailbox} serial {serial}"
    return f"{plain(name)} {ttl} {_type(type)} {plain(text, LONGEST)}", end


def _type(number: int) -> str:
    return TYPE_NAMES.get(number, f"TYPE{number}")
