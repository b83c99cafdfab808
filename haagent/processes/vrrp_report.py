"""The vrrp process's view of its routers, as the director wants it: only what moved, a few routers at a time."""

from collections import Counter

from haagent.processes.vrrp_messages import RouterReport, RoutersReported, SourceReport, address_text
from haagent.vrrp.address import dotted
from haagent.vrrp.router import Backup
from haagent.vrrp.settings import Interface
from haagent.vrrp.sources import Source
from haagent.vrrp.speaker import Machine, Speaker
from haagent.vrrp.virtual_router import Address

REPORT_INTERVAL = 2.0  # seconds
MOST_DIFFERENCES = 3  # addresses that are named of a list that is not ours
SLICE = 8  # routers in one message, so that no advertisement waits for the encoding of hundreds


class Reporter:
    """Remembers what was reported."""

    def __init__(self) -> None:
        self._reported: dict[str, RouterReport] = {}
        self._pending: list[str] = []
        self._texts: dict[str, tuple[tuple[Address, ...], tuple[str, ...]]] = {}

    def want_all(self, speaker: Speaker) -> None:
        self._reported = {}
        self._pending = list(speaker.machines)

    def want(self, *routers: str) -> None:
        self._pending += [each for each in routers if each not in self._pending]

    @property
    def is_pending(self) -> bool:
        return bool(self._pending)

    def next_slice(
        self, speaker: Speaker, interfaces: dict[str, Interface], now: float = 0.0
    ) -> RoutersReported | None:
        """The next few that changed; None when none of these did."""
        names, self._pending = self._pending[:SLICE], self._pending[SLICE:]
        moved = []
        for name in names:
            machine = speaker.machines.get(name)
            if machine is None:
                self._reported.pop(name, None)
                self._texts.pop(name, None)
                continue
            report = self._report(speaker, machine, interfaces.get(machine.settings.interface), now)
            if self._reported.get(name) != report:
                self._reported[name] = report
                moved.append(report)
        return RoutersReported(tuple(moved)) if moved else None

    def _report(self, speaker: Speaker, machine: Machine, interface: Interface | None, now: float) -> RouterReport:
        settings, parameters = machine.settings, machine.parameters
        primary = dotted(parameters.primary_address) if parameters else ""
        return RouterReport(
            name=settings.name,
            interface=settings.interface,
            ifindex=interface.index if interface else 0,
            vrid=settings.vrid,
            state=machine.state_name,
            reason=machine.reason,
            since=machine.since,
            priority=settings.priority,
            effective_priority=speaker.effective_priority(settings.name),
            preempt=settings.preempt,
            advertisement_interval=settings.advertisement_interval,
            primary_address=primary,
            active_address=dotted(machine.active_address),
            group=settings.group,
            terms=tuple(str(each) for each in speaker.terms(settings.name)),
            yields=isinstance(machine.state, Backup)
            and (machine.state.preempt_at, machine.state.held_until, machine.state.mute_until) != (None, None, None),
            virtual_addresses=self._addresses(
                settings.name, settings.virtual_addresses + settings.unadvertised_addresses
            ),
            counters=dict(machine.counters),
            discarded=_discarded(speaker, {name for name, _, _ in settings.places}),
            own_addresses=tuple(dict.fromkeys(dotted(each.source) for each in parameters.paths)) if parameters else (),
            sources=tuple(_source(each, settings.virtual_addresses) for each in machine.sources.all()),
            uncounted=machine.sources.uncounted,
            at=now,
        )

    def _addresses(self, name: str, addresses: tuple[Address, ...]) -> tuple[str, ...]:
        known = self._texts.get(name)
        if known is None or known[0] != addresses:
            known = self._texts[name] = (addresses, tuple(address_text(each) for each in addresses))
        return known[1]


def _source(source: Source, virtual: tuple[Address, ...]) -> SourceReport:
    ours = {address for address, _ in virtual}
    differs = source.addresses and ours != set(source.addresses)
    others = sorted(set(source.addresses) - ours) if differs else []
    lacks = sorted(ours - set(source.addresses)) if differs else []
    return SourceReport(
        address=dotted(source.address),
        refusal=source.refusal,
        first_at=source.first_at,
        last_at=source.last_at,
        heard=source.heard,
        version=source.version,
        priority=source.priority,
        interval=source.interval,
        checksum=source.checksum,
        others=tuple(dotted(each) for each in others[:MOST_DIFFERENCES]),
        lacks=tuple(dotted(each) for each in lacks[:MOST_DIFFERENCES]),
    )


def _discarded(speaker: Speaker, interfaces: set[str]) -> dict[str, int]:
    total: Counter[str] = Counter()
    for interface in interfaces:
        for reason, count in speaker.discarded.get(interface, {}).items():
            total[reason.name.lower()] += count
    return dict(total)
