"""What happened goes to the history, the log and the hooks; what a network's manager wants to know, to the observer."""

import time
from collections.abc import Callable

from haagent.core.effects import AgreementTransitioned, Record, ServiceTransitioned
from haagent.core.events import RouterTransitioned
from haagent.processes import messages
from haagent.processes.history import Entry
from haagent.processes.history_stream import HistoryStream
from haagent.processes.hook_runner import HookRunner
from haagent.processes.log import Logger
from haagent.processes.vrrp_messages import RouterReport


class Recorder:
    """`hooks` runs the configured commands; its owner sets and closes them."""

    def __init__(self, director: str, history: HistoryStream, log: Logger) -> None:
        self._history, self._log = history, log
        self.hooks = HookRunner(director, self._hook_ended, self._log.warning)

    def record(self, record: Record) -> None:
        entry = self._history.append(
            time.time(), record.subject, record.name, record.previous, record.state, record.cause, record.actor
        )
        self._log.info(
            f"{record.subject} {record.name} is {record.state}",
            subject=record.subject,
            name=record.name,
            previous=record.previous,
            state=record.state,
            cause=record.cause,
            actor=record.actor,
        )
        if isinstance(entry, str):  # a full disk keeps no hook from running
            self._log.warning(entry)
            fields = {key: getattr(record, key) for key in ("subject", "name", "previous", "state", "cause", "actor")}
            entry = Entry(sequence=0, at=time.time(), **fields)
        self.hooks.happened(entry)

    def _hook_ended(self, name: str, state: str, cause: str) -> None:
        entry = self._history.append(time.time(), "hook", name, "", state, cause)
        say = self._log.info if state == "succeeded" else self._log.warning
        say(f"hook {name} {state}", subject="hook", name=name, state=state, cause=cause)
        if isinstance(entry, str):
            self._log.warning(entry)


def notification(
    transition: RouterTransitioned | ServiceTransitioned | AgreementTransitioned,
    report_of: Callable[[str], RouterReport | None],
) -> bytes | None:
    """The observer's message; None where there is nothing to notify of."""
    if isinstance(transition, ServiceTransitioned):
        return messages.encode(
            messages.ServiceChanged(
                name=transition.name, state=transition.state, previous=transition.previous, reason=transition.reason
            )
        )
    report = report_of(transition.name)
    if isinstance(transition, AgreementTransitioned):
        if report is None:
            return None
        return messages.encode(
            messages.AgreementChanged(
                name=transition.name,
                interface=report.interface,
                vrid=report.vrid,
                router_state=report.state,
                state=transition.state,
                previous=transition.previous,
                evidence=transition.evidence,
            )
        )
    if report is None or transition.previous == transition.state:
        return None
    return messages.encode(
        messages.RouterChanged(
            name=transition.name,
            interface=report.interface,
            ifindex=report.ifindex,
            vrid=report.vrid,
            state=transition.state,  # type: ignore[arg-type]
            previous=transition.previous,  # type: ignore[arg-type]
            reason=transition.reason,
        )
    )
