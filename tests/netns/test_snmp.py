"""Debian's snmpd, snmptrapd and tools, each a program of its own, see what the director's snapshot says."""

from collections.abc import Iterator

import pytest

from haagent.agentx.varbind import Kind, Varbind
from haagent.mib import haagent as mib
from haagent.processes.messages import AgreementChanged, ObserverReported, RouterChanged, ServiceChanged, SnapshotTaken
from tests.snmp_stage import ROOT, Stage, names, snapshot, wait_for

pytestmark = pytest.mark.root

RAW = ("-On", "-Ot", "-OU", "-Oe", "-Ox")  # numbers and octets alone
KINDS = {"Gauge32": Kind.GAUGE32, "Counter32": Kind.COUNTER32, "Counter64": Kind.COUNTER64, "INTEGER": Kind.INTEGER}
SNAPSHOT = snapshot()


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    with Stage() as stage:
        stage.say(SnapshotTaken(SNAPSHOT))
        assert stage.report() == ObserverReported(connected=True, detail=f"AgentX registered with {stage.address}")
        yield stage


def parse(output: str) -> list[Varbind]:
    """The varbinds that a tool printed with RAW, in its order."""
    lines: list[str] = []
    for line in output.splitlines():
        if line.startswith(".1."):
            lines.append(line)
        else:
            lines[-1] += " " + line  # long strings go on in the next line
    found = []
    for line in lines:
        name, _, value = line.partition(" = ")
        oid = tuple(int(number) for number in name.removeprefix(".").split("."))
        kind, colon, text = value.partition(": ")
        if value == '""':
            found.append(Varbind(oid, Kind.OCTET_STRING, b""))
        elif not colon:
            found.append(Varbind(oid, Kind.TIME_TICKS, int(value)))
        elif kind == "Hex-STRING":
            found.append(Varbind(oid, Kind.OCTET_STRING, bytes.fromhex(text)))
        else:
            found.append(Varbind(oid, KINDS[kind], int(text)))
    return found


def test_a_walk_is_the_snapshot_in_order(stage: Stage) -> None:
    found = parse(stage.walk(*RAW))
    assert found == mib.build(SNAPSHOT).walk()
    assert [varbind.name for varbind in found] == sorted(varbind.name for varbind in found)
    assert len(found) == 14 + 2 * 27 + 2 * 18 + 6 * 22


def test_every_instance_can_be_asked_for_by_itself(stage: Stage) -> None:
    every = mib.build(SNAPSHOT).walk()
    for first in range(0, len(every), 20):
        some = every[first : first + 20]
        asked = ["." + ".".join(str(number) for number in varbind.name) for varbind in some]
        run = stage.tool("snmpget", "-v2c", "-c", "public", *RAW, "127.0.0.1", *asked)
        assert parse(run.stdout) == some


def test_the_end_of_one_object_leads_to_the_next(stage: Stage) -> None:
    run = stage.tool("snmpgetnext", "-v2c", "-c", "public", *RAW, "127.0.0.1", f"{ROOT}.1.1.14.0", f"{ROOT}.1.4.1.1")
    scalar, real_server = parse(run.stdout)
    assert scalar.name == (*mib.ROUTER_ENTRY, 2, *b"mail")
    assert real_server.name == (*mib.REAL_SERVER_ENTRY, 2, 3, *b"tls", *b"rs1")


def test_what_is_not_there_is_told_apart(stage: Stage) -> None:
    asked = (f"{ROOT}.1.1.99.0", f"{ROOT}.1.1.1.7")
    run = stage.tool("snmpget", "-v2c", "-c", "public", *RAW, "127.0.0.1", *asked)
    first, second = run.stdout.splitlines()
    assert first.endswith("No Such Object available on this agent at this OID")
    assert second.endswith("No Such Instance currently exists at this OID")


def test_the_mib_file_gives_it_names(stage: Stage) -> None:
    lines = set(stage.walk(*names()).splitlines())
    assert {
        "HAAGENT-MIB::haagentDirectorName.0 = STRING: d1",
        "HAAGENT-MIB::haagentUptime.0 = Timeticks: (60000) 0:10:00.00",
        "HAAGENT-MIB::haagentRouterState.'web' = INTEGER: active(3)",
        "HAAGENT-MIB::haagentRouterAdvertisementInterval.'mail' = Gauge32: 10 centiseconds",
        "HAAGENT-MIB::haagentRouterAdvertisementsSent.'web' = Counter64: 5000000000",
        "HAAGENT-MIB::haagentServiceProtocol.'tls' = INTEGER: tcp(2)",
        "HAAGENT-MIB::haagentServiceState.'web' = INTEGER: serving(1)",
        """HAAGENT-MIB::haagentRealServerHealth."web".'rs3' = INTEGER: down(3)""",
        """HAAGENT-MIB::haagentRealServerReason."web".'rs3' = STRING: connection refused""",
        """HAAGENT-MIB::haagentRealServerWeight."tls".'rs3' = INTEGER: -1""",
        """HAAGENT-MIB::haagentRealServerAddressType."tls".'rs2' = INTEGER: ipv6(2)""",
    } <= lines


def test_writing_is_refused_by_us_not_by_the_master(stage: Stage) -> None:
    name = f"{ROOT}.1.1.1.0"
    run = stage.tool("snmpset", "-v2c", "-c", "private", "-On", "127.0.0.1", name, "s", "other")
    assert run.returncode != 0
    assert "notWritable" in run.stderr
    assert parse(stage.walk(*RAW, tool="snmpget", start=name))[0].content == b"d1"


def test_a_bulk_walk_of_sixty_servers(stage: Stage) -> None:
    many = snapshot(60)
    stage.say(SnapshotTaken(many))
    wait_for(lambda: parse(stage.walk(*RAW, tool="snmpget", start=f"{ROOT}.1.1.7.0"))[0].content == 120)
    try:
        found = parse(stage.walk(*RAW, "-Cr50", tool="snmpbulkwalk"))
        assert found == mib.build(many).walk()
        assert len(found) == 14 + 2 * 27 + 2 * 18 + 120 * 22
    finally:
        stage.say(SnapshotTaken(SNAPSHOT))
        wait_for(lambda: parse(stage.walk(*RAW, tool="snmpget", start=f"{ROOT}.1.1.7.0"))[0].content == 6)


def changed(state: str, reason: str) -> RouterChanged:
    return RouterChanged(
        name="web",
        interface="eth0",
        ifindex=2,
        vrid=51,
        state=state,  # type: ignore[arg-type]
        previous="backup",
        reason=reason,
    )


def test_a_change_of_state_reaches_the_trap_receiver(stage: Stage) -> None:
    stage.say(changed("active", "the active director went silent"))
    wait_for(lambda: "went silent" in stage.traps())
    (trap,) = [line for line in stage.traps().splitlines() if "went silent" in line]
    _uptime, identity, *objects = trap.split("\t")
    assert identity.endswith(" = HAAGENT-MIB::haagentRouterStateChange")
    assert [each.removeprefix("HAAGENT-MIB::") for each in objects] == [
        "haagentDirectorName.0 = d1",
        "haagentRouterInterface.'web' = eth0",
        "haagentRouterVrid.'web' = 51",
        "haagentRouterState.'web' = active",
        "haagentRouterPreviousState.'web' = backup",
        "haagentRouterReason.'web' = the active director went silent",
    ]


def test_a_service_that_changes_state_reaches_the_trap_receiver(stage: Stage) -> None:
    stage.say(ServiceChanged(name="web", state="frozen", previous="serving", reason="1 of 9 are healthy"))
    wait_for(lambda: "1 of 9" in stage.traps())
    (trap,) = [line for line in stage.traps().splitlines() if "1 of 9" in line]
    _uptime, identity, *objects = trap.split("\t")
    assert identity.endswith(" = HAAGENT-MIB::haagentServiceStateChange")
    assert [each.removeprefix("HAAGENT-MIB::") for each in objects] == [
        "haagentDirectorName.0 = d1",
        "haagentServiceState.'web' = frozen",
        "haagentServicePreviousState.'web' = serving",
        "haagentServiceReason.'web' = 1 of 9 are healthy",
    ]


def test_a_disagreement_reaches_the_trap_receiver(stage: Stage) -> None:
    stage.say(
        AgreementChanged(
            name="web",
            interface="eth0",
            vrid=51,
            router_state="active",
            state="one_way",
            previous="agreed",
            evidence="d1 hears d2",
        )
    )
    wait_for(lambda: "d1 hears d2" in stage.traps())
    (trap,) = [line for line in stage.traps().splitlines() if "d1 hears d2" in line]
    _uptime, identity, *objects = trap.split("\t")
    assert identity.endswith(" = HAAGENT-MIB::haagentRouterAgreementChange")
    assert [each.removeprefix("HAAGENT-MIB::") for each in objects] == [
        "haagentDirectorName.0 = d1",
        "haagentRouterInterface.'web' = eth0",
        "haagentRouterVrid.'web' = 51",
        "haagentRouterState.'web' = active",
        "haagentRouterAgreement.'web' = oneWay",
        "haagentRouterPreviousAgreement.'web' = agreed",
        "haagentRouterAgreementEvidence.'web' = d1 hears d2",
    ]


def test_snmpd_killed_and_started_again_is_found_again(stage: Stage) -> None:
    stage.kill_snmpd()
    lost = stage.report()
    assert (lost.connected, lost.detail) == (False, f"{stage.address}: the master closed the connection")
    stage.say(changed("backup", "nobody is there to hear it"))
    refused = stage.report()
    assert not refused.connected
    assert "is snmpd running, with `master agentx` in snmpd.conf?" in refused.detail
    stage.start_snmpd()
    while not stage.report().connected:
        pass
    assert parse(stage.walk(*RAW)) == mib.build(SNAPSHOT).walk()
    stage.say(changed("active", "after the restart"))
    wait_for(lambda: "after the restart" in stage.traps())
    assert "nobody is there" not in stage.traps()  # dropped, not queued
    assert stage.observer.poll() is None


def test_over_tcp_and_its_end() -> None:
    with Stage(tcp=True) as stage:
        stage.say(SnapshotTaken(SNAPSHOT))
        assert stage.report() == ObserverReported(connected=True, detail=f"AgentX registered with {stage.address}")
        assert parse(stage.walk(*RAW)) == mib.build(SNAPSHOT).walk()
        stage.observer.terminate()
        assert stage.observer.wait(30) == 0
        gone = stage.tool("snmpget", "-v2c", "-c", "public", *RAW, "127.0.0.1", f"{ROOT}.1.1.1.0")
        assert "No Such Object" in gone.stdout  # it said Close: the region went at once


def test_a_socket_that_snmpd_keeps_to_root_is_reported_with_the_line_that_opens_it() -> None:
    """Debian's default: a folder that root alone may enter. The observer has no privileges to get around it."""
    with Stage(permissions="") as stage:
        stage.say(SnapshotTaken(SNAPSHOT))
        report = stage.report()
        assert (report.connected, report.detail) == (
            False,
            f"cannot connect to {stage.address}: permission denied; "
            "add `agentXPerms 0660 0755 nobody nogroup` to snmpd.conf and restart snmpd",
        )
