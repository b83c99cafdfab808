"""[connection_sync] and [sysctl]: what is refused, with its place."""

from pathlib import Path

import pytest

from haagent.config.load import check, load
from haagent.config.model import Config, ConnectionSync, Sysctl

BASE = '[director]\nnames = ["d1"]\n'
PEERS = "[peers]\naddresses = {{ {} }}"
SERVICE = """
[virtual_service.web]
address = "198.51.100.100"
port = 80
forwarding_method = "tunneling"
real_servers = [{ name = "rs1", address = "2001:db8::11" }]
"""
BOTH = '[connection_sync]\ninterface = "eth2"\n'


def errors(tmp_path: Path, text: str) -> list[str]:
    (tmp_path / "a.toml").write_text(BASE + text)
    return [str(error) for error in check(tmp_path, None)]


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("[connection_sync]\nsync_id = 3", "connection_sync.interface: missing, and without it sync_id has no effect"),
        (BOTH + "send = false\nreceive = false", "connection_sync.send: neither sends nor receives"),
        (BOTH + "sync_id = 256", "expected an integer from 0 to 255"),
        (BOTH + "maxlen = 100", "expected an integer from 1024 to 65507"),
        (BOTH + 'group = "198.51.100.1"', "expected a multicast address"),
        (BOTH + SERVICE, "the kernel refuses such a server while connections are synced"),
        (BOTH + '[sysctl]\nset = { "net.ipv4.vs.backup_only" = 1 }', "schedule nothing, and this one receives always"),
        ('[sysctl]\nset = { "kernel.panic" = 1 }', "expected a kernel parameter's name with dots"),
        ('[sysctl]\nset = { "net.ipv4.//.x" = 1 }', "expected a kernel parameter's name with dots"),
        ("[sysctl]\nset = { net.ipv4.ip_forward = 1 }", "with its dots the name needs quotes"),
        ('[sysctl]\nset = { "net.ipv4.ip_forward" = true }', "expected an integer for net.ipv4.ip_forward"),
        ('[sysctl]\nmanage = false\nset = { "net.ipv4.ip_forward" = 1 }', "has no effect with manage = false"),
        (PEERS.format('d2 = "192.0.2.1:5406"'), 'there is no director "d2"'),
        (PEERS.format('d1 = "192.0.2.1"'), '"d1" has the string "192.0.2.1"'),
        (PEERS.format('d1 = "192.0.2.1:0"'), '"d1" has the string "192.0.2.1:0"'),
        (PEERS.format('d1 = "224.0.0.1:5406"'), "is a multicast address"),
        ('[sysctl]\nset = { "net.a" = 1 }\nleave = ["net.a"]', "is to be set and to be left alone"),
    ],
)
def test_what_is_refused(tmp_path: Path, text: str, part: str) -> None:
    found = errors(tmp_path, text)
    assert found
    assert part in found[0]


@pytest.mark.parametrize(
    "text",
    [
        SERVICE,
        BOTH + 'receive = false\n[sysctl]\nset = { "net.ipv4.vs.backup_only" = 1 }',
        BOTH + '[sysctl]\nset = { "net.ipv4.vs.backup_only" = 0 }',
        BOTH + 'group = "ff02::81"',
        "[connection_sync]\n",
        PEERS.format('d1 = "[2001:db8::1]:5406"'),
        '[sysctl]\nmanage = false\nleave = ["net.ipv4.conf.eth0/1.rp_filter"]',
    ],
)
def test_what_is_accepted(tmp_path: Path, text: str) -> None:
    assert errors(tmp_path, text) == []


def test_values_reach_the_model(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text(
        BASE + BOTH + 'sync_id = 7\ngroup = "FF02::0081"\n[sysctl]\nsloppy = false\nset = { "net.b" = -1, "net.a" = 2 }'
    )
    config = load(tmp_path, "d1")
    assert isinstance(config, Config)
    assert config.connection_sync == ConnectionSync(interface="eth2", sync_id=7, group="ff02::81")
    assert config.sysctl == Sysctl(sloppy=False, set=(("net.a", "2"), ("net.b", "-1")))
