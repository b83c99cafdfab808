"""The whole configuration of one director: frozen, fully defaulted, already resolved for that director's name.

Layer 0: imports msgspec alone. Addresses are canonical strings, IPv4 or IPv6 (RFC 5952); times are seconds; every
default stands here and nowhere else (design.md section 4). `load.py` is the only producer; a value that breaks a
range never gets here.
"""

from typing import Literal

from msgspec import Struct

from haagent.config.checks import Check as Check
from haagent.config.checks import HttpCheck as HttpCheck
from haagent.config.checks import TcpCheck as TcpCheck

ForwardingMethod = Literal["direct_routing", "masquerading", "tunneling"]
Protocol = Literal["tcp", "udp", "sctp"]
Family = Literal["ipv4", "ipv6"]
TunnelType = Literal["ipip", "gue", "gre"]
TunnelChecksum = Literal["none", "checksum", "remote_checksum"]
PoolCondition = Literal["empty", "empty_here", "below_quorum", "below_fraction"]
AnnounceForm = Literal["request", "reply", "both"]
ChecksumPolicy = Literal["auto", "rfc9568", "pseudo_header"]
WhenDown = Literal["remove", "quiesce"]
Require = Literal["all", "any"] | int
PathCheck = Literal["off", "report", "require"]

SCHEDULERS = ("rr", "wrr", "lc", "wlc", "lblc", "lblcr", "dh", "sh", "mh", "sed", "nq", "fo", "ovf", "twos")
SCHEDULER_FLAGS = {"sh": ("fallback", "port"), "mh": ("fallback", "port")}  # include/uapi/linux/ip_vs.h


class Director(Struct, frozen=True, kw_only=True):
    """Who we are and where our files live."""

    name: str  # the one of `names` that this process is
    names: tuple[str, ...]  # every director served by the directory
    control_group: str = "haagent"  # may read the control socket
    user: str = "haagent"  # prober and observer run as this user; "nobody" where it does not exist
    runtime_directory: str = "/run/haagent"  # sockets, below it a folder per director name
    state_directory: str = "/var/lib/haagent"  # history and ownership, below it a folder per director name
    audit_interval: float = 30.0  # the kernel's table is compared with the wanted one this often
    drift: Literal["heal", "report"] = "heal"  # what becomes of others' edits of the kernel's table
    foreign: Literal["ignore", "adopt", "remove"] = "ignore"  # entries of the table that are not ours
    path_mark_base: int = 0x48410000  # path checks use firewall marks from here on, 65536 of them
    maintenance_directory: str = ""  # a file in it drains the real server that its name says; empty: there is none
    probe_budget: float = 50.0  # tries a second at one address; more checks there are stretched; 0: no limit


class Snmp(Struct, frozen=True, kw_only=True):
    """The AgentX master (RFC 2741) that the observer registers with."""

    agentx: str = ""  # "unix:/var/agentx/master" or "tcp:127.0.0.1:705"; empty: no subagent


class ConnectionSync(Struct, frozen=True, kw_only=True):
    """The kernel's connection sync daemons (net/netfilter/ipvs/ip_vs_sync.c). Not authenticated: give it a link of its
    own."""

    interface: str = ""  # empty: no connection sync
    sync_id: int = 0  # 0..255, the same on all directors that share connections
    send: bool = True
    receive: bool = True
    maxlen: int = 0  # octets of a message; 0: as the interface's MTU allows
    port: int = 8848
    ttl: int = 1
    group: str = "224.0.0.81"  # a multicast address, IPv4 or IPv6
    warm_time: float = 20.0  # having received for so long, a director knows the connections (haagent/pool/guard.py)


class Sysctl(Struct, frozen=True, kw_only=True):
    """The kernel parameters that follow from the services (haagent/pool/sysctls.py); restored on a clean stop."""

    manage: bool = True
    sloppy: bool | None = None  # take up connections in the middle; None: where there is no connection sync
    set: tuple[tuple[str, str], ...] = ()  # name with dots, value; these win
    leave: tuple[str, ...] = ()  # names that are not touched


class Endpoint(Struct, frozen=True, order=True):
    """Where one director listens for its peers (TCP)."""

    director: str
    address: str
    port: int


class Peers(Struct, frozen=True, kw_only=True):
    """The directors tell each other what operators said. Messages are authenticated, not encrypted."""

    addresses: tuple[Endpoint, ...] = ()  # of all directors, ours too; empty: each keeps its words to itself
    secret_file: str = "/etc/haagent/peers.secret"  # the same everywhere; root alone may read it
    interval: float = 5.0  # between two exchanges; what is new is told at once


class InterfaceAddress(Struct, frozen=True, order=True):
    """An address with the prefix length under which it is added to the interface."""

    address: str
    prefix_length: int


class PoolTrack(Struct, frozen=True, kw_only=True, tag="pool"):
    """The router follows a pool: while the condition holds it has a fault, or a priority term."""

    pool: str  # name of a virtual service
    when: PoolCondition = "empty"  # no real server is in service
    fraction: float = 0.0  # below_fraction: fewer than this share of the real servers are healthy
    fault: bool = False
    priority: int = 0  # added to the priority while the condition holds, -254..254


class InterfaceTrack(Struct, frozen=True, kw_only=True, tag="interface"):
    """The router follows another interface's link: while it is down it has a fault, or a priority term."""

    interface: str
    fault: bool = True
    priority: int = 0
    down_delay: float = 0.0  # it counts as down once it was down for so long
    up_delay: float = 0.0


class ScriptTrack(Struct, frozen=True, kw_only=True, tag="script"):
    """The router follows a command: while it fails, the router has a fault, or a priority term."""

    script: tuple[str, ...]  # an absolute path and arguments; no shell. Exit status 0: well
    interval: float = 2.0
    timeout: float = 1.0  # then its process group is killed, and that is a failure
    rise: int = 2
    fall: int = 2
    user: str = "nobody"
    fault: bool = False
    priority: int = 0


class FileTrack(Struct, frozen=True, kw_only=True, tag="file"):
    """The router follows a file; with when = "value" the integer in it is the priority term."""

    file: str
    when: Literal["exists", "missing", "value"] = "exists"
    fault: bool = False
    priority: int = 0


class ProcessTrack(Struct, frozen=True, kw_only=True, tag="process"):
    """The router follows processes of this host: while fewer than `least` run, it has a fault, or a priority term."""

    process: str  # the program's name, without its directory
    least: int = 1
    delay: float = 0.0  # it counts as gone (or back) once that was so for so long: a restart is none
    fault: bool = False
    priority: int = 0


WatchedTrack = ScriptTrack | FileTrack | ProcessTrack  # by haagent/processes/trackers.py
Track = PoolTrack | InterfaceTrack | WatchedTrack


class AlsoVia(Struct, frozen=True, kw_only=True):
    """A second way for the same advertisements, unicast: one dead link is then no split."""

    interface: str
    peers: tuple[str, ...]


class SigningKey(Struct, frozen=True, kw_only=True):
    """A key of `auth_hmac`; the secret stays in its file."""

    id: int  # 1..255, the same on all directors
    file: str  # root alone may read it: 32 to 64 octets, or the same as hex:...


class AuthHmac(Struct, frozen=True, kw_only=True):
    """Signed advertisements, as keepalived 2.4 has them under this name (docs/decisions/0007)."""

    keys: tuple[SigningKey, ...]  # all of them verify
    active_key: int  # the id of the one that signs
    mode: Literal["enforce", "permissive", "receive_only"] = "enforce"
    anti_replay: Literal["time", "monotonic"] = "time"
    time_window: float = 30.0  # seconds between the clocks of two directors


class VirtualRouter(Struct, frozen=True, kw_only=True):
    """RFC 9568 section 6.1 parameters of one virtual router, and what is ours."""

    name: str
    interface: str
    vrid: int  # 1..255
    priority: int = 100  # 1..255; 255 is the address owner
    advertisement_interval: float = 1.0  # whole centiseconds, 0.01..40.95; version 2: whole seconds
    virtual_addresses: tuple[InterfaceAddress, ...]  # 1..255 of one family, listed in the advertisement
    unadvertised_addresses: tuple[InterfaceAddress, ...] = ()  # held and announced, not listed
    preempt: bool = True
    checksum: ChecksumPolicy = "auto"
    announce_burst: int = 5  # rounds of gratuitous ARP on becoming Active, and again after announce_delay
    announce_delay: float = 5.0
    announce_refresh: float = 60.0
    announce_form: AnnounceForm = "request"  # of gratuitous ARP
    announce_check: float = 60.0  # seconds between questions to the segment who has the addresses; 0: it is never asked
    version: Literal[2, 3] = 3  # 2: RFC 3768, for peers that speak nothing newer
    password: str = ""  # version 2: at most 8 characters, in clear text on the wire
    unicast_peers: tuple[str, ...] | None = None  # the other directors' addresses; None: multicast
    minimum_ttl: int = 0  # unicast: refuse what came by more routers than 255 less this
    also_via: AlsoVia | None = None
    preempt_delay: float = 0.0  # seconds that a lower-priority Active router is left in peace, once it is heard
    guarded_takeover: bool = True  # preempt only once pools are verified and connection sync is warm ...
    guard_time: float = 60.0  # ... or so long after that began to be what keeps it from preempting
    sticky: bool = False  # an incumbent keeps against a higher priority: it advertises 254
    hold_off: float = 0.0  # at start: for at most so long wait for a first frame on the interface
    auth_hmac: AuthHmac | None = None
    virtual_mac: bool = False  # the addresses have the virtual router's MAC address (RFC 9568 section 7.3)
    track: tuple[Track, ...] = ()


class VirtualRouterGroup(Struct, frozen=True, kw_only=True):
    """Virtual routers that are Active together or not at all: inside and outside of a NAT pair."""

    name: str
    routers: tuple[str, ...]


class Tunnel(Struct, frozen=True, kw_only=True):
    """The outer header of a tunneled packet (include/uapi/linux/ip_vs.h, IP_VS_CONN_F_TUNNEL_TYPE_*)."""

    type: TunnelType = "ipip"
    port: int = 0  # UDP, gue alone
    checksum: TunnelChecksum = "none"  # gue and gre; remote_checksum: gue alone


class SlowStart(Struct, frozen=True, kw_only=True):
    """How a real server that comes into service gets its weight (haagent/health/slow_start.py)."""

    mode: Literal["linear", "doubling"] = "linear"
    time: float = 60.0  # until it has the whole


class Damping(Struct, frozen=True, kw_only=True):
    """A real server whose verdict keeps changing is kept out (haagent/health/damping.py). Each change adds 1."""

    half_life: float = 60.0
    suppress: float = 4.0  # kept out from this penalty on ...
    reuse: float = 1.0  # ... until it has decayed to this
    maximum_time: float = 300.0  # longest time from the last change to the return


class DynamicWeight(Struct, frozen=True, kw_only=True):
    """How the weight that a real server asks for is followed (haagent/health/dynamic_weight.py), in percent."""

    floor: int = 1  # of the configured weight; "drain" is below it
    step: int = 100  # percentage points, at most, at once
    minimum_interval: float = 1.0  # between two changes


class RealServer(Struct, frozen=True, kw_only=True):
    """A configured machine of one virtual service."""

    name: str
    address: str
    port: int  # equals the service's port under direct routing and tunneling; 0: the port that the client used
    weight: int = 1  # 0..65535
    tier: int = 1  # the lowest tier with a healthy server serves
    forwarding_method: ForwardingMethod
    tunnel: Tunnel | None = None  # under tunneling; None there too: ipip
    upper_threshold: int = 0  # connections at which it gets no new ones; 0: no limit
    lower_threshold: int = 0  # connections below which it gets new ones again; 0: the kernel's three quarters


class SorryServer(Struct, frozen=True, kw_only=True):
    """Serves while the pool is below its quorum: by default, while no real server does."""

    address: str
    port: int
    forwarding_method: ForwardingMethod
    tunnel: Tunnel | None = None


class PortRange(Struct, frozen=True, order=True):
    """Both ends belong to it."""

    first: int
    last: int


ALL_PORTS = (PortRange(0, 65535),)


class VirtualService(Struct, frozen=True, kw_only=True):
    """One IPVS service and the pool behind it.

    It is named in the kernel by an address, a port and a protocol, or by a firewall mark. Who sets the mark: we do for
    the `addresses` and `ports` that are listed here, else somebody else.
    """

    name: str
    address: str = ""  # "" for a firewall mark
    port: int = 0  # 0 for a firewall mark, and where ports = "all"
    protocol: Protocol = "tcp"
    firewall_mark: int = 0  # 1..2^32-1; 0: none
    family: Family = "ipv4"  # follows from the addresses; a bare mark says it
    addresses: tuple[str, ...] = ()  # that get the mark
    ports: tuple[PortRange, ...] = ()  # of `addresses`, ascending and apart; ALL_PORTS also without a mark
    protocols: tuple[Protocol, ...] = ()  # that get the mark
    scheduler: str = "wlc"
    scheduler_flags: tuple[str, ...] = ()  # sh and mh get "fallback" unless told otherwise (measured fact M6)
    one_packet: bool = False  # UDP: every datagram is scheduled by itself
    persistence_timeout: int = 0  # seconds that a client stays with its real server; 0: no persistence
    persistence_prefix: int = 32  # clients within this prefix count as one; IPv6: 128
    persistence_engine: Literal["", "sip"] = ""
    forwarding_method: ForwardingMethod
    tunnel: Tunnel | None = None  # of the real servers that say nothing else
    source_nat: bool = False  # masquerading: clients in the real servers' own network come from the director's address
    checks: tuple[str, ...] = ()  # names of checks. None: a real server is always in service
    require: Require = "all"  # of the checks that must pass
    slow_start: SlowStart | None = None
    damping: Damping | None = None
    dynamic_weight: DynamicWeight = DynamicWeight()
    maximum_removal: float = 1.0  # share of the real servers that may leave within removal_window; one always may
    removal_window: float = 10.0
    removal_hold: float = 30.0  # a verdict beyond maximum_removal counts after this, if it still stands
    path_check: PathCheck = "off"  # probe the virtual address through each real server; require: both must pass
    when_down: WhenDown = "remove"
    removal_time: float = 0.0  # what a reload removes gets weight 0 first, for at most so long; 0: it goes at once
    quorum: int = 1  # sum of live weights: with less the sorry server serves
    quorum_hysteresis: int = 0  # reached at quorum + this, lost below quorum - this
    minimum_healthy_fraction: float = 0.0  # with fewer healthy, the real servers that served last are kept
    active_only: str = ""  # a virtual router: in the kernel only while that is Active here
    sorry_server: SorryServer | None = None
    real_servers: tuple[RealServer, ...]


HookSubject = Literal["router", "owner", "agreement", "service", "quorum", "real_server"]


class Hook(Struct, frozen=True, kw_only=True):
    """A command that is run when something happens, with the event on its standard input."""

    name: str
    on: tuple[HookSubject, ...]
    names: tuple[str, ...] = ()  # of these alone; a real server by its name or as "service/server". None: of all
    states: tuple[str, ...] = ()  # entering these alone; none: every state
    command: tuple[str, ...]  # an absolute path and arguments; no shell
    timeout: float = 10.0  # then its process group is killed
    user: str = "nobody"


class Config(Struct, frozen=True, kw_only=True):
    """Everything. The tuples keep the order of the files; names are unique within each kind."""

    director: Director
    snmp: Snmp = Snmp()
    connection_sync: ConnectionSync = ConnectionSync()
    sysctl: Sysctl = Sysctl()
    peers: Peers = Peers()
    virtual_routers: tuple[VirtualRouter, ...] = ()
    virtual_router_groups: tuple[VirtualRouterGroup, ...] = ()
    checks: tuple[Check, ...] = ()
    virtual_services: tuple[VirtualService, ...] = ()
    hooks: tuple[Hook, ...] = ()
