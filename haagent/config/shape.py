"""The key tables: every key that a file may have, and what its value looks like. Validation and schema.py read these.

A key is required where its field in model.py has no default, so defaults stand there alone.
"""

from collections.abc import Mapping

from haagent.config import model
from haagent.config.check_shape import CHECK
from haagent.config.table import Key, ListOf, Table, Variants
from haagent.config.values import (
    ABSOLUTE_PATH,
    ACCOUNT,
    ADDRESS,
    AGENTX,
    ARGUMENT,
    BOOLEAN,
    ENDPOINTS,
    GROUP,
    INTERFACE,
    INTERFACE_ADDRESS,
    NAME,
    PASSWORD,
    PATH_CHECK,
    PEER,
    PORTS,
    REQUIRE,
    SUBJECT_NAME,
    SYSCTL_NAME,
    SYSCTLS,
    choice,
    fraction,
    integer,
    number,
    seconds,
)

__all__ = ["NAMED", "SINGLE", "Key", "ListOf", "Table", "Variants"]

PORT = integer(1, 65535)
_PRIORITY_TERM = integer(-254, 254)
_FORWARDING_METHOD = choice("forwarding method", ("direct_routing", "masquerading", "tunneling"))
_NAMES = ListOf(NAME, "an array of names", unique=True)

DIRECTOR = Table(
    "director",
    model.Director,
    {
        "names": Key(ListOf(NAME, "an array of the directors' names", least=1, unique=True), is_shared=True),
        "control_group": Key(ACCOUNT),
        "user": Key(ACCOUNT),
        "runtime_directory": Key(ABSOLUTE_PATH),
        "state_directory": Key(ABSOLUTE_PATH),
        "audit_interval": Key(seconds(1, 3600)),
        "drift": Key(choice("way", ("heal", "report"))),
        "foreign": Key(choice("way", ("ignore", "adopt", "remove"))),
        "path_mark_base": Key(integer(0x10000, 0xFFFF0000)),
        "maintenance_directory": Key(ABSOLUTE_PATH),
        "probe_budget": Key(number(0, 1e6)),
    },
)

SNMP = Table("snmp", model.Snmp, {"agentx": Key(AGENTX)})

CONNECTION_SYNC = Table(
    "connection sync",
    model.ConnectionSync,
    {
        "interface": Key(INTERFACE),
        "sync_id": Key(integer(0, 255)),
        "send": Key(BOOLEAN),
        "receive": Key(BOOLEAN),
        "maxlen": Key(integer(1024, 65507)),  # the least that a receiver takes
        "port": Key(PORT),
        "ttl": Key(integer(1, 255)),
        "group": Key(GROUP),
        "warm_time": Key(seconds(1, 3600)),
    },
)

SYSCTL = Table(
    "sysctl",
    model.Sysctl,
    {
        "manage": Key(BOOLEAN),
        "sloppy": Key(BOOLEAN),
        "set": Key(SYSCTLS, is_shared=True),
        "leave": Key(ListOf(SYSCTL_NAME, "an array of kernel parameters' names", unique=True)),
    },
)

PEERS = Table(
    "peers",
    model.Peers,
    {
        "addresses": Key(ENDPOINTS, is_shared=True),
        "secret_file": Key(ABSOLUTE_PATH),
        "interval": Key(seconds(0.2, 3600)),
    },
)

TRACK = Variants(
    'a table with "pool", "interface", "script", "file" or "process"',
    "",
    {
        "pool": Table(
            "track",
            model.PoolTrack,
            {
                "pool": Key(NAME),
                "when": Key(choice("condition", ("empty", "empty_here", "below_quorum", "below_fraction"))),
                "fraction": Key(fraction()),
                "fault": Key(BOOLEAN),
                "priority": Key(_PRIORITY_TERM),
            },
        ),
        "interface": Table(
            "track",
            model.InterfaceTrack,
            {
                "interface": Key(INTERFACE),
                "fault": Key(BOOLEAN),
                "priority": Key(_PRIORITY_TERM),
                "down_delay": Key(seconds(0, 3600)),
                "up_delay": Key(seconds(0, 3600)),
            },
        ),
        "script": Table(
            "track",
            model.ScriptTrack,
            {
                "script": Key(ListOf(ARGUMENT, "an array of an absolute path and arguments", least=1)),
                "interval": Key(seconds(0.1, 3600)),
                "timeout": Key(seconds(0.1, 3600)),
                "rise": Key(integer(1, 100)),
                "fall": Key(integer(1, 100)),
                "user": Key(ACCOUNT),
                "fault": Key(BOOLEAN),
                "priority": Key(_PRIORITY_TERM),
            },
        ),
        "file": Table(
            "track",
            model.FileTrack,
            {
                "file": Key(ABSOLUTE_PATH),
                "when": Key(choice("condition", ("exists", "missing", "value"))),
                "fault": Key(BOOLEAN),
                "priority": Key(_PRIORITY_TERM),
            },
        ),
        "process": Table(
            "track",
            model.ProcessTrack,
            {
                "process": Key(NAME),
                "least": Key(integer(1, 10000)),
                "delay": Key(seconds(0, 3600)),
                "fault": Key(BOOLEAN),
                "priority": Key(_PRIORITY_TERM),
            },
        ),
    },
)

_PEERS = "an array of addresses"

ALSO_VIA = Table(
    "second path",
    model.AlsoVia,
    {"interface": Key(INTERFACE), "peers": Key(ListOf(PEER, _PEERS, least=1, unique=True))},
)

AUTH_HMAC = Table(
    "auth_hmac",
    model.AuthHmac,
    {
        "keys": Key(
            ListOf(
                Table("key", model.SigningKey, {"id": Key(integer(1, 255)), "file": Key(ABSOLUTE_PATH)}),
                "an array of tables",
                least=1,
            )
        ),
        "active_key": Key(integer(1, 255)),
        "mode": Key(choice("mode", ("enforce", "permissive", "receive_only"))),
        "anti_replay": Key(choice("anti_replay", ("time", "monotonic"))),
        "time_window": Key(seconds(1, 300)),
    },
)

VIRTUAL_ROUTER = Table(
    "virtual router",
    model.VirtualRouter,
    {
        "interface": Key(INTERFACE),
        "vrid": Key(integer(1, 255)),
        "priority": Key(integer(1, 255)),  # RFC 9568 section 5.2.4: 0 releases, 255 owns
        "advertisement_interval": Key(seconds(0.01, 40.95, whole_centiseconds=True)),  # 12 bits of centiseconds
        "virtual_addresses": Key(
            ListOf(
                INTERFACE_ADDRESS,
                "an array of addresses",
                least=1,
                most=255,  # RFC 9568 section 5.2.5: the count has 8 bits
                hint="the advertisement counts to 255; put the others into unadvertised_addresses",
            )
        ),
        "unadvertised_addresses": Key(ListOf(INTERFACE_ADDRESS, "an array of addresses")),
        "preempt": Key(BOOLEAN),
        "checksum": Key(choice("checksum form", ("auto", "rfc9568", "pseudo_header"))),
        "announce_burst": Key(integer(1, 100)),
        "announce_delay": Key(seconds(0.1, 3600)),
        "announce_refresh": Key(seconds(1, 86400)),
        "announce_form": Key(choice("form of ARP", ("request", "reply", "both"))),
        "announce_check": Key(seconds(0, 86400)),
        "version": Key(integer(2, 3)),
        "password": Key(PASSWORD),
        "unicast_peers": Key(ListOf(PEER, _PEERS, unique=True)),
        "minimum_ttl": Key(integer(0, 255)),
        "also_via": Key(ALSO_VIA),
        "preempt_delay": Key(seconds(0, 86400)),
        "guarded_takeover": Key(BOOLEAN),
        "guard_time": Key(seconds(1, 86400)),
        "sticky": Key(BOOLEAN),
        "hold_off": Key(seconds(0, 3600)),
        "auth_hmac": Key(AUTH_HMAC),
        "virtual_mac": Key(BOOLEAN),
        "track": Key(ListOf(TRACK, "an array of tables")),
    },
)

VIRTUAL_ROUTER_GROUP = Table(
    "virtual router group",
    model.VirtualRouterGroup,
    {"routers": Key(ListOf(NAME, "an array of virtual routers' names", least=1, unique=True))},
)

_PROTOCOL = choice("protocol", ("tcp", "udp", "sctp"))
_FAMILY = choice("family", ("ipv4", "ipv6"))

TUNNEL = Table(
    "tunnel",
    model.Tunnel,
    {
        "type": Key(choice("type", ("ipip", "gue", "gre"))),
        "port": Key(PORT),
        "checksum": Key(choice("checksum", ("none", "checksum", "remote_checksum"))),
    },
)

REAL_SERVER = Table(
    "real server",
    model.RealServer,
    {
        "name": Key(NAME),
        "address": Key(ADDRESS),
        "port": Key(PORT, is_derived=True),
        "weight": Key(integer(0, 65535)),
        "tier": Key(integer(1, 100)),
        "forwarding_method": Key(_FORWARDING_METHOD, is_derived=True),
        "tunnel": Key(TUNNEL, is_derived=True),
        "upper_threshold": Key(integer(0, 0xFFFFFFFF)),
        "lower_threshold": Key(integer(0, 0xFFFFFFFF)),
    },
)

SORRY_SERVER = Table(
    "sorry server",
    model.SorryServer,
    {
        "address": Key(ADDRESS),
        "port": Key(PORT, is_derived=True),
        "forwarding_method": Key(_FORWARDING_METHOD, is_derived=True),
        "tunnel": Key(TUNNEL, is_derived=True),
    },
)

SLOW_START = Table(
    "slow start",
    model.SlowStart,
    {"mode": Key(choice("mode", ("linear", "doubling"))), "time": Key(seconds(1, 86400))},
)

DAMPING = Table(
    "damping",
    model.Damping,
    {
        "half_life": Key(seconds(1, 86400)),
        "suppress": Key(number(1, 1000)),
        "reuse": Key(number(0.01, 1000)),
        "maximum_time": Key(seconds(1, 86400)),
    },
)

DYNAMIC_WEIGHT = Table(
    "dynamic weight",
    model.DynamicWeight,
    {
        "floor": Key(integer(1, 100)),
        "step": Key(integer(1, 1000)),
        "minimum_interval": Key(seconds(0.1, 3600)),
    },
)

VIRTUAL_SERVICE = Table(
    "virtual service",
    model.VirtualService,
    {
        "address": Key(ADDRESS, is_derived=True),
        "port": Key(PORT, is_derived=True),
        "protocol": Key(_PROTOCOL, is_derived=True),
        "firewall_mark": Key(integer(1, 0xFFFFFFFF), is_derived=True),
        "family": Key(_FAMILY, is_derived=True),
        "addresses": Key(ListOf(ADDRESS, "an array of addresses", least=1, unique=True), is_derived=True),
        "ports": Key(PORTS, is_derived=True),
        "protocols": Key(ListOf(_PROTOCOL, "an array of protocols", least=1, unique=True), is_derived=True),
        "scheduler": Key(choice("scheduler", model.SCHEDULERS)),
        "scheduler_flags": Key(
            ListOf(
                choice("flag", tuple(sorted({flag for flags in model.SCHEDULER_FLAGS.values() for flag in flags}))),
                "an array of flags",
                unique=True,
            ),
            is_derived=True,
        ),
        "one_packet": Key(BOOLEAN),
        "source_nat": Key(BOOLEAN),
        "persistence_timeout": Key(integer(0, 86400 * 31)),  # 31 days, as ipvsadm
        "persistence_prefix": Key(integer(1, 128), is_derived=True),
        "persistence_engine": Key(choice("persistence engine", ("sip",))),
        "forwarding_method": Key(_FORWARDING_METHOD),
        "tunnel": Key(TUNNEL),
        "check": Key(_NAMES, field="checks"),
        "require": Key(REQUIRE),
        "slow_start": Key(SLOW_START),
        "damping": Key(DAMPING),
        "dynamic_weight": Key(DYNAMIC_WEIGHT),
        "maximum_removal": Key(fraction()),
        "removal_window": Key(seconds(0.1, 3600)),
        "removal_hold": Key(seconds(0.1, 3600)),
        "path_check": Key(PATH_CHECK),
        "when_down": Key(choice("way", ("remove", "quiesce"))),
        "removal_time": Key(seconds(0, 86400)),
        "quorum": Key(integer(1, 0x7FFFFFFF)),
        "quorum_hysteresis": Key(integer(0, 0x7FFFFFFF)),
        "minimum_healthy_fraction": Key(fraction()),
        "active_only": Key(NAME),
        "sorry_server": Key(SORRY_SERVER),
        "real_servers": Key(ListOf(REAL_SERVER, "an array of tables")),
    },
)

_HOOK_SUBJECT = choice("subject", ("router", "owner", "agreement", "service", "quorum", "real_server"))
_HOOK_STATES = (
    *("initialize", "backup", "active"),
    *("agreed", "contested", "silent", "split", "one_way", "stranger"),
    *("serving", "sorry", "empty", "frozen", "standby", "reached", "lost"),
    *("unknown", "up", "down"),
)

HOOK = Table(
    "hook",
    model.Hook,
    {
        "on": Key(ListOf(_HOOK_SUBJECT, "an array of subjects", least=1, unique=True)),
        "names": Key(ListOf(SUBJECT_NAME, "an array of names", unique=True)),
        "states": Key(ListOf(choice("state", _HOOK_STATES), "an array of states", unique=True)),
        "command": Key(ListOf(ARGUMENT, "an array of an absolute path and arguments", least=1)),
        "timeout": Key(seconds(0.1, 3600)),
        "user": Key(ACCOUNT),
    },
)

SINGLE: Mapping[str, Table] = {  # [director]
    "director": DIRECTOR,
    "snmp": SNMP,
    "connection_sync": CONNECTION_SYNC,
    "sysctl": SYSCTL,
    "peers": PEERS,
}
NAMED: Mapping[str, Table | Variants] = {  # [virtual_router.NAME]
    "virtual_router": VIRTUAL_ROUTER,
    "virtual_router_group": VIRTUAL_ROUTER_GROUP,
    "check": CHECK,
    "virtual_service": VIRTUAL_SERVICE,
    "hook": HOOK,
}
