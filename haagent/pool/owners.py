"""Whether the segment agrees about who has a virtual router's addresses: a verdict from ARP and ND. Pure.

What was asked for (RFC 5227 section 2.1.1, RFC 4862 section 5.4.2: no address of ours as the sender, nobody learns from
it) and what others said unasked (RFC 5227 section 2.4) are the same evidence: which MAC says to have which address.

The Active director cannot hear itself: for it nobody else's answer is agreement, and a witness that answers for its own
address shows that questions arrive. A Backup hears more: the MAC that answers has to be the Active router's. What other
directors heard (`elsewhere`) is judged by the same rule.
"""

from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from haagent.config.model import Config
from haagent.pool.arp_leak import ArpAnswer, virtual_router_macs

CONFIRM_TIME = 0.8  # seconds between two sightings that make of the first one no leftover
BACKUP_CONFIRM_TIME = 3.0  # who is Active reaches us up to two seconds late
SETTLE_TIME = 1.0  # after a takeover the predecessor may still be heard
FORGET_TIME = 40.0  # seconds after the last sighting
SIGHTING_SPACING = 0.5  # sightings nearer together are one
MOST_SIGHTINGS = 8
MOST_MACS = 16  # of one address: whoever invents more is contest enough
MOST_PLACES = 8192
MOST_NAMED = 3  # in one sentence

OwnerState = Literal["", "agreed", "contested", "silent", "unknown"]  # "": not asked yet


@dataclass(frozen=True, slots=True)
class Sighting:
    """Of one MAC that says to have an address; monotonic instants."""

    first_at: float
    last_at: float
    recent: tuple[float, ...] = ()  # the latest, SIGHTING_SPACING apart

    @property
    def is_confirmed(self) -> bool:
        return self.last_at - self.first_at >= CONFIRM_TIME

    def since(self, instant: float) -> tuple[float, ...]:
        return tuple(each for each in self.recent if each >= instant)


Place = tuple[str, str]  # interface, address
Claims = Mapping[Place, Mapping[str, Sighting]]  # by MAC, "02:00:00:00:00:01"; the virtual router's own MACs too
Heard = Mapping[str, frozenset[str]]  # MACs by address


@dataclass(frozen=True, slots=True)
class OwnerTest:
    """What is asked about one virtual router."""

    router: str
    interface: str
    vrid: int
    addresses: tuple[str, ...]
    peers: tuple[str, ...]  # own addresses of other directors, as far as the configuration has them
    interval: float  # seconds between two rounds where nothing is wrong


@dataclass(frozen=True, slots=True)
class Role:
    """Of a virtual router on this director; `since`: of state and Active router both."""

    state: str
    since: float
    active_address: str = ""


@dataclass(frozen=True, slots=True)
class Round:
    """One interface was asked."""

    at: float
    asked: frozenset[str]
    before_at: float = float("-inf")  # of the round before
    witnesses: Mapping[str, str] = field(default_factory=dict)  # address -> "the gateway"
    trouble: str = ""


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """What another director heard in its last round."""

    heard: Heard
    at: float  # of that round


@dataclass(frozen=True, slots=True, order=True)
class Contest:
    address: str
    mac: str
    name: str = field(default="", compare=False)  # an address of its own
    heard_by: str = ""  # another director


@dataclass(frozen=True, slots=True)
class OwnerVerdict:
    """Of one virtual router."""

    state: OwnerState = ""
    sentence: str = "the segment was not asked yet"
    contests: tuple[Contest, ...] = ()
    suspects: tuple[Contest, ...] = ()  # heard once: ask again soon
    at: float = 0.0  # of the round that it rests on


def owner_tests(config: Config) -> tuple[OwnerTest, ...]:
    return tuple(
        OwnerTest(
            router.name,
            router.interface,
            router.vrid,
            tuple(dict.fromkeys(each.address for each in router.virtual_addresses + router.unadvertised_addresses)),
            router.unicast_peers or (),
            router.announce_check,
        )
        for router in config.virtual_routers
        if router.announce_check
    )


def remembered(claims: Claims, answers: Iterable[ArpAnswer], now: float) -> dict[Place, dict[str, Sighting]]:
    """With what was heard now, without what is too old."""
    known: dict[Place, dict[str, Sighting]] = {}
    for place, macs in claims.items():
        if kept := {mac: each for mac, each in macs.items() if now - each.last_at <= FORGET_TIME}:
            known[place] = kept
    for answer in answers:
        if len(known) >= MOST_PLACES and (answer.interface, answer.address) not in known:
            continue
        macs = known.setdefault((answer.interface, answer.address), {})
        before = macs.get(answer.mac)
        if before is None:
            if len(macs) < MOST_MACS:
                macs[answer.mac] = Sighting(now, now, (now,))
            continue
        recent = before.recent
        if now - recent[-1] >= SIGHTING_SPACING:
            recent = (*recent, now)[-MOST_SIGHTINGS:]
        macs[answer.mac] = Sighting(before.first_at, now, recent)
    return known


def owner_verdict(
    test: OwnerTest,
    role: Role,
    claims: Claims,
    last: Round | None,
    own_macs: frozenset[str],
    elsewhere: Mapping[str, Heard] = {},
    names: Mapping[str, str] = {},
) -> OwnerVerdict:
    """`own_macs`: of all interfaces of this host. `elsewhere`: by director, what it hears answer now. `names`: see
    `own_addresses`.

    Two rounds without an answer end a contest.
    """
    if role.state not in ("active", "backup"):
        return OwnerVerdict("", "this director takes no part")
    right = own_macs | virtual_router_macs(test.vrid)
    if role.state == "backup":
        if not role.active_address:
            return OwnerVerdict("unknown", "no Active director is heard")
        known = claims.get((test.interface, role.active_address), {})
        if not known:
            return OwnerVerdict(
                "unknown", f"{role.active_address}, which is Active, does not answer for its own address"
            )
        right |= known.keys()
    contests, suspects = _foreign(test, role, claims, last, right, names)
    own = {(each.address, each.mac) for each in contests}
    contests += [
        Contest(address, mac, names.get(mac, ""), director)
        for director, heard in sorted(elsewhere.items())
        for address in test.addresses
        for mac in sorted(heard.get(address, frozenset()) - right)
        if (address, mac) not in own
    ]
    at = last.at if last else 0.0
    if contests:
        return OwnerVerdict("contested", _words(contests), tuple(contests), tuple(suspects), at)
    if last is None or last.at < role.since or not last.asked.issuperset(test.addresses):
        return OwnerVerdict(suspects=tuple(suspects))
    if last.trouble:
        return OwnerVerdict("unknown", f"the segment cannot be asked: {last.trouble}", (), tuple(suspects), at)
    state, sentence = _agreement(test, role, claims, last, right, elsewhere)
    return OwnerVerdict(state, sentence, (), tuple(suspects), at)


def _foreign(
    test: OwnerTest,
    role: Role,
    claims: Claims,
    last: Round | None,
    right: frozenset[str],
    names: Mapping[str, str],
) -> tuple[list[Contest], list[Contest]]:
    """Those that were heard twice, and those that were heard once."""
    apart = CONFIRM_TIME if role.state == "active" else BACKUP_CONFIRM_TIME
    contests: list[Contest] = []
    suspects: list[Contest] = []
    for address in test.addresses:
        for mac, sighting in sorted(claims.get((test.interface, address), {}).items()):
            if mac in right or not (times := sighting.since(role.since + SETTLE_TIME)):
                continue
            found = Contest(address, mac, names.get(mac, ""))
            if times[-1] - times[0] >= apart and (last is None or sighting.last_at >= last.before_at):
                contests.append(found)
            elif last is None or sighting.last_at >= last.at:  # else it was asked, and did not say so again
                suspects.append(found)
    return contests, suspects


def _agreement(
    test: OwnerTest, role: Role, claims: Claims, last: Round, right: frozenset[str], elsewhere: Mapping[str, Heard]
) -> tuple[OwnerState, str]:
    def answered(address: str) -> bool:
        macs = claims.get((test.interface, address), {})
        return any(each.last_at >= last.at for each in macs.values())

    count = test.addresses[0] if len(test.addresses) == 1 else f"any of the {len(test.addresses)} addresses"
    if role.state == "active":
        agreeing = [name for name, heard in elsewhere.items() if all(heard.get(each) for each in test.addresses)]
        present = [f"{name} {address}" for address, name in last.witnesses.items() if answered(address)]
        if agreeing:
            return "agreed", f"nobody else answers for {count}, and {', '.join(sorted(agreeing))} hears us answer"
        if present:
            return "agreed", f"nobody else answers for {count}; {present[0]} was there to be asked"
        if last.witnesses:
            absent = ", ".join(f"{name} {address}" for address, name in last.witnesses.items())
            return "silent", f"nobody answers at all, {absent} neither: our questions may not arrive"
        return "agreed", f"nobody else answers for {count}"
    missing = [address for address in test.addresses if not answered(address)]
    if missing:
        more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
        return "silent", f"nobody answers for {missing[0]}{more}, although {role.active_address} is Active"
    macs = {mac for address in test.addresses for mac in claims[test.interface, address] if mac in right}
    what = test.addresses[0] if len(test.addresses) == 1 else f"all {len(test.addresses)} addresses"
    return "agreed", f"{', '.join(sorted(macs))} of {role.active_address}, which is Active, answers for {what}"


def own_addresses(claims: Claims, interface: str, virtual: Container[str]) -> dict[str, str]:
    """By MAC: an address on the interface that is no virtual one, which tells whose it is."""
    names: dict[str, str] = {}
    for (place, address), macs in claims.items():
        if place == interface and address not in virtual:
            for mac in macs:
                names[mac] = min(address, names.get(mac, address))
    return names


def _words(contests: list[Contest]) -> str:
    by_mac: dict[tuple[str, str, str], list[str]] = {}
    for each in contests:
        by_mac.setdefault((each.mac, each.name, each.heard_by), []).append(each.address)
    said = []
    for (mac, name, heard_by), addresses in by_mac.items():
        more = f" and {len(addresses) - 1} more" if len(addresses) > 1 else ""
        by = f", {heard_by} says" if heard_by else ""
        said.append(f"{mac}{f' ({name})' if name else ''} says to have {addresses[0]}{more}{by}")
    left = f"; and {len(said) - MOST_NAMED} more" if len(said) > MOST_NAMED else ""
    return "; ".join(said[:MOST_NAMED]) + left
