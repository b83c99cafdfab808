"""What the pools say about the virtual routers that track them. Pure; recomputed from all inputs, never adjusted."""

from collections.abc import Iterable, Mapping

from haagent.config.model import PoolTrack, VirtualRouter
from haagent.pool.desired import Pool
from haagent.vrrp.settings import Tracking


def tracking(routers: Iterable[VirtualRouter], pools: Mapping[str, Pool]) -> dict[str, Tracking]:
    """One entry for each router that tracks a pool."""
    return {
        router.name: _of_router([track for track in router.track if isinstance(track, PoolTrack)], pools)
        for router in routers
        if any(isinstance(track, PoolTrack) for track in router.track)
    }


def _of_router(tracks: Iterable[PoolTrack], pools: Mapping[str, Pool]) -> Tracking:
    empty = [track for track in tracks if not pools[track.pool].serving]
    faults = [f"pool {track.pool} is empty: none of its real servers is in service" for track in empty if track.fault]
    return Tracking(fault="; ".join(faults), priority=sum(track.priority for track in empty if not track.fault))
