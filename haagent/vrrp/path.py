"""By which ways a router's advertisements go and come: multicast on its interface, or unicast to each of its peers.

Unicast is no part of RFC 9568; keepalived does the same (reference: section 8). A second path (`also_via`) is always
unicast: what both directors hear on either way keeps them apart from a split when one link between them is dead.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from haagent.vrrp.address import dotted, is_link_local
from haagent.vrrp.advertisement import GROUPS
from haagent.vrrp.virtual_router import Address, Path


@dataclass(frozen=True, slots=True)
class SecondPath:
    """Another interface by which the same peers are reached."""

    interface: str
    peers: tuple[bytes, ...]


def choose(interface: str, own: Sequence[bytes], octets: int, peers: tuple[bytes, ...] | None) -> Path | None:
    """The path from this interface; None: it has no address to speak from.

    `own`: its usable addresses that are no virtual ones, in the kernel's order. The first is taken, over IPv6 the first
    of the scope that the receivers are in: RFC 9568 section 5.1.2.1 wants a link-local source for the group.
    """
    if octets == 16:
        wants_link_local = peers is None or any(is_link_local(peer) for peer in peers)
        own = [address for address in own if is_link_local(address) == wants_link_local]
    if not own:
        return None
    return Path(interface, own[0], (GROUPS[octets],) if peers is None else peers)


def why_none(
    interface: str,
    octets: int,
    peers: tuple[bytes, ...] | None,
    tentative: Sequence[Address],
    duplicate: Sequence[Address],
) -> str:
    """One sentence: what the interface lacks, and what to do."""
    if octets == 4:
        return (
            f"interface {interface} has no IPv4 address of its own to advertise from: add one beside the virtual ones"
        )
    wants_link_local = peers is None or any(is_link_local(peer) for peer in peers)
    scope = "link-local" if wants_link_local else "global"
    for address, _ in duplicate:
        if is_link_local(address) == wants_link_local:
            return (
                f"{dotted(address)} on {interface} is a duplicate: another host of the link has it; give it a new one"
            )
    for address, _ in tentative:
        if is_link_local(address) == wants_link_local:
            return f"waiting for duplicate address detection of {dotted(address)} on {interface}"
    if wants_link_local:
        return (
            f"interface {interface} has no IPv6 link-local address to advertise from:"
            f" enable IPv6 there (net.ipv6.conf.{interface}.disable_ipv6 = 0), or add one"
        )
    return f"interface {interface} has no {scope} IPv6 address of its own to advertise from: add one"
