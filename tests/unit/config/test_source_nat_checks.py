"""What source NAT is refused for."""

from pathlib import Path

import pytest

from haagent.config.load import check, load
from haagent.config.model import Config

BASE = """
[director]
names = ["d1"]

[virtual_router.outside]
interface = "eth1"
vrid = 51
virtual_addresses = ["198.51.100.100/24"]

[virtual_router.inside]
interface = "eth2"
vrid = 52
virtual_addresses = ["{gateway}"]

[virtual_service.web]
address = "198.51.100.100"
port = 80
forwarding_method = "{method}"
source_nat = true
real_servers = [{{ name = "rs1", address = "192.0.2.11" }}]
"""


def errors(tmp_path: Path, text: str) -> list[str]:
    (tmp_path / "a.toml").write_text(text)
    return [str(error).partition(": ")[2] for error in check(tmp_path, None)]


def test_accepted(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text(BASE.format(gateway="192.0.2.254/24", method="masquerading"))
    config = load(tmp_path, "d1")
    assert isinstance(config, Config)
    assert config.virtual_services[0].source_nat


@pytest.mark.parametrize(
    ("gateway", "method", "sentence"),
    [
        (
            "192.0.2.254/24",
            "direct_routing",
            "virtual_service.web.source_nat: rs1 does not masquerade, so it answers its clients itself, wherever they "
            "are; leave source_nat out",
        ),
        (
            "203.0.113.254/24",
            "masquerading",
            "virtual_service.web.source_nat: no virtual router has an address in the network of its real servers, so "
            "which clients are beside them is not known; give the inside gateway a virtual router, with its prefix "
            "length",
        ),
    ],
)
def test_refused(tmp_path: Path, gateway: str, method: str, sentence: str) -> None:
    assert errors(tmp_path, BASE.format(gateway=gateway, method=method)) == [sentence]


def test_a_bare_mark(tmp_path: Path) -> None:
    text = BASE.format(gateway="192.0.2.254/24", method="masquerading")
    text = text.replace('address = "198.51.100.100"\nport = 80', "firewall_mark = 7")
    assert errors(tmp_path, text) == [
        "virtual_service.web.source_nat: needs the addresses that clients use; list them in addresses"
    ]
