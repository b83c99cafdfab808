"""What a client saw of an event, from the finished requests that load.py reports. Pure."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise


@dataclass(frozen=True, slots=True)
class Request:
    """A finished request; times are monotonic seconds. `server` is empty where it was lost, else `error` is."""

    started_at: float
    ended_at: float
    server: str = ""
    error: str = ""


@dataclass(frozen=True, slots=True)
class Outage:
    """What one event cost a client that sends requests at an even pace."""

    longest: float  # seconds between two successive answers; infinite where answers never came back
    sent: int
    lost: int


def read_request(line: str) -> Request | None:
    """A line of load.py; None for anything else."""
    try:
        fields = json.loads(line)
        return Request(
            float(fields["start"]), float(fields["end"]), str(fields.get("server", "")), str(fields.get("error", ""))
        )
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None


def measure(requests: Sequence[Request], since: float, until: float) -> Outage:
    """Of the window [since, until): the longest gap between answers that touches it, and the requests begun in it."""
    answered = sorted(request.ended_at for request in requests if request.server)
    touching = [end - start for start, end in pairwise(answered) if start < until and end >= since]
    silent = not answered or answered[-1] < since
    begun = [request for request in requests if since <= request.started_at < until]
    return Outage(
        longest=float("inf") if silent else max(touching, default=0.0),
        sent=len(begun),
        lost=sum(1 for request in begun if not request.server),
    )


def servers(requests: Iterable[Request], since: float) -> dict[str, int]:
    """Answers per server, of requests begun at or after `since`."""
    counts: dict[str, int] = {}
    for request in requests:
        if request.server and request.started_at >= since:
            counts[request.server] = counts.get(request.server, 0) + 1
    return counts
