"""What the keys of one virtual router have to do with each other: family, version, peers, and whose VRID it is.

RFC 9568 section 1.5: routers of IPv4 and IPv6 with one VRID are two. RFC 3768 section 5: version 2 has whole seconds.
"""

from collections.abc import Iterable, Iterator
from ipaddress import ip_address

from haagent.config.error import Found, show
from haagent.config.reading import Draft

MOST_IPV6 = 90  # addresses of 16 octets, with 48 octets of headers, in a packet of 1,500 octets
MOST_IPV6_SIGNED = 88  # and with the 28 octets of a signature
LEAST_CHECK = 5.0  # seconds
_FAMILIES = {4: "IPv4", 6: "IPv6"}


def router_checks(routers: Iterable[Draft]) -> Iterator[Found]:
    routers = list(routers)
    yield from _vrids(routers)
    for router in routers:
        yield from _family(router)
        yield from _version(router)
        yield from _paths(router)
        yield from _auth_hmac(router)
        yield from _questions(router)
        yield from _form(router)
        yield from _virtual_mac(router)


def family_of(router: Draft) -> int | None:
    """4 or 6, as the first virtual address is."""
    for each in router.get("virtual_addresses") or ():
        return ip_address(each.address).version
    return None


def _vrids(routers: list[Draft]) -> Iterator[Found]:
    places: dict[tuple[str, int, int], Draft] = {}
    for router in routers:
        vrid, family, second = router.get("vrid"), family_of(router), router.get("also_via")
        if vrid is None or family is None:
            continue
        for owner, key in ((router, "vrid"), (second, "interface")):
            interface = owner.get("interface") if owner is not None else None
            if owner is None or interface is None:
                continue
            first = places.setdefault((interface, family, vrid), router)
            if first is not router:
                message = f"vrid {vrid} on {interface} is that of {show(first.path)} already"
                yield Found(owner.at(key), message)


def _family(router: Draft) -> Iterator[Found]:
    family = family_of(router)
    for key in ("virtual_addresses", "unadvertised_addresses"):
        for number, each in enumerate(router.get(key) or ()):
            if family is not None and ip_address(each.address).version != family:
                yield Found(
                    (*router.at(key), number),
                    f"{each.address} is no {_FAMILIES[family]} address as the first one is; make two virtual routers,"
                    " one for each family: they may have the same vrid",
                )
                break
    count = len(router.get("virtual_addresses") or ())
    most = MOST_IPV6_SIGNED if router.get("auth_hmac") else MOST_IPV6
    if family == 6 and count > most:
        yield Found(
            router.at("virtual_addresses"),
            f"{count} entries; at most {most} IPv6 addresses fit into an advertisement of 1500 octets:"
            " put the others into unadvertised_addresses",
        )


def _version(router: Draft) -> Iterator[Found]:
    version, interval = router.get("version"), router.get("advertisement_interval")
    if version == 2:
        if family_of(router) == 6:
            yield Found(router.at("version"), "VRRPv2 has no IPv6; expected version = 3")
        if interval is not None and interval != int(interval):
            yield Found(
                router.at("advertisement_interval"),
                f"VRRPv2 says its interval in whole seconds, and all routers must agree; got {interval:g}",
            )
        if router.get("checksum") == "pseudo_header":
            yield Found(router.at("checksum"), "the checksum of VRRPv2 has one form; leave it out")
    elif version == 3 and router.get("password"):
        yield Found(router.at("password"), "VRRPv3 has no authentication; a password needs version = 2")


def _questions(router: Draft) -> Iterator[Found]:
    interval = router.get("announce_check")
    if interval is not None and 0 < interval < LEAST_CHECK:
        yield Found(
            router.at("announce_check"),
            f"the segment is asked about every address; expected 0 (never) or at least {LEAST_CHECK:g} seconds",
        )


def _form(router: Draft) -> Iterator[Found]:
    if family_of(router) == 6 and router.get("announce_form") not in (None, "request"):
        yield Found(router.at("announce_form"), "has no effect: neighbor advertisements have one form; leave it out")


def _paths(router: Draft) -> Iterator[Found]:
    second, peers = router.get("also_via"), router.get("unicast_peers")
    if second is None and peers is None and router.get("minimum_ttl"):
        yield Found(router.at("minimum_ttl"), "has no effect: multicast is always heard with 255 alone")
    if second is not None and second.get("interface") == router.get("interface") is not None:
        yield Found(second.at("interface"), "is the router's own interface; a second path needs another one")
    for owner, key in ((router, "unicast_peers"), (second, "peers")):
        if owner is not None:
            yield from _peers(router, owner, key)


def _auth_hmac(router: Draft) -> Iterator[Found]:
    auth = router.get("auth_hmac")
    if auth is None:
        return
    if router.get("password"):
        yield Found(router.at("password"), "does not go with auth_hmac; leave it out: a password protects nothing")
    ids: set[int] = set()
    for key in auth.get("keys") or ():
        if (number := key.get("id")) in ids:
            yield Found(key.at("id"), f"there is a key {number} already")
        elif number is not None:
            ids.add(number)
    active = auth.get("active_key")
    if ids and active is not None and active not in ids:
        yield Found(auth.at("active_key"), f"there is no key {active}; the keys are {', '.join(map(str, sorted(ids)))}")


def _virtual_mac(router: Draft) -> Iterator[Found]:
    if router.get("virtual_mac") and router.get("priority") == 255:
        yield Found(
            router.at("virtual_mac"), "does not go with priority 255: an owner's addresses are the interface's own"
        )


def _peers(router: Draft, owner: Draft, key: str) -> Iterator[Found]:
    family = family_of(router)
    own = {each.address for each in router.get("virtual_addresses") or ()}
    scopes: set[bool] = set()
    for number, peer in enumerate(owner.get(key) or ()):
        place, address = (*owner.at(key), number), ip_address(peer)
        if family is not None and address.version != family:
            yield Found(place, f"{peer} is no {_FAMILIES[family]} address as the virtual addresses are")
        elif peer in own:
            yield Found(place, f"{peer} is a virtual address of this router; expected the peer's own address")
        scopes.add(address.is_link_local)
    if family == 6 and len(scopes) == 2:
        yield Found(owner.at(key), "link-local and other addresses: one source cannot reach both; expected either")
