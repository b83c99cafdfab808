"""What is told of routers that the vrrp process spoke of, or did not."""

from dataclasses import replace

from haagent.processes.router_reports import RouterReports
from haagent.processes.vrrp_messages import RouterReport
from haagent.view import Clock
from tests.unit.build import router

REPORT = RouterReport(
    name="web",
    interface="eth0",
    ifindex=2,
    vrid=51,
    state="active",
    reason="nobody else was heard",
    since=1.0,
    priority=200,
    effective_priority=200,
    preempt=True,
    advertisement_interval=1.0,
    primary_address="198.51.100.1",
    active_address="198.51.100.1",
    virtual_addresses=("198.51.100.100/24",),
)


def test_a_router_is_in_status_before_vrrp_has_said_anything():
    (status,) = RouterReports().statuses([router()], Clock(0.0, 0.0), 5.0)
    assert (status.name, status.state, status.since) == ("web", "initialize", 5.0)
    assert status.virtual_addresses == ("198.51.100.100/24",)
    assert "has not reported yet" in status.reason


def test_without_vrrp_nobody_is_said_to_be_active():
    reports = RouterReports()
    reports.heard([REPORT])
    reports.orphan()
    gone = reports.of("web")
    assert gone is not None
    assert gone.state == "initialize"
    assert "the vrrp process is not running" in gone.reason
    assert gone.ifindex == 2  # SNMP's row stays where it is
    assert gone.since > 1.0


def test_who_else_is_active_is_known_of_a_backup_router_alone():
    reports = RouterReports()
    reports.heard([REPORT, replace(REPORT, name="mail", state="backup", active_address="198.51.100.2")])
    assert reports.active_addresses() == {"web": "198.51.100.1", "mail": "198.51.100.2"}
    assert [reports.other_active(name) for name in ("web", "mail", "none")] == ["", "198.51.100.2", ""]


def test_a_new_configuration_forgets_the_others():
    reports = RouterReports()
    reports.heard([REPORT])
    reports.keep(["mail"])
    assert reports.of("web") is None
    assert reports.state_of("web") is None
