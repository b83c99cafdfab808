"""The panic threshold: with too few healthy, doubt the checks and keep what served last. Pure.

When most of a pool fails at once, the path from here or the check itself is the likelier culprit, and to send all
clients to the few that are left would finish these off. So below the fraction those that served when it was last
reached stay in service, beside all that are healthy.
"""

from collections.abc import Set
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Freeze:
    """`kept` serve although they are not healthy; empty: nothing is frozen."""

    kept: frozenset[str] = frozenset()
    last_good: frozenset[str] = frozenset()  # who served when enough were healthy: remember it


def is_below(healthy: int, total: int, fraction: float) -> bool:
    """Whether fewer than `fraction` of `total` are healthy; 55 of 100 are 0.55, whatever binary fractions say."""
    return healthy < fraction * total - 1e-9


def freeze(minimum_fraction: float, healthy: int, total: int, serving: Set[str], last_good: Set[str]) -> Freeze:
    """`serving`: who would serve by health alone; `last_good`: what the previous answer said. Names."""
    if not is_below(healthy, total, minimum_fraction):
        return Freeze(frozenset(), frozenset(serving))
    return Freeze(frozenset(last_good) - frozenset(serving), frozenset(last_good))
