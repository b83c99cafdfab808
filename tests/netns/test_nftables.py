"""The rules of firewall marks in a real kernel's nftables: applied, listed, drifted, replaced, gone."""

import ctypes
import os
import subprocess
from collections.abc import Iterator

import pytest

from haagent.ipvs.marks import ALL, MarkRule
from haagent.linux import nftables

pytestmark = pytest.mark.root

CLONE_NEWNET = 0x40000000
libc = ctypes.CDLL(None, use_errno=True)

WANTED = frozenset(
    {
        MarkRule("198.51.100.100", "tcp", ((80, 80), (443, 443), (8000, 8010)), 7),
        MarkRule("198.51.100.100", "udp", ((53, 53),), 7),
        MarkRule("198.51.100.101", "tcp", ALL, 8),
        MarkRule("198.51.100.102", "sctp", ((1, 65535),), 9),
        MarkRule("198.51.100.103", "tcp", ((80, 81),), 0xFFFFFFFF),
        MarkRule("2001:db8::1", "tcp", ((80, 80), (82, 90)), 7),
        MarkRule("2001:db8::2", "udp", ALL, 10),
    }
)


@pytest.fixture(autouse=True)
def namespace() -> Iterator[None]:
    """A network namespace of our own; this process enters it, and nft with it."""
    before = os.open("/proc/self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        assert libc.unshare(CLONE_NEWNET) == 0
        yield
    finally:
        assert libc.setns(before, CLONE_NEWNET) == 0
        os.close(before)


def nft(*arguments: str) -> str:
    return subprocess.run(["nft", *arguments], check=True, capture_output=True, text=True).stdout


def test_an_empty_kernel_has_none() -> None:
    assert nftables.observe() == frozenset()


def test_what_is_applied_is_what_is_listed() -> None:
    assert nftables.replace(WANTED) is None
    assert nftables.observe() == WANTED
    assert "ip daddr 198.51.100.100 tcp dport { 80, 443, 8000-8010 } meta mark set 0x00000007" in nft("list", "ruleset")


def test_other_rules_replace_them_whole_and_none_remove_the_table() -> None:
    nftables.replace(WANTED)
    fewer = frozenset(sorted(WANTED)[:2])
    assert nftables.replace(fewer) is None
    assert nftables.observe() == fewer
    assert nftables.replace(frozenset()) is None
    assert nft("list", "tables") == ""


def test_other_tables_stay() -> None:
    nft("add", "table", "inet", "other")
    nftables.replace(WANTED)
    nftables.replace(frozenset())
    assert nft("list", "tables") == "table inet other\n"


def test_drift_is_seen() -> None:
    nftables.replace(WANTED)
    nft("add", "rule", "inet", "haagent", "service_marks", "tcp", "dport", "80", "drop")
    assert nftables.observe() == nftables.ALIEN
    nftables.replace(WANTED)
    assert nftables.observe() == WANTED
    nft("flush", "ruleset")
    assert nftables.observe() == frozenset()


def test_a_refusal_changes_nothing_and_is_a_sentence() -> None:
    nftables.replace(WANTED)
    refusal = nftables.replace(frozenset({MarkRule("198.51.100.100", "nosuch", ALL, 7)}))
    assert refusal is not None
    assert refusal.startswith("nft refuses: ")
    assert nftables.observe() == WANTED


def test_without_the_program_a_sentence_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nftables, "PROGRAM", "nosuch-nft")
    assert nftables.observe() == nftables.replace(WANTED) == nftables.NO_NFT
