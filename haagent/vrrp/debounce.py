"""When a link that is tracked counts as down, or as up again: once it has been so for its delay. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from haagent.vrrp.router import Instant
from haagent.vrrp.settings import Interface, TrackedInterface, is_up


@dataclass(slots=True)
class _Link:
    settled: bool  # what it counts as
    changes_at: Instant | None = None  # when it counts as the opposite, if it stays as it is now


class Debounce:
    """Only tracked links with a delay are in here."""

    def __init__(self) -> None:
        self._links: dict[TrackedInterface, _Link] = {}

    def follow(
        self, tracked: Iterable[TrackedInterface], interfaces: Mapping[str, Interface], now: Instant
    ) -> dict[TrackedInterface, bool]:
        """Is it up, for each tracked link with a delay. One that is new counts as what it is."""
        links: dict[TrackedInterface, _Link] = {}
        for each in tracked:
            if not (each.down_delay or each.up_delay):
                continue
            up = is_up(each.interface, interfaces)
            link = links[each] = self._links.get(each) or _Link(up)
            if up == link.settled:
                link.changes_at = None
            elif link.changes_at is None:
                link.changes_at = now + (each.up_delay if up else each.down_delay)
            if link.changes_at is not None and link.changes_at <= now:
                link.settled, link.changes_at = up, None
        self._links = links
        return {each: link.settled for each, link in links.items()}

    def next_deadline(self) -> Instant | None:
        if not self._links:  # asked after every event
            return None
        return min((link.changes_at for link in self._links.values() if link.changes_at is not None), default=None)
