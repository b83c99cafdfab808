"""The rule of source NAT in a real kernel's nftables, with packets.

What translates the virtual address here is nftables too, for this kernel may have no IPVS. With IPVS:
tests/kernel/inside_source_nat.py.
"""

import subprocess

import pytest

from haagent.ipvs.marks import MarkRule
from haagent.ipvs.source_nat import NatRule
from haagent.linux import nftables
from tests.netns.one_network import FAR, NEAR, OWN, REAL, VIP, one_network
from tests.netns.segment import inside

pytestmark = pytest.mark.root

RULE = NatRule("192.0.2.0/24", (REAL,), "tcp", VIP, 80)
TRANSLATION = f"""
add table ip play
add chain ip play pre {{ type nat hook prerouting priority -100; }}
add rule ip play pre ip daddr {VIP} tcp dport 80 dnat to {REAL}
"""


def test_what_is_applied_is_what_is_listed_and_a_flush_is_seen() -> None:
    rules = {
        RULE,
        NatRule("192.0.2.0/24", ("192.0.2.11", "192.0.2.12"), "udp", VIP),
        NatRule("2001:db8:5::/64", ("2001:db8:5::11",), "tcp", "2001:db8:c::100", 443),
        MarkRule(VIP, "tcp", ((8080, 8080),), 7),
    }
    with one_network() as stage, inside(stage.director):
        assert nftables.replace(frozenset(rules)) is None
        assert nftables.observe() == rules
        assert nftables.replace(frozenset({RULE})) is None
        assert nftables.observe() == {RULE}
        subprocess.run(["nft", "flush", "chain", "inet", "haagent", "source_nat"], check=True)
        assert nftables.observe() == nftables.ALIEN
        assert nftables.replace(frozenset()) is None
        assert subprocess.run(["nft", "list", "tables"], check=True, capture_output=True).stdout == b""


def test_a_client_beside_the_real_server_gets_its_answer_and_the_others_keep_their_address() -> None:
    with one_network() as stage:
        with inside(stage.director):
            subprocess.run(["nft", "-f", "-"], input=TRANSLATION.encode(), check=True)
        assert stage.ask(FAR) == FAR
        assert stage.ask(NEAR) == ""  # the real server answers it directly
        with inside(stage.director):
            assert nftables.replace(frozenset({RULE})) is None
        assert stage.ask(NEAR) == OWN
        assert stage.ask(FAR) == FAR
