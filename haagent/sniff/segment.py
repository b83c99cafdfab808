"""One segment as somebody hears it who only listens: records in, findings out, and at the end a summary. Pure."""

from dataclasses import dataclass

from haagent.sniff.finding import Finding, ip_text, mac_text
from haagent.sniff.owners import Owners
from haagent.sniff.records import Record, VrrpHeard
from haagent.sniff.speakers import Speakers, about

LOOK_INTERVAL = 0.05  # seconds between two looks for silence


@dataclass(frozen=True, slots=True)
class SpeakerSummary:
    """One source of advertisements for one VRID."""

    vrid: int
    family: str
    source: str
    mac: str
    version: int
    priority: int
    interval: float
    addresses: tuple[str, ...]
    checksum: str
    ttl: int
    count: int
    first_at: float
    last_at: float
    is_silent: bool


@dataclass(frozen=True, slots=True)
class OwnerSummary:
    """Who claimed an address last, and who else did."""

    address: str
    mac: str
    since: float
    last_at: float
    others: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Summary:
    speakers: tuple[SpeakerSummary, ...]
    owners: tuple[OwnerSummary, ...]
    conflicts: tuple[Finding, ...]
    discarded: dict[str, int]  # "192.0.2.9 CHECKSUM" -> datagrams
    records: int


class Segment:
    """Records must come in the order of their instants."""

    def __init__(self) -> None:
        self._speakers, self._owners = Speakers(), Owners()
        self._conflicts: list[Finding] = []
        self._records = 0
        self._looked_at = float("-inf")

    def hear(self, record: Record) -> list[Finding]:
        """What is new by this record, and by the time that passed until it."""
        findings = self.pass_time(record.at) if record.at - self._looked_at >= LOOK_INTERVAL else []
        self._records += 1
        heard = self._speakers.hear(record) if isinstance(record, VrrpHeard) else self._owners.hear(record)
        return [*findings, *self._noted(list(heard))]

    def pass_time(self, now: float) -> list[Finding]:
        """What is new by silence."""
        self._looked_at = now
        return self._noted(list(self._speakers.pass_time(now)))

    def summary(self) -> Summary:
        return Summary(
            speakers=tuple(
                SpeakerSummary(
                    vrid=vrid,
                    family="ipv4" if octets == 4 else "ipv6",
                    source=ip_text(each.source),
                    mac=mac_text(each.mac),
                    version=each.spoken.version,
                    priority=each.spoken.priority,
                    interval=each.spoken.interval,
                    addresses=tuple(ip_text(address) for address in each.spoken.addresses),
                    checksum=each.form,
                    ttl=each.ttl,
                    count=each.count,
                    first_at=each.first_at,
                    last_at=each.last_at,
                    is_silent=each.is_silent,
                )
                for (octets, vrid), router in sorted(self._speakers.routers.items())
                for each in sorted(router.speakers.values(), key=lambda each: each.source)
            ),
            owners=tuple(
                OwnerSummary(
                    address=ip_text(address),
                    mac=mac_text(owner.mac),
                    since=owner.since,
                    last_at=owner.last_at,
                    others=tuple(mac_text(mac) for mac in owner.claims if mac != owner.mac),
                )
                for address, owner in sorted(self._owners.owners.items(), key=lambda item: (len(item[0]), item[0]))
            ),
            conflicts=tuple(self._conflicts),
            discarded={
                f"{ip_text(source)} {reason}": count for (source, reason), count in self._speakers.malformed.items()
            },
            records=self._records,
        )

    def _noted(self, findings: list[Finding]) -> list[Finding]:
        self._conflicts += [each for each in findings if each.kind == "conflict"]
        return findings


def lines(summary: Summary, now: float) -> list[str]:
    """The summary for people."""
    result = [f"{summary.records} records"]
    for each in summary.speakers:
        silent = f", silent for {now - each.last_at:.1f} s" if each.is_silent else ""
        result.append(
            f"{about((4 if each.family == 'ipv4' else 16, each.vrid)):15} {each.source} ({each.mac})"
            f"  VRRPv{each.version}  priority {each.priority}  every {each.interval:g} s  {each.checksum}"
            f"  {'TTL' if each.family == 'ipv4' else 'hop limit'} {each.ttl}  {each.count} heard{silent}"
        )
        result.append(f"{'':15} {', '.join(each.addresses)}")
    for owner in summary.owners:
        others = f"  before or also: {', '.join(owner.others)}" if owner.others else ""
        result.append(f"{owner.address:15} is at {owner.mac}{others}")
    result += [f"discarded       {what}: {count}" for what, count in summary.discarded.items()]
    result.append(f"{len(summary.conflicts)} conflict{'' if len(summary.conflicts) == 1 else 's'}")
    result += [f"  {each.about}: {each.text}" for each in summary.conflicts]
    return result
