"""What no single value shows: names that refer to nothing, the same thing twice, values that exclude each other.

Works on one director's drafts. A value that was wrong by itself is missing there, and passed over.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from haagent.config.error import Found, show
from haagent.config.model import SCHEDULER_FLAGS
from haagent.config.reading import Draft, suggest
from haagent.config.values import enumerated

OWNER = 255  # RFC 9568 section 5.2.4


@dataclass(frozen=True, slots=True)
class Drafts:
    """Everything that one director's view of the document has, by name within each kind."""

    director: Draft | None
    snmp: Draft | None
    virtual_routers: dict[str, Draft]
    checks: dict[str, Draft]
    virtual_services: dict[str, Draft]
    check_names: Sequence[str]  # also of the checks that are no drafts
    service_names: Sequence[str]


def cross_check(drafts: Drafts) -> list[Found]:
    """Every contradiction in one director's view."""
    return [
        *_routers(drafts),
        *_checks(drafts.checks.values()),
        *_services(drafts),
        *_machines(drafts.virtual_services.values()),
        *_service_addresses(drafts),
    ]


def apply_rules(services: Iterable[Draft]) -> None:
    """The defaults that depend on other values: what a server takes from its service, and the flags of sh and mh."""
    for service in services:
        servers = service.get("real_servers") or ()
        sorry = service.get("sorry_server")
        for server in (*servers, sorry) if sorry is not None else servers:
            for name in ("port", "forwarding_method"):
                if name in server.values and server.values[name] is None:
                    server.values[name] = service.get(name)
        if "scheduler_flags" in service.values and service.values["scheduler_flags"] is None:
            # Weight 0 under sh or mh without fallback drops that server's whole share (measured on Linux 6.1).
            service.values["scheduler_flags"] = ("fallback",) if service.get("scheduler") in SCHEDULER_FLAGS else ()


def _routers(drafts: Drafts) -> Iterator[Found]:
    vrids: dict[tuple[str, int], Draft] = {}
    held: dict[tuple[str, str], Draft] = {}
    for router in drafts.virtual_routers.values():
        interface, vrid = router.get("interface"), router.get("vrid")
        if interface is not None and vrid is not None:
            first = vrids.setdefault((interface, vrid), router)
            if first is not router:
                yield Found(router.at("vrid"), f"vrid {vrid} on {interface} is that of {show(first.path)} already")
        yield from _router_addresses(router, interface, held)
        yield from _router_tracks(router, drafts.service_names)


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


def _router_tracks(router: Draft, services: Sequence[str]) -> Iterator[Found]:
    for track in router.get("track") or ():
        pool = track.get("pool")
        if pool is not None and pool not in services:
            yield Found(track.at("pool"), _no_such("virtual service", pool, services))
        if track.get("fault") is False and track.get("priority") == 0:
            yield Found(track.path, "changes nothing; give it fault = true or a priority")


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


def _checks(checks: Iterable[Draft]) -> Iterator[Found]:
    for check in checks:
        interval, timeout = check.get("interval"), check.get("timeout")
        if interval is not None and timeout is not None and timeout > interval:
            yield Found(
                check.at("timeout"), f"timeout {timeout:g} is longer than interval {interval:g}; expected at most that"
            )
        if check.get("method") == "HEAD" and check.get("body"):
            yield Found(check.at("body"), 'an answer to HEAD has no body; expected method = "GET"')


def _services(drafts: Drafts) -> Iterator[Found]:
    taken: dict[tuple[str, int, str], Draft] = {}
    checks = set(drafts.check_names)
    for service in drafts.virtual_services.values():
        address, port, protocol = service.get("address"), service.get("port"), service.get("protocol")
        if address is not None and port is not None and protocol is not None:
            first = taken.setdefault((address, port, protocol), service)
            if first is not service:
                yield Found(service.at("address"), f"{address} {protocol} {port} is {show(first.path)} already")
        scheduler = service.get("scheduler")
        if service.get("scheduler_flags") and scheduler is not None and scheduler not in SCHEDULER_FLAGS:
            having = enumerated(list(SCHEDULER_FLAGS))
            yield Found(service.at("scheduler_flags"), f"scheduler {scheduler} has no flags; those that have: {having}")
        for number, name in enumerate(service.get("checks") or ()):
            if name not in checks:
                yield Found((*service.at("check"), number), _no_such("check", name, drafts.check_names))
        yield from _servers(service)


def _servers(service: Draft) -> Iterator[Found]:
    names: dict[str, Draft] = {}
    destinations: dict[tuple[str, int], Draft] = {}
    for server in service.get("real_servers") or ():
        name, address, port = server.get("name"), server.get("address"), server.get("port")
        if name is not None and (first := names.setdefault(name, server)) is not server:
            yield Found(server.at("name"), f"{name} is the name of {show(first.path)} already")
        if address is not None and port is not None:
            first = destinations.setdefault((address, port), server)
            if first is not server:
                yield Found(server.at("address"), f"{address} port {port} is {show(first.path)} already")
        yield from _destination(service, server)
    sorry = service.get("sorry_server")
    if sorry is not None:
        yield from _destination(service, sorry)
        address, port = sorry.get("address"), sorry.get("port")
        if (address, port) in destinations:
            real = destinations[(address, port)]
            yield Found(sorry.at("address"), f"{address} port {port} is the real server {show(real.path)} too")


def _destination(service: Draft, server: Draft) -> Iterator[Found]:
    """What real servers and the sorry server have in common."""
    address, port, method = server.get("address"), server.get("port"), server.get("forwarding_method")
    if address is not None and address == service.get("address"):
        yield Found(server.at("address"), f"{address} is the service's own address; expected the server's")
    wanted = service.get("port")
    if method in ("direct_routing", "tunneling") and port is not None and wanted is not None and port != wanted:
        how = "only the frame's destination" if method == "direct_routing" else "only the outer header"
        yield Found(
            server.at("port"),
            f"port {port} is not the service's port {wanted}: under {method} the kernel changes {how}, never the port; "
            f"leave port out, or use masquerading",
        )


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
    for service in drafts.virtual_services.values():
        address = service.get("address")
        if address is not None and address not in held:
            yield Found(service.at("address"), f"no virtual router holds {address}; one of {enumerated(sorted(held))}")


def _no_such(noun: str, name: str, known: Sequence[str]) -> str:
    return f'there is no {noun} "{name}"; ' + (suggest(name, known) if known else f"there are no {noun}s at all")
