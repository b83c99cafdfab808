"""The key tables and the model agree: every field of a struct has a key, and every key a field."""

import msgspec
import pytest

from haagent.config import shape
from haagent.config.shape import REAL_SERVER, Table

TABLES = [
    *shape.SINGLE.values(),
    shape.VIRTUAL_ROUTER,
    shape.VIRTUAL_SERVICE,
    REAL_SERVER,
    shape.SORRY_SERVER,
    *shape.CHECK.tables.values(),
    *shape.TRACK.tables.values(),
    shape.TUNNEL,
]


@pytest.mark.parametrize("table", TABLES, ids=[table.struct.__name__ for table in TABLES])
def test_keys_are_fields(table: Table) -> None:
    fields = {field.name for field in msgspec.structs.fields(table.struct)}
    keys = {known.field or key for key, known in table.keys.items() if key != "type" or "type" in fields}
    by_name = {"name"} if table is not REAL_SERVER else set()  # the key of the table itself
    assert keys == fields - by_name


@pytest.mark.parametrize("table", TABLES, ids=[table.struct.__name__ for table in TABLES])
def test_defaults_are_the_models(table: Table) -> None:
    for field in msgspec.structs.fields(table.struct):
        if field.required:
            assert field.name not in table.defaults
        else:
            assert table.defaults[field.name] == field.default
