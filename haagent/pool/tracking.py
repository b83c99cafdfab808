"""What the director knows about the virtual routers that track something: pools, and what is watched. Pure.

Recomputed from all inputs, never adjusted.
"""

from collections.abc import Iterable, Mapping, Set
from dataclasses import replace

from haagent.config.model import InterfaceTrack, PoolTrack, VirtualRouter, WatchedTrack
from haagent.pool.desired import Pool
from haagent.pool.freeze import is_below
from haagent.pool.watched import Observation
from haagent.vrrp.settings import Term, Tracking

Observed = Mapping[WatchedTrack, Observation]  # what was looked at already
NOTHING_WATCHED: Observed = {}
NOWHERE = frozenset[str]()


def tracking(
    routers: Iterable[VirtualRouter],
    pools: Mapping[str, Pool],
    observed: Observed = NOTHING_WATCHED,
    at_fault: Set[str] = NOWHERE,
    hold: str = "",
) -> dict[str, Tracking]:
    """One entry for each router that tracks more than interfaces, which the vrrp process sees for itself, and for each
    guarded one while there is something to wait for (`hold`)."""
    routers = tuple(routers)
    guarded = {router.name for router in routers if router.guarded_takeover and hold}
    tracks = {
        router.name: [each for each in router.track if not isinstance(each, InterfaceTrack)] for router in routers
    }
    return {
        name: replace(_of_router(each, pools, observed, at_fault), hold=hold if name in guarded else "")
        for name, each in tracks.items()
        if each or name in guarded
    }


def _of_router(
    tracks: Iterable[PoolTrack | WatchedTrack], pools: Mapping[str, Pool], observed: Observed, at_fault: Set[str]
) -> Tracking:
    faults, terms = [], []
    for track in tracks:
        seen = observe(track, pools, observed, at_fault)
        if seen.cause and track.fault:
            faults.append(seen.cause)
        elif seen.cause:
            terms.append(Term(seen.cause, track.priority if seen.priority is None else seen.priority))
    return Tracking("; ".join(faults), tuple(terms))


def observe(
    track: PoolTrack | WatchedTrack, pools: Mapping[str, Pool], observed: Observed, at_fault: Set[str] = NOWHERE
) -> Observation:
    """What is not looked at yet holds nothing."""
    if isinstance(track, PoolTrack):
        return Observation(condition(track, pools[track.pool], at_fault))
    return observed.get(track, Observation())


def condition(track: PoolTrack, pool: Pool, at_fault: Set[str] = NOWHERE) -> str:
    """Why the condition holds; empty: it does not. `at_fault`: the pools that a peer reaches and we do not."""
    match track.when:
        case "empty":
            return "" if pool.serving else f"pool {track.pool} is empty: none of its real servers is in service"
        case "empty_here":
            if pool.healthy or track.pool not in at_fault:
                return ""
            return f"pool {track.pool} has no healthy real server here, and a peer reaches it"
        case "below_quorum":
            return "" if pool.has_quorum else f"pool {track.pool} is below its quorum: live weight {pool.live_weight}"
        case "below_fraction":
            if not is_below(pool.healthy, pool.total, track.fraction):
                return ""
            return f"pool {track.pool} has {pool.healthy} of {pool.total} real servers healthy"
