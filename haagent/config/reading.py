"""One director's view of the document, key table by key table: drafts of what is right, and what is wrong.

Per-director values are resolved here: a table in the place of a single value or an array has one for each director.
"""

import difflib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from haagent.config.error import Found, Path, quote
from haagent.config.shape import Key, ListOf, Table, Variants
from haagent.config.values import Scalar, Wrong, describe, enumerated

_SAID = Wrong("")  # the value was wrong, and that has been said


@dataclass(slots=True)
class Draft:
    """A table as far as it is right. `values` is by field of the struct and lacks what was wrong."""

    path: Path
    table: Table
    values: dict[str, Any]
    places: dict[str, Path] = field(default_factory=dict)  # by field, only where a per-director table moved it

    def get(self, name: str) -> Any:
        """The field's value, or None where it was wrong."""
        return self.values.get(name)

    def at(self, key: str) -> Path:
        """Where the key's value for this director stands."""
        return self.places.get(key) or (*self.path, key)


def build(draft: Draft, **more: Any) -> Any:
    """The struct of a draft in which nothing was wrong."""
    return draft.table.struct(**{name: _built(value) for name, value in draft.values.items()}, **more)


def _built(value: Any) -> Any:
    match value:
        case Draft():
            return build(value)
        case tuple():
            return tuple(_built(each) for each in value) if value and isinstance(value[0], Draft) else value
        case _:
            return value


def suggest(word: str, known: Sequence[str]) -> str:
    """`did you mean "..."?`, or the known ones."""
    close = difflib.get_close_matches(word, known, 1) if len(known) <= 200 else []  # it costs the sum of their lengths
    if close:
        return f"did you mean {quote(close[0])}?"
    return f"one of {enumerated(known)}"


def no_such(noun: str, name: str, known: Sequence[str]) -> str:
    return f'there is no {noun} "{name}"; ' + (suggest(name, known) if known else f"there are no {noun}s at all")


class Reading:
    """Reads the tables for one director. Without names (they were wrong), per-director tables are passed over."""

    def __init__(self, name: str, names: tuple[str, ...], *, is_complete: bool) -> None:
        self._name = name
        self._names = names
        self._is_complete = is_complete  # False: a file could not be read, so nothing can be called missing
        self.found: list[Found] = []

    def table(self, shape: Table | Variants, raw: object, path: Path) -> Draft | None:
        """A draft, or None where it cannot be known which keys belong into the table."""
        if not isinstance(raw, dict):
            expected = shape.expected if isinstance(shape, Variants) else "a table"
            self._say(path, f"expected {expected}, got {describe(raw)}")
            return None
        if isinstance(shape, Table):
            return self._keys(shape, raw, path)
        variant = self._variant(shape, raw, path)
        return None if variant is None else self._keys(variant, raw, path, tag=shape.tag)

    def _say(self, path: Path, message: str) -> None:
        self.found.append(Found(path, message))

    def _variant(self, shape: Variants, raw: dict[str, Any], path: Path) -> Table | None:
        if not shape.tag:
            chosen = [key for key in shape.tables if key in raw]
            if len(chosen) != 1:
                self._say(path, f"expected {shape.expected}, got " + ("both" if chosen else "neither"))
                return None
            return shape.tables[chosen[0]]
        if shape.tag not in raw:
            if self._is_complete:
                self._say((*path, shape.tag), f"missing; one of {enumerated(list(shape.tables))}")
            return None
        tag = next(iter(shape.tables.values())).keys[shape.tag]
        value, _ = self._value(tag, raw[shape.tag], (*path, shape.tag))
        return None if isinstance(value, Wrong) else shape.tables[value]

    def _keys(self, shape: Table, raw: dict[str, Any], path: Path, tag: str = "") -> Draft:
        draft = Draft(path, shape, {})
        for key, value in raw.items():
            if key == tag:
                continue
            if key not in shape.keys:
                self._say((*path, key), f"unknown key; {suggest(key, list(shape.keys))}")
                continue
            known = shape.keys[key]
            read, place = self._value(known, value, (*path, key))
            if not isinstance(read, Wrong):
                draft.values[known.field or key] = read
                if len(place) != len(path) + 1:
                    draft.places[key] = place
        for key, known in shape.keys.items():
            if key in raw or key == tag:
                continue
            name = known.field or key
            if known.is_derived:
                draft.values[name] = None
            elif name in shape.defaults:
                draft.values[name] = shape.defaults[name]
            elif self._is_complete:
                self._say((*path, key), f"missing; expected {_expected(known)}")
        return draft

    def _value(self, key: Key, raw: Any, path: Path) -> tuple[Any, Path]:
        """The model's value (or Wrong, already said) and where it stands."""
        if isinstance(raw, dict) and not key.is_shared and self._is_per_director(key, raw):
            if not self._names:
                return _SAID, path
            wrong = _per_director_wrong(raw, self._names)
            if wrong:
                self._say(path, wrong)
            if self._name not in raw:
                return _SAID, path
            raw, path = raw[self._name], (*path, self._name)
        match key.shape:
            case Scalar() as scalar:
                value = scalar.read(raw)
                if isinstance(value, Wrong):
                    self._say(path, value.message)
                return value, path
            case ListOf() as array:
                return self._list(array, raw, path), path
            case Table() | Variants() as table:
                draft = self.table(table, raw, path)
                return (_SAID if draft is None else draft), path

    def _is_per_director(self, key: Key, raw: dict[str, Any]) -> bool:
        if isinstance(key.shape, Table | Variants):  # a table by itself: only the names tell
            if not self._names:
                return all(isinstance(value, dict) for value in raw.values())
            return bool(raw) and all(name in self._names for name in raw)
        return True

    def _list(self, shape: ListOf, raw: Any, path: Path) -> Any:
        if not isinstance(raw, list):
            self._say(path, f"expected {shape.expected}, got {describe(raw)}")
            return _SAID
        if len(raw) < shape.least:
            self._say(path, f"expected {shape.expected}, at least {shape.least}, got an empty one")
            return _SAID
        if shape.most is not None and len(raw) > shape.most:
            self._say(path, f"{len(raw)} entries; at most {shape.most}" + (f": {shape.hint}" if shape.hint else ""))
        if isinstance(shape.item, Scalar):
            return self._scalars(shape, shape.item, raw, path)
        drafts = [self.table(shape.item, item, (*path, number)) for number, item in enumerate(raw)]
        return tuple(draft for draft in drafts if draft is not None)

    def _scalars(self, shape: ListOf, item: Scalar, raw: list[Any], path: Path) -> Any:
        values: list[Any] = []
        seen: set[Any] = set()
        for number, each in enumerate(raw):
            value = item.read(each)
            if isinstance(value, Wrong):
                self._say((*path, number), value.message)
                continue
            if shape.unique and value in seen:
                self._say((*path, number), f"{describe(each)} stands in the array twice")
            seen.add(value)
            values.append(value)
        # A list with holes would cause errors that are none.
        return tuple(values) if len(values) == len(raw) else _SAID


def _expected(key: Key) -> str:
    return f"a table ({key.shape.noun})" if isinstance(key.shape, Table) else key.shape.expected


def _per_director_wrong(raw: dict[str, Any], names: tuple[str, ...]) -> str:
    missing = [quote(name) for name in names if name not in raw]
    unknown = [quote(key) for key in raw if key not in names]
    if not missing and not unknown:
        return ""
    faults = [f"{word} {enumerated(those)}" for word, those in (("missing", missing), ("unknown", unknown)) if those]
    return f"a table here gives one value for each director ({enumerated(names)}): " + "; ".join(faults)
