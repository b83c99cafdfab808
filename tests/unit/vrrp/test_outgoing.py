"""The datagrams that are prepared: one for each destination of each path, each readable where it goes."""

from dataclasses import replace
from ipaddress import ip_address

from haagent.vrrp import advertisement_v2
from haagent.vrrp.advertisement import GROUPS, Advertisement, ChecksumForm, decode
from haagent.vrrp.outgoing import encode_all
from haagent.vrrp.virtual_router import Path, VirtualRouter

OURS, PEER, THIRD, OTHER, FAR = (
    ip_address(each).packed for each in ("192.0.2.1", "192.0.2.2", "192.0.2.3", "203.0.113.1", "203.0.113.2")
)
VIRTUAL = bytes((192, 0, 2, 100))
ROUTER = VirtualRouter(
    "web", "eth0", 51, 100, 1.0, ((VIRTUAL, 24),), (VIRTUAL,), OURS, paths=(Path("eth0", OURS, (GROUPS[4],)),)
)
UNICAST = replace(ROUTER, paths=(Path("eth0", OURS, (PEER, THIRD)), Path("eth2", OTHER, (FAR,))))


def test_by_multicast_there_is_one() -> None:
    (only,) = encode_all(ROUTER, ChecksumForm.RFC9568)[100]
    assert (only.interface, only.source, only.destination) == ("eth0", OURS, GROUPS[4])
    assert isinstance(decode(only.message, 255, OURS, GROUPS[4]), Advertisement)


def test_each_peer_gets_its_own_with_its_address_in_the_pseudo_header() -> None:
    sent = encode_all(UNICAST, ChecksumForm.PSEUDO_HEADER)[100]
    assert [(each.interface, each.source, each.destination) for each in sent] == [
        ("eth0", OURS, PEER), ("eth0", OURS, THIRD), ("eth2", OTHER, FAR),
    ]  # fmt: skip
    for each in sent:
        heard = decode(each.message, 255, each.source, each.destination)
        assert isinstance(heard, Advertisement)
        assert heard.checksum_form is ChecksumForm.PSEUDO_HEADER
    assert len({each.message for each in sent}) == 3


def test_the_farewell_is_prepared_too() -> None:
    prepared = encode_all(UNICAST, ChecksumForm.RFC9568)
    assert set(prepared) == {0, 100}
    assert {each.message[2] for each in prepared[0]} == {0}


def test_version_2_is_as_configured() -> None:
    old = replace(ROUTER, version=2, password="s3cr3t", advertisement_interval=3.0)
    (only,) = encode_all(old, ChecksumForm.PSEUDO_HEADER)[100]
    heard = advertisement_v2.decode(only.message, 255)
    assert isinstance(heard, Advertisement)
    assert (heard.version, heard.max_advertise_interval, heard.auth_type) == (2, 3.0, 1)
    assert heard.auth_data == b"s3cr3t\0\0"
