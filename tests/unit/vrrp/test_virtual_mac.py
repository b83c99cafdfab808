"""The virtual router's MAC address and the name of its interface, there and back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from haagent.vrrp.virtual_mac import interface_name, router_of, virtual_mac


def test_rfc_9568_section_7_3() -> None:
    assert virtual_mac(4, 51).hex(":") == "00:00:5e:00:01:33"
    assert virtual_mac(16, 255).hex(":") == "00:00:5e:00:02:ff"


@given(octets=st.sampled_from([4, 16]), vrid=st.integers(1, 255), parent=st.integers(1, 1_000_000))
def test_the_name_tells_the_router(octets: int, vrid: int, parent: int) -> None:
    name = interface_name(octets, vrid, parent)
    assert len(name) <= 15
    assert router_of(name, virtual_mac(octets, vrid)) == (octets, vrid, parent)


@pytest.mark.parametrize(
    ("name", "mac"),
    [
        ("hav4-51-2", "02:00:00:00:00:01"),  # somebody's own
        ("hav4-51-2", "00:00:5e:00:02:33"),
        ("hav4-51-2", "00:00:5e:00:01:34"),
        ("vrrp4-2-51", "00:00:5e:00:01:33"),  # FRR's name
        ("vrrp.51", "00:00:5e:00:01:33"),  # keepalived's
        ("hav4-0-2", "00:00:5e:00:01:00"),
        ("hav4-256-2", "00:00:5e:00:01:00"),
        ("hav4-51", "00:00:5e:00:01:33"),
        ("hav4-51-x", "00:00:5e:00:01:33"),
        ("hav4-\u0665-2", "00:00:5e:00:01:05"),
        ("hav5-51-2", "00:00:5e:00:01:33"),
    ],
)
def test_what_is_not_ours(name: str, mac: str) -> None:
    assert router_of(name, bytes.fromhex(mac.replace(":", ""))) is None


@given(name=st.text(max_size=15), mac=st.binary(max_size=8))
def test_any_name_is_ours_or_not(name: str, mac: bytes) -> None:
    found = router_of(name, mac)
    assert found is None or mac == virtual_mac(found[0], found[1])
