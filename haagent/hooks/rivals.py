"""Whether an Active router has just outlived a rival, so that its hooks must have the last word. Pure.

In a split both routers run their hooks, and whatever these claim outside (an elastic address, a route) went to the one
that came last. The loser's end is a transition of its own; for the winner nothing changes. What it can know: while it
was Active it heard advertisements, and now it hears none any more.
"""

from dataclasses import dataclass

QUIET = 5.0  # seconds: longer than the vrrp process's reports are apart


@dataclass(slots=True)
class Heard:
    """One router's last report."""

    state: str
    received: int  # advertisements, since the vrrp process started
    rival_at: float | None = None  # while Active: when an advertisement was last reported


class Rivals:
    """`reported` for each report, `due` now and then."""

    def __init__(self) -> None:
        self._heard: dict[str, Heard] = {}

    def reported(self, router: str, state: str, received: int, now: float) -> None:
        before = self._heard.get(router)
        if before is None or state != "active" or before.state != "active" or received < before.received:
            self._heard[router] = Heard(state, received)
        elif received > before.received:
            self._heard[router] = Heard(state, received, now)

    def due(self, now: float) -> list[str]:
        """The routers whose rival has fallen silent: each once."""
        silent = [
            router for router, each in self._heard.items() if each.rival_at is not None and now - each.rival_at >= QUIET
        ]
        for router in silent:
            self._heard[router].rival_at = None
        return silent
