"""Every field of a snapshot is where the MIB says, and every value fits its syntax."""

from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from haagent.agentx.codec import decode, encode
from haagent.agentx.pdu import Pdu, Response
from haagent.agentx.varbind import Kind, Oid
from haagent.mib import haagent as mib
from haagent.snapshot import RealServerStatus, RouterCounters, RouterStatus, ServiceStatus, Snapshot

ROUTER = RouterStatus(
    name="web",
    interface="eth0",
    ifindex=2,
    vrid=51,
    state="active",
    reason="no other director is heard",
    since=990.0,
    priority=200,
    effective_priority=150,
    preempt=True,
    advertisement_interval=0.25,
    primary_address="192.0.2.1",
    active_address="",
    virtual_addresses=("198.51.100.100/24", "198.51.100.101/24"),
    counters=RouterCounters(
        active_transitions=3,
        advertisements_sent=5_000_000_000,
        advertisements_received=6,
        priority_zero_sent=1,
        priority_zero_received=2,
        announcements_sent=8,
        interval_mismatches=9,
        address_list_mismatches=10,
        address_repairs=11,
        discarded={"ttl": 3, "vrid": 4},
    ),
)
SERVER = RealServerStatus(
    name="iis1",
    address="198.51.100.11",
    port=80,
    forwarding_method="direct_routing",
    health="up",
    since=900.0,
    reason="HTTP 200",
    configured_weight=2,
    weight=2,
    active_connections=5,
    inactive_connections=6,
    connections=7,
    incoming_packets=8,
    outgoing_packets=9,
    incoming_bytes=1 << 40,
    outgoing_bytes=11,
)
SORRY = RealServerStatus(
    name="sorry",
    address="2001:db8::99",
    port=80,
    forwarding_method="masquerading",
    sorry=True,
    health="unknown",
    admin="drained",
    since=1000.0,
    reason="",
    configured_weight=1,
    weight=None,
)
SERVICE = ServiceStatus(
    name="web",
    address="198.51.100.100",
    port=80,
    protocol="tcp",
    scheduler="wlc",
    forwarding_method="direct_routing",
    state="serving",
    since=999.5,
    in_service=1,
    real_servers=(SERVER, SORRY),
    reason="1 of 1 real servers in service, tier 2",
    persistence_timeout=300,
    tier=2,
    healthy=1,
    live_weight=2,
    quorum=3,
    has_quorum=False,
)
MARK = ServiceStatus(
    name="marked",
    address="",
    port=0,
    protocol="",
    scheduler="rr",
    forwarding_method="tunneling",
    state="standby",
    since=1000.0,
    in_service=0,
    real_servers=(),
    firewall_mark=7,
)
SNAPSHOT = Snapshot(
    director="d1",
    version="0.1.0",
    at=1000.0,
    started_at=400.0,
    routers=(ROUTER,),
    services=(SERVICE, MARK),
    problems=("iis2 is down", "another"),
    table_repairs=4,
)
WEB = tuple(b"web")


def contents(snapshot: Snapshot, entry: Oid, index: Oid) -> dict[int, Any]:
    """Sub-identifier of the column -> value, of one row."""
    found = {}
    for varbind in mib.build(snapshot).walk():
        if varbind.name[: len(entry)] == entry and varbind.name[len(entry) + 1 :] == index:
            found[varbind.name[len(entry)]] = varbind.content
    return found


def test_the_scalars() -> None:
    assert contents(SNAPSHOT, mib.DIRECTOR, (0,)) == {
        1: b"d1",
        2: b"0.1.0",
        3: 60000,
        4: 1,
        5: 1,
        6: 2,
        7: 1,
        8: 1,
        9: 2,
        10: b"iis2 is down",
        11: 4,
        12: 0,
        13: 0,
        14: 0,
    }


def test_a_virtual_router() -> None:
    assert contents(SNAPSHOT, mib.ROUTER_ENTRY, WEB) == {
        2: b"eth0",
        3: 2,
        4: 51,
        5: 3,
        6: b"no other director is heard",
        7: 200,
        8: 150,
        9: 1,
        10: bytes([192, 0, 2, 1]),
        11: 0,
        12: b"",
        13: 25,
        14: 1,
        15: 1000,
        16: 2,
        17: 3,
        18: 5_000_000_000,
        19: 6,
        20: 1,
        21: 2,
        22: 8,
        23: 7,
        24: 9,
        25: 10,
        26: 11,
        28: 1,
        29: b"",
    }


def test_a_virtual_service_and_one_by_firewall_mark() -> None:
    assert contents(SNAPSHOT, mib.SERVICE_ENTRY, WEB) == {
        2: 1,
        3: bytes([198, 51, 100, 100]),
        4: 80,
        5: 2,
        6: b"wlc",
        7: 2,
        8: 1,
        9: 1,
        10: 1,
        11: 50,
        12: b"1 of 1 real servers in service, tier 2",
        13: 0,
        14: 300,
        15: 2,
        16: 1,
        17: 2,
        18: 3,
        19: 2,
    }
    marked = contents(SNAPSHOT, mib.SERVICE_ENTRY, tuple(b"marked"))
    assert (marked[2], marked[3], marked[5], marked[8], marked[13]) == (0, b"", mib.OTHER, 5, 7)


def test_a_real_server_and_the_sorry_server() -> None:
    assert contents(SNAPSHOT, mib.REAL_SERVER_ENTRY, (3, *WEB, *b"iis1")) == {
        2: 1,
        3: bytes([198, 51, 100, 11]),
        4: 80,
        5: 2,
        6: 2,
        7: 2,
        8: 1,
        9: b"HTTP 200",
        10: 2,
        11: 2,
        12: 5,
        13: 6,
        14: 7,
        15: 8,
        16: 9,
        17: 1 << 40,
        18: 11,
        19: 10000,
        20: 1,
        21: 0,
        22: 0,
        23: 0,
    }
    sorry = contents(SNAPSHOT, mib.REAL_SERVER_ENTRY, (3, *WEB, *b"sorry"))
    assert (sorry[2], len(sorry[3]), sorry[6], sorry[7], sorry[8], sorry[11]) == (2, 16, 1, 1, 2, mib.NOT_PRESENT)


def test_the_rows_are_ordered_whatever_the_order_in_the_configuration() -> None:
    names = [varbind.name for varbind in mib.build(SNAPSHOT).walk()]
    assert names == sorted(names)
    assert len(names) == len(set(names)) == 14 + 27 + 2 * 18 + 2 * 22
    backwards = msgspec.structs.replace(SNAPSHOT, services=(MARK, SERVICE))
    assert [varbind.name for varbind in mib.build(backwards).walk()] == names


def test_what_does_not_fit_is_made_to_fit() -> None:
    server = msgspec.structs.replace(
        SERVER, reason="é" + "x" * 400, active_connections=1 << 40, connections=(1 << 64) + 5, since=2000.0
    )
    service = msgspec.structs.replace(SERVICE, real_servers=(server,))
    row = contents(msgspec.structs.replace(SNAPSHOT, services=(service,)), mib.REAL_SERVER_ENTRY, (3, *WEB, *b"iis1"))
    assert row[9] == b"\\xe9" + b"x" * 251
    assert (row[12], row[14], row[19]) == (0xFFFFFFFF, 5, 0)


def test_long_names_stay_distinct_and_within_the_limit_of_an_identifier() -> None:
    long = "s" * 200
    servers = tuple(msgspec.structs.replace(SERVER, name=long + end) for end in ("a", "b"))
    service = msgspec.structs.replace(SERVICE, name=long, real_servers=servers)
    rows = [
        varbind.name
        for varbind in mib.build(msgspec.structs.replace(SNAPSHOT, services=(service,))).walk()
        if varbind.name[: len(mib.REAL_SERVER_ENTRY)] == mib.REAL_SERVER_ENTRY
    ]
    assert len(set(rows)) == 2 * 22
    assert max(len(name) for name in rows) <= 128


def test_the_notification_names_router_states_and_reason_and_has_no_counter64() -> None:
    varbinds = mib.router_state_change(
        director="d1",
        name="web",
        interface="eth0",
        vrid=51,
        state="active",
        previous="backup",
        reason="the active director went silent",
    )
    assert varbinds[0].name == mib.SNMP_TRAP_OID
    assert varbinds[0].content == mib.ROUTER_STATE_CHANGE
    assert [(varbind.name[-5:], varbind.content) for varbind in varbinds[1:]] == [
        ((112, 1, 1, 1, 0), b"d1"),
        ((1, 2, *WEB), b"eth0"),
        ((1, 4, *WEB), 51),
        ((1, 5, *WEB), 3),
        ((1, 27, *WEB), 2),
        ((1, 6, *WEB), b"the active director went silent"),
    ]
    assert Kind.COUNTER64 not in {varbind.kind for varbind in varbinds}


TEXT = st.text(max_size=300)
NUMBER = st.integers(-(1 << 63), (1 << 64) - 1)  # what msgpack can carry


@given(
    name=TEXT,
    reason=TEXT,
    address=TEXT,
    number=NUMBER,
    weight=st.none() | NUMBER,
    since=st.floats(allow_nan=False, allow_infinity=False),
    big_endian=st.booleans(),
)
def test_every_snapshot_can_be_put_on_the_wire(
    name: str, reason: str, address: str, number: int, weight: int | None, since: float, big_endian: bool
) -> None:
    counters = RouterCounters(
        active_transitions=number, advertisements_sent=number, address_repairs=number, discarded={"ttl": number}
    )
    router = msgspec.structs.replace(
        ROUTER, name=name, reason=reason, primary_address=address, ifindex=number, since=since, counters=counters
    )
    server = msgspec.structs.replace(
        SERVER,
        name=name,
        reason=reason,
        address=address,
        weight=weight,
        incoming_bytes=number,
        since=since,
        port=number,
    )
    service = msgspec.structs.replace(SERVICE, name=name, address=address, real_servers=(server,), since=since)
    tree = mib.build(msgspec.structs.replace(SNAPSHOT, routers=(router,), services=(service,), started_at=since))
    sent = Pdu(Response(varbinds=tuple(tree.walk())), big_endian=big_endian)
    assert decode(encode(sent)) == sent


def test_the_notification_of_a_service_names_both_states_and_the_reason() -> None:
    varbinds = mib.service_state_change(
        director="d1", name="web", state="frozen", previous="serving", reason="1 of 9 are healthy"
    )
    assert varbinds[0].content == mib.SERVICE_STATE_CHANGE
    assert [(varbind.name[-5:], varbind.content) for varbind in varbinds[1:]] == [
        ((112, 1, 1, 1, 0), b"d1"),
        ((1, 8, *WEB), 4),
        ((1, 20, *WEB), 1),
        ((1, 12, *WEB), b"1 of 9 are healthy"),
    ]
