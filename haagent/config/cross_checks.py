"""What no single value shows: names that refer to nothing, the same thing twice, values that exclude each other.

Works on one director's drafts. A value that was wrong by itself is missing there, and passed over.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from haagent.config.check_rules import check_rules
from haagent.config.error import Found, quote, show
from haagent.config.group_checks import group_checks
from haagent.config.hook_rules import hook_rules
from haagent.config.kernel_checks import kernel_checks
from haagent.config.path_checks import path_checks
from haagent.config.peer_checks import peer_checks
from haagent.config.reading import Draft, no_such
from haagent.config.router_checks import router_checks
from haagent.config.server_checks import family_of, own_addresses
from haagent.config.service_checks import service_checks
from haagent.config.source_nat_checks import source_nat_checks
from haagent.config.values import enumerated

OWNER = 255  # RFC 9568 section 5.2.4


@dataclass(frozen=True, slots=True)
class Drafts:
    """Everything that one director's view of the document has, by name within each kind."""

    director: Draft | None
    snmp: Draft | None
    connection_sync: Draft | None
    sysctl: Draft | None
    peers: Draft | None
    virtual_routers: dict[str, Draft]
    virtual_router_groups: dict[str, Draft]
    checks: dict[str, Draft]
    virtual_services: dict[str, Draft]
    hooks: dict[str, Draft]
    check_names: Sequence[str]  # also of the checks that are no drafts
    service_names: Sequence[str]
    router_names: Sequence[str]


def cross_check(drafts: Drafts) -> list[Found]:
    """Every contradiction in one director's view."""
    return [
        *_routers(drafts),
        *group_checks(drafts.virtual_router_groups.values(), drafts.virtual_routers, drafts.router_names),
        *check_rules(drafts.checks.values()),
        *service_checks(drafts.virtual_services, drafts.checks, drafts.check_names, drafts.router_names),
        *_machines(drafts.virtual_services.values()),
        *hook_rules(drafts.hooks.values(), drafts.router_names, drafts.virtual_services.values()),
        *_service_addresses(drafts),
        *source_nat_checks(drafts.virtual_services.values(), drafts.virtual_routers.values()),
        *path_checks(drafts.director, drafts.sysctl, drafts.virtual_services, drafts.checks),
        *peer_checks(drafts.peers, drafts.director),
        *kernel_checks(drafts.connection_sync, drafts.sysctl, drafts.virtual_services.values()),
    ]


def _routers(drafts: Drafts) -> Iterator[Found]:
    yield from router_checks(drafts.virtual_routers.values())
    held: dict[tuple[str, str], Draft] = {}
    has_peers = drafts.peers is None or bool(drafts.peers.get("addresses"))
    for router in drafts.virtual_routers.values():
        yield from _router_addresses(router, router.get("interface"), held)
        yield from _router_tracks(router, drafts.service_names, has_peers=has_peers)


def _router_addresses(router: Draft, interface: str | None, held: dict[tuple[str, str], Draft]) -> Iterator[Found]:
    own: set[str] = set()
    for key in ("virtual_addresses", "unadvertised_addresses"):
        for number, each in enumerate(router.get(key) or ()):
            place = (*router.at(key), number)
            if each.address in own:
                yield Found(place, f"{each.address} stands in this router twice")
                continue
            own.add(each.address)
            if interface is not None:
                first = held.setdefault((interface, each.address), router)
                if first is not router:
                    yield Found(place, f"{each.address} on {interface} is held by {show(first.path)} already")


def _router_tracks(router: Draft, services: Sequence[str], *, has_peers: bool) -> Iterator[Found]:
    for track in router.get("track") or ():
        pool = track.get("pool")
        if pool is not None and pool not in services:
            yield Found(track.at("pool"), no_such("virtual service", pool, services))
        if track.get("fault") is False and track.get("priority") == 0 and track.get("when") != "value":
            yield Found(track.path, "changes nothing; give it fault = true or a priority")
        script = track.get("script")
        if script and not script[0].startswith("/"):
            yield Found(track.at("script"), f"expected an absolute path as its first word, got {quote(script[0])}")
        when, fraction = track.get("when"), track.get("fraction")
        if when == "empty_here" and not has_peers:
            yield Found(track.at("when"), "only a peer can say so; join the directors by [peers] addresses")
        if when == "below_fraction" and fraction == 0:
            yield Found(track.at("when"), "below which fraction? Give it one, as in fraction = 0.5")
        if fraction and when not in (None, "below_fraction"):
            yield Found(track.at("fraction"), 'has no effect; expected when = "below_fraction"')


def owners(document: dict[str, Any], names: tuple[str, ...]) -> list[Found]:
    """RFC 9568 section 5.2.4: 255 is for the router whose own addresses they are, and an address has one owner."""
    routers = document.get("virtual_router")
    found: list[Found] = []
    for name, router in routers.items() if isinstance(routers, dict) else ():
        priority = router.get("priority") if isinstance(router, dict) else None
        match priority:
            case int():
                having = list(names) if priority == OWNER else []
            case dict():
                having = [each for each in names if priority.get(each) == OWNER]
            case _:
                continue
        if len(having) > 1:
            message = f"255 is for the one owner of the addresses; it is given to {enumerated(having)}"
            found.append(Found(("virtual_router", name, "priority"), message))
    return found


def _machines(services: Iterable[Draft]) -> Iterator[Found]:
    """Operators address a machine by its name, so one name is one machine."""
    machines: dict[str, Draft] = {}
    for service in services:
        for server in service.get("real_servers") or ():
            name, address = server.get("name"), server.get("address")
            if name is None or address is None:
                continue
            first = machines.setdefault(name, server)
            if first.get("address") != address and first.path[:-1] != server.path[:-1]:
                yield Found(
                    server.at("address"),
                    f"{name} is {first.get('address')} in {show(first.path)}; expected the same, or another name",
                )


def _service_addresses(drafts: Drafts) -> Iterator[Found]:
    """Without a router somebody else may bring the address here; with routers, one of them must."""
    held: set[str] = set()
    for router in drafts.virtual_routers.values():
        for key in ("virtual_addresses", "unadvertised_addresses"):
            addresses: Any = router.get(key)
            if addresses is None:
                return  # wrong by itself; the address may be the one that is meant
            held |= {each.address for each in addresses}
    if not held:
        return
    families = {family_of(address) for address in held}
    for service in drafts.virtual_services.values():
        for place, address in own_addresses(service):
            if address not in held and family_of(address) in families:
                yield Found(place, f"no virtual router holds {address}; one of {enumerated(sorted(held))}")
