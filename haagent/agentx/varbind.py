"""Object identifiers, octet strings, variable bindings and search ranges as octets: RFC 2741 §5.1-5.4.

Every reader of `Cursor` raises Refused and nothing else; `pdu.decode` turns that into a Malformed value. Both byte
orders: `order` is the struct prefix "<" or ">".
"""

import struct
from enum import IntEnum, auto
from typing import NamedTuple

Oid = tuple[int, ...]

INTERNET: Oid = (1, 3, 6, 1)  # what a non-zero prefix octet stands for, RFC 2741 §5.1
SUBIDENTIFIER_LIMIT = 128


class Kind(IntEnum):
    """v.type, RFC 2741 §5.4."""

    INTEGER = 2
    OCTET_STRING = 4
    NULL = 5
    OBJECT_IDENTIFIER = 6
    IP_ADDRESS = 64
    COUNTER32 = 65
    GAUGE32 = 66
    TIME_TICKS = 67
    OPAQUE = 68
    COUNTER64 = 70
    NO_SUCH_OBJECT = 128
    NO_SUCH_INSTANCE = 129
    END_OF_MIB_VIEW = 130


Content = int | bytes | Oid | None  # by kind: numbers int, strings and addresses bytes, identifiers Oid, the rest None


class Varbind(NamedTuple):
    name: Oid
    kind: Kind
    content: Content = None


class SearchRange(NamedTuple):
    start: Oid
    include: bool = False
    end: Oid = ()  # exclusive; () is unbounded


class Fault(IntEnum):
    """Why octets are no PDU; each name is also a counter."""

    VERSION = auto()
    TYPE = auto()
    LENGTH = auto()  # the header's length is not that of the octets, or no multiple of 4, or beyond the limit
    TRUNCATED = auto()  # a field reaches beyond the end
    TRAILING = auto()  # octets are left over
    OID = auto()  # more than 128 sub-identifiers
    KIND = auto()  # unknown v.type
    ADDRESS = auto()  # an IpAddress that is not 4 octets


class Refused(Exception):
    """Internal to decoding: carries the Fault from the field to `pdu.decode`."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(fault.name)
        self.fault = fault


_KINDS = {int(kind): kind for kind in Kind}
_FORMATS = {Kind.INTEGER: "i", Kind.COUNTER32: "I", Kind.GAUGE32: "I", Kind.TIME_TICKS: "I", Kind.COUNTER64: "Q"}
_STRINGS = (Kind.OCTET_STRING, Kind.IP_ADDRESS, Kind.OPAQUE)


class Cursor:
    """Reads fields off a payload, front to back."""

    __slots__ = ("_data", "_offset", "_order")

    def __init__(self, data: bytes, order: str, offset: int = 0) -> None:
        self._data = data
        self._offset = offset
        self._order = order

    @property
    def at_end(self) -> bool:
        return self._offset >= len(self._data)

    def fields(self, layout: str) -> tuple[int, ...]:
        """The integers of a struct layout."""
        layout = self._order + layout
        size = struct.calcsize(layout)
        if self._offset + size > len(self._data):
            raise Refused(Fault.TRUNCATED)
        values = struct.unpack_from(layout, self._data, self._offset)
        self._offset += size
        return values

    def oid(self) -> tuple[Oid, bool]:
        """The identifier and its include octet, §5.1."""
        count, prefix, include = self.fields("BBBx")
        if count > SUBIDENTIFIER_LIMIT:
            raise Refused(Fault.OID)
        written = self.fields(f"{count}I")
        return ((*INTERNET, prefix, *written) if prefix else written), include != 0

    def octets(self) -> bytes:
        """Octet String, §5.3: padded to a multiple of 4, whatever the padding holds."""
        (length,) = self.fields("I")
        padded = length + (-length % 4)
        start = self._offset
        if start + padded > len(self._data):
            raise Refused(Fault.TRUNCATED)
        self._offset += padded
        return self._data[start : start + length]

    def varbind(self) -> Varbind:
        code, _reserved = self.fields("HH")
        name, _include = self.oid()
        kind = _KINDS.get(code)
        if kind is None:
            raise Refused(Fault.KIND)
        if kind in _FORMATS:
            return Varbind(name, kind, self.fields(_FORMATS[kind])[0])
        if kind in _STRINGS:
            text = self.octets()
            if kind is Kind.IP_ADDRESS and len(text) != 4:
                raise Refused(Fault.ADDRESS)
            return Varbind(name, kind, text)
        if kind is Kind.OBJECT_IDENTIFIER:
            return Varbind(name, kind, self.oid()[0])
        return Varbind(name, kind)

    def varbinds(self) -> tuple[Varbind, ...]:
        found = []
        while not self.at_end:
            found.append(self.varbind())
        return tuple(found)

    def search_ranges(self) -> tuple[SearchRange, ...]:
        found = []
        while not self.at_end:
            start, include = self.oid()
            end, _include = self.oid()
            found.append(SearchRange(start, include, end))
        return tuple(found)


def encode_oid(order: str, oid: Oid, include: bool = False) -> bytes:
    """The short form: a prefix octet wherever one fits. At most 128 sub-identifiers below 2**32."""
    prefix = 0
    if len(oid) > 4 and oid[:4] == INTERNET and 0 < oid[4] < 256:
        prefix, oid = oid[4], oid[5:]
    return struct.pack(f"{order}BBBx{len(oid)}I", len(oid), prefix, include, *oid)


def encode_octets(order: str, text: bytes) -> bytes:
    return struct.pack(order + "I", len(text)) + text + bytes(-len(text) % 4)


def encode_varbind(order: str, varbind: Varbind) -> bytes:
    name, kind, content = varbind
    head = struct.pack(order + "HH", kind, 0) + encode_oid(order, name)
    match content:
        case int():
            return head + struct.pack(order + _FORMATS[kind], content)
        case bytes():
            return head + encode_octets(order, content)
        case tuple():
            return head + encode_oid(order, content)
        case None:
            return head


def encode_search_range(order: str, wanted: SearchRange) -> bytes:
    return encode_oid(order, wanted.start, wanted.include) + encode_oid(order, wanted.end)
