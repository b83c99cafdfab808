"""The kernel's own tables of neighbours, as they are written."""

from pathlib import Path

from haagent.linux.neighbourhood import gateways, own_macs

ROUTE = """\
Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT
eth0\t00000000\tFE0200C0\t0003\t0\t0\t0\t00000000\t0\t0\t0
eth1\t00000000\tFE6433C6\t0003\t0\t0\t100\t00000000\t0\t0\t0
eth0\t000200C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0
eth0\t006433C6\t010200C0\t0003\t0\t0\t0\t00FFFFFF\t0\t0\t0
"""
NOTHING = "0" * 32
ROUTE6 = (
    f"{NOTHING} 00 {NOTHING} 00 fe80000000000000000000000000fefe 00000400 00000001 00000000 00000003     eth0\n"
    f"20010db8000000000000000000000000 40 {NOTHING} 00 {NOTHING} 00000100 00000001 00000000 00000001     eth0\n"
    f"{NOTHING} 00 {NOTHING} 00 {NOTHING} ffffffff 00000001 00000000 00200200       lo\n"
)


def test_gateways_are_next_hops_of_default_routes_on_the_interface(tmp_path: Path) -> None:
    tmp_path.joinpath("route").write_text(ROUTE)
    assert gateways("eth0", tmp_path) == ("192.0.2.254",)
    tmp_path.joinpath("ipv6_route").write_text(ROUTE6)
    assert gateways("eth0", tmp_path) == ("192.0.2.254", "fe80::fefe")
    assert gateways("eth2", tmp_path) == ()


def test_a_kernel_without_tables(tmp_path: Path) -> None:
    assert gateways("eth0", tmp_path) == ()


def test_our_own_macs_are_text() -> None:
    assert all(len(each) == 17 and each.count(":") == 5 for each in own_macs())
