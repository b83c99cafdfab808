"""Reads the answers of a dump that all look alike: thousands of destinations, each some forty attributes, in one step.

The kernel writes every destination of a dump with the same attributes in the same order (ip_vs_genl_fill_dest). So the
places of the fields are learned from one message, by the general reader, and hold for every other one whose attribute
headers are octet for octet the same. Which headers these are is a mask over the whole message: one comparison of
integers. What does not fit is not read here.
"""

import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Any

NLA_TYPE_MASK = 0x3FFF
_ATTRIBUTE = struct.Struct("=HH")

Path = tuple[int, ...]  # the types of the attributes from the outermost to the field
Field = tuple[Path, str]  # and the field's format, as of the module struct


@dataclass(frozen=True, slots=True)
class Layout:
    """Where the fields of one kind of message are."""

    length: int
    mask: int
    expected: int
    fields: struct.Struct
    pick: Callable[[tuple[Any, ...]], tuple[Any, ...]]  # from the order in the message to that of the fields

    def read(self, octets: bytes) -> tuple[Any, ...] | None:
        """The fields; None where the message is of another kind."""
        if len(octets) != self.length or int.from_bytes(octets, "little") & self.mask != self.expected:
            return None
        return self.pick(self.fields.unpack_from(octets))


def learn(octets: bytes, start: int, nests: frozenset[Path], fields: Sequence[Field]) -> Layout | None:
    """The layout of a message whose attributes begin at `start`; `nests`: which of them hold attributes themselves.

    None where a field, of at least two, is missing or has another length. The octets before `start` are not compared.
    """
    mask = bytearray(len(octets))
    places: dict[Path, tuple[int, int]] = {}
    if not _walk(octets, start, len(octets), (), nests, mask, places):
        return None
    if any(places.get(path, (0, 0))[1] != struct.calcsize("=" + kind) for path, kind in fields):
        return None
    order = sorted(range(len(fields)), key=lambda number: places[fields[number][0]])
    form, at = "=", 0
    for number in order:
        path, kind = fields[number]
        offset, length = places[path]
        form += f"{offset - at}x{kind}"
        at = offset + length
    whole = int.from_bytes(mask, "little")
    pick = itemgetter(*(order.index(number) for number in range(len(fields))))
    return Layout(len(octets), whole, int.from_bytes(octets, "little") & whole, struct.Struct(form), pick)


def _walk(
    octets: bytes,
    offset: int,
    end: int,
    above: Path,
    nests: frozenset[Path],
    mask: bytearray,
    places: dict[Path, tuple[int, int]],
) -> bool:
    """Notes the places of all attributes; False where one is malformed, or a nest comes twice.

    Of others the last counts, as for the general reader: some kernels put PAD before each number of 64 bits.
    """
    while end - offset >= _ATTRIBUTE.size:
        length, type_ = _ATTRIBUTE.unpack_from(octets, offset)
        path = (*above, type_ & NLA_TYPE_MASK)
        if length < _ATTRIBUTE.size or offset + length > end or (path in nests and path in places):
            return False
        mask[offset : offset + 4] = b"\xff" * 4
        places[path] = offset + 4, length - 4
        if path in nests and not _walk(octets, offset + 4, offset + length, path, nests, mask, places):
            return False
        offset += (length + 3) & ~3
    return offset >= end
