"""The compliance table: every test that it names exists, every row of the machine is in it, the page is up to date."""

import ast
import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

from tests.rfc.requirements import REQUIREMENTS, ROWS, Requirement
from tests.rfc.rows import ROWS as MACHINE

ROOT = Path(__file__).parents[2]
TESTED = [test for each in REQUIREMENTS for test in each.positive + each.negative]


@cache
def functions(file: str) -> frozenset[str]:
    return frozenset(n.name for n in ast.walk(ast.parse((ROOT / file).read_text())) if isinstance(n, ast.FunctionDef))


def test_ids_are_unique_and_name_a_section() -> None:
    assert len({each.id for each in REQUIREMENTS}) == len(REQUIREMENTS)
    assert all(re.fullmatch(r"RFC9568-[1-9](\.[0-9]+)*-[1-9][0-9]*", each.id) for each in REQUIREMENTS)


@pytest.mark.parametrize("requirement", REQUIREMENTS, ids=lambda each: each.id)
def test_both_kinds_of_tests_or_the_reason(requirement: Requirement) -> None:
    assert (requirement.positive and requirement.negative) or requirement.why


@pytest.mark.parametrize("test", sorted(set(TESTED)))
def test_what_is_named_exists(test: str) -> None:
    file, function = test.split("::")
    name, _, parameter = function.partition("[")
    assert name in functions(file)
    if file + "::" + name == ROWS:
        assert parameter.removesuffix("]") in {row.id for row in MACHINE}
    elif parameter:
        assert f'"{parameter.removesuffix("]")}"' in (ROOT / file).read_text()


def test_every_row_of_the_rfc_is_cited() -> None:
    """Rows whose id names a section, but for those that only show that nothing happens."""
    cited = {test.removeprefix(f"{ROWS}[").removesuffix("]") for test in TESTED if test.startswith(ROWS)}
    quiet = {
        "6.4.1 shutdown twice",
        "6.4.2 startup changes nothing",
        "6.4.3 startup changes nothing",
        "6.4.2 becomes Active with its own interval",
        "6.4.2 priority 0: skew from the learned interval",
        "6.4.3 Adver_Timer goes before an announcement",
    }
    assert {row.id for row in MACHINE if not row.id.startswith("*")} - cited == quiet


def test_the_page_is_up_to_date() -> None:
    done = subprocess.run(
        [sys.executable, ROOT / "tools" / "compliance.py", "--check"], capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr
