"""The rows guard the machine: every single damage to `haagent/vrrp/router.py` makes a row disagree.

Deleting a case is the mutation that style.md section 8 asks for; the others (guards, effects, comparisons,
operators, constants, branches) show that the rows also pin what each case does.
"""

from typing import Any

import pytest

from haagent.vrrp import router
from tests.mutants import mutants
from tests.rfc.rows import DEADLINES, ROWS, disagreement

# Damage that changes no behaviour, with the reason; matched by the end of the mutant's text
EQUIVALENT: dict[str, str] = {
    "delete case Initialize()": "the case of `deadline`: a function that runs off its end returns None as well",
}

MUTANTS = [each for each in mutants(router) if not any(each[0].endswith(text) for text in EQUIVALENT)]


@pytest.mark.parametrize(("what", "names"), MUTANTS, ids=[what for what, _ in MUTANTS])
def test_rows_notice(what: str, names: dict[str, Any]) -> None:
    assert is_killed(names), f"no row notices: {what}"


def test_every_case_of_step_is_among_the_mutants() -> None:
    assert sum("delete case" in what for what, _ in MUTANTS) == 38 + 3  # of step and of deadline


def is_killed(names: dict[str, Any]) -> bool:
    try:
        return any(disagreement(row, names["step"]) for row in ROWS) or any(
            names["deadline"](state) != due for state, due in DEADLINES
        )
    except (TypeError, ValueError, AttributeError, UnboundLocalError):
        return True  # the damage broke the function outright
