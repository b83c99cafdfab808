"""IPVS and source NAT: a client in the real server's own network, under masquerading.

What the core and the table keeper make of `source_nat = true` is put into this kernel, but for the nftables rule, where
the kernel has no NAT by nftables: that of Debian's user-mode kernel has iptables' alone, and there iptables plays the
same rule, from the same value. nftables' own, with packets: tests/netns/test_source_nat.py.
"""

import subprocess
from dataclasses import replace
from pathlib import Path

from haagent.config.load import load
from haagent.config.model import Config
from haagent.core.core import Core
from haagent.core.effects import SetVirtualServices
from haagent.core.events import ConfigLoaded
from haagent.ipvs.source_nat import NatRule
from haagent.linux.ipvs import Ipvs
from haagent.processes.kernel_settings import KernelSettings
from haagent.processes.table_keeper import Level, TableKeeper
from tests.netns.one_network import FAR, NEAR, OWN, REAL, VIP, one_network
from tests.netns.segment import inside

CONFIG = f"""
[director]
names = ["d1"]

[virtual_router.outside]
interface = "eth0"
vrid = 51
virtual_addresses = ["{VIP}/32"]

[virtual_router.inside]
interface = "eth0"
vrid = 52
virtual_addresses = ["192.0.2.254/24"]

[virtual_service.web]
address = "{VIP}"
port = 80
forwarding_method = "masquerading"
source_nat = %s
real_servers = [{{ name = "rs1", address = "{REAL}" }}]
"""
CONNTRACK = Path("/proc/sys/net/ipv4/vs/conntrack")


def level_of(tmp_path: Path, asked: str) -> SetVirtualServices:
    (tmp_path / "all.toml").write_text(CONFIG % asked)
    config = load(tmp_path, "d1")
    assert isinstance(config, Config), config
    (level,) = [each for each in Core().handle(ConfigLoaded(config), 1.0) if isinstance(each, SetVirtualServices)]
    return level


def has_nft_nat() -> bool:
    words = "add table inet probe; add chain inet probe c { type nat hook postrouting priority 100; }"
    made = subprocess.run(["nft", words], capture_output=True, check=False)
    subprocess.run(["nft", "delete table inet probe"], capture_output=True, check=False)
    return made.returncode == 0


def play(rule: NatRule) -> None:
    """The rule in iptables' words."""
    words = f"-s {rule.network} -d {','.join(rule.servers)} -p {rule.protocol}"
    words += f" -m conntrack --ctorigdst {rule.address} --ctorigdstport {rule.port} -j MASQUERADE"
    subprocess.run(["iptables-legacy", "-t", "nat", "-A", "POSTROUTING", *words.split()], check=True)


def test_a_client_beside_the_real_server(tmp_path: Path) -> None:
    with one_network() as stage, inside(stage.director):
        ipvs = Ipvs.open()
        assert isinstance(ipvs, Ipvs), ipvs
        keeper = TableKeeper(ipvs, 30.0, lambda _: None, settings := KernelSettings(ipvs, tmp_path / "kernel.json"))

        def program(asked: str) -> SetVirtualServices:
            level = level_of(tmp_path, asked)
            rules = level.marks if has_nft_nat() else frozenset[NatRule]()
            observed = keeper.round(Level(level.table, level.owned, rules, level.settings, replace(level.policy)))
            assert observed.failures == ()
            return level

        level = program("false")
        assert level.marks == frozenset()
        assert stage.ask(FAR) == FAR
        assert stage.ask(NEAR) == ""
        level = program("true")
        assert level.marks == {NatRule("192.0.2.0/24", (REAL,), "tcp", VIP, 80)}
        assert CONNTRACK.read_text().strip() == "1"
        if not has_nft_nat():
            for rule in level.marks:
                assert isinstance(rule, NatRule)
                play(rule)
        assert stage.ask(NEAR) == OWN
        assert stage.ask(FAR) == FAR
        CONNTRACK.write_text("0")  # what haagent sets it for
        assert stage.ask(NEAR) == ""
        assert settings.release() == ()
        ipvs.close()
