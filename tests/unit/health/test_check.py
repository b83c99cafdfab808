"""rise and fall."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from haagent.config.model import TcpCheck
from haagent.health.check import Health, HealthState, judge

CHECK = TcpCheck(name="tcp", rise=2, fall=3)


def after(start: HealthState, results: str) -> list[HealthState]:
    """The verdict after each result; + passed, - failed."""
    health, states = Health(start), []
    for result in results:
        health = judge(CHECK, health, result == "+")
        states.append(health.state)
    return states


@pytest.mark.parametrize(
    ("start", "results", "expected"),
    [
        ("unknown", "++", "? up"),
        ("unknown", "---", "? ? down"),
        ("unknown", "-+-+-+", "? ? ? ? ? ?"),  # neither streak is ever complete
        ("unknown", "--++", "? ? ? up"),
        ("unknown", "+---", "? ? ? down"),
        ("up", "---", "up up down"),
        ("up", "--+--", "up up up up up"),  # a pass in between starts the count anew
        ("up", "--+---", "up up up up up down"),
        ("down", "+-++", "down down down up"),
        ("down", "-----", "down down down down down"),
    ],
)
def test_streaks(start: HealthState, results: str, expected: str) -> None:
    assert after(start, results) == expected.replace("?", "unknown").split()


def test_the_streak_counts_what_speaks_against_the_verdict() -> None:
    health = judge(CHECK, Health("up"), False)
    assert health == Health("up", 1, passing=False)
    assert judge(CHECK, health, True) == Health("up", 0)


@given(st.sampled_from(["unknown", "up", "down"]), st.text("+-", max_size=40), st.integers(1, 5), st.integers(1, 5))
def test_a_verdict_flips_only_after_a_complete_streak(start: HealthState, results: str, rise: int, fall: int) -> None:
    check = TcpCheck(name="tcp", rise=rise, fall=fall)
    health = Health(start)
    for index, result in enumerate(results):
        before = health.state
        health = judge(check, health, result == "+")
        if health.state != before:
            needed = rise if health.state == "up" else fall
            assert results[: index + 1].endswith(result * needed)
        if results[: index + 1].endswith("+" * rise):
            assert health.state == "up"
        if results[: index + 1].endswith("-" * fall):
            assert health.state == "down"
