"""All that a director can cause: the safety document. Levels state the whole wanted end, edges happen once."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from haagent.core.events import RouterTransitioned
from haagent.ipvs.drift import Policy
from haagent.ipvs.marks import Marks
from haagent.ipvs.plan import Owned
from haagent.ipvs.table import Table
from haagent.pool.arp_leak import ArpTest
from haagent.pool.operator import (
    HAAGENT,
    Overrides,
)
from haagent.pool.owners import OwnerTest
from haagent.pool.settings import Settings
from haagent.processes.messages import Probe
from haagent.snapshot import AgreementState, ServiceState
from haagent.vrrp.settings import RouterSettings, Tracking

Subject = Literal[
    "configuration",
    "router",
    "service",
    "quorum",
    "tier",
    "real_server",
    "operator",
    "path",
    "arp",
    "owner",
    "table",
    "process",
    "judgement",
    "agreement",
]


@dataclass(frozen=True, slots=True)
class SetVirtualServices:
    """Level: the whole wanted table, all firewall marks, the kernel's settings. Its table may also hold what is not
    `owned`."""

    table: Table
    owned: Owned
    marks: Marks = frozenset()
    settings: Settings = field(default_factory=Settings)
    policy: Policy = field(default_factory=Policy)


@dataclass(frozen=True, slots=True)
class SetProbes:
    """Level: everything to be probed. `has_paths`: path probes too, though perhaps not yet."""

    probes: tuple[Probe, ...]
    has_paths: bool = False


@dataclass(frozen=True, slots=True)
class SetArpTests:
    """Level: for which addresses the segments are asked."""

    tests: tuple[ArpTest, ...]


@dataclass(frozen=True, slots=True)
class SetOwnerTests:
    """Level: about which virtual routers the segments are asked, and listened to."""

    tests: tuple[OwnerTest, ...]


@dataclass(frozen=True, slots=True)
class AskOwners:
    """Edge: ask an interface's segment so many seconds from now, or sooner where that is due already."""

    interface: str
    after: float


@dataclass(frozen=True, slots=True)
class AnnounceAgain:
    """Edge: somebody else says to have an address of this Active router; one round of announcements."""

    router: str


@dataclass(frozen=True, slots=True)
class SetRouters:
    """Level: every virtual router."""

    routers: tuple[RouterSettings, ...]


@dataclass(frozen=True, slots=True)
class SetTracking:
    """Level: what the pools say of the routers."""

    tracking: Mapping[str, Tracking]


@dataclass(frozen=True, slots=True)
class Record:
    """Edge: one line of the history. `name` is "service/server" for a real server."""

    subject: Subject
    name: str
    previous: str
    state: str
    cause: str
    actor: str = HAAGENT  # or a user's name


@dataclass(frozen=True, slots=True)
class StoreOverrides:
    """Level: what operators said, to be on disk before what follows from it is done."""

    overrides: Overrides


@dataclass(frozen=True, slots=True)
class ServiceTransitioned:
    """A service entered another state."""

    name: str
    previous: ServiceState
    state: ServiceState
    reason: str


@dataclass(frozen=True, slots=True)
class AgreementTransitioned:
    """The verdict on whether the directors agree about a virtual router changed."""

    name: str
    previous: AgreementState
    state: AgreementState
    evidence: str


@dataclass(frozen=True, slots=True)
class Notify:
    """Edge: tell the network's managers of a transition."""

    transition: RouterTransitioned | ServiceTransitioned | AgreementTransitioned


@dataclass(frozen=True, slots=True)
class TellPeers:
    """Edge: the other directors should know now, not with the next exchange."""


Effect = (
    SetVirtualServices
    | SetProbes
    | SetArpTests
    | SetOwnerTests
    | AskOwners
    | AnnounceAgain
    | SetRouters
    | SetTracking
    | Record
    | StoreOverrides
    | Notify
    | TellPeers
)
