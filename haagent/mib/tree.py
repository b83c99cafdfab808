"""The objects that we serve, in the order of their identifiers: answers Get and GetNext (RFC 2741 §7.2.3).

A tree is a sorted list of columns; the columns of one table share one sorted list of row suffixes. So building it costs
one sort of the rows, whatever the number of columns, and a value is made when somebody asks for it.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from haagent.agentx.varbind import Content, Kind, Oid, Varbind

SCALAR: tuple[Oid, ...] = ((0,),)  # the one row of a scalar object


@dataclass(frozen=True, slots=True)
class Column:
    """One object and all its instances. `suffixes[i]` is the index of `rows[i]`; they are sorted and distinct."""

    prefix: Oid
    kind: Kind
    content: Callable[[Any], Content]  # of one row
    suffixes: Sequence[Oid]
    rows: Sequence[Any]

    def cell(self, position: int) -> Varbind:
        return Varbind(self.prefix + self.suffixes[position], self.kind, self.content(self.rows[position]))


class Tree:
    """No prefix of a column may be the beginning of another's."""

    __slots__ = ("_columns", "_prefixes")

    def __init__(self, columns: Iterable[Column] = ()) -> None:
        self._columns = sorted(columns, key=lambda column: column.prefix)
        self._prefixes = [column.prefix for column in self._columns]

    def get(self, name: Oid) -> Varbind:
        """The instance, or noSuchObject where no object has that prefix, or noSuchInstance."""
        position = bisect_right(self._prefixes, name) - 1
        if position < 0:
            return Varbind(name, Kind.NO_SUCH_OBJECT)
        column = self._columns[position]
        length = len(column.prefix)
        if name[:length] != column.prefix:
            return Varbind(name, Kind.NO_SUCH_OBJECT)
        suffix = name[length:]
        row = bisect_left(column.suffixes, suffix)
        if row == len(column.suffixes) or column.suffixes[row] != suffix:
            return Varbind(name, Kind.NO_SUCH_INSTANCE)
        return column.cell(row)

    def get_next(self, start: Oid, include: bool = False, end: Oid = ()) -> Varbind | None:
        """The first instance after `start` (at it, with `include`) and before `end` (() is unbounded)."""
        position = bisect_right(self._prefixes, start) - 1
        row = 0
        if position >= 0:
            prefix = self._prefixes[position]
            if start[: len(prefix)] == prefix:
                suffix = start[len(prefix) :]
                suffixes = self._columns[position].suffixes
                row = bisect_left(suffixes, suffix) if include else bisect_right(suffixes, suffix)
            else:
                position += 1
        else:
            position = 0
        while position < len(self._columns):
            column = self._columns[position]
            if row < len(column.suffixes):
                if end and column.prefix + column.suffixes[row] >= end:
                    return None
                return column.cell(row)
            position, row = position + 1, 0
        return None

    def walk(self) -> list[Varbind]:
        """Every instance, in order."""
        return [column.cell(row) for column in self._columns for row in range(len(column.suffixes))]
