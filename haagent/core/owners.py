"""The questions that the director asks its segments, and what follows from the answers. Pure.

Soon after a takeover, then slowly; soon again where somebody else was heard. Nothing waits for any of it: a takeover is
the vrrp process's, and its announcements go out first. Whoever else says to have an address of an Active router is
answered by announcing again, at most once in DEFEND_INTERVAL (RFC 5227 sections 1.1 and 2.4 (c)).
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from msgspec import structs

from haagent.config.model import Config
from haagent.core.agreements import Contest
from haagent.core.effects import AnnounceAgain, AskOwners, Effect, Record, SetOwnerTests
from haagent.core.events import Instant, OwnersObserved
from haagent.core.hearing import Hearing, answered, answers
from haagent.pool.arp_leak import virtual_router_macs
from haagent.pool.owners import (
    BACKUP_CONFIRM_TIME,
    CONFIRM_TIME,
    SETTLE_TIME,
    Elsewhere,
    Heard,
    OwnerTest,
    OwnerVerdict,
    Place,
    Role,
    Round,
    Sighting,
    own_addresses,
    owner_tests,
    owner_verdict,
    remembered,
)

DEFEND_INTERVAL = 10.0
AFTER_TAKEOVER = SETTLE_TIME + 0.5  # seconds
UNSETTLED_INTERVAL = 10.0  # between rounds while somebody contests, or nobody could be asked


@dataclass(slots=True)
class Owners:
    """What is known of every segment. Fields are for `view.py` to read."""

    tests: dict[str, OwnerTest] = field(default_factory=dict)  # by router
    virtual: frozenset[str] = frozenset()  # addresses of all routers, asked about or not
    claims: dict[Place, dict[str, Sighting]] = field(default_factory=dict)
    verdicts: dict[str, OwnerVerdict] = field(default_factory=dict)  # by router
    elsewhere: dict[str, dict[str, Elsewhere]] = field(default_factory=dict)  # by router, then by director
    _roles: dict[str, Role] = field(default_factory=dict)
    _rounds: dict[str, Round] = field(default_factory=dict)  # the last one, by interface
    _own_macs: frozenset[str] = frozenset()
    _announced_at: dict[str, Instant] = field(default_factory=dict)

    def load(self, config: Config) -> list[Effect]:
        self.tests = {each.router: each for each in owner_tests(config)}
        self.virtual = frozenset(
            each.address
            for router in config.virtual_routers
            for each in router.virtual_addresses + router.unadvertised_addresses
        )
        self.verdicts = {name: each for name, each in self.verdicts.items() if name in self.tests}
        self.elsewhere = {name: each for name, each in self.elsewhere.items() if name in self.tests}
        return [SetOwnerTests(tuple(self.tests.values()))]

    def take_states(self, states: Mapping[str, str], now: Instant) -> list[Effect]:
        """Routers' states as they are told; what was heard before a change says nothing about what is now."""
        interfaces = []
        for name, state in states.items():
            before = self._roles.get(name)
            if before is not None and before.state == state:
                continue
            self._roles[name] = Role(state, now)
            self.verdicts.pop(name, None)
            if name in self.tests and state != "initialize":
                interfaces.append(self.tests[name].interface)
        return [AskOwners(each, AFTER_TAKEOVER) for each in dict.fromkeys(interfaces)]

    def observe(self, event: OwnersObserved, now: Instant) -> list[Effect]:
        self.claims = remembered(self.claims, event.answers, now)
        self._own_macs = event.own_macs or self._own_macs
        if event.asked:
            before = self._rounds.get(event.interface)
            before_at = before.at if before else float("-inf")
            self._rounds[event.interface] = Round(
                event.at, frozenset(event.asked), before_at, event.witnesses, event.trouble
            )
        for name, address in event.active.items():
            role = self._roles.get(name)
            if role is not None and role.state == "backup" and role.active_address != address:
                self._roles[name] = replace(
                    role, since=now if role.active_address else role.since, active_address=address
                )
        names = own_addresses(self.claims, event.interface, self.virtual)
        effects: list[Effect] = []
        pauses = []
        for test in self.tests.values():
            if test.interface == event.interface:
                effects += self._judge(test, names, now)
                pauses.append(self._pause(test, was_asked=bool(event.asked)))
        pause = min((each for each in pauses if each is not None), default=None)
        return effects if pause is None else [*effects, AskOwners(event.interface, pause)]

    def take_elsewhere(self, router: str, director: str, told: Elsewhere, now: Instant) -> list[Effect]:
        """What another director heard answer for the router's addresses."""
        test = self.tests.get(router)
        if test is None or self.elsewhere.setdefault(router, {}).get(director) == told:
            return []
        self.elsewhere[router][director] = told
        effects = list(self._judge(test, own_addresses(self.claims, test.interface, self.virtual), now))
        last = self._rounds.get(test.interface)
        is_early = last is None or last.at < told.at
        return (
            [*effects, AskOwners(test.interface, CONFIRM_TIME)]
            if is_early and not self._is_ours(test, told)
            else effects
        )

    def hear_peer(self, director: str, hearings: Iterable[Hearing], now: Instant) -> list[Effect]:
        """What it says of the segments, beside what it says of itself."""
        effects: list[Effect] = []
        for each in hearings:
            test = self.tests.get(each.router)
            if test is not None and each.owners is not None:
                told = Elsewhere(answers(test.addresses, each.owners), each.owners.at)
                effects += self.take_elsewhere(each.router, director, told, now)
        return effects

    def told_with(self, hearings: Iterable[Hearing]) -> tuple[Hearing, ...]:
        """What peers are told: each with who answers for the router's addresses here."""
        told = []
        for each in hearings:
            if (heard := self.heard(each.router)) is not None:
                addresses = self.tests[each.router].addresses
                each = structs.replace(each, owners=answered(addresses, heard.heard, heard.at))
            told.append(each)
        return tuple(told)

    def contests(self) -> dict[str, Contest]:
        """By router."""
        return {
            name: (each.sentence, self.contested_at(name))
            for name, each in self.verdicts.items()
            if each.state == "contested"
        }

    def _is_ours(self, test: OwnerTest, told: Elsewhere) -> bool:
        right = self._own_macs | virtual_router_macs(test.vrid)
        return all(macs <= right for macs in told.heard.values())

    def _believed(self, test: OwnerTest, role: Role, now: Instant) -> dict[str, Heard]:
        """What was asked elsewhere since we have our role, and not too long ago. That somebody else answered there
        counts once we asked too: our own MACs may be others by now."""
        last = self._rounds.get(test.interface)
        if role.state != "active" or last is None or last.at < role.since:
            return {}
        return {
            director: told.heard
            for director, told in self.elsewhere.get(test.router, {}).items()
            if role.since + SETTLE_TIME < told.at
            and now - told.at < 1.5 * test.interval + UNSETTLED_INTERVAL
            and (told.at <= last.at or self._is_ours(test, told))
        }

    def heard(self, router: str) -> Elsewhere | None:
        """What a Backup heard answer in its last round, for the Active director, which cannot hear itself. Not those
        that it suspects; None: it is not known who answers."""
        test, role, verdict = self.tests.get(router), self._roles.get(router), self.verdicts.get(router)
        last = self._rounds.get(test.interface) if test else None
        if test is None or last is None or verdict is None or role is None or role.state != "backup":
            return None
        if verdict.state not in ("agreed", "contested", "silent"):
            return None
        suspects = {(each.address, each.mac) for each in verdict.suspects}
        places = {address: self.claims.get((test.interface, address), {}) for address in test.addresses}
        heard = {
            address: frozenset(
                mac for mac, each in known.items() if each.last_at >= last.at and (address, mac) not in suspects
            )
            for address, known in places.items()
        }
        return Elsewhere({address: macs for address, macs in heard.items() if macs}, last.at)

    def contested_at(self, router: str) -> Instant:
        """When somebody else was last heard to say to have one of its addresses, here or elsewhere."""
        contests, interface = self.verdicts[router].contests, self.tests[router].interface
        sightings = [self.claims.get((interface, each.address), {}).get(each.mac) for each in contests]
        told = [self.elsewhere.get(router, {}).get(each.heard_by) for each in contests]
        instants = [each.last_at for each in sightings if each] + [each.at for each in told if each]
        return max(instants, default=self.verdicts[router].at)

    def _judge(self, test: OwnerTest, names: Mapping[str, str], now: Instant) -> Iterator[Effect]:
        role = self._roles.get(test.router, Role("", now))
        before = self.verdicts.get(test.router, OwnerVerdict())
        last, elsewhere = self._rounds.get(test.interface), self._believed(test, role, now)
        after = owner_verdict(test, role, self.claims, last, self._own_macs, elsewhere, names)
        self.verdicts[test.router] = after
        is_contested = "contested" in (before.state, after.state) and before.contests != after.contests
        is_first = role.state == "active" and (before.state, after.state) == ("", "agreed")
        if is_contested or is_first:
            yield Record("owner", test.router, before.state, after.state or "unknown", after.sentence)
        is_due = now - self._announced_at.get(test.router, float("-inf")) >= DEFEND_INTERVAL
        if role.state == "active" and (after.contests or after.suspects) and is_due:
            self._announced_at[test.router] = now
            yield AnnounceAgain(test.router)

    def _pause(self, test: OwnerTest, *, was_asked: bool) -> float | None:
        """Until the segment is asked again; None: what is due is early enough."""
        role, verdict = self._roles.get(test.router), self.verdicts[test.router]
        if verdict.suspects:
            return (CONFIRM_TIME if role and role.state == "active" else BACKUP_CONFIRM_TIME) + 0.2
        if not was_asked:
            return None
        if role is None or role.state == "initialize" or verdict.state == "agreed":
            return test.interval
        return min(test.interval, UNSETTLED_INTERVAL)
