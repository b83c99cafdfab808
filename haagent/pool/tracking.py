"""What the pools say about the virtual routers that track them. Pure; recomputed from all inputs, never adjusted."""

from collections.abc import Iterable, Mapping

from haagent.config.model import PoolTrack, VirtualRouter
from haagent.pool.desired import Pool
from haagent.pool.freeze import is_below
from haagent.vrrp.settings import Term, Tracking


def tracking(routers: Iterable[VirtualRouter], pools: Mapping[str, Pool]) -> dict[str, Tracking]:
    """One entry for each router that tracks a pool."""
    return {
        router.name: _of_router([track for track in router.track if isinstance(track, PoolTrack)], pools)
        for router in routers
        if any(isinstance(track, PoolTrack) for track in router.track)
    }


def _of_router(tracks: Iterable[PoolTrack], pools: Mapping[str, Pool]) -> Tracking:
    holding = [(track, sentence) for track in tracks if (sentence := condition(track, pools[track.pool]))]
    faults = [sentence for track, sentence in holding if track.fault]
    return Tracking("; ".join(faults), tuple(Term(sentence, t.priority) for t, sentence in holding if not t.fault))


def condition(track: PoolTrack, pool: Pool) -> str:
    """Why the condition holds; empty: it does not."""
    match track.when:
        case "empty":
            return "" if pool.serving else f"pool {track.pool} is empty: none of its real servers is in service"
        case "below_quorum":
            return "" if pool.has_quorum else f"pool {track.pool} is below its quorum: live weight {pool.live_weight}"
        case "below_fraction":
            if not is_below(pool.healthy, pool.total, track.fraction):
                return ""
            return f"pool {track.pool} has {pool.healthy} of {pool.total} real servers healthy"
