"""DNS messages: the octets of a question, and what an answer says (RFC 1035, RFC 3596, RFC 6891, RFC 2782)."""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address

TYPES = {
    "A": 1, "NS": 2, "CNAME": 5, "SOA": 6, "PTR": 12, "MX": 15, "TXT": 16, "AAAA": 28, "SRV": 33,
}  # fmt: skip
TYPE_NAMES = {number: name for name, number in TYPES.items()}
RCODES = (
    "NOERROR",
    "FORMERR",
    "SERVFAIL",
    "NXDOMAIN",
    "NOTIMP",
    "REFUSED",
    "YXDOMAIN",
    "YXRRSET",
    "NXRRSET",
    "NOTAUTH",
)  # IANA, in order
CLASS_IN, TYPE_OPT = 1, 41
QR, AA, TC, RD = 0x8000, 0x0400, 0x0200, 0x0100
OPCODE = 0x7800
POINTERS = 32  # in one name; each must point backwards anyway
RECORDS = 4096  # in one message


@dataclass(frozen=True, slots=True)
class Record:
    """One resource record; `text` is its data as a zone file writes it, names in lower case without the last dot."""

    name: str
    type: int
    text: str


@dataclass(frozen=True, slots=True)
class Message:
    """An answer, as far as a check looks at it."""

    id: int
    flags: int
    question: tuple[str, int] | None  # name and type
    answers: tuple[Record, ...]

    @property
    def rcode(self) -> str:
        number = self.flags & 0xF
        return RCODES[number] if number < len(RCODES) else f"rcode {number}"


@dataclass(frozen=True, slots=True)
class Malformed:
    """No DNS message."""

    reason: str


class Broken(Exception):
    """Ends decoding; `decode` makes it Malformed."""


def canonical(name: str) -> str:
    return name.rstrip(".").lower() or "."


def encode_name(name: str) -> bytes:
    """`name` is checked: labels of 1 to 63 ASCII characters."""
    if name in (".", ""):
        return b"\0"
    return b"".join(bytes((len(each),)) + each.encode() for each in name.rstrip(".").split(".")) + b"\0"


def encode_query(id: int, name: str, type: int, *, recursion: bool, edns: int) -> bytes:
    """One question of class IN; `edns`: the octets that we take, 0: without."""
    extra = struct.pack("!BHHIH", 0, TYPE_OPT, edns, 0, 0) if edns else b""
    header = struct.pack("!6H", id, RD if recursion else 0, 1, 0, 0, 1 if edns else 0)
    return header + encode_name(name) + struct.pack("!2H", type, CLASS_IN) + extra


def decode(octets: bytes) -> Message | Malformed:
    """Any octets."""
    try:
        return _decode(octets)
    except Broken as broken:
        return Malformed(str(broken))


def _decode(octets: bytes) -> Message:
    if len(octets) < 12:
        raise Broken(f"only {len(octets)} octets")
    id, flags, questions, answers, _, _ = struct.unpack_from("!6H", octets)
    at, question = 12, None
    for _ in range(questions):
        name, at = name_at(octets, at)
        type, _ = numbers_at("!2H", octets, at)
        question, at = question or (name, type), at + 4
    if answers > RECORDS:
        raise Broken(f"{answers} answers")
    records = []
    if not flags & TC:  # what is truncated may end anywhere
        for _ in range(answers):
            record, at = record_at(octets, at)
            if record is not None:
                records.append(record)
    return Message(id, flags, question, tuple(records))


def numbers_at(form: str, octets: bytes, at: int) -> tuple[int, ...]:
    try:
        return struct.unpack_from(form, octets, at)
    except struct.error:
        raise Broken("cut off") from None


def name_at(octets: bytes, at: int) -> tuple[str, int]:
    """The name and where what follows it begins (RFC 1035 §4.1.4)."""
    labels, end, length, pointers = list[str](), -1, 0, 0
    while True:
        if at >= len(octets):
            raise Broken("a name is cut off")
        size = octets[at]
        if size >= 0xC0:
            (pointer,) = numbers_at("!H", octets, at)
            end = at + 2 if end < 0 else end
            pointers += 1
            if (pointer & 0x3FFF) >= at or pointers > POINTERS:
                raise Broken("a name that points at itself")
            at = pointer & 0x3FFF
            continue
        if size >= 0x40:
            raise Broken("a label of an unknown kind")
        at += 1
        if size == 0:
            return ".".join(labels) or ".", at if end < 0 else end
        if at + size > len(octets):
            raise Broken("a name is cut off")
        length += size + 1
        if length > 255:
            raise Broken("a name of more than 255 octets")
        labels.append("".join(_printable(octets[at : at + size])).lower())
        at += size


def _printable(octets: bytes) -> Iterator[str]:
    """As a zone file writes it (RFC 1035 §5.1)."""
    for octet in octets:
        yield chr(octet) if 0x21 <= octet <= 0x7E and octet not in b'.\\"' else f"\\{octet:03}"


def record_at(octets: bytes, at: int) -> tuple[Record | None, int]:
    name, at = name_at(octets, at)
    type, klass, _, _, size = numbers_at("!HHHHH", octets, at)
    at += 10
    if at + size > len(octets):
        raise Broken("a record is cut off")
    text = _data(octets, at, size, type) if klass == CLASS_IN and type in TYPE_NAMES else None
    return (None if text is None else Record(name, type, text)), at + size


def _data(octets: bytes, at: int, size: int, type: int) -> str:
    data, end = octets[at : at + size], at + size
    match TYPE_NAMES[type]:
        case "A":
            text, at = str(IPv4Address(data)) if size == 4 else "", end if size == 4 else -1
        case "AAAA":
            text, at = str(IPv6Address(data)) if size == 16 else "", end if size == 16 else -1
        case "NS" | "CNAME" | "PTR":
            text, at = name_at(octets, at)
        case "MX":
            (preference,) = numbers_at("!H", octets, at)
            target, at = name_at(octets, at + 2)
            text = f"{preference} {target}"
        case "SRV":
            numbers = numbers_at("!3H", octets, at)
            target, at = name_at(octets, at + 6)
            text = " ".join(map(str, (*numbers, target)))
        case "SOA":
            server, at = name_at(octets, at)
            mailbox, at = name_at(octets, at)
            numbers = numbers_at("!5I", octets, at)
            text, at = " ".join(map(str, (server, mailbox, *numbers))), at + 20
        case _:
            text, at = _strings(data), end
    if at != end:
        raise Broken(f"a record {TYPE_NAMES[type]} of a wrong length")
    return text


def _strings(data: bytes) -> str:
    """TXT: character strings (RFC 1035 §3.3.14), joined as applications do (RFC 7208 §3.3)."""
    joined = b""
    while data:
        size = data[0]
        if 1 + size > len(data):
            raise Broken("a record TXT of a wrong length")
        joined, data = joined + data[1 : 1 + size], data[1 + size :]
    return joined.decode("utf-8", "replace")
