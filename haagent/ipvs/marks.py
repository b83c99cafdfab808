"""Firewall marks as values, the nftables rules that set them, and the way back from what the kernel lists. Pure.

One rule marks the packets of one address and protocol, in the chain `service_marks` of `table inet haagent`, which is
ours alone: hook prerouting, priority mangle (-150), so before routing and before IPVS, which looks in the input path.
Rules never overlap (config/service_checks.py), so their order says nothing. Text as in nft(8), JSON as in
libnftables-json(5).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from ipaddress import AddressValueError, IPv4Address, IPv6Address
from typing import Any

FAMILY, TABLE, CHAIN = "inet", "haagent", "service_marks"
PRIORITY = -150  # mangle
ALL = ((0, 65535),)


@dataclass(frozen=True, slots=True, order=True)
class MarkRule:
    """The packets to one address by one protocol get a mark."""

    address: str  # canonical, IPv4 or IPv6
    protocol: str  # "tcp", "udp", "sctp"
    ports: tuple[tuple[int, int], ...]  # first and last; ascending, apart; ALL: whatever the port
    mark: int


Marks = frozenset[MarkRule]


def rule_text(rule: MarkRule) -> str:
    """The rule in nft's words."""
    family = "ip6" if ":" in rule.address else "ip"
    if rule.ports == ALL:
        what = f"meta l4proto {rule.protocol}"
    else:
        ports = ", ".join(f"{first}" if first == last else f"{first}-{last}" for first, last in rule.ports)
        what = f"{rule.protocol} dport {{ {ports} }}"
    return f"{family} daddr {rule.address} {what} meta mark set {rule.mark}"


def script(wanted: Iterable[MarkRule]) -> str:
    """One transaction for `nft -f -`: afterwards exactly these rules, and no packet sees anything between.

    The table is made anew, whatever it held: it is ours. Without rules it goes.
    """
    lines = [f"add table {FAMILY} {TABLE}", f"delete table {FAMILY} {TABLE}"]
    if rules := sorted(wanted):
        lines.append(f"add table {FAMILY} {TABLE}")
        hook = f"type filter hook prerouting priority {PRIORITY}; policy accept;"
        lines.append(f"add chain {FAMILY} {TABLE} {CHAIN} {{ {hook} }}")
        lines.extend(f"add rule {FAMILY} {TABLE} {CHAIN} {rule_text(rule)}" for rule in rules)
    return "\n".join(lines) + "\n"


def decode(listing: Mapping[str, Any]) -> Marks | None:
    """The rules in a listing of our table; None where it holds anything that we would not have put there."""
    rules: list[MarkRule] = []
    chains = 0
    for entry in listing.get("nftables", ()):
        if not isinstance(entry, dict):
            return None
        for kind, value in entry.items():
            match kind:
                case "metainfo" | "table":
                    continue
                case "chain":
                    if not _is_our_chain(value):
                        return None
                    chains += 1
                case "rule":
                    rule = _rule(value.get("expr", ()))
                    if rule is None:
                        return None
                    rules.append(rule)
                case _:
                    return None
    if len(set(rules)) != len(rules) or chains != 1:
        return None
    return frozenset(rules)


def _is_our_chain(chain: Mapping[str, Any]) -> bool:
    wanted = {"name": CHAIN, "type": "filter", "hook": "prerouting", "prio": PRIORITY, "policy": "accept"}
    return all(chain.get(key) == value for key, value in wanted.items())


def _rule(expressions: Iterable[Any]) -> MarkRule | None:
    address = protocol = ""
    ports: tuple[tuple[int, int], ...] | None = None
    mark = 0
    for expression in expressions:
        match expression:
            case {
                "match": {
                    "op": "==",
                    "left": {"payload": {"protocol": "ip" | "ip6", "field": "daddr"}},
                    "right": str(r),
                }
            }:
                address = _canonical(r)
            case {"match": {"op": "==", "left": {"payload": {"protocol": str(p), "field": "dport"}}, "right": right}}:
                protocol, ports = p, _ports(right)
            case {"match": {"op": "==", "left": {"meta": {"key": "l4proto"}}, "right": str(p)}}:
                protocol, ports = p, ALL
            case {"mangle": {"key": {"meta": {"key": "mark"}}, "value": int(m)}}:
                mark = m
            case _:
                return None
    if not address or not protocol or ports is None or not mark:
        return None
    return MarkRule(address, protocol, ports, mark)


def _canonical(address: str) -> str:
    try:
        return str(IPv6Address(address) if ":" in address else IPv4Address(address))
    except AddressValueError:
        return ""


def _ports(right: object) -> tuple[tuple[int, int], ...] | None:
    match right:
        case int(port):
            return ((port, port),)
        case {"range": [int(first), int(last)]}:
            return ((first, last),)
        case {"set": list(elements)}:
            found: list[tuple[int, int]] = []
            for element in elements:
                one = _ports(element)
                if one is None:
                    return None
                found.extend(one)
            return _merged(found)
        case _:
            return None


def _merged(ranges: Iterable[tuple[int, int]]) -> tuple[tuple[int, int], ...]:
    """The kernel may list what touches as one range or as two."""
    result: list[tuple[int, int]] = []
    for first, last in sorted(ranges):
        if result and first <= result[-1][1] + 1:
            result[-1] = result[-1][0], max(result[-1][1], last)
        else:
            result.append((first, last))
    return tuple(result)
