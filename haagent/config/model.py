"""The whole configuration of one director: frozen, fully defaulted, already resolved for that director's name.

Layer 0: imports msgspec alone. Addresses are canonical IPv4 strings; times are seconds; every default stands here and
nowhere else (design.md section 4). `load.py` is the only producer; a value that breaks a range never gets here.
"""

from typing import Literal

from msgspec import Struct

ForwardingMethod = Literal["direct_routing", "masquerading", "tunneling"]
Protocol = Literal["tcp", "udp"]
ChecksumPolicy = Literal["auto", "rfc9568", "pseudo_header"]
WhenDown = Literal["remove", "quiesce"]

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


class Snmp(Struct, frozen=True, kw_only=True):
    """The AgentX master (RFC 2741) that the observer registers with."""

    agentx: str = ""  # "unix:/var/agentx/master" or "tcp:127.0.0.1:705"; empty: no subagent


class InterfaceAddress(Struct, frozen=True, order=True):
    """An address with the prefix length under which it is added to the interface."""

    address: str
    prefix_length: int


class PoolTrack(Struct, frozen=True, kw_only=True, tag="pool"):
    """The router follows a pool: with no real server in service it has a fault, or a priority term."""

    pool: str  # name of a virtual service
    when: Literal["empty"] = "empty"
    fault: bool = False
    priority: int = 0  # added to the priority while the condition holds, -254..254


class InterfaceTrack(Struct, frozen=True, kw_only=True, tag="interface"):
    """The router follows another interface's link: while it is down it has a fault, or a priority term."""

    interface: str
    fault: bool = True
    priority: int = 0


Track = PoolTrack | InterfaceTrack


class VirtualRouter(Struct, frozen=True, kw_only=True):
    """RFC 9568 section 6.1 parameters of one virtual router, and what is ours."""

    name: str
    interface: str
    vrid: int  # 1..255
    priority: int = 100  # 1..255; 255 is the address owner
    advertisement_interval: float = 1.0  # whole centiseconds, 0.01..40.95
    virtual_addresses: tuple[InterfaceAddress, ...]  # 1..255, listed in the advertisement
    unadvertised_addresses: tuple[InterfaceAddress, ...] = ()  # held and announced, not listed
    preempt: bool = True
    checksum: ChecksumPolicy = "auto"
    announce_burst: int = 5  # rounds of gratuitous ARP on becoming Active, and again after announce_delay
    announce_delay: float = 5.0
    announce_refresh: float = 60.0
    track: tuple[Track, ...] = ()


class TcpCheck(Struct, frozen=True, kw_only=True, tag="tcp"):
    """A TCP connection is accepted."""

    name: str
    port: int | None = None  # default: the real server's own port
    interval: float = 2.0
    timeout: float = 1.0  # total
    fall: int = 3
    rise: int = 2


class HttpCheck(Struct, frozen=True, kw_only=True, tag="http"):
    """An HTTP/1.1 request is answered with an accepted status, and a body that contains a text. Redirects are not followed."""

    name: str
    port: int | None = None
    interval: float = 2.0
    timeout: float = 1.0  # total: connection, request, the whole answer
    fall: int = 3
    rise: int = 2
    method: Literal["GET", "HEAD"] = "GET"
    path: str = "/"
    host: str = ""  # Host header; empty: the probed address
    status: tuple[int, ...] = (200,)
    body: str = ""  # must occur in the body, compared as UTF-8 octets; empty: any body


Check = TcpCheck | HttpCheck


class RealServer(Struct, frozen=True, kw_only=True):
    """A configured machine of one virtual service."""

    name: str
    address: str
    port: int  # equals the service's port under direct routing and tunneling
    weight: int = 1  # 0..65535
    forwarding_method: ForwardingMethod


class SorryServer(Struct, frozen=True, kw_only=True):
    """Serves while no real server does."""

    address: str
    port: int
    forwarding_method: ForwardingMethod


class VirtualService(Struct, frozen=True, kw_only=True):
    """One IPVS service and the pool behind it."""

    name: str
    address: str
    port: int  # 1..65535
    protocol: Protocol = "tcp"
    scheduler: str = "wlc"
    scheduler_flags: tuple[str, ...] = ()  # sh and mh get "fallback" unless told otherwise (measured fact M6)
    forwarding_method: ForwardingMethod
    checks: tuple[str, ...] = ()  # names of checks; all must pass. None: a real server is always in service
    when_down: WhenDown = "remove"
    sorry_server: SorryServer | None = None
    real_servers: tuple[RealServer, ...]


class Config(Struct, frozen=True, kw_only=True):
    """Everything. The tuples keep the order of the files; names are unique within each kind."""

    director: Director
    snmp: Snmp = Snmp()
    virtual_routers: tuple[VirtualRouter, ...] = ()
    checks: tuple[Check, ...] = ()
    virtual_services: tuple[VirtualService, ...] = ()
