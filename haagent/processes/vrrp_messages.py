"""What the director and the vrrp process say to each other: JSON by hand, for vrrp has the standard library alone.

director -> vrrp are levels: the whole of it each time. vrrp -> director: every transition as it happens, and the
routers as they are now; a report replaces earlier ones of the routers it names. Instants are CLOCK_MONOTONIC, one clock
for all processes of a host. Whatever cannot be understood decodes to `Malformed`.
"""

import json
import socket
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, TypeVar

from haagent.vrrp.settings import RouterSettings, TrackedInterface, Tracking
from haagent.vrrp.virtual_router import Address

StateName = Literal["initialize", "backup", "active"]
_PREFIX_LENGTHS = frozenset(str(length) for length in range(1, 33))
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
class RouterReport:
    """One router: the fields of `snapshot.RouterStatus`."""

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


@dataclass(frozen=True, slots=True)
class RoutersReported:
    """vrrp -> director: these routers as they are now. Many routers come in several of these."""

    routers: tuple[RouterReport, ...]


@dataclass(frozen=True, slots=True)
class Malformed:
    """A payload that is no message of this direction."""

    sentence: str


ToVrrp = SetRouters | SetTracking | Resync
FromVrrp = Hello | Transitioned | RoutersReported


def encode(message: ToVrrp | FromVrrp) -> bytes:
    """One frame's payload."""
    match message:
        case SetRouters(routers):
            body: dict[str, Any] = {"type": "set_routers", "routers": [_router_out(each) for each in routers]}
        case SetTracking(tracking):
            body = {"type": "set_tracking", "tracking": {name: asdict(each) for name, each in tracking.items()}}
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
                    name: Tracking(_text(_table(each, name), "fault"), _whole(each, "priority", -1000, 1000))
                    for name, each in tracking.items()
                }
            )
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
        "tracked_interfaces": [asdict(each) for each in router.tracked_interfaces],
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
        tracked_interfaces=tuple(
            TrackedInterface(
                _text(_table(each, "a tracked interface"), "interface"),
                _flag(each, "fault"),
                _whole(each, "priority", -1000, 1000),
            )
            for each in _list(body, "tracked_interfaces")
        ),
    )


def _report_out(report: RouterReport) -> dict[str, Any]:
    return {name: getattr(report, name) for name in RouterReport.__slots__}


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
    )


def address_text(address: Address) -> str:
    octets, prefix_length = address
    return f"{socket.inet_ntoa(octets)}/{prefix_length}"


def _addresses(body: dict[str, Any], key: str) -> tuple[Address, ...]:
    return tuple(_address(each, key) for each in _list(body, key))


def _address(text: object, key: str) -> Address:
    host, _, prefix_length = text.partition("/") if isinstance(text, str) else ("", "", "")
    if prefix_length in _PREFIX_LENGTHS:
        try:
            return socket.inet_pton(socket.AF_INET, host), int(prefix_length)
        except (OSError, ValueError):
            pass
    raise _Unexpected(f"{key}: {text!r} is no IPv4 address with a prefix length")


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
