"""How a snapshot looks to people."""

import json
from pathlib import Path

import msgspec

from haagent.cli.status import lines, look, router_lines, server_line, service_lines
from haagent.control.requests import StatusAnswer
from haagent.snapshot import (
    AgreementStatus,
    CheckStatus,
    ProcessStatus,
    RealServerStatus,
    RouterStatus,
    ServiceStatus,
    Snapshot,
    SourceStatus,
)

AT = 1_700_000_000.0
ROUTER = RouterStatus(
    name="web",
    interface="eth1",
    ifindex=2,
    vrid=51,
    state="backup",
    reason="198.51.100.2 with priority 200 is Active",
    since=AT - 75,
    priority=200,
    effective_priority=90,
    preempt=True,
    advertisement_interval=1.0,
    primary_address="198.51.100.1",
    active_address="198.51.100.2",
    virtual_addresses=("198.51.100.100/24", "198.51.100.101/24"),
)


def server(name: str, host: int, **changes: object) -> RealServerStatus:
    values: dict[str, object] = {
        "name": name,
        "address": f"198.51.100.{host}",
        "port": 80,
        "forwarding_method": "direct_routing",
        "health": "up",
        "since": AT - 3600,
        "reason": "page: HTTP 200",
        "configured_weight": 1,
        "weight": 1,
        "active_connections": 3,
        "inactive_connections": 40,
        **changes,
    }
    return RealServerStatus(**values)  # type: ignore[arg-type]


DOWN = server(
    "web2",
    12,
    health="down",
    since=AT - 5,
    reason="page: connection refused",
    weight=None,
    active_connections=0,
    inactive_connections=0,
    checks=(CheckStatus(name="page", health="down", since=AT - 5, detail="connection refused"),),
)
SORRY = server("sorry_server", 99, sorry=True, reason="serves while no real server does", weight=None)
SNAPSHOT = Snapshot(
    director="d1",
    version="0.1.0",
    at=AT,
    started_at=AT - 90061,
    routers=(ROUTER,),
    services=(
        ServiceStatus(
            name="web",
            address="198.51.100.100",
            port=80,
            protocol="tcp",
            scheduler="wlc",
            forwarding_method="direct_routing",
            state="serving",
            since=AT - 3600,
            in_service=1,
            real_servers=(server("web1", 11), DOWN, SORRY),
        ),
    ),
    processes=(
        ProcessStatus(name="director", running=True, pid=100, since=AT - 90061),
        ProcessStatus(name="vrrp", running=False, pid=0, since=AT - 2),
    ),
    problems=("real server web2 of web is down: page: connection refused", "the vrrp process is not running"),
)
EXPECTED = """\
director d1   haagent 0.1.0, running for 1 d 1 h
state    DEGRADED: 2 to look at
         ! real server web2 of web is down: page: connection refused
         ! the vrrp process is not running

router   web   BACKUP for 1 min 15 s   vrid 51 on eth1, priority 90 (configured 200)
         198.51.100.2 with priority 200 is Active
         Active is 198.51.100.2
         198.51.100.100/24, 198.51.100.101/24

service  web   SERVING for 1 h 0 min   tcp 198.51.100.100:80, wlc, direct_routing; 1 of 2 in service
         web1          198.51.100.11:80      up      weight 1   for 1 h 0 min  3 active 40 inactive   page: HTTP 200
         web2          198.51.100.12:80      down    out        for 5.0 s      0 active 0 inactive    page: connection refused
         sorry_server  198.51.100.99:80      sorry   out        for 1 h 0 min  3 active 40 inactive   serves while no real server does

process  director  pid 100      for 1 d 1 h     
process  vrrp      NOT RUNNING  for 2.0 s       """  # noqa: E501, W291


def test_the_whole_view():
    assert "\n".join(line.rstrip() for line in lines(SNAPSHOT)) == "\n".join(
        line.rstrip() for line in EXPECTED.splitlines()
    )


def test_a_service_by_mark_with_tiers_and_a_quorum():
    service = ServiceStatus(
        name="shop",
        address="",
        port=0,
        protocol="tcp",
        scheduler="rr",
        forwarding_method="masquerading",
        state="sorry",
        since=AT - 60,
        in_service=0,
        real_servers=(server("web1", 11, port=0, tier=2), server("six", 0, address="2001:db8::11")),
        reason="live weight 1 is below the quorum of 2",
        firewall_mark=7,
        addresses=("198.51.100.100",),
        ports=("80", "8000-8010"),
        protocols=("tcp", "udp"),
        persistence_timeout=300,
        tier=2,
        live_weight=1,
        quorum=2,
        has_quorum=False,
    )
    shown = [line.rstrip() for line in service_lines(service, AT)]
    assert shown == [
        "service  shop   SORRY for 1 min 0 s   firewall mark 7 (tcp+udp 198.51.100.100 ports 80 8000-8010), rr, "
        "masquerading; 0 of 2 in service",
        "         live weight 1 is below the quorum of 2",
        "         tier 2 serves, quorum of 2 LOST with live weight 1, clients stay for 300 s",
        "         web1  tier 2  198.51.100.11         up      weight 1   for 1 h 0 min  3 active 40 inactive   "
        "page: HTTP 200",
        "         six   tier 1  [2001:db8::11]:80     up      weight 1   for 1 h 0 min  3 active 40 inactive   "
        "page: HTTP 200",
    ]


def test_healthy_is_said():
    assert "state    healthy" in list(lines(msgspec.structs.replace(SNAPSHOT, problems=())))


def test_json_is_the_snapshot(monkeypatch):
    monkeypatch.setattr("haagent.cli.status.ask", lambda path, request: StatusAnswer(SNAPSHOT))
    code, (printed,) = look(Path("control.sock"), as_json=True)
    assert code == 2
    assert msgspec.json.decode(printed, type=Snapshot) == SNAPSHOT
    assert json.loads(printed)["services"][0]["real_servers"][1]["weight"] is None


def test_what_moves_a_router_and_who_else_speaks_for_it():
    heard = SourceStatus(
        address="198.51.100.9",
        refusal="",
        first_at=AT - 60,
        last_at=AT - 2,
        heard=30,
        version=3,
        priority=250,
        interval=1.0,
        checksum="rfc9568",
    )
    router = msgspec.structs.replace(
        ROUTER,
        group="nat",
        terms=("pool web is empty (-110)",),
        yields=True,
        sources=(
            heard,
            msgspec.structs.replace(heard, address=ROUTER.active_address),
            msgspec.structs.replace(heard, address="198.51.100.8", version=2, refusal="version"),
        ),
        agreement=AgreementStatus(state="one_way", since=AT - 5, evidence=("d1 hears d2", "d2 does not hear d1")),
    )
    assert list(router_lines(router, AT))[2:8] == [
        "         moves with the group nat",
        "         priority 200 as configured, pool web is empty (-110)",
        "         yields to an Active router of lower priority: a handover, or a preempt_delay that runs",
        "         directors ONE WAY for 5.0 s: d1 hears d2; d2 does not hear d1",
        "         heard 198.51.100.9 with priority 250, VRRPv3, rfc9568 checksum: 30 advertisements, the last 2.0 s ago",  # noqa: E501
        "         heard 198.51.100.8 with priority 250, VRRPv2, refused (version): 30 advertisements, the last 2.0 s ago",  # noqa: E501
    ]


def test_a_verdict_that_is_held_is_said_to_be_held():
    check = CheckStatus(name="page", health="up", since=AT, detail="x", unjudged_since=AT - 125)
    assert "NOT JUDGED for 2 min 5 s, the verdict is held; page: HTTP 200" in server_line(
        server("rs1", 11, checks=(check,)), 4, AT
    )
    assert "NOT JUDGED" not in server_line(server("rs1", 11), 4, AT)
