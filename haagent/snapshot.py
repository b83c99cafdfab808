"""A frozen view of everything one director knows: for status, the MIB, metrics and tests.

`since` and `at` values are wall-clock seconds since the epoch (people and managers read them); everything else is as
in the model. The observer gets this whole structure as msgpack; the control socket as JSON.
"""

from typing import Literal

from msgspec import Struct

RouterState = Literal["initialize", "backup", "active"]
AnnouncedState = Literal["", "agreed", "contested", "silent", "unknown"]  # "": nobody was asked
AgreementState = Literal["unknown", "agreed", "split", "one_way", "stranger", "contested"]
HealthState = Literal["unknown", "up", "down"]
PathState = Literal["", "up", "down", "not_tested"]  # "": masquerading has no path of its own
AdminState = Literal["enabled", "drained", "disabled"]
ServiceState = Literal["serving", "sorry", "empty", "frozen", "standby"]


class RouterCounters(Struct, frozen=True):
    """Of one virtual router, since the vrrp process started. Names follow VRRPV3-MIB (RFC 6527) where it has one."""

    active_transitions: int = 0
    advertisements_sent: int = 0
    advertisements_received: int = 0
    priority_zero_sent: int = 0
    priority_zero_received: int = 0
    announcements_sent: int = 0
    interval_mismatches: int = 0
    address_list_mismatches: int = 0
    checksum_rfc9568: int = 0  # accepted advertisements by checksum form
    checksum_pseudo_header: int = 0
    address_repairs: int = 0  # virtual addresses that somebody else deleted and we added back
    send_failures: int = 0  # advertisements, announcements and address changes that the kernel refused
    discarded: dict[str, int] = {}  # reason (vrrp.advertisement.Discard, lower case) -> datagrams; per interface


class ContestStatus(Struct, frozen=True, kw_only=True):
    """Somebody else who says to have a virtual address."""

    address: str
    mac: str
    name: str = ""  # an address of its own
    heard_by: str = ""  # the director that hears it; "": this one


class AnnouncedStatus(Struct, frozen=True, kw_only=True):
    """Whether the segment agrees about who has the virtual addresses."""

    state: AnnouncedState = ""
    reason: str = ""  # one sentence
    at: float = 0.0  # when the segment was asked last; 0: it was not
    contests: tuple[ContestStatus, ...] = ()


class SourceStatus(Struct, frozen=True, kw_only=True):
    """One address that advertises for a virtual router's VRID."""

    address: str
    refusal: str  # why it is not listened to; "": it is
    first_at: float
    last_at: float
    heard: int  # advertisements
    version: int
    priority: int
    interval: float
    checksum: str
    others: tuple[str, ...] = ()  # virtual addresses that it has and we have not, at most a few
    lacks: tuple[str, ...] = ()  # those that we have and it has not


class AgreementStatus(Struct, frozen=True, kw_only=True):
    """Whether the directors agree about a virtual router."""

    state: AgreementState
    since: float
    evidence: tuple[str, ...]  # sentences


class RouterStatus(Struct, frozen=True, kw_only=True):
    name: str
    interface: str
    ifindex: int  # 0 while the interface does not exist
    vrid: int
    state: RouterState
    reason: str  # one sentence: why it is in this state
    since: float
    priority: int  # configured
    effective_priority: int
    preempt: bool
    advertisement_interval: float
    primary_address: str  # "" while the interface has none
    active_address: str  # who is Active as far as we know; "" unknown
    virtual_addresses: tuple[str, ...]  # "address/prefix_length", the unadvertised ones too
    counters: RouterCounters = RouterCounters()
    group: str = ""  # it moves with the others of this group
    terms: tuple[str, ...] = ()  # everything that moves the priority now, as "pool web is empty (-20)"
    yields: bool = False  # it follows a peer of lower priority: a handover, a delay, a guard, or it is mute
    announced: AnnouncedStatus = AnnouncedStatus()
    own_addresses: tuple[str, ...] = ()  # from which it advertises
    sources: tuple[SourceStatus, ...] = ()  # who else advertises for it
    uncounted: int = 0  # advertisements from more sources than are told apart
    agreement: AgreementStatus | None = None  # None: not judged yet


class CheckStatus(Struct, frozen=True, kw_only=True):
    name: str
    health: HealthState
    since: float
    detail: str  # the last result in one sentence
    weight: int | None = None  # percent of its weight that the real server asks for
    unjudged_since: float = 0.0  # trouble of this director lasts since then, and the verdict is held; 0: it does not


class JudgementStatus(Struct, frozen=True, kw_only=True):
    """What beside the verdicts decides about a real server: damping, slow start, its wishes, limits, files."""

    penalty: float = 0.0  # for a verdict that keeps changing
    eligible_at: float = 0.0  # kept out for that until then; 0: it is not
    share: float = 1.0  # of its weight, now
    warm_at: float = 0.0  # its slow start ends then; 0: it has none, or is through
    percent: int | None = None  # of its weight that is followed of what it asks for; None: it never asked
    held_until: float = 0.0  # down, and in service until then: too many went down at once; 0: it is not
    maintenance_file: str = ""  # that drains it


class OverrideStatus(Struct, frozen=True, kw_only=True):
    """What an operator said about a real server."""

    weight: int | None = None  # instead of configured_weight
    deadline: float = 0.0  # a drained one is disabled then; 0: none
    until: float = 0.0  # it is enabled again then; 0: when somebody says so
    at: float = 0.0  # when it was said
    actor: str = ""  # who said so; "haagent" where a drain ended by itself
    connections_left: int = 0  # that a drain waits for


class RealServerStatus(Struct, frozen=True, kw_only=True):
    name: str
    address: str
    port: int
    forwarding_method: str
    sorry: bool = False
    health: HealthState  # all checks together
    admin: AdminState = "enabled"  # what an operator said
    override: OverrideStatus | None = None  # None: the configuration and the checks decide alone
    judgement: JudgementStatus | None = None  # None: the verdict is all there is
    since: float  # of health
    reason: str  # one sentence
    configured_weight: int
    weight: int | None  # in the kernel now; None: not there
    tier: int = 1
    active_connections: int = 0
    inactive_connections: int = 0
    persistent_connections: int = 0
    upper_threshold: int = 0
    lower_threshold: int = 0
    connections: int = 0
    incoming_packets: int = 0
    outgoing_packets: int = 0
    incoming_bytes: int = 0
    outgoing_bytes: int = 0
    checks: tuple[CheckStatus, ...] = ()
    path: PathState = ""  # the virtual address through this very server
    path_reason: str = ""  # one sentence
    path_since: float = 0.0


class ServiceStatus(Struct, frozen=True, kw_only=True):
    name: str
    address: str
    port: int
    protocol: str
    scheduler: str
    forwarding_method: str
    state: ServiceState  # frozen: too few are healthy, so the last good set serves; standby: the peer's kernel has it
    since: float
    in_service: int  # real servers with weight in the kernel
    real_servers: tuple[RealServerStatus, ...]  # the sorry server last
    reason: str = ""  # one sentence: why it is in this state
    firewall_mark: int = 0  # with one, address is "" and port 0
    addresses: tuple[str, ...] = ()  # that we mark
    ports: tuple[str, ...] = ()  # "80", "8000-8010" or "all"
    protocols: tuple[str, ...] = ()
    persistence_timeout: int = 0  # seconds
    tier: int = 0  # the one that serves; 0: none
    healthy: int = 0  # real servers of all tiers
    live_weight: int = 0  # of the healthy in the serving tier
    quorum: int = 1
    has_quorum: bool = True
    arp: tuple[str, ...] = ()  # sentences: who else answers for its addresses, or why that is not tested


class ProcessStatus(Struct, frozen=True, kw_only=True):
    """One of the four processes."""

    name: Literal["vrrp", "director", "prober", "observer"]
    running: bool
    pid: int
    since: float
    detail: str = ""  # e.g. "FIFO 50, memory locked", "AgentX registered with unix:/var/agentx/master"


class PeerStatus(Struct, frozen=True, kw_only=True):
    """Another director, with which operators' words are exchanged."""

    name: str
    address: str
    reachable: bool
    at: float  # of the last exchange; 0: there was none yet
    detail: str


class Leaving(Struct, frozen=True, kw_only=True):
    """A destination that a reload removed from the configuration, and that still has connections."""

    name: str  # "service/server"
    destination: str  # in words
    until: float  # it goes then at the latest


class Snapshot(Struct, frozen=True, kw_only=True):
    director: str
    version: str
    at: float
    started_at: float
    routers: tuple[RouterStatus, ...] = ()
    services: tuple[ServiceStatus, ...] = ()
    processes: tuple[ProcessStatus, ...] = ()
    problems: tuple[str, ...] = ()  # sentences that make `haagent status` exit 2
    table_repairs: int = 0  # changes that an audit had to make because somebody else edited the kernel's table
    table_drifts: int = 0  # entries that somebody else added, set or removed
    table_left: tuple[str, ...] = ()  # entries that are not as wanted and are left so: drift = "report"
    table_foreign: tuple[str, ...] = ()  # entries that are not haagent's
    table_leaving: tuple[Leaving, ...] = ()
    peers: tuple[PeerStatus, ...] = ()
