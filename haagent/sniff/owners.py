"""Which MAC answers for or announces which address, by ARP (RFC 826, 5227) and ND (RFC 4861, 4862). Pure."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from haagent.sniff.alternation import Alternation
from haagent.sniff.finding import Finding, ip_text, mac_text
from haagent.sniff.records import ArpHeard, NeighbourHeard, SolicitationHeard

ALTERNATION_WINDOW = 10.0  # seconds in which claims must alternate to be a conflict; keepalived repeats after 5
ANSWER_WINDOW = 1.0  # seconds after a question in which a second answer contradicts the first
PROBE_WINDOW = 3.0  # seconds; RFC 5227 section 1.1: three probes, 1 to 2 s apart
_NOBODY = (bytes(4), bytes(16))


@dataclass(slots=True)
class Owner:
    """One address."""

    mac: bytes  # who claimed it last
    since: float
    last_at: float
    claims: dict[bytes, int] = field(default_factory=dict)  # by MAC
    alternation: Alternation = field(default_factory=Alternation)
    is_disputed: bool = False


class Owners:
    """`hear` returns what is new, in sentences."""

    def __init__(self) -> None:
        self.owners: dict[bytes, Owner] = {}
        self._answers: dict[tuple[bytes, bytes], tuple[bytes, float]] = {}  # (address, asker) -> who answered, when
        self._probes: dict[bytes, dict[bytes, float]] = {}  # address -> who asked whether it is free, when
        self._told: set[tuple[object, ...]] = set()

    def hear(self, heard: ArpHeard | SolicitationHeard | NeighbourHeard) -> Iterator[Finding]:
        match heard:
            case ArpHeard(at, False, mac, sender, _, target) if sender in _NOBODY:
                yield from self._probe(at, mac, target)
            case ArpHeard(at, is_reply, mac, sender, asker, target):
                if is_reply and sender != target:  # a reply that names itself twice is an announcement
                    yield from self._answer(at, mac, sender, asker)
                yield from self._claim(at, mac, sender)
            case SolicitationHeard(at, mac, source, target) if source in _NOBODY:
                yield from self._probe(at, mac, target)
            case SolicitationHeard(at, mac, source, _):
                yield from self._claim(at, mac, source)
            case NeighbourHeard(at, mac, target, _, _):
                yield from self._claim(at, mac, target)

    def _claim(self, at: float, mac: bytes, address: bytes) -> Iterator[Finding]:
        yield from self._probe_answered(at, mac, address)
        owner = self.owners.get(address)
        if owner is None:
            self.owners[address] = owner = Owner(mac, at, at)
            yield Finding(at, "fact", ip_text(address), f"{ip_text(address)} is at {mac_text(mac)}")
        owner.last_at = at
        owner.claims[mac] = owner.claims.get(mac, 0) + 1
        alternates = owner.alternation.hear(mac, at, ALTERNATION_WINDOW)
        if owner.mac != mac:
            before, owner.mac, owner.since = owner.mac, mac, at
            if not owner.is_disputed:
                moved = f"{ip_text(address)} moved from {mac_text(before)} to {mac_text(mac)}"
                yield Finding(at, "change", ip_text(address), moved)
            if alternates and not owner.is_disputed:
                owner.is_disputed = True
                yield _disputed(at, address, before, mac, "claim")
        elif owner.is_disputed and not alternates:
            owner.is_disputed = False
            yield Finding(at, "calm", ip_text(address), f"{mac_text(mac)} alone claims {ip_text(address)} again")

    def _answer(self, at: float, mac: bytes, address: bytes, asker: bytes) -> Iterator[Finding]:
        before, when = self._answers.get((address, asker), (mac, at))
        self._answers[address, asker] = mac, at
        owner = self.owners.get(address)
        if before != mac and at - when <= ANSWER_WINDOW and owner is not None and not owner.is_disputed:
            owner.is_disputed = True
            yield _disputed(at, address, before, mac, "answer for")

    def _probe(self, at: float, mac: bytes, address: bytes) -> Iterator[Finding]:
        probes = self._probes.setdefault(address, {})
        others = [other for other, when in probes.items() if other != mac and at - when <= PROBE_WINDOW]
        is_first = at - probes.get(mac, float("-inf")) > PROBE_WINDOW
        probes[mac] = at
        if is_first:
            asks = f"{mac_text(mac)} asks whether {ip_text(address)} is free"
            yield Finding(at, "fact", ip_text(address), asks)
        if others and self._is_new("both", address, frozenset((mac, others[0]))):
            yield Finding(
                at,
                "conflict",
                ip_text(address),
                f"duplicate address: {mac_text(others[0])} and {mac_text(mac)} both are about to take"
                f" {ip_text(address)}",
            )

    def _probe_answered(self, at: float, mac: bytes, address: bytes) -> Iterator[Finding]:
        for prober, when in self._probes.get(address, {}).items():
            if prober != mac and at - when <= PROBE_WINDOW and self._is_new("answered", address, prober, mac):
                yield Finding(
                    at,
                    "conflict",
                    ip_text(address),
                    f"duplicate address: {mac_text(prober)} asked whether {ip_text(address)} is free,"
                    f" and {mac_text(mac)} has it",
                )

    def _is_new(self, *what: object) -> bool:
        if what in self._told:
            return False
        self._told.add(what)
        return True


def _disputed(at: float, address: bytes, one: bytes, other: bytes, do: str) -> Finding:
    macs = " and ".join(sorted((mac_text(one), mac_text(other))))
    text = f"two MACs {do} {ip_text(address)}: {macs}; clients reach now the one, now the other"
    return Finding(at, "conflict", ip_text(address), text)
