"""The weight that a real server asks for (agent, exec): percent of the configured one, followed with care. Pure.

Never below `floor`, never more than `step` percentage points at once, never sooner than `minimum_interval` after the
last change. A wish that is further away is approached in such steps. An agent's "drain" (0 percent) and what brings it
back are no load figure but a decision: they are followed at once.
"""

from dataclasses import dataclass

from haagent.config.model import DynamicWeight

Instant = float
WHOLE = 100  # percent


@dataclass(frozen=True, slots=True)
class Followed:
    """`percent` is in force since `changed_at`; `asked` is the last wish. None: nobody ever asked."""

    percent: int | None = None
    asked: int | None = None
    changed_at: Instant = 0.0


def follow(settings: DynamicWeight, before: Followed, asked: int | None, now: Instant) -> Followed:
    """`asked`: the wish now; None: it did not say, so the last one stands."""
    asked = before.asked if asked is None else asked
    if asked is None:
        return before
    wanted = target(settings, asked)
    if before.percent is None or before.percent == wanted or 0 in (wanted, before.percent):
        changed_at = before.changed_at if before.percent == wanted else now
        return Followed(wanted, asked, changed_at)
    if now < before.changed_at + settings.minimum_interval:
        return Followed(before.percent, asked, before.changed_at)
    change = max(-settings.step, min(settings.step, wanted - before.percent))
    return Followed(before.percent + change, asked, now)


def next_change_at(settings: DynamicWeight, followed: Followed) -> Instant | None:
    """When the next step is due; None: the wish is fulfilled."""
    if followed.asked is None or followed.percent == target(settings, followed.asked):
        return None
    return followed.changed_at + settings.minimum_interval


def target(settings: DynamicWeight, asked: int) -> int:
    """0 stays 0: that is "drain"."""
    return max(asked, settings.floor) if asked else 0
