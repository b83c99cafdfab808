"""docs/interop.md is what the matrix's run wrote: its text, and a row without a fault for every case."""

from pathlib import Path

from tests.netns.test_interop_matrix import CASES, STEPS

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "interop.md").read_text()
HEAD = (ROOT / "tests" / "netns" / "interop-head.md").read_text()


def test_the_text_is_that_of_the_matrix() -> None:
    assert PAGE.startswith(HEAD)


def test_every_case_has_a_row_and_every_step_a_time() -> None:
    lines = PAGE.removeprefix(HEAD).splitlines()[2:]  # behind the table's head
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    assert [row[:3] for row in rows] == [[each.peer, each.role.capitalize(), str(each.terms)] for each in CASES]
    for row in rows:
        assert len(row) == 3 + len(STEPS)
        assert all(float(cell) >= 0 for cell in row[3:])
