"""Source NAT's rules: in nft's words, back from what nft lists, and beside those of marks."""

from typing import Any

import pytest

from haagent.ipvs.marks import MarkRule, decode, script
from haagent.ipvs.source_nat import NatRule, read, rule_text

V4 = NatRule("192.0.2.0/24", ("192.0.2.11", "192.0.2.12"), "tcp", "198.51.100.100", 80)
V6 = NatRule("2001:db8:5::/64", ("2001:db8:5::11",), "udp", "2001:db8:c::100")
SADDR = {"payload": {"protocol": "ip", "field": "saddr"}}
DADDR = {"payload": {"protocol": "ip", "field": "daddr"}}
L4 = {"meta": {"key": "l4proto"}}
LISTED: list[Any] = [
    {"match": {"op": "==", "left": SADDR, "right": {"prefix": {"addr": "192.0.2.0", "len": 24}}}},
    {"match": {"op": "==", "left": DADDR, "right": {"set": ["192.0.2.12", "192.0.2.11"]}}},
    {"match": {"op": "==", "left": L4, "right": "tcp"}},
    {"match": {"op": "==", "left": {"ct": {"key": "ip daddr", "dir": "original"}}, "right": "198.51.100.100"}},
    {"match": {"op": "==", "left": {"ct": {"key": "proto-dst", "dir": "original"}}, "right": 80}},
    {"masquerade": None},
]


def test_in_nfts_words() -> None:
    assert rule_text(V4) == (
        "ip saddr 192.0.2.0/24 ip daddr { 192.0.2.11, 192.0.2.12 } meta l4proto tcp "
        "ct original ip daddr 198.51.100.100 ct original proto-dst 80 masquerade"
    )
    assert rule_text(V6) == (
        "ip6 saddr 2001:db8:5::/64 ip6 daddr { 2001:db8:5::11 } meta l4proto udp "
        "ct original ip6 daddr 2001:db8:c::100 masquerade"
    )


def test_back_from_a_listing() -> None:
    assert read(LISTED) == V4


@pytest.mark.parametrize("left_out", range(len(LISTED)))
def test_a_listing_without_a_part_is_another_rule(left_out: int) -> None:
    assert read([*LISTED[:left_out], *LISTED[left_out + 1 :]]) != V4


@pytest.mark.parametrize("more", [{"drop": None}, {"match": {"op": "!=", "left": L4, "right": "tcp"}}, {"counter": {}}])
def test_what_we_would_not_have_put_there(more: Any) -> None:
    assert read([*LISTED[:-1], more, LISTED[-1]]) is None


def test_both_chains_are_in_one_table_and_one_transaction() -> None:
    text = script({V4, MarkRule("198.51.100.100", "tcp", ((80, 80),), 7)})
    assert text.count("add table inet haagent") == 2
    assert "add chain inet haagent service_marks { type filter hook prerouting priority -150; policy accept; }" in text
    assert "add chain inet haagent source_nat { type nat hook postrouting priority 100; policy accept; }" in text
    assert "service_marks" not in script({V4})
    assert "source_nat" not in script({MarkRule("198.51.100.100", "tcp", ((80, 80),), 7)})


def test_a_chain_that_is_not_wanted_is_not_ours() -> None:
    hook = {"type": "nat", "hook": "postrouting", "prio": 100, "policy": "accept"}
    chain = {"chain": {"name": "source_nat", **hook}}
    rule = {"rule": {"chain": "source_nat", "expr": LISTED}}
    assert decode({"nftables": [chain, rule]}) == {V4}
    assert decode({"nftables": [{"chain": {"name": "service_marks", **hook}}, rule]}) is None
    assert decode({"nftables": [chain, {"chain": {**chain["chain"], "name": "another"}}, rule]}) is None
