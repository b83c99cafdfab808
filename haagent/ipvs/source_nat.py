"""Source NAT for clients in the real servers' own network, as values, as nftables rules, and back from a listing. Pure.

Under masquerading a real server would answer a client beside it directly, past the director that has to undo the
translation. So such clients' packets leave here from the director's own address. The rule asks for what the client
asked for (the original direction of the connection's tracking entry), so nothing else that is routed between the two
is touched. IPVS leaves its connections to that tracking with net.ipv4.vs.conntrack = 1 alone.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from ipaddress import AddressValueError, IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import Any

CHAIN = "source_nat"
HOOK: Mapping[str, Any] = {"type": "nat", "hook": "postrouting", "prio": 100, "policy": "accept"}  # NF_IP_PRI_NAT_SRC


@dataclass(frozen=True, slots=True, order=True)
class NatRule:
    """Clients from a network, to real servers in it, by way of a virtual address."""

    network: str  # canonical, with its prefix length
    servers: tuple[str, ...]  # ascending
    protocol: str
    address: str  # the virtual one
    port: int = 0  # 0: whatever it is


def rule_text(rule: NatRule) -> str:
    """The rule in nft's words."""
    family = "ip6" if ":" in rule.address else "ip"
    port = f" ct original proto-dst {rule.port}" if rule.port else ""
    return (
        f"{family} saddr {rule.network} {family} daddr {{ {', '.join(rule.servers)} }} meta l4proto {rule.protocol} "
        f"ct original {family} daddr {rule.address}{port} masquerade"
    )


def read(expressions: Iterable[Any]) -> NatRule | None:
    """From libnftables-json(5); None: no rule of ours."""
    network = protocol = address = ""
    servers: tuple[str, ...] = ()
    port, is_masquerade = 0, False
    for expression in expressions:
        match expression:
            case {"match": {"op": "==", "left": {"payload": {"field": "saddr"}}, "right": right}}:
                network = _network(right)
            case {"match": {"op": "==", "left": {"payload": {"field": "daddr"}}, "right": right}}:
                servers = _hosts(right)
            case {"match": {"op": "==", "left": {"meta": {"key": "l4proto"}}, "right": str(p)}}:
                protocol = p
            case {
                "match": {
                    "op": "==",
                    "left": {"ct": {"key": "ip daddr" | "ip6 daddr", "dir": "original"}},
                    "right": str(r),
                }
            }:
                address = r
            case {"match": {"op": "==", "left": {"ct": {"key": "proto-dst", "dir": "original"}}, "right": int(p)}}:
                port = p
            case {"masquerade": None}:
                is_masquerade = True
            case _:
                return None
    if not (network and servers and protocol and address and is_masquerade):
        return None
    return NatRule(network, servers, protocol, address, port)


def _network(right: object) -> str:
    match right:
        case {"prefix": {"addr": str(address), "len": int(length)}}:
            try:
                return str(IPv6Network((address, length)) if ":" in address else IPv4Network((address, length)))
            except ValueError:
                return ""
        case str(address):  # a network of one address
            return f"{address}/{128 if ':' in address else 32}"
        case _:
            return ""


def _hosts(right: object) -> tuple[str, ...]:
    listed: list[Any] = right["set"] if isinstance(right, dict) and isinstance(right.get("set"), list) else [right]
    try:
        return tuple(sorted(str(IPv6Address(each) if ":" in each else IPv4Address(each)) for each in listed))
    except (AddressValueError, TypeError):
        return ()
