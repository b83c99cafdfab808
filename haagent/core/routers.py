"""The part of the configuration that the vrrp process gets."""

from haagent.config.model import InterfaceTrack, VirtualRouter
from haagent.pool.desired import packed
from haagent.vrrp.auth_hmac import AuthHmac, KeyFile
from haagent.vrrp.path import SecondPath
from haagent.vrrp.settings import RouterSettings, TrackedInterface


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
