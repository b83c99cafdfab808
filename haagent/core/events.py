"""All that can happen to a director, apart from VRRP. `now` comes beside each, in CLOCK_MONOTONIC seconds."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from haagent.config.model import Config
from haagent.core.hearing import Hearing
from haagent.health.check import Failure
from haagent.ipvs.drift import Drift
from haagent.ipvs.marks import Marks
from haagent.ipvs.plan import Owned
from haagent.ipvs.table import Counts, Table
from haagent.pool.arp_leak import ArpAnswer
from haagent.pool.operator import (
    Overrides,
)
from haagent.pool.settings import Settings
from haagent.pool.tracking import Observed
from haagent.snapshot import HealthState

Instant = float


ServerKey = tuple[str, str]  # service name, real server name


@dataclass(frozen=True, slots=True)
class ConfigLoaded:
    """At start and on every valid reload."""

    config: Config


@dataclass(frozen=True, slots=True)
class TableAdopted:
    """Once, before the first ConfigLoaded: what the kernel held when we came, and what a predecessor had made of it."""

    table: Table
    owned: Owned
    marks: Marks = frozenset()


@dataclass(frozen=True, slots=True)
class TableObserved:
    """The kernel's table and firewall marks after an apply or an audit."""

    table: Table
    counts: Counts
    repairs: int  # changes made although nothing new was wanted: somebody else had edited the table
    failures: tuple[str, ...]  # one sentence for each change that the kernel refused
    marks: Marks = frozenset()
    settings: Settings = field(default_factory=Settings)
    drifts: tuple[Drift, ...] = ()  # what somebody else did since the last look
    left: tuple[str, ...] = ()  # names of entries that are not as wanted, and are left so
    foreign: tuple[str, ...] = ()  # names of entries that are not ours
    is_counted: bool = False  # `table` and `counts` are one look at the kernel, and nothing was changed since


@dataclass(frozen=True, slots=True)
class OperatorChanged:
    """What operators said, all of it: as stored at start, after a request, or merged with what the peer knows."""

    overrides: Overrides


@dataclass(frozen=True, slots=True)
class DeadlinePassed:
    """`Core.next_deadline` came. `wall` is the wall clock, in which operators' deadlines are."""

    wall: float


@dataclass(frozen=True, slots=True)
class HealthChanged:
    """The prober's word on one probe."""

    id: int
    health: HealthState
    detail: str
    failure: Failure = ""
    cause: str = ""  # one sentence: what is behind it, where that could be found out
    weight: int | None = None  # percent of its weight that the real server asks for


@dataclass(frozen=True, slots=True)
class MaintenanceObserved:
    """The names of the files in the maintenance directory."""

    files: frozenset[str]


@dataclass(frozen=True, slots=True)
class PeerSaw:
    """What another director makes of the real servers."""

    director: str
    healths: Mapping[ServerKey, HealthState]


@dataclass(frozen=True, slots=True)
class PeerHeard:
    """What another director is, and hears, of each virtual router; instants are ours."""

    director: str
    hearings: tuple[Hearing, ...]


@dataclass(frozen=True, slots=True)
class ArpObserved:
    """One round of the ARP leak test. `active`: the Active router's own address by router; `troubles` by interface."""

    answers: tuple[ArpAnswer, ...]
    active: Mapping[str, str]
    troubles: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class OwnersObserved:
    """Who said on one segment to have which address: answers to a round of questions, or what was said unasked.

    `asked`: the addresses of a round that is over, whose answers may have come before; none: we only listened. Answers
    for the Active router's own address, for witnesses and of a claimant for its own address are among them too.
    """

    interface: str
    answers: tuple[ArpAnswer, ...]
    at: Instant  # when it was asked, or heard
    asked: tuple[str, ...] = ()
    trouble: str = ""  # why nobody could be asked
    active: Mapping[str, str] = field(default_factory=dict)  # the Active router's own address, by router
    witnesses: Mapping[str, str] = field(default_factory=dict)  # who else was asked: address -> what it is
    own_macs: frozenset[str] = frozenset()  # of all interfaces of this host


@dataclass(frozen=True, slots=True)
class RouterTransitioned:
    """The vrrp process's word on one router."""

    name: str
    previous: str
    state: str
    reason: str


@dataclass(frozen=True, slots=True)
class RoutersObserved:
    """The vrrp process's report on routers: their states now, by name; others stay what they were."""

    states: Mapping[str, str]
    hearings: tuple[Hearing, ...] = ()  # of the same routers: who speaks for them


@dataclass(frozen=True, slots=True)
class TracksObserved:
    """The scripts, files and processes that routers follow: everything that is known of them."""

    observed: Observed


@dataclass(frozen=True, slots=True)
class ProcessConnected:
    """A child said hello: it needs its level."""

    process: Literal["vrrp", "prober", "observer"]
    detail: str


@dataclass(frozen=True, slots=True)
class ProcessLost:
    """A child's connection ended."""

    process: Literal["vrrp", "prober", "observer"]


Event = (
    ConfigLoaded
    | TableAdopted
    | TableObserved
    | HealthChanged
    | ArpObserved
    | OwnersObserved
    | RouterTransitioned
    | RoutersObserved
    | TracksObserved
    | ProcessConnected
    | ProcessLost
    | OperatorChanged
    | DeadlinePassed
    | MaintenanceObserved
    | PeerSaw
    | PeerHeard
)
