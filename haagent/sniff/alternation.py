"""Two that speak for the same thing: told apart from one that takes over from the other.

A takeover, and the takeover back, change the speaker once each. Two that both believe to be the one alternate.
"""

from collections import deque
from dataclasses import dataclass, field

CHANGES = 3  # a b a b: one more than a station that speaks once, is answered and falls silent


@dataclass(slots=True)
class Alternation:
    """Who spoke last, and when that changed."""

    last: bytes = b""
    _changes: deque[float] = field(default_factory=lambda: deque(maxlen=CHANGES))

    def hear(self, who: bytes, at: float, window: float) -> bool:
        """Whether the speaker changed CHANGES times within `window` seconds."""
        if who != self.last:
            if self.last:
                self._changes.append(at)
            self.last = who
        return len(self._changes) == CHANGES and at - self._changes[0] <= window
