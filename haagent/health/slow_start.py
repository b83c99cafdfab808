"""Slow start: the share of its weight that a real server gets while it warms up. Pure.

"linear" goes from 1/STEPS to the whole in equal steps. "doubling" is nanny's (Piranha): 1/32, and twice as much each
fifth of the time. The share of an instant follows from the instant of the start alone, so nothing is ever adjusted and
a second failure simply starts anew.
"""

import math

from haagent.config.model import SlowStart

Instant = float
STEPS = 10  # of a linear start
DOUBLINGS = 5  # nanny began with weight / 32


def steps(settings: SlowStart) -> int:
    return STEPS if settings.mode == "linear" else DOUBLINGS


def share(settings: SlowStart, since: Instant, now: Instant) -> float:
    """Of the configured weight: above 0, at most 1, and never less than it was."""
    step = _step(settings, since, now)
    if step >= _last(settings):
        return 1.0
    return (step + 1) / STEPS if settings.mode == "linear" else 1 / 2 ** (DOUBLINGS - step)


def next_step_at(settings: SlowStart, since: Instant, now: Instant) -> Instant | None:
    """When the share grows next; None: it is whole."""
    step = _step(settings, since, now)
    return None if step >= _last(settings) else _step_at(settings, since, step + 1)


def ends_at(settings: SlowStart, since: Instant) -> Instant:
    return _step_at(settings, since, _last(settings))


def scaled(weight: int, part: float) -> int:
    """At least 1 of a weight that is not 0: a real server in service gets a share of the clients."""
    return max(1, math.floor(weight * part + 1e-9)) if weight > 0 else weight


def _last(settings: SlowStart) -> int:
    """The step at which the share is whole."""
    return STEPS - 1 if settings.mode == "linear" else DOUBLINGS


def _step_at(settings: SlowStart, since: Instant, step: int) -> Instant:
    return since + step * settings.time / _last(settings)


def _step(settings: SlowStart, since: Instant, now: Instant) -> int:
    """How many steps were made; an instant that `next_step_at` gave counts as reached."""
    step = min(_last(settings), max(0, math.floor((now - since) / settings.time * _last(settings))))
    if step < _last(settings) and now >= _step_at(settings, since, step + 1):
        return step + 1
    return step
