"""Guarded takeover: what a director that could preempt has to wait for. Pure.

A director that has just come back would serve worse than the one that serves: its table may be empty or that of last
week, and it knows no open connection. So it waits until every check has given its first verdict in this run and an
audit has found the kernel's table as it should be; and, where connections are synced, until it has received for
`warm_time`.

Time, not the number of entries: two directors' counts are never equal (one-packet services, entries that time out on
one side alone), and none at all is a good count at night. With what `sysctls.py` sets beside a guarded router, a sender
tells every connection that has traffic again within half of that time, so after it the receiver knows them all.

Only a preemption waits. Where the Active router is gone the better one takes over, ready or not.
"""

from dataclasses import dataclass

from haagent.ipvs.daemon import SyncDaemons, SyncRole, satisfies

Instant = float


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is known of this director's readiness."""

    has_pools: bool = False
    unjudged: int = 0  # probes without a verdict in this run
    is_audited: bool = False
    receives: bool = False  # connection sync is wanted
    receiving_since: Instant | None = None  # it runs, and a router has had an Active since then; None: it does not
    warm_time: float = 0.0


def hold(evidence: Evidence, now: Instant) -> str:
    """Why a preemption has to wait. It changes seldom: no number counts down in it."""
    reasons = []
    if evidence.has_pools and evidence.unjudged:
        reasons.append("not every check has given its first verdict")
    elif evidence.has_pools and not evidence.is_audited:
        reasons.append("no audit has found the kernel's table as it should be yet")
    if evidence.receives and evidence.receiving_since is None:
        reasons.append("connection sync does not receive")
    elif (at := warm_at(evidence)) is not None and now < at:
        reasons.append(f"connection sync has received for less than {evidence.warm_time:g} s")
    return "; ".join(reasons)


def warm_at(evidence: Evidence) -> Instant | None:
    """From when on connection sync holds nothing; None: unknown, or there is none."""
    if not evidence.receives or evidence.receiving_since is None:
        return None
    return evidence.receiving_since + evidence.warm_time


def is_receiving(observed: SyncDaemons, wanted: SyncDaemons) -> bool:
    """Whether the kernel's receiver runs as it should."""
    running, want = observed.get(SyncRole.RECEIVER), wanted.get(SyncRole.RECEIVER)
    return running is not None and want is not None and satisfies(running, want)
