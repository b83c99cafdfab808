"""The directors' agreement about every virtual router: own views and peers' words in, verdicts and records out. Pure.

Looked at with every report of the vrrp process (two seconds apart) and every word of a peer; so it needs no deadline.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from haagent.config.model import Config, VirtualRouter
from haagent.core.agreement import Agreement, Finding, Scene, damped, find
from haagent.core.effects import AgreementTransitioned, Effect, Notify, Record, TellPeers
from haagent.core.hearing import Hearing, Instant, as_of
from haagent.snapshot import AgreementState

Contest = tuple[str, Instant]  # who else answers for a router's addresses, and when that was last heard
NOBODY: Contest = ("", 0.0)

EXCHANGE_TIME = 5.0  # seconds that an exchange with a peer may take
MISSED = 2  # exchanges that may fail until a peer's word is not believed any more


@dataclass(slots=True)
class Agreements:
    """`of` is for `view.py` to read."""

    of: dict[str, Agreement] = field(default_factory=dict)  # by router
    _own: dict[str, Hearing] = field(default_factory=dict)
    _words: dict[str, dict[str, Hearing]] = field(default_factory=dict)  # by director and router
    _routers: dict[str, VirtualRouter] = field(default_factory=dict)
    _others: dict[str, str] = field(default_factory=dict)  # director -> the address where it listens
    _me: str = ""
    _fresh: float = 0.0

    def load(self, config: Config) -> None:
        self._me = config.director.name
        self._routers = {each.name: each for each in config.virtual_routers}
        endpoints = config.peers.addresses
        self._others = {each.director: each.address for each in endpoints if each.director != self._me}
        self._fresh = MISSED * config.peers.interval + EXCHANGE_TIME
        self.of = {name: each for name, each in self.of.items() if name in self._routers}
        self._own = {name: each for name, each in self._own.items() if name in self._routers}
        self._words = {name: each for name, each in self._words.items() if name in self._others}

    @property
    def has_peers(self) -> bool:
        return bool(self._others)

    def tell(self) -> tuple[Hearing, ...]:
        """What peers are told."""
        return tuple(self._own.values())

    def hear_own(self, hearings: Iterable[Hearing], contests: Mapping[str, Contest], now: Instant) -> list[Effect]:
        """What this director's vrrp process reports. `contests`: by router."""
        known = {each.router: each for each in hearings if each.router in self._routers}
        self._own |= known
        return [effect for name in known for effect in self._judge(name, contests.get(name, NOBODY), now)]

    def hear_peer(
        self, director: str, hearings: Iterable[Hearing], contests: Mapping[str, Contest], now: Instant
    ) -> list[Effect]:
        if director not in self._others:
            return []
        self._words[director] = {each.router: each for each in hearings if each.router in self._routers}
        return [
            effect
            for name in self._words[director]
            if name in self._own
            for effect in self._judge(name, contests.get(name, NOBODY), now)
        ]

    def forget_own(self, now: Instant) -> list[Effect]:
        """The vrrp process is gone: nothing is heard here any more."""
        self._own = {}
        return [effect for name in list(self.of) for effect in self._end(name, "the vrrp process is not running", now)]

    # ------------------------------------------------------------------ inside

    def _judge(self, name: str, contest: Contest, now: Instant) -> list[Effect]:
        own = self._own[name]
        if own.state == "initialize":
            return self._end(name, f"{self._me} takes no part", now)
        before = self.of.get(name, Agreement())
        after = self.of[name] = damped(before, self._find(name, contest, before.disagreed_at, now), own, now)
        if after.state != before.state:
            return _told(name, before.state, after)
        is_new = after.pending not in ("unknown", before.pending)
        return [TellPeers()] if is_new and self._others else []

    def _find(self, name: str, contest: Contest, disagreed_at: Instant, now: Instant) -> Finding:
        router = self._routers[name]
        second = router.also_via.peers if router.also_via else ()
        known = {address: director for director, address in self._others.items()}
        known |= {address: known.get(address, address) for address in (*(router.unicast_peers or ()), *second)}
        scene = Scene(
            me=self._me,
            own=as_of(self._own[name], now),
            words={director: self._words.get(director, {}).get(name) for director in self._others},
            known=known,
            is_unicast=router.unicast_peers is not None,
            has_second_path=router.also_via is not None,
            fresh=self._fresh,
            contest=contest[0],
            contest_at=contest[1],
            disagreed_at=disagreed_at,
        )
        return find(scene, now)

    def _end(self, name: str, why: str, now: Instant) -> list[Effect]:
        before = self.of.get(name, Agreement())
        after = self.of[name] = Agreement("unknown", (why,), now)
        return [] if before.state == after.state else _told(name, before.state, after)


def _told(name: str, previous: AgreementState, after: Agreement) -> list[Effect]:
    """To start, and to stop, in agreement is nothing to tell."""
    if {previous, after.state} == {"unknown", "agreed"}:
        return []
    cause = "; ".join(after.evidence)
    return [
        Record("agreement", name, "" if previous == "unknown" else previous, after.state, cause),
        Notify(AgreementTransitioned(name, previous, after.state, cause)),
    ]
