"""What the vrrp process said last of each virtual router; and what is told before it spoke, or after it died."""

import time
from collections.abc import Iterable
from dataclasses import fields, replace

from haagent.config.model import VirtualRouter
from haagent.core.hearing import Hearing, Source
from haagent.processes.vrrp_messages import RouterReport, SourceReport
from haagent.snapshot import RouterCounters, RouterStatus, SourceStatus
from haagent.view import Clock


class RouterReports:
    """By router name."""

    def __init__(self) -> None:
        self._reports: dict[str, RouterReport] = {}

    def heard(self, reports: Iterable[RouterReport]) -> None:
        """Those that changed."""
        self._reports |= {report.name: report for report in reports}

    def keep(self, names: Iterable[str]) -> None:
        """A new configuration knows these routers."""
        wanted = set(names)
        self._reports = {name: report for name, report in self._reports.items() if name in wanted}

    def orphan(self) -> None:
        """The vrrp process is gone: what it said last is not so any more."""
        reason = "the vrrp process is not running; the addresses that it held stay on the interface until it is back"
        now = time.monotonic()
        self._reports = {
            name: replace(report, state="initialize", reason=reason, since=now)
            for name, report in self._reports.items()
        }

    def of(self, name: str) -> RouterReport | None:
        return self._reports.get(name)

    def state_of(self, name: str) -> tuple[str, str] | None:
        """State and reason."""
        report = self._reports.get(name)
        return (report.state, report.reason) if report else None

    def active_addresses(self) -> dict[str, str]:
        """The Active router's own address, "" where none is known."""
        return {name: report.active_address for name, report in self._reports.items()}

    def other_active(self, name: str) -> str:
        """The Active router's own address while that is not us; else ""."""
        report = self._reports.get(name)
        return report.active_address if report and report.state == "backup" else ""

    def other_actives(self) -> dict[str, str]:
        """`other_active` of every router."""
        return {name: self.other_active(name) for name in self._reports}

    def statuses(self, routers: Iterable[VirtualRouter], clock: Clock, started_at: float) -> list[RouterStatus]:
        return [
            _status(report, clock) if (report := self._reports.get(each.name)) else _unreported(each, started_at)
            for each in routers
        ]


def _status(report: RouterReport, clock: Clock) -> RouterStatus:
    """The vrrp process's report with its instant in wall-clock time; every other field has the same name."""
    values = {each.name: getattr(report, each.name) for each in fields(report) if each.name not in ("discarded", "at")}
    values["since"] = clock.to_wall(report.since)
    values["counters"] = RouterCounters(**report.counters, discarded=report.discarded)
    values["sources"] = tuple(_source_status(each, clock) for each in report.sources)
    return RouterStatus(**values)


def _source_status(source: SourceReport, clock: Clock) -> SourceStatus:
    values = {each.name: getattr(source, each.name) for each in fields(source)}
    values["first_at"] = clock.to_wall(source.first_at)
    values["last_at"] = clock.to_wall(source.last_at)
    return SourceStatus(**values)


def hearing(report: RouterReport) -> Hearing:
    """The part of a report from which the directors' agreement is judged."""
    return Hearing(
        router=report.name,
        state=report.state,
        since=report.since,
        at=report.at,
        priority=report.effective_priority,
        interval=report.advertisement_interval,
        own=report.own_addresses,
        sources=tuple(
            Source(
                address=each.address,
                at=each.last_at,
                refusal=each.refusal,
                heard=each.heard,
                version=each.version,
                priority=each.priority,
                interval=each.interval,
                checksum=each.checksum,
                others=each.others,
                lacks=each.lacks,
            )
            for each in report.sources
        ),
        uncounted=report.uncounted,
    )


def _unreported(router: VirtualRouter, since: float) -> RouterStatus:
    """Until the vrrp process has said something about it."""
    return RouterStatus(
        name=router.name,
        interface=router.interface,
        ifindex=0,
        vrid=router.vrid,
        state="initialize",
        reason="the vrrp process has not reported yet",
        since=since,
        priority=router.priority,
        effective_priority=router.priority,
        preempt=router.preempt,
        advertisement_interval=router.advertisement_interval,
        primary_address="",
        active_address="",
        virtual_addresses=tuple(
            f"{each.address}/{each.prefix_length}" for each in router.virtual_addresses + router.unadvertised_addresses
        ),
    )
