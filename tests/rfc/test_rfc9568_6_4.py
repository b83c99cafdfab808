"""RFC 9568 section 6.4, a row per sentence: the exact next state with its deadlines, the exact effects in order."""

import pytest

from haagent.vrrp.router import State, deadline, step
from tests.rfc.rows import DEADLINES, ROWS, Row, disagreement


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.id)
def test_row(row: Row) -> None:
    assert disagreement(row, step) == ""


@pytest.mark.parametrize(("state", "due"), DEADLINES)
def test_deadline_is_the_earliest_of_the_state(state: State, due: float | None) -> None:
    assert deadline(state) == due


def test_ids_are_unique() -> None:
    assert len({row.id for row in ROWS}) == len(ROWS)
