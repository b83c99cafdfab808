"""The JSON Schema (draft 2020-12) of one *.toml file, for editors. Made from the key tables of shape.py.

A file may hold part of a named table, so nothing is required at that level; what spans values, `haagent check` says.
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from haagent.config.shape import NAMED, SINGLE, Key, ListOf, Table, Variants
from haagent.config.values import NAME, Scalar

_NAME_PATTERN = NAME.schema["pattern"]


def schema() -> dict[str, Any]:
    """The schema as JSON-compatible values."""
    kinds = {kind: of_table(table) for kind, table in SINGLE.items()}
    for kind, shape in NAMED.items():
        kinds[kind] = {
            "type": "object",
            "patternProperties": {_NAME_PATTERN: _named(shape)},
            "additionalProperties": False,
        }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "haagent configuration",
        "type": "object",
        "properties": kinds,
        "additionalProperties": False,
    }


def _named(shape: Table | Variants) -> dict[str, Any]:
    if isinstance(shape, Table):
        return of_table(shape)
    return {"anyOf": [of_table(table, shape.tag, value) for value, table in shape.tables.items()]}


def of_table(table: Table, tag: str = "", value: str = "") -> dict[str, Any]:
    """One table's keys, none of them required; `tag` is a key that must have the value."""
    properties = {key: _key(table, key, known) for key, known in table.keys.items()}
    if tag:
        properties[tag] = {"const": value}
    return {"type": "object", "title": table.noun, "properties": properties, "additionalProperties": False}


def _key(table: Table, key: str, known: Key) -> dict[str, Any]:
    """The value, or a table with one for each director."""
    value = _shape(known.shape)
    choices = value if known.is_shared else {"anyOf": [value, _per_director(value)]}
    name = known.field or key
    if name in table.defaults and table.defaults[name] is not None and not known.is_derived:
        choices = {**choices, "default": msgspec.json.decode(msgspec.json.encode(table.defaults[name]))}
    return choices


def _per_director(value: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "patternProperties": {_NAME_PATTERN: value},
        "additionalProperties": False,
        "minProperties": 1,
    }


def _shape(shape: Scalar | ListOf | Table | Variants) -> dict[str, Any]:
    match shape:
        case Scalar():
            return {**shape.schema, "description": shape.expected}
        case ListOf():
            array: dict[str, Any] = {"type": "array", "items": _shape(shape.item), "minItems": shape.least}
            if shape.most is not None:
                array["maxItems"] = shape.most
            if shape.unique:
                array["uniqueItems"] = True
            return array
        case Table():
            return _with_required(shape)
        case Variants():
            return {"anyOf": [_with_required(table) for table in shape.tables.values()]}


def _with_required(table: Table) -> dict[str, Any]:
    """An array's elements and inline tables stand in one place, so all that they need is there."""
    required = [
        key for key, known in table.keys.items() if not known.is_derived and (known.field or key) not in table.defaults
    ]
    return {**of_table(table), "required": required}


def as_json(document: Mapping[str, Any]) -> str:
    """The schema as `haagent schema` prints it."""
    return msgspec.json.format(msgspec.json.encode(document), indent=2).decode() + "\n"
