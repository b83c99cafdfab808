"""What the director and the vrrp process say to each other: JSON by hand, for vrrp has the standard library alone.

director -> vrrp are levels: the whole of it each time. vrrp -> director: every transition as it happens, and the
routers as they are now; a report replaces earlier ones of the routers it names. Instants are CLOCK_MONOTONIC, one clock
for all processes of a host. Whatever cannot be understood decodes to `Malformed`.
"""

import json
import socket
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, TypeVar, get_args

from haagent.vrrp.address import dotted
from haagent.vrrp.auth_hmac import AntiReplay, AuthHmac, KeyFile, Mode
from haagent.vrrp.path import SecondPath
from haagent.vrrp.settings import RouterSettings, Term, TrackedInterface, Tracking
from haagent.vrrp.virtual_router import Address

StateName = Literal["initialize", "backup", "active"]
_PREFIX_LENGTHS = {4: frozenset(map(str, range(1, 33))), 16: frozenset(map(str, range(1, 129)))}
STATES: tuple[StateName, ...] = ("initialize", "backup", "active")


@dataclass(frozen=True, slots=True)
class SetRouters:
    """director -> vrrp: every virtual router of this host. Nothing runs before the first one."""

    routers: tuple[RouterSettings, ...]


@dataclass(frozen=True, slots=True)
class SetTracking:
    """director -> vrrp: what the pools and services mean for each tracked router, by name."""

    tracking: dict[str, Tracking]


@dataclass(frozen=True, slots=True)
class HandOver:
    """director -> vrrp: the peer shall have the router, with its group; it is taken back no sooner than `lasting`
    seconds from now (None: when the peer is gone). Nothing where it is not Active."""

    router: str
    lasting: float | None = None


@dataclass(frozen=True, slots=True)
class TakeBack:
    """director -> vrrp: the handover is over."""

    router: str


@dataclass(frozen=True, slots=True)
class Announce:
    """director -> vrrp: one round of announcements of a router, should it be Active."""

    router: str


@dataclass(frozen=True, slots=True)
class Resync:
    """director -> vrrp: report every router."""


@dataclass(frozen=True, slots=True)
class Hello:
    """vrrp -> director: the first frame."""

    pid: int
    detail: str = ""  # "FIFO 50, memory locked"
    process: Literal["vrrp"] = "vrrp"


@dataclass(frozen=True, slots=True)
class Transitioned:
    """vrrp -> director: a state changed, or (previous == state) the sentence that explains it."""

    router: str
    previous: StateName
    state: StateName
    reason: str
    at: float


@dataclass(frozen=True, slots=True)
class SourceReport:
    """One address that advertises for a router's VRID."""

    address: str
    refusal: str  # why it is not listened to; "": it is
    first_at: float  # monotonic
    last_at: float
    heard: int
    version: int
    priority: int
    interval: float = 0.0
    checksum: str = ""
    others: tuple[str, ...] = ()  # some of the virtual addresses that it has and we have not
    lacks: tuple[str, ...] = ()  # some of those that we have and it has not


@dataclass(frozen=True, slots=True)
class RouterReport:
    """One router: the fields of `snapshot.RouterStatus`, and the evidence for its agreement with others."""

    name: str
    interface: str
    ifindex: int  # 0 while the interface does not exist
    vrid: int
    state: StateName
    reason: str
    since: float  # monotonic
    priority: int  # configured
    effective_priority: int
    preempt: bool
    advertisement_interval: float
    primary_address: str  # dotted; "" while the interface has none
    active_address: str  # who is Active as far as we know; "" unknown
    virtual_addresses: tuple[str, ...]  # "address/prefix_length"
    counters: dict[str, int] = field(default_factory=dict)  # the numbers of `snapshot.RouterCounters`
    discarded: dict[str, int] = field(default_factory=dict)  # reason, lower case -> datagrams; per interface
    group: str = ""
    terms: tuple[str, ...] = ()  # everything that moves the priority now, as "sentence (-20)"
    yields: bool = False  # it follows a peer of lower priority: a handover, a delay, a guard, or it is mute
    own_addresses: tuple[str, ...] = ()  # from which it advertises
    sources: tuple[SourceReport, ...] = ()
    uncounted: int = 0  # advertisements from more sources than can be told apart
    at: float = field(default=0.0, compare=False)  # when all of this was so; monotonic


@dataclass(frozen=True, slots=True)
class RoutersReported:
    """vrrp -> director: these routers as they are now. Many routers come in several of these."""

    routers: tuple[RouterReport, ...]


@dataclass(frozen=True, slots=True)
class Malformed:
    """A payload that is no message of this direction."""

    sentence: str


ToVrrp = SetRouters | SetTracking | HandOver | TakeBack | Announce | Resync
FromVrrp = Hello | Transitioned | RoutersReported


def encode(message: ToVrrp | FromVrrp) -> bytes:
    """One frame's payload."""
    match message:
        case SetRouters(routers):
            body: dict[str, Any] = {"type": "set_routers", "routers": [_router_out(each) for each in routers]}
        case SetTracking(tracking):
            body = {"type": "set_tracking", "tracking": {name: asdict(each) for name, each in tracking.items()}}
        case HandOver(router, lasting):
            body = {"type": "hand_over", "router": router, "lasting": lasting}
        case TakeBack(router):
            body = {"type": "take_back", "router": router}
        case Announce(router):
            body = {"type": "announce", "router": router}
        case Resync():
            body = {"type": "resync"}
        case Hello():
            body = {"type": "hello", "process": message.process, "pid": message.pid, "detail": message.detail}
        case Transitioned():
            body = {"type": "transitioned", **asdict(message)}
        case RoutersReported(routers=reports):
            body = {"type": "routers_reported", "routers": [_report_out(each) for each in reports]}
    return json.dumps(body, separators=(",", ":")).encode()


def decode_to_vrrp(payload: bytes) -> ToVrrp | Malformed:
    return _decode(payload, _to_vrrp)


def decode_from_vrrp(payload: bytes) -> FromVrrp | Malformed:
    return _decode(payload, _from_vrrp)


_M = TypeVar("_M")


class _Unexpected(Exception):
    """Never leaves this module."""


def _decode(payload: bytes, read: Callable[[dict[str, Any]], _M]) -> _M | Malformed:
    try:
        body = json.loads(payload)
    except (ValueError, RecursionError) as error:
        return Malformed(f"no JSON: {error}")
    try:
        return read(_table(body, "the message"))
    except _Unexpected as error:
        return Malformed(str(error))


def _to_vrrp(body: dict[str, Any]) -> ToVrrp:
    match body.get("type"):
        case "set_routers":
            return SetRouters(tuple(_router_in(_table(each, "a router")) for each in _list(body, "routers")))
        case "set_tracking":
            tracking = _table(body.get("tracking"), "tracking")
            return SetTracking(
                {
                    name: Tracking(
                        _text(_table(each, name), "fault"),
                        tuple(
                            Term(_text(_table(term, "a term"), "cause"), _whole(term, "priority", -1000, 1000))
                            for term in _list(each, "terms")
                        ),
                        _text(each, "hold"),
                    )
                    for name, each in tracking.items()
                }
            )
        case "hand_over":
            lasting = None if body.get("lasting") is None else _number(body, "lasting", 0.0)
            return HandOver(_text(body, "router"), lasting)
        case "take_back":
            return TakeBack(_text(body, "router"))
        case "announce":
            return Announce(_text(body, "router"))
        case "resync":
            return Resync()
    raise _Unexpected(f"unknown type {body.get('type')!r}")


def _from_vrrp(body: dict[str, Any]) -> FromVrrp:
    match body.get("type"):
        case "hello":
            return Hello(_whole(body, "pid", 0), _text(body, "detail"))
        case "transitioned":
            return Transitioned(
                _text(body, "router"),
                _state(body, "previous"),
                _state(body, "state"),
                _text(body, "reason"),
                _number(body, "at"),
            )
        case "routers_reported":
            return RoutersReported(tuple(_report_in(_table(each, "a router")) for each in _list(body, "routers")))
    raise _Unexpected(f"unknown type {body.get('type')!r}")


def _router_out(router: RouterSettings) -> dict[str, Any]:
    return {
        "name": router.name,
        "interface": router.interface,
        "vrid": router.vrid,
        "priority": router.priority,
        "advertisement_interval": router.advertisement_interval,
        "virtual_addresses": [address_text(each) for each in router.virtual_addresses],
        "unadvertised_addresses": [address_text(each) for each in router.unadvertised_addresses],
        "preempt": router.preempt,
        "checksum": router.checksum,
        "announce_burst": router.announce_burst,
        "announce_delay": router.announce_delay,
        "announce_refresh": router.announce_refresh,
        "announce_form": router.announce_form,
        "tracked_interfaces": [asdict(each) for each in router.tracked_interfaces],
        "preempt_delay": router.preempt_delay,
        "mute_hold": router.mute_hold,
        "guard_time": router.guard_time,
        "sticky": router.sticky,
        "hold_off": router.hold_off,
        "group": router.group,
        "version": router.version,
        "password": router.password,
        "unicast_peers": None if router.unicast_peers is None else [dotted(each) for each in router.unicast_peers],
        "minimum_ttl": router.minimum_ttl,
        "also_via": None
        if router.also_via is None
        else {"interface": router.also_via.interface, "peers": [dotted(each) for each in router.also_via.peers]},
        "virtual_mac": router.virtual_mac,
        "auth_hmac": None if router.auth_hmac is None else asdict(router.auth_hmac),
    }


def _router_in(body: dict[str, Any]) -> RouterSettings:
    return RouterSettings(
        name=_text(body, "name"),
        interface=_text(body, "interface"),
        vrid=_whole(body, "vrid", 1, 255),
        priority=_whole(body, "priority", 1, 255),
        advertisement_interval=_number(body, "advertisement_interval", 0.01, 40.95),
        virtual_addresses=_addresses(body, "virtual_addresses"),
        unadvertised_addresses=_addresses(body, "unadvertised_addresses"),
        preempt=_flag(body, "preempt"),
        checksum=_one_of(body, "checksum", ("auto", "rfc9568", "pseudo_header")),
        announce_burst=_whole(body, "announce_burst", 1, 1000),
        announce_delay=_number(body, "announce_delay", 0.0),
        announce_refresh=_number(body, "announce_refresh", 0.01),
        announce_form=_one_of(body, "announce_form", ("request", "reply", "both")),
        tracked_interfaces=tuple(
            TrackedInterface(
                _text(_table(each, "a tracked interface"), "interface"),
                _flag(each, "fault"),
                _whole(each, "priority", -1000, 1000),
                _number(each, "down_delay", 0.0),
                _number(each, "up_delay", 0.0),
            )
            for each in _list(body, "tracked_interfaces")
        ),
        preempt_delay=_number(body, "preempt_delay", 0.0),
        mute_hold=_number(body, "mute_hold", 0.0),
        guard_time=_number(body, "guard_time", 0.0),
        sticky=_flag(body, "sticky"),
        hold_off=_number(body, "hold_off", 0.0),
        group=_text(body, "group"),
        version=_whole(body, "version", 2, 3),
        password=_text(body, "password"),
        unicast_peers=None if _present(body, "unicast_peers") is None else _hosts(body, "unicast_peers"),
        minimum_ttl=_whole(body, "minimum_ttl", 0, 255),
        also_via=None if _present(body, "also_via") is None else _second_path(_table(body["also_via"], "also_via")),
        virtual_mac=_flag(body, "virtual_mac"),
        auth_hmac=None if _present(body, "auth_hmac") is None else _auth_hmac(_table(body["auth_hmac"], "auth_hmac")),
    )


def _report_out(report: RouterReport) -> dict[str, Any]:
    body = {name: getattr(report, name) for name in RouterReport.__slots__}
    body["sources"] = [{name: getattr(each, name) for name in SourceReport.__slots__} for each in report.sources]
    return body


def _report_in(body: dict[str, Any]) -> RouterReport:
    return RouterReport(
        name=_text(body, "name"),
        interface=_text(body, "interface"),
        ifindex=_whole(body, "ifindex", 0),
        vrid=_whole(body, "vrid", 1, 255),
        state=_state(body, "state"),
        reason=_text(body, "reason"),
        since=_number(body, "since"),
        priority=_whole(body, "priority", 1, 255),
        effective_priority=_whole(body, "effective_priority", 1, 255),
        preempt=_flag(body, "preempt"),
        advertisement_interval=_number(body, "advertisement_interval", 0.01, 40.95),
        primary_address=_text(body, "primary_address"),
        active_address=_text(body, "active_address"),
        virtual_addresses=tuple(str(each) for each in _list(body, "virtual_addresses")),
        counters=_counts(body, "counters"),
        discarded=_counts(body, "discarded"),
        group=_text(body, "group"),
        terms=tuple(str(each) for each in _list(body, "terms")),
        yields=_flag(body, "yields"),
        own_addresses=tuple(str(each) for each in _list(body, "own_addresses")),
        sources=tuple(_source_in(_table(each, "a source")) for each in _list(body, "sources")),
        uncounted=_whole(body, "uncounted", 0),
        at=_number(body, "at"),
    )


def _source_in(body: dict[str, Any]) -> SourceReport:
    return SourceReport(
        address=_text(body, "address"),
        refusal=_text(body, "refusal"),
        first_at=_number(body, "first_at"),
        last_at=_number(body, "last_at"),
        heard=_whole(body, "heard", 0),
        version=_whole(body, "version", 0, 15),
        priority=_whole(body, "priority", 0, 255),
        interval=_number(body, "interval", 0.0),
        checksum=_text(body, "checksum"),
        others=tuple(str(each) for each in _list(body, "others")),
        lacks=tuple(str(each) for each in _list(body, "lacks")),
    )


def address_text(address: Address) -> str:
    octets, prefix_length = address
    return f"{dotted(octets)}/{prefix_length}"


def _addresses(body: dict[str, Any], key: str) -> tuple[Address, ...]:
    return tuple(_address(each, key) for each in _list(body, key))


def _address(text: object, key: str) -> Address:
    host, _, prefix_length = text.partition("/") if isinstance(text, str) else ("", "", "")
    octets = _packed(host)
    if prefix_length in _PREFIX_LENGTHS.get(len(octets), ()):
        return octets, int(prefix_length)
    raise _Unexpected(f"{key}: {text!r} is no address with a prefix length")


def _packed(text: str) -> bytes:
    """Empty: no address."""
    try:
        return socket.inet_pton(socket.AF_INET6 if ":" in text else socket.AF_INET, text)
    except (OSError, ValueError):  # ValueError: a NUL, or a character that is not ASCII
        return b""


def _hosts(body: dict[str, Any], key: str) -> tuple[bytes, ...]:
    hosts = tuple(_packed(each) if isinstance(each, str) else b"" for each in _list(body, key))
    if b"" in hosts:
        raise _Unexpected(f"{key} has something that is no address")
    return hosts


def _second_path(body: dict[str, Any]) -> SecondPath:
    return SecondPath(_text(body, "interface"), _hosts(body, "peers"))


def _auth_hmac(body: dict[str, Any]) -> AuthHmac:
    keys = tuple(
        KeyFile(_whole(_table(each, "a key"), "id", 1, 255), _text(each, "file")) for each in _list(body, "keys")
    )
    active_key = _whole(body, "active_key", 1, 255)
    if active_key not in (each.id for each in keys):
        raise _Unexpected(f"auth_hmac: active_key {active_key} is none of the keys")
    return AuthHmac(
        keys,
        active_key,
        _literal(body, "mode", get_args(Mode)),
        _literal(body, "anti_replay", get_args(AntiReplay)),
        _number(body, "time_window", 0.0),
    )


def _present(body: dict[str, Any], key: str) -> object:
    """A value that may be null, but not be missing."""
    if key not in body:
        raise _Unexpected(f"{key} is missing")
    return body[key]


def _table(value: object, what: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise _Unexpected(f"{what} is no JSON object")
    return value


def _list(body: dict[str, Any], key: str) -> list[Any]:
    value = body.get(key)
    if not isinstance(value, list):
        raise _Unexpected(f"{key} is no list")
    return value


def _text(body: dict[str, Any], key: str) -> str:
    value = body.get(key)
    if not isinstance(value, str):
        raise _Unexpected(f"{key} is no text")
    return value


def _flag(body: dict[str, Any], key: str) -> bool:
    value = body.get(key)
    if not isinstance(value, bool):
        raise _Unexpected(f"{key} is neither true nor false")
    return value


def _whole(body: dict[str, Any], key: str, low: int, high: int = 1 << 63) -> int:
    value = body.get(key)
    if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
        raise _Unexpected(f"{key}: {value!r} is no whole number from {low} to {high}")
    return value


def _number(body: dict[str, Any], key: str, low: float = -1e18, high: float = 1e18) -> float:
    value = body.get(key)
    if not isinstance(value, int | float) or isinstance(value, bool) or not low <= value <= high:
        raise _Unexpected(f"{key}: {value!r} is no number from {low:g} to {high:g}")
    return float(value)


def _literal(body: dict[str, Any], key: str, choices: tuple[Any, ...]) -> Any:
    return _one_of(body, key, choices)


def _one_of(body: dict[str, Any], key: str, choices: tuple[str, ...]) -> str:
    value = _text(body, key)
    if value not in choices:
        raise _Unexpected(f"{key}: {value!r} is none of {', '.join(choices)}")
    return value


def _state(body: dict[str, Any], key: str) -> StateName:
    value = _text(body, key)
    for state in STATES:
        if state == value:
            return state
    raise _Unexpected(f"{key}: {value!r} is no state")


def _counts(body: dict[str, Any], key: str) -> dict[str, int]:
    table = _table(body.get(key), key)
    return {name: _whole(table, name, 0) for name in table}
