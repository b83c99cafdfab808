"""Firewall marks as values, the nftables rules that set them, and the way back from what the kernel lists. Pure.

One rule marks the packets of one address and protocol, in the chain `service_marks` of `table inet haagent`, which is
ours alone: hook prerouting, priority mangle (-150), so before routing and before IPVS, which looks in the input path.
Source NAT (source_nat.py) has a chain of its own in the same table.
Rules never overlap (config/service_checks.py), so their order says nothing. Text as in nft(8), JSON as in
libnftables-json(5).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from ipaddress import AddressValueError, IPv4Address, IPv6Address
from typing import Any

from haagent.ipvs import source_nat
from haagent.ipvs.source_nat import NatRule

FAMILY, TABLE, CHAIN = "inet", "haagent", "service_marks"
PRIORITY = -150  # mangle
CHAINS: Mapping[str, Mapping[str, Any]] = {
    CHAIN: {"type": "filter", "hook": "prerouting", "prio": PRIORITY, "policy": "accept"},
    source_nat.CHAIN: source_nat.HOOK,
}
ALL = ((0, 65535),)


@dataclass(frozen=True, slots=True, order=True)
class MarkRule:
    """The packets to one address by one protocol get a mark."""

    address: str  # canonical, IPv4 or IPv6
    protocol: str  # "tcp", "udp", "sctp"
    ports: tuple[tuple[int, int], ...]  # first and last; ascending, apart; ALL: whatever the port
    mark: int


Rule = MarkRule | NatRule
Marks = frozenset[Rule]  # all rules of our table


def ordered(rules: Iterable[Rule]) -> list[Rule]:
    """The same rules in the same order, always; marks first."""
    rules = list(rules)
    marking = sorted(each for each in rules if isinstance(each, MarkRule))
    return [*marking, *sorted(each for each in rules if isinstance(each, NatRule))]


def rule_text(rule: Rule) -> str:
    """The rule in nft's words."""
    if isinstance(rule, NatRule):
        return source_nat.rule_text(rule)
    family = "ip6" if ":" in rule.address else "ip"
    if rule.ports == ALL:
        what = f"meta l4proto {rule.protocol}"
    else:
        ports = ", ".join(f"{first}" if first == last else f"{first}-{last}" for first, last in rule.ports)
        what = f"{rule.protocol} dport {{ {ports} }}"
    return f"{family} daddr {rule.address} {what} meta mark set {rule.mark}"


def script(wanted: Iterable[Rule]) -> str:
    """One transaction for `nft -f -`: afterwards exactly these rules, and no packet sees anything between.

    The table is made anew, whatever it held: it is ours. Without rules it goes.
    """
    lines = [f"add table {FAMILY} {TABLE}", f"delete table {FAMILY} {TABLE}"]
    rules = ordered(wanted)
    if rules:
        lines.append(f"add table {FAMILY} {TABLE}")
    for chain, hook in CHAINS.items():
        if there := [rule for rule in rules if chain_of(rule) == chain]:
            words = f"type {hook['type']} hook {hook['hook']} priority {hook['prio']}; policy {hook['policy']};"
            lines.append(f"add chain {FAMILY} {TABLE} {chain} {{ {words} }}")
            lines.extend(f"add rule {FAMILY} {TABLE} {chain} {rule_text(rule)}" for rule in there)
    return "\n".join(lines) + "\n"


def decode(listing: Mapping[str, Any]) -> Marks | None:
    """The rules in a listing of our table; None where it holds anything that we would not have put there."""
    rules: list[Rule] = []
    chains: list[str] = []
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
                    chains.append(value["name"])
                case "rule":
                    rule = (source_nat.read if value.get("chain") == source_nat.CHAIN else _rule)(value.get("expr", ()))
                    if rule is None:
                        return None
                    rules.append(rule)
                case _:
                    return None
    if len(set(rules)) != len(rules) or not rules or sorted(chains) != sorted({chain_of(rule) for rule in rules}):
        return None
    return frozenset(rules)


def _is_our_chain(chain: Mapping[str, Any]) -> bool:
    wanted = CHAINS.get(chain.get("name", ""))
    return wanted is not None and all(chain.get(key) == value for key, value in wanted.items())


def chain_of(rule: Rule) -> str:
    return source_nat.CHAIN if isinstance(rule, NatRule) else CHAIN


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
