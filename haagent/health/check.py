"""The verdict on a real server: how many results in a row flip it (`rise` up, `fall` down).

keepalived and ldirectord restore a server after one good answer; here both directions want a streak, and a server
without a verdict is neither up nor down until one of the two streaks is complete.
"""

from dataclasses import dataclass
from typing import Literal

from haagent.config.model import Check

HealthState = Literal["unknown", "up", "down"]
Failure = Literal[
    "", "silent", "refused", "no_protocol", "local"
]  # of the last try, as far as the way matters; "": none, or another


@dataclass(frozen=True, slots=True)
class Health:
    """A verdict and how much speaks against it."""

    state: HealthState
    streak: int = 0  # equal results in a row that disagree with `state`
    passing: bool = False  # what the results of the streak were; matters while the state is unknown


def judge(check: Check, health: Health, passed: bool) -> Health:
    """The verdict after one more result."""
    verdict: HealthState = "up" if passed else "down"
    if health.state == verdict:
        return Health(verdict) if health.streak else health
    streak = health.streak + 1 if health.passing is passed else 1
    if streak >= (check.rise if passed else check.fall):
        return Health(verdict)
    return Health(health.state, streak, passing=passed)
