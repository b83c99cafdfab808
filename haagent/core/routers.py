"""What the vrrp process gets: its part of the configuration, and how what routers track stands. Pure."""

from dataclasses import dataclass, field

from haagent.config.model import Config, InterfaceTrack, VirtualRouter
from haagent.core.effects import Effect, SetRouters, SetTracking
from haagent.core.events import Instant
from haagent.core.faults import Faults
from haagent.core.guard import Guard
from haagent.core.pools import Pools
from haagent.pool.desired import packed
from haagent.pool.tracking import Observed, tracking
from haagent.vrrp.auth_hmac import AuthHmac, KeyFile
from haagent.vrrp.path import SecondPath
from haagent.vrrp.settings import RouterSettings, TrackedInterface, Tracking


@dataclass(slots=True)
class Routers:
    pools: Pools
    faults: Faults
    guard: Guard
    watched: Observed = field(default_factory=dict)  # scripts, files and processes
    _routers: tuple[VirtualRouter, ...] = ()
    _groups: dict[str, str] = field(default_factory=dict)  # by router
    _tracking: dict[str, Tracking] = field(default_factory=dict)

    def load(self, config: Config) -> None:
        self._routers = config.virtual_routers
        self._groups = {name: each.name for each in config.virtual_router_groups for name in each.routers}

    def levels(self) -> list[Effect]:
        settings = (router_settings(router, self._groups.get(router.name, "")) for router in self._routers)
        return [SetTracking(dict(self._tracking)), SetRouters(tuple(settings))]

    def track(self, now: Instant) -> list[Effect]:
        """The level of the tracking, where it is another one."""
        held = self.guard.hold(now)
        tracked = tracking(self._routers, self.pools.of, self.watched, self.faults.blame.here, held)
        if tracked == self._tracking:
            return []
        self._tracking = tracked
        return [SetTracking(dict(tracked))]


def router_settings(router: VirtualRouter, group: str = "") -> RouterSettings:
    """The part of the configuration that the vrrp process gets."""
    return RouterSettings(
        name=router.name,
        interface=router.interface,
        vrid=router.vrid,
        priority=router.priority,
        advertisement_interval=router.advertisement_interval,
        virtual_addresses=tuple((packed(each.address), each.prefix_length) for each in router.virtual_addresses),
        unadvertised_addresses=tuple(
            (packed(each.address), each.prefix_length) for each in router.unadvertised_addresses
        ),
        preempt=router.preempt,
        checksum=router.checksum,
        announce_burst=router.announce_burst,
        announce_delay=router.announce_delay,
        announce_refresh=router.announce_refresh,
        announce_form=router.announce_form,
        tracked_interfaces=tuple(
            TrackedInterface(track.interface, track.fault, track.priority, track.down_delay, track.up_delay)
            for track in router.track
            if isinstance(track, InterfaceTrack)
        ),
        version=router.version,
        password=router.password,
        unicast_peers=None if router.unicast_peers is None else tuple(packed(each) for each in router.unicast_peers),
        minimum_ttl=router.minimum_ttl,
        also_via=SecondPath(router.also_via.interface, tuple(packed(each) for each in router.also_via.peers))
        if router.also_via
        else None,
        preempt_delay=router.preempt_delay,
        guard_time=router.guard_time if router.guarded_takeover else 0.0,
        sticky=router.sticky,
        hold_off=router.hold_off,
        group=group,
        virtual_mac=router.virtual_mac,
        auth_hmac=AuthHmac(
            tuple(KeyFile(each.id, each.file) for each in router.auth_hmac.keys),
            router.auth_hmac.active_key,
            router.auth_hmac.mode,
            router.auth_hmac.anti_replay,
            router.auth_hmac.time_window,
        )
        if router.auth_hmac
        else None,
    )
