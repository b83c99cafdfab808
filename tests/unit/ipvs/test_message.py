"""haagent.ipvs.message against what ipvsadm 1.31 sent and a 6.1 kernel answered, and against any octets at all."""

import json
import struct
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from haagent.ipvs import message
from haagent.ipvs.message import DaemonSeen, DestinationSeen, Info, Malformed, ServiceSeen, Timeouts
from haagent.ipvs.plan import (
    AddDestination,
    AddService,
    Change,
    RemoveDestination,
    RemoveService,
    SetDestination,
    SetService,
)
from haagent.ipvs.table import (
    FLAG_ONEPACKET,
    FLAG_PERSISTENT,
    FLAG_SCHED1,
    FLAG_SCHED2,
    Destination,
    DestinationCounts,
    DestinationKey,
    Forwarding,
    Service,
    ServiceKey,
)

FAMILY = 32
BODY = 16  # behind the netlink header, whose flags and sequence are the socket's
VECTORS: list[dict[str, Any]] = json.loads((Path(__file__).parents[2] / "vectors" / "ipvs-genl.json").read_text())[
    "vectors"
]


def octets_of(beginning: str, nth: int = 0) -> bytes:
    return bytes.fromhex([v["nlmsg_hex"] for v in VECTORS if v["command"].startswith(beginning)][nth])


def service_key(address: str, port: int, protocol: int = 6) -> ServiceKey:
    return ServiceKey(protocol, ip_address(address).packed, port)


def at(address: str, port: int) -> DestinationKey:
    return DestinationKey(ip_address(address).packed, port)


WEB, SECURE = service_key("192.0.2.100", 80), service_key("192.0.2.100", 443)
NAMES = service_key("192.0.2.100", 53, 17)
MARK = ServiceKey(0, b"", 0, 7)
WEB6 = service_key("2001:db8::100", 80)
DR, MASQ, TUN = Forwarding.DIRECT_ROUTING, Forwarding.MASQUERADING, Forwarding.TUNNELING
BOTH = FLAG_SCHED1 | FLAG_SCHED2

REQUESTS: list[tuple[str, Change]] = [
    ("ipvsadm -A -t 192.0.2.100:80 -s wlc", AddService(WEB, Service("wlc"))),
    ("ipvsadm -E -t 192.0.2.100:80 -s sed", SetService(WEB, Service("sed"))),
    ("ipvsadm -D -t 192.0.2.100:443", RemoveService(SECURE)),
    (
        "ipvsadm -A -t 192.0.2.100:443 -s wrr -p 300",
        AddService(SECURE, Service("wrr", FLAG_PERSISTENT, 300, 0xFFFFFF00)),
    ),
    ("ipvsadm -A -u 192.0.2.100:53 -s rr -o", AddService(NAMES, Service("rr", FLAG_ONEPACKET))),
    ("ipvsadm -A -f 7 -s sh", AddService(MARK, Service("sh", BOTH))),
    ("ipvsadm -A -t [2001:db8::100]:80", AddService(WEB6, Service("mh", BOTH, netmask=128))),
    ("ipvsadm -a -t 192.0.2.100:80 -r 192.0.2.11:80", AddDestination(WEB, at("192.0.2.11", 80), Destination(DR, 10))),
    (
        "ipvsadm -a -t 192.0.2.100:80 -r 192.0.2.12:80 -g -w 0 -x",
        AddDestination(WEB, at("192.0.2.12", 80), Destination(DR, 0, 1000, 800)),
    ),
    (
        "ipvsadm -a -t 192.0.2.100:443 -r 192.0.2.12:8443",
        AddDestination(SECURE, at("192.0.2.12", 8443), Destination(MASQ, 2)),
    ),
    (
        "ipvsadm -a -u 192.0.2.100:53 -r 192.0.2.12 -i --tun-type gue",
        AddDestination(NAMES, at("192.0.2.12", 53), Destination(TUN, 1, tunnel_type=1, tunnel_port=6080)),
    ),
    (
        "ipvsadm -a -u 192.0.2.100:53 -r 192.0.2.13 -i --tun-type gre",
        AddDestination(NAMES, at("192.0.2.13", 53), Destination(TUN, 1, tunnel_type=2, tunnel_flags=1)),
    ),
    ("ipvsadm -a -f 7 -r 192.0.2.11:0", AddDestination(MARK, at("192.0.2.11", 0), Destination(DR, 1))),
    ("ipvsadm -a -t [2001:db8::100]:80", AddDestination(WEB6, at("2001:db8::11", 80), Destination(DR, 3))),
    ("ipvsadm -e -t 192.0.2.100:80 -r 192.0.2.99:80", SetDestination(WEB, at("192.0.2.99", 80), Destination(DR, 1))),
    ("ipvsadm -d -t 192.0.2.100:80 -r 192.0.2.11:80", RemoveDestination(WEB, at("192.0.2.11", 80))),
]


@pytest.mark.parametrize(("command", "change"), REQUESTS, ids=[command for command, _ in REQUESTS])
def test_requests_equal_those_of_ipvsadm(command: str, change: Change) -> None:
    wanted = octets_of(command)
    ours = message.encode(change, FAMILY)
    assert ours[BODY:].hex() == wanted[BODY:].hex()
    assert struct.unpack_from("=IH", ours) == (len(wanted), FAMILY)


def test_questions_equal_those_of_ipvsadm() -> None:
    assert message.encode_get_family()[BODY:] == octets_of("CTRL_CMD_GETFAMILY")[BODY:]
    assert message.encode_get_info(FAMILY)[BODY:] == octets_of("GET_INFO")[BODY:]
    assert message.encode_set_timeouts(FAMILY, Timeouts(900, 120, 300))[BODY:] == octets_of("ipvsadm --set")[BODY:]


def test_services_of_the_kernel_are_read() -> None:
    seen = [message.decode(octets_of("NEW_SERVICE reply", nth)) for nth in range(4)]
    assert seen == [
        ServiceSeen(SECURE, Service("wrr", FLAG_PERSISTENT, 300, 0xFFFFFF00)),  # without FLAG_HASHED
        ServiceSeen(NAMES, Service("rr", FLAG_ONEPACKET)),
        ServiceSeen(MARK, Service("sh", BOTH)),
        ServiceSeen(ServiceKey(0, bytes(16), 0, 8), Service("lc", FLAG_PERSISTENT, 360, 128)),
    ]


def test_destinations_of_the_kernel_are_read() -> None:
    seen = [message.decode(octets_of("NEW_DEST reply", nth)) for nth in range(5)]
    none = DestinationCounts()
    assert seen == [
        DestinationSeen(at("192.0.2.12", 80), Destination(DR, 0, 1000, 800), none),
        DestinationSeen(at("192.0.2.12", 8443), Destination(MASQ, 2), none),
        DestinationSeen(at("192.0.2.13", 53), Destination(TUN, 1, tunnel_type=2, tunnel_flags=1), none),
        DestinationSeen(at("192.0.2.12", 53), Destination(TUN, 1, tunnel_type=1, tunnel_port=6080), none),
        DestinationSeen(at("2001:db8::11", 80), Destination(DR, 3), none),
    ]


def attribute(type_: int, payload: bytes) -> bytes:
    return struct.pack("=HH", 4 + len(payload), type_) + payload + bytes(-len(payload) & 3)


def destination_reply(*more: bytes) -> bytes:
    key = attribute(1, bytes([192, 0, 2, 9]) + bytes(12)) + attribute(2, b"\0\x50")
    body = b"\5\1\0\0" + attribute(2, key + b"".join(more))
    return struct.pack("=IHHII", 16 + len(body), FAMILY, 2, 1, 1) + body


def test_the_wide_counts_are_preferred_and_the_narrow_ones_read_where_alone() -> None:
    gauges = (
        attribute(7, struct.pack("=I", 3)) + attribute(8, struct.pack("=I", 4)) + attribute(9, struct.pack("=I", 5))
    )
    narrow = attribute(10, attribute(1, struct.pack("=I", 7)) + attribute(4, struct.pack("=Q", 1 << 40)))
    wide = attribute(12, b"".join(attribute(n, struct.pack("=Q", (1 << 40) + n)) for n in range(1, 6)))
    both = message.decode(destination_reply(gauges, narrow, wide))
    alone = message.decode(destination_reply(gauges, narrow))
    big = 1 << 40
    assert isinstance(both, DestinationSeen)
    assert both.counts == DestinationCounts(3, 4, 5, big + 1, big + 2, big + 3, big + 4, big + 5)
    assert isinstance(alone, DestinationSeen)
    assert alone.counts == DestinationCounts(3, 4, 5, 7, 0, 0, big, 0)


def test_timeouts_and_info_are_read() -> None:
    assert message.decode(octets_of("SET_CONFIG reply")) == Timeouts(900, 120, 300)
    body = b"\x0e\1\0\0" + attribute(1, struct.pack("=I", 0x010201)) + attribute(2, struct.pack("=I", 4096))
    assert message.decode(bytes(16) + body) == Info(0x010201, 4096)


def test_the_family_number_is_read_or_the_answer_is_malformed() -> None:
    body = b"\1\2\0\0" + attribute(2, b"IPVS\0") + attribute(1, struct.pack("=H", 33))
    assert message.decode_family(bytes(16) + body) == 33
    assert isinstance(message.decode_family(b""), Malformed)


@pytest.mark.parametrize(
    "change",
    [
        AddService(WEB, Service("a-very-long-name")),
        AddService(WEB, Service("rr", persistence_timeout=-1)),
        AddDestination(WEB, at("192.0.2.11", 80), Destination(DR, -1)),
        AddDestination(WEB, at("192.0.2.11", 65536), Destination(DR, 1)),
    ],
)
def test_a_value_that_does_not_fit_the_wire_is_a_value_error(change: Change) -> None:
    with pytest.raises(ValueError, match=r"longer than|range|format|too big"):
        message.encode(change, FAMILY)


replies = st.one_of(
    st.binary(max_size=400),
    st.builds(
        lambda command, body: bytes(16) + bytes([command, 1, 0, 0]) + body,
        st.sampled_from([1, 5, 12, 14]),
        st.binary(max_size=200),
    ),
    st.builds(  # a captured answer with a few octets damaged
        lambda vector, damage: bytes(
            damage.get(i, octet) for i, octet in enumerate(bytes.fromhex(vector["nlmsg_hex"]))
        ),
        st.sampled_from([v for v in VECTORS if v["direction"] == "kernel->user"]),
        st.dictionaries(st.integers(16, 140), st.integers(0, 255), max_size=8),
    ),
)


@given(replies)
@example(b"")
def test_any_octets_decode_to_a_value(octets: bytes) -> None:
    decoded = message.decode(octets)
    assert isinstance(decoded, ServiceSeen | DestinationSeen | DaemonSeen | Info | Timeouts | Malformed)
    if isinstance(decoded, DestinationSeen):
        assert len(decoded.key.address) in (4, 16)
        assert 0 <= decoded.key.port <= 65535
    assert isinstance(message.decode_family(octets), int | Malformed)


# ------------------------------------------------------------------------------------------- read by a learned layout


def read_slowly(octets: bytes) -> object:
    """By the general reader alone."""
    inner = dict(message._attributes(octets, 20)).get(message.CMD_ATTR_DEST, b"")
    return message._read_destination(dict(message._attributes(inner)))


def test_every_destination_is_read_by_layout_as_it_is_without() -> None:
    for nth in range(5):
        octets = octets_of("NEW_DEST reply", nth)
        first, second = message.decode(octets), message.decode(octets)
        assert message._layouts[len(octets)].read(octets) is not None
        assert first == second == read_slowly(octets)


@given(st.integers(0, 4), st.lists(st.tuples(st.integers(17, 400), st.integers(0, 255)), max_size=4), st.integers(0, 9))
def test_whatever_is_wrong_with_it_both_ways_say_the_same(nth: int, edits: list[tuple[int, int]], cut: int) -> None:
    """Counters and settings that change are read by layout; headers that change, and lengths, are not."""
    octets = bytearray(octets_of("NEW_DEST reply", nth))
    message.decode(bytes(octets))  # its layout is known
    for place, value in edits:
        octets[17 + place % (len(octets) - 17)] = value
    if cut > 7:
        del octets[-cut:]
    assert message.decode(bytes(octets)) == read_slowly(bytes(octets))
