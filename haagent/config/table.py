"""What a key table is made of: keys, arrays, tables, and tables of several kinds.

A key is required where its field in the model has no default, so defaults stand there alone.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec
from msgspec import Struct

from haagent.config.values import Scalar


@dataclass(frozen=True, slots=True)
class ListOf:
    """An array."""

    item: "Scalar | Table | Variants"
    expected: str  # "an array of ..."
    least: int = 0
    most: int | None = None
    hint: str = ""  # what to do with too many
    unique: bool = False


@dataclass(frozen=True, slots=True)
class Variants:
    """A table of one of several kinds: the value of the key `tag` says which, or without a tag the key that it has."""

    expected: str
    tag: str
    tables: "Mapping[str, Table]"


@dataclass(frozen=True, slots=True)
class Key:
    """One key of a table."""

    shape: "Scalar | ListOf | Table | Variants"
    field: str = ""  # in the struct, where it is not the key itself
    is_derived: bool = False  # absent: follows from other values (cross_checks.apply_rules)
    is_shared: bool = False  # may not differ between directors


@dataclass(frozen=True, slots=True)
class Table:
    """The keys of one kind of table, and the struct that it becomes."""

    noun: str
    struct: type[Struct]
    keys: Mapping[str, Key]
    defaults: Mapping[str, Any] = field(init=False)  # by field; a key whose field is not here is required

    def __post_init__(self) -> None:
        defaults = {
            each.name: each.default if each.default is not msgspec.NODEFAULT else each.default_factory()
            for each in msgspec.structs.fields(self.struct)
            if not each.required
        }
        object.__setattr__(self, "defaults", defaults)
