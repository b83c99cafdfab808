"""The vrrp process's messages: every one comes back as it was, and no octets whatever raise."""

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from haagent.processes.vrrp_messages import (
    Announce,
    Hello,
    Malformed,
    Resync,
    RouterReport,
    RoutersReported,
    SetRouters,
    SetTracking,
    SourceReport,
    Transitioned,
    address_text,
    decode_from_vrrp,
    decode_to_vrrp,
    encode,
)
from haagent.vrrp.auth_hmac import AuthHmac, KeyFile
from haagent.vrrp.path import SecondPath
from haagent.vrrp.settings import RouterSettings, Term, TrackedInterface, Tracking

ROUTER = RouterSettings(
    name="web",
    interface="eth0",
    vrid=51,
    priority=200,
    advertisement_interval=0.01,
    virtual_addresses=((bytes((198, 51, 100, 100)), 24), (bytes((198, 51, 100, 101)), 32)),
    unadvertised_addresses=((bytes((203, 0, 113, 1)), 1),),
    preempt=False,
    checksum="pseudo_header",
    announce_burst=3,
    announce_delay=0.0,
    announce_refresh=9.5,
    announce_form="both",
    tracked_interfaces=(TrackedInterface("eth1", True, 0), TrackedInterface("eth2", False, -50)),
)
REPORT = RouterReport(
    name="web",
    interface="eth0",
    ifindex=2,
    vrid=51,
    state="active",
    reason="nothing more was heard from 192.0.2.1",
    since=12.25,
    priority=200,
    effective_priority=150,
    preempt=True,
    advertisement_interval=1.0,
    primary_address="192.0.2.2",
    active_address="192.0.2.2",
    virtual_addresses=("198.51.100.100/24",),
    counters={"advertisements_sent": 3},
    discarded={"ttl": 1},
)
HEARD = replace(
    REPORT,
    own_addresses=("192.0.2.2", "203.0.113.2"),
    sources=(
        SourceReport("192.0.2.1", "", 3.5, 4.5, 7, 3, 200, 1.0, "rfc9568"),
        SourceReport("192.0.2.9", "version", 3.5, 4.5, 7, 2, 0, others=("192.0.2.200",), lacks=("198.51.100.100",)),
    ),
    uncounted=3,
    at=7.5,
)
ROUTER_IPV6 = replace(
    ROUTER,
    virtual_addresses=(
        (bytes.fromhex("fe80" + "00" * 13 + "64"), 64),
        (bytes.fromhex("20010db8" + "00" * 11 + "64"), 128),
    ),
    unadvertised_addresses=(),
    unicast_peers=(bytes.fromhex("20010db8" + "00" * 11 + "02"),),
    minimum_ttl=254,
    also_via=SecondPath("eth2", (bytes.fromhex("20010db8" + "00" * 10 + "0302"),)),
)
ROUTER_V2 = replace(ROUTER, version=2, password="s3cr3t", unicast_peers=())
ROUTER_SIGNED = replace(
    ROUTER,
    auth_hmac=AuthHmac((KeyFile(1, "/etc/haagent/1"), KeyFile(7, "/etc/haagent/7")), 7, "permissive", "monotonic", 5),
)
AUTH = {"keys": [{"id": 1, "file": "/k"}], "active_key": 1, "mode": "enforce", "anti_replay": "time", "time_window": 5}
TO_VRRP = [
    SetRouters((ROUTER, ROUTER_IPV6, ROUTER_V2, ROUTER_SIGNED)),
    SetRouters((ROUTER,)),
    SetRouters(()),
    SetTracking({"web": Tracking("pool is empty", (Term("x", -20),))}),
    Announce("web"),
    Resync(),
]
FROM_VRRP = [
    Hello(4711, "FIFO 50, memory locked"),
    Transitioned("web", "backup", "active", "why \ud800", 3.5),
    RoutersReported((REPORT, replace(REPORT, name="mail"), HEARD)),
]


@pytest.mark.parametrize("message", TO_VRRP, ids=lambda each: type(each).__name__)
def test_to_vrrp_there_and_back(message: object) -> None:
    assert decode_to_vrrp(encode(message)) == message  # type: ignore[arg-type]


@pytest.mark.parametrize("message", FROM_VRRP, ids=lambda each: type(each).__name__)
def test_from_vrrp_there_and_back(message: object) -> None:
    assert decode_from_vrrp(encode(message)) == message  # type: ignore[arg-type]


def test_hello_is_the_first_frame_that_the_director_expects_of_any_child() -> None:
    assert json.loads(encode(Hello(7, "x"))) == {"type": "hello", "process": "vrrp", "pid": 7, "detail": "x"}


def test_a_message_of_the_other_direction_is_malformed() -> None:
    assert isinstance(decode_to_vrrp(encode(Hello(7))), Malformed)
    assert isinstance(decode_from_vrrp(encode(Resync())), Malformed)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("vrid", 0),
        ("vrid", 256),
        ("vrid", True),
        ("vrid", "51"),
        ("priority", 0),
        ("advertisement_interval", 0),
        ("advertisement_interval", 41),
        ("advertisement_interval", float("nan")),
        ("virtual_addresses", ["198.51.100.100"]),
        ("virtual_addresses", ["198.51.100.100/33"]),
        ("virtual_addresses", ["198.51.100.100/024"]),
        ("virtual_addresses", ["198.51.100/24"]),
        ("virtual_addresses", ["2001:db8::1/129"]),
        ("virtual_addresses", ["2001:db8::1"]),
        ("virtual_addresses", ["fe80::1%eth0/64"]),
        ("version", 4),
        ("password", 1),
        ("unicast_peers", ["eth0"]),
        ("unicast_peers", [7]),
        ("minimum_ttl", 256),
        ("also_via", {"interface": "eth2"}),
        ("also_via", {"interface": "eth2", "peers": ["\0"]}),
        ("auth_hmac", {**AUTH, "mode": "off"}),
        ("auth_hmac", {**AUTH, "active_key": 2}),
        ("auth_hmac", {**AUTH, "keys": [{"id": 1}]}),
        ("auth_hmac", {**AUTH, "anti_replay": None}),
        ("virtual_addresses", [7]),
        ("virtual_addresses", "198.51.100.100/24"),
        ("preempt", 1),
        ("checksum", "crc32"),
        ("name", None),
        ("tracked_interfaces", [["eth1", True, 0]]),
        ("tracked_interfaces", {}),
    ],
)
def test_a_wrong_value_is_malformed_and_named(key: str, value: object) -> None:
    body = json.loads(encode(SetRouters((ROUTER,))))
    body["routers"][0][key] = value
    result = decode_to_vrrp(json.dumps(body).encode())
    assert isinstance(result, Malformed)
    named = (
        key,
        "tracked interface",
        "peers",
        "file",
        *(value if key == "auth_hmac" and isinstance(value, dict) else ()),
    )
    assert any(each in result.sentence for each in named)


@pytest.mark.parametrize("key", list(ROUTER.__slots__))
def test_a_missing_key_is_malformed(key: str) -> None:
    body = json.loads(encode(SetRouters((ROUTER,))))
    del body["routers"][0][key]
    assert isinstance(decode_to_vrrp(json.dumps(body).encode()), Malformed)


@given(st.binary(max_size=200))
def test_any_octets_decode_to_a_value(octets: bytes) -> None:
    assert decode_to_vrrp(octets) is not None
    assert decode_from_vrrp(octets) is not None


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


@given(st.sampled_from(TO_VRRP), st.sampled_from(["routers", "tracking", "type"]), JSON)
def test_any_json_in_any_place_decodes_to_a_value(message: object, key: str, value: object) -> None:
    body = json.loads(encode(message))  # type: ignore[arg-type]
    body[key] = value
    result = decode_to_vrrp(json.dumps(body).encode())
    assert isinstance(result, SetRouters | SetTracking | Announce | Resync | Malformed)


@given(st.sampled_from(list(RouterReport.__slots__)), JSON)
def test_any_json_in_any_field_of_a_report_decodes_to_a_value(key: str, value: object) -> None:
    body = json.loads(encode(RoutersReported((REPORT,))))
    body["routers"][0][key] = value
    assert isinstance(decode_from_vrrp(json.dumps(body).encode()), RoutersReported | Malformed)


def test_deeply_nested_json_is_malformed() -> None:
    assert isinstance(decode_to_vrrp(b"[" * 100_000), Malformed)


def test_address_text() -> None:
    assert address_text((bytes((192, 0, 2, 1)), 24)) == "192.0.2.1/24"
