"""The table of what came before: every test that it names exists, a row without one says why, the page is current."""

import ast
from functools import cache
from pathlib import Path

import pytest

from tests.anchors import CHAPTERS, Row
from tools.anchors import PAGE, render

ROOT = Path(__file__).parents[2]
ROWS = [row for chapter in CHAPTERS for row in chapter.rows]


@cache
def functions(file: str) -> frozenset[str]:
    return frozenset(n.name for n in ast.walk(ast.parse((ROOT / file).read_text())) if isinstance(n, ast.FunctionDef))


@pytest.mark.parametrize("test", sorted({test for row in ROWS for test in row.tests}))
def test_what_is_named_exists(test: str) -> None:
    file, name = test.split("::")
    assert name.startswith("test_")
    assert name in functions(file)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.what)
def test_a_row_has_tests_or_says_why_not(row: Row) -> None:
    assert row.tests or row.why.startswith(("Not offered", "No importer"))
    assert len(set(row.tests)) == len(row.tests)


def test_the_page_is_up_to_date() -> None:
    assert PAGE.read_text() == render(CHAPTERS), "run tools/anchors.py"
