"""The nftables rules of firewall marks, and what is read back. The kernel's own words: tests/netns/test_nftables.py."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from haagent.ipvs.marks import ALL, MarkRule, decode, rule_text, script

WEB = MarkRule("198.51.100.100", "tcp", ((80, 80), (443, 443), (8000, 8010)), 7)
CHAIN = {"chain": {"name": "service_marks", "type": "filter", "hook": "prerouting", "prio": -150, "policy": "accept"}}


def daddr(right: object = "198.51.100.100", protocol: str = "ip") -> dict[str, Any]:
    return {"match": {"op": "==", "left": {"payload": {"protocol": protocol, "field": "daddr"}}, "right": right}}


def dport(right: object, protocol: str = "tcp") -> dict[str, Any]:
    return {"match": {"op": "==", "left": {"payload": {"protocol": protocol, "field": "dport"}}, "right": right}}


SET_MARK = {"mangle": {"key": {"meta": {"key": "mark"}}, "value": 7}}


def listing(*rules: list[dict[str, Any]], chain: dict[str, Any] = CHAIN) -> dict[str, Any]:
    table = {"table": {"family": "inet", "name": "haagent"}}
    return {"nftables": [{"metainfo": {}}, table, chain, *({"rule": {"expr": expr}} for expr in rules)]}


@pytest.mark.parametrize(
    ("rule", "text"),
    [
        (WEB, "ip daddr 198.51.100.100 tcp dport { 80, 443, 8000-8010 } meta mark set 7"),
        (MarkRule("2001:db8::1", "udp", ALL, 9), "ip6 daddr 2001:db8::1 meta l4proto udp meta mark set 9"),
    ],
)
def test_rules_in_nfts_words(rule: MarkRule, text: str) -> None:
    assert rule_text(rule) == text


def test_the_script_is_one_transaction_that_makes_the_table_anew() -> None:
    lines = script([WEB]).splitlines()
    assert lines[:3] == ["add table inet haagent", "delete table inet haagent", "add table inet haagent"]
    assert "hook prerouting priority -150" in lines[3]
    assert lines[4:] == [f"add rule inet haagent service_marks {rule_text(WEB)}"]


def test_without_rules_the_table_goes() -> None:
    assert script([]).splitlines() == ["add table inet haagent", "delete table inet haagent"]


def test_the_same_rules_give_the_same_script() -> None:
    other = MarkRule("198.51.100.101", "tcp", ((80, 80),), 8)
    assert script({WEB, other}) == script([other, WEB])


def test_decode() -> None:
    ports = {"set": [80, 443, {"range": [8000, 8004]}, {"range": [8005, 8010]}]}
    assert decode(listing([daddr(), dport(ports), SET_MARK])) == {WEB}
    assert decode(listing([daddr(), dport(80), SET_MARK])) == {MarkRule("198.51.100.100", "tcp", ((80, 80),), 7)}
    every = {"match": {"op": "==", "left": {"meta": {"key": "l4proto"}}, "right": "udp"}}
    assert decode(listing([daddr("2001:db8::1", "ip6"), every, SET_MARK])) == {MarkRule("2001:db8::1", "udp", ALL, 7)}


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        {"nftables": ["x"]},
        listing([daddr(), SET_MARK]),
        listing([daddr(), dport(80)]),
        listing([daddr({"prefix": {"addr": "198.51.100.0", "len": 24}}), dport(80), SET_MARK]),
        listing([daddr("x"), dport(80), SET_MARK]),
        listing([daddr(), dport("http"), SET_MARK]),
        listing([daddr(), dport({"set": ["http"]}), SET_MARK]),
        listing([daddr(), dport(80), SET_MARK, {"drop": None}]),
        listing([daddr(), dport(80), SET_MARK], [daddr(), dport(80), SET_MARK]),
        listing(chain={"chain": {**CHAIN["chain"], "prio": 0}}),
        listing(chain={"set": {"name": "x"}}),
    ],
)
def test_what_we_would_not_have_put_there(wrong: dict[str, Any]) -> None:
    assert decode(wrong) is None


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=4),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["match", "op", "left", "right", "payload", "set", "range"]), inner, max_size=4
        )
    ),
    max_leaves=12,
)


@given(st.lists(_JSON, max_size=4))
def test_any_expression_is_read_or_not_ours(expressions: list[Any]) -> None:
    found = decode(listing(expressions))
    assert found is None or len(found) == 1
