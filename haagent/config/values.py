"""The single values of the configuration: what each accepts, the sentence for what it refuses, and its JSON Schema.

Ranges come from RFC 9568 section 5.2 (vrid, priority, interval), include/uapi/linux/ip_vs.h (weight) and
net/core/dev.c `dev_valid_name` (interface names).
"""

import datetime
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import AddressValueError, IPv6Address, ip_address
from typing import Any

from haagent.config.error import quote
from haagent.config.model import ALL_PORTS, Endpoint, InterfaceAddress, PortRange


@dataclass(frozen=True, slots=True)
class Wrong:
    """A value that is refused, and why."""

    message: str


@dataclass(frozen=True, slots=True)
class Scalar:
    """One kind of value."""

    expected: str  # a noun phrase: "an integer from 1 to 255"
    read: Callable[[object], Any]  # the TOML value -> the model's value, or Wrong
    schema: Mapping[str, object]


def describe(value: object) -> str:
    """The value in words, for "expected ..., got ..."."""
    match value:
        case bool():
            return "the boolean true" if value else "the boolean false"
        case int():
            return f"the integer {value}" if abs(value) < 10**18 else "an integer that is far too large"
        case float():
            return f"the float {value}"
        case str():
            return f"the string {quote(value if len(value) <= 80 else value[:77] + '...')}"
        case list():
            return "an array"
        case dict():
            return "a table"
        case datetime.datetime() | datetime.date() | datetime.time():
            return f"the date or time {value}"
        case _:
            raise AssertionError(f"not a TOML value: {type(value)}")


def enumerated(names: Sequence[str]) -> str:
    """ "rr, wrr, lc", or the first ten of very many."""
    return ", ".join(names) if len(names) <= 20 else ", ".join(names[:10]) + f" and {len(names) - 10} more"


def integer(low: int, high: int) -> Scalar:
    expected = f"an integer from {low} to {high}"

    def read(value: object) -> int | Wrong:
        if type(value) is int and low <= value <= high:
            return value
        return Wrong(f"expected {expected}, got {describe(value)}")

    return Scalar(expected, read, {"type": "integer", "minimum": low, "maximum": high})


def seconds(low: float, high: float, *, whole_centiseconds: bool = False) -> Scalar:
    expected = f"a number of seconds from {low:g} to {high:g}" + (" in whole hundredths" if whole_centiseconds else "")

    def read(value: object) -> float | Wrong:
        if type(value) not in (int, float) or not low <= value <= high:  # type: ignore[operator]
            return Wrong(f"expected {expected}, got {describe(value)}")
        number = float(value)  # type: ignore[arg-type]
        if not whole_centiseconds:
            return number
        centiseconds = round(number * 100)
        if abs(number * 100 - centiseconds) > 1e-6:
            return Wrong(f"expected {expected}, got {describe(value)}; {centiseconds / 100:g} is the nearest")
        return centiseconds / 100

    return Scalar(expected, read, {"type": "number", "minimum": low, "maximum": high})


def number(low: float, high: float) -> Scalar:
    expected = f"a number from {low:g} to {high:g}"

    def read(value: object) -> float | Wrong:
        if type(value) not in (int, float) or not low <= value <= high:  # type: ignore[operator]
            return Wrong(f"expected {expected}, got {describe(value)}")
        return float(value)  # type: ignore[arg-type]

    return Scalar(expected, read, {"type": "number", "minimum": low, "maximum": high})


def _require(value: object) -> str | int | Wrong:
    if (type(value) is str and value in ("all", "any")) or (type(value) is int and 1 <= value <= 100):
        return value
    return Wrong(f"expected {REQUIRE.expected}, got {describe(value)}")


REQUIRE = Scalar(
    "all, any or how many of the checks must pass",
    _require,
    {"oneOf": [{"enum": ["all", "any"]}, {"type": "integer", "minimum": 1, "maximum": 100}]},
)


def _boolean(value: object) -> bool | Wrong:
    return value if isinstance(value, bool) else Wrong(f"expected true or false, got {describe(value)}")


BOOLEAN = Scalar("true or false", _boolean, {"type": "boolean"})

_PATH_CHECKS = {True: "require", False: "off", "report": "report"}


def _path_check(value: object) -> str | Wrong:
    if type(value) in (bool, str) and value in _PATH_CHECKS:
        return _PATH_CHECKS[value]
    return Wrong(f'expected true, false or "report", got {describe(value)}')


PATH_CHECK = Scalar('true, false or "report"', _path_check, {"enum": [True, False, "report"]})


def choice(noun: str, options: Sequence[str], *, not_yet: Mapping[str, str] | None = None) -> Scalar:
    """One of a few words. `not_yet`: words that will come, with the name of the feature."""
    expected = f"one of {', '.join(options)}"
    planned = not_yet or {}

    def read(value: object) -> str | Wrong:
        if not isinstance(value, str):
            return Wrong(f"expected {expected}, got {describe(value)}")
        if value in options:
            return value
        if value in planned:
            return Wrong(f"{planned[value]} is not supported yet; {expected}")
        return Wrong(f"unknown {noun} {quote(value)}; {expected}")

    return Scalar(expected, read, {"enum": list(options)})


def text(expected: str, pattern: str) -> Scalar:
    """A string that matches the pattern as a whole."""
    compiled = re.compile(pattern, re.ASCII)

    def read(value: object) -> str | Wrong:
        if isinstance(value, str) and compiled.fullmatch(value):
            return value
        return Wrong(f"expected {expected}, got {describe(value)}")

    return Scalar(expected, read, {"type": "string", "pattern": f"^(?:{pattern})$"})


# Every character but the controls: C0, DEL, C1.
_VISIBLE_OR_SPACE = r"[^\x00-\x1f\x7f-\x9f]"

NAME = text('a name of 1 to 63 letters, digits, "_", "." or "-"', r"[A-Za-z0-9_.-]{1,63}")
INTERFACE = text('an interface name of 1 to 15 characters without spaces, "/" or ":"', r"(?!\.{1,2}$)[!-.0-9;-~]{1,15}")
ACCOUNT = text("the name of an account or group", r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,31}")
ABSOLUTE_PATH = text('an absolute path, as in "/run/haagent"', rf"/{_VISIBLE_OR_SPACE}*")
URL_PATH = text('a path that starts with "/", in ASCII without spaces (percent-encode them)', r"/[!-~]*")
HOST = text("a host name in ASCII without spaces", r"[!-~]*")
SUBJECT_NAME = text('a name, or "SERVICE/SERVER"', r"[A-Za-z0-9_.-]{1,63}(/[A-Za-z0-9_.-]{1,63})?")
PASSWORD = text("a password of at most 8 ASCII characters without spaces", r"[!-~]{0,8}")
ARGUMENT = text("a string without NUL", r"[^\x00]*")
ANY_TEXT = text("a string", r"[\s\S]*")

_ADDRESS = re.compile(r"([0-9]{1,3})\.([0-9]{1,3})\.([0-9]{1,3})\.([0-9]{1,3})")
_DOTTED = r"(?:[0-9]{1,3}\.){3}[0-9]{1,3}"


def _address(value: object) -> str | Wrong:
    if not isinstance(value, str):
        return Wrong(f'expected an IPv4 address, as in "192.0.2.1", got {describe(value)}')
    match = _ADDRESS.fullmatch(value)
    if match is None:
        if value.count(":") >= 2:
            return Wrong("IPv6 is not supported yet; expected an IPv4 address")
        return Wrong(f'expected an IPv4 address, as in "192.0.2.1", got {describe(value)}')
    octets = [int(part) for part in match.groups()]
    if max(octets) > 255:
        return Wrong(f"{value} is not an IPv4 address: its numbers go from 0 to 255")
    canonical = "{}.{}.{}.{}".format(*octets)
    if canonical != value:  # the C library reads 010 as 8, so nobody knows what was meant
        return Wrong(f"leading zeros in the address {value}; {canonical} if decimal was meant")
    if octets[0] == 0:
        return Wrong(f"{value} is no host's address; expected a unicast address")
    if 224 <= octets[0] <= 239:
        return Wrong(f"{value} is a multicast address; expected a unicast address")
    if value == "255.255.255.255":
        return Wrong(f"{value} is the broadcast address; expected a unicast address")
    return value


_ANY_ADDRESS = 'an IPv4 or IPv6 address, as in "192.0.2.1" or "2001:db8::1"'


def _any_address(value: object) -> str | Wrong:
    """Canonical text of a unicast address of either family (RFC 5952)."""
    found = _host_address(value)
    if not isinstance(found, Wrong) and ":" in found and IPv6Address(found).is_link_local:
        return Wrong(f"{value} is link-local, so it needs an interface, which the kernel's IPVS does not keep")
    return found


def _host_address(value: object) -> str | Wrong:
    """The same, and link-local ones too: where the interface is known."""
    if not isinstance(value, str) or (":" not in value and not _ADDRESS.fullmatch(value)):
        return Wrong(f"expected {_ANY_ADDRESS}, got {describe(value)}")
    if ":" not in value:
        return _address(value)
    if "%" in value:
        return Wrong(f"{value} names an interface; expected an address that is the same on every interface")
    try:
        address = IPv6Address(value)
    except AddressValueError:
        return Wrong(f"expected {_ANY_ADDRESS}, got {describe(value)}")
    if address.ipv4_mapped is not None:
        return Wrong(f"{value} is an IPv4 address in IPv6 clothes; {address.ipv4_mapped} if that was meant")
    if address.is_unspecified:
        return Wrong(f"{value} is no host's address; expected a unicast address")
    if address.is_multicast:
        return Wrong(f"{value} is a multicast address; expected a unicast address")
    return str(address)


_ADDRESS_PATTERN = rf"^(?:{_DOTTED}|[0-9A-Fa-f:]*:[0-9A-Fa-f:]*(?::{_DOTTED})?)$"
ADDRESS = Scalar(_ANY_ADDRESS, _any_address, {"type": "string", "pattern": _ADDRESS_PATTERN})
PEER = Scalar(_ANY_ADDRESS, _host_address, {"type": "string", "pattern": _ADDRESS_PATTERN})

_PORTS = 'an array of ports and ranges, as in ["80", "8000-8010"], or "all"'
_PORT = re.compile(r"([0-9]{1,5})(?:-([0-9]{1,5}))?")


def _ports(value: object) -> tuple[PortRange, ...] | Wrong:
    """Ascending, apart: what overlaps or touches is one range."""
    if value == "all":
        return ALL_PORTS
    if not isinstance(value, list) or not value:
        return Wrong(f"expected {_PORTS}, got {'an empty one' if value == [] else describe(value)}")
    ranges: list[PortRange] = []
    for each in value:
        match = _PORT.fullmatch(str(each)) if type(each) in (int, str) else None
        if match is None:
            return Wrong(f"expected {_PORTS}; in it stands {describe(each)}")
        first = int(match[1])
        last = int(match[2] or first)
        if not 1 <= first <= last <= 65535:
            return Wrong(f"{each} is no port and no range of ports: they ascend and go from 1 to 65535")
        ranges.append(PortRange(first, last))
    return merged(ranges)


def merged(ranges: Sequence[PortRange]) -> tuple[PortRange, ...]:
    """The same ports as the fewest ranges, ascending."""
    result: list[PortRange] = []
    for each in sorted(ranges):
        if result and each.first <= result[-1].last + 1:
            result[-1] = PortRange(result[-1].first, max(result[-1].last, each.last))
        else:
            result.append(each)
    return tuple(result)


PORTS = Scalar(
    _PORTS,
    _ports,
    {
        "anyOf": [
            {"const": "all"},
            {
                "type": "array",
                "minItems": 1,
                "items": {
                    "anyOf": [
                        {"type": "integer", "minimum": 1, "maximum": 65535},
                        {"type": "string", "pattern": "^[0-9]{1,5}(?:-[0-9]{1,5})?$"},
                    ]
                },
            },
        ]
    },
)


def _group(value: object) -> str | Wrong:
    """Canonical text of a multicast address of either family."""
    try:
        address = ip_address(value) if isinstance(value, str) else None
    except ValueError:
        address = None
    if address is None or not address.is_multicast:
        return Wrong(f"expected {_GROUP}, got {describe(value)}")
    return str(address)


_GROUP = 'a multicast address, as in "224.0.0.81" or "ff02::81"'
GROUP = Scalar(_GROUP, _group, {"type": "string", "pattern": "^(?:2[0-9.]+|[Ff][Ff][0-9A-Fa-f:]+)$"})

# A slash in a name stands for a dot within an interface's name, as in sysctl(8).
_SYSCTL = r"net(?:\.[A-Za-z0-9_-][A-Za-z0-9_/-]*)+"
SYSCTL_NAME = text('a kernel parameter\'s name with dots, as in "net.ipv4.vs.sloppy_tcp"', _SYSCTL)
_SYSCTLS = 'a table of names and integers, as in { "net.ipv4.vs.sync_persist_mode" = 1 }'


def _sysctls(value: object) -> tuple[tuple[str, str], ...] | Wrong:
    if not isinstance(value, dict):
        return Wrong(f"expected {_SYSCTLS}, got {describe(value)}")
    for name, each in value.items():
        wrong = SYSCTL_NAME.read(name)
        if isinstance(wrong, Wrong):
            return Wrong(f"{wrong.message}; with its dots the name needs quotes")
        if type(each) is not int or not -(2**31) <= each < 2**31:
            return Wrong(f"expected an integer for {name}, got {describe(each)}")
    return tuple(sorted((name, str(each)) for name, each in value.items()))


SYSCTLS = Scalar(
    _SYSCTLS,
    _sysctls,
    {"type": "object", "patternProperties": {f"^{_SYSCTL}$": {"type": "integer"}}, "additionalProperties": False},
)


_ENDPOINTS = 'a table of directors and where they listen, as in { d1 = "192.0.2.1:5406", d2 = "[2001:db8::2]:5406" }'
_ENDPOINT = re.compile(r"(?:\[([0-9A-Fa-f:.]+)\]|([0-9.]+)):([0-9]{1,5})")


def _endpoints(value: object) -> tuple[Endpoint, ...] | Wrong:
    if not isinstance(value, dict) or not value:
        return Wrong(f"expected {_ENDPOINTS}, got {'an empty one' if value == {} else describe(value)}")
    endpoints = []
    for name, each in value.items():
        match = _ENDPOINT.fullmatch(each) if isinstance(each, str) else None
        if match is None or not 1 <= int(match[3]) <= 65535:
            return Wrong(f"expected {_ENDPOINTS}; {quote(name)} has {describe(each)}")
        address = _any_address(match[1] or match[2])
        if isinstance(address, Wrong):
            return address
        endpoints.append(Endpoint(name, address, int(match[3])))
    return tuple(endpoints)


ENDPOINTS = Scalar(
    _ENDPOINTS,
    _endpoints,
    {
        "type": "object",
        "minProperties": 1,
        "patternProperties": {
            r"^[A-Za-z0-9_.-]{1,63}$": {"type": "string", "pattern": r"^(?:\[[0-9A-Fa-f:.]+\]|[0-9.]+):[0-9]{1,5}$"}
        },
        "additionalProperties": False,
    },
)


def fraction() -> Scalar:
    expected = "a number from 0 to 1"

    def read(value: object) -> float | Wrong:
        if type(value) in (int, float) and 0 <= value <= 1:  # type: ignore[operator]
            return float(value)  # type: ignore[arg-type]
        return Wrong(f"expected {expected}, got {describe(value)}")

    return Scalar(expected, read, {"type": "number", "minimum": 0, "maximum": 1})


_INTERFACE_ADDRESS = 'an address with a prefix length, as in "192.0.2.1/24" or "2001:db8::1/64"'


def _interface_address(value: object) -> InterfaceAddress | Wrong:
    """Without a length it is a host's: /32 or /128."""
    if not isinstance(value, str):
        return Wrong(f"expected {_INTERFACE_ADDRESS}, got {describe(value)}")
    head, slash, tail = value.partition("/")
    address = _host_address(head) if ":" in head else _address(head)
    if isinstance(address, Wrong):
        return address
    most = 128 if ":" in address else 32
    if not slash:
        return InterfaceAddress(address, most)
    if not re.fullmatch(r"[1-9][0-9]{0,2}", tail) or int(tail) > most:
        return Wrong(f"expected a prefix length from 1 to {most} after the slash, got {quote(tail)}")
    prefix_length = int(tail)
    host_bits = most - prefix_length
    if host_bits >= 2:  # RFC 3021, RFC 6164: a /31 and a /127 have neither
        host = int(ip_address(address)) & ((1 << host_bits) - 1)
        if host == 0:
            return Wrong(f"{value} is the network's own number; expected a host's address")
        if host == (1 << host_bits) - 1 and most == 32:
            return Wrong(f"{value} is the network's broadcast address; expected a host's address")
    return InterfaceAddress(address, prefix_length)


INTERFACE_ADDRESS = Scalar(
    _INTERFACE_ADDRESS,
    _interface_address,
    {
        "type": "string",
        "pattern": rf"^(?:{_DOTTED}(?:/(?:[1-9]|[12][0-9]|3[0-2]))?"
        rf"|[0-9A-Fa-f:]*:[0-9A-Fa-f:]*(?:/(?:[1-9]|[1-9][0-9]|1[01][0-9]|12[0-8]))?)$",
    },
)

_AGENTX = re.compile(rf"unix:/{_VISIBLE_OR_SPACE}+|tcp:(?P<host>[A-Za-z0-9._-]+):(?P<port>[0-9]{{1,5}})")
_AGENTX_EXPECTED = '"unix:/var/agentx/master", "tcp:127.0.0.1:705" or "" (no subagent)'


def _agentx(value: object) -> str | Wrong:
    if value == "":
        return ""
    match = _AGENTX.fullmatch(value) if isinstance(value, str) else None
    if match is None or (match["port"] is not None and not 1 <= int(match["port"]) <= 65535):
        return Wrong(f"expected {_AGENTX_EXPECTED}, got {describe(value)}")
    if match["port"] is None and len(match.group().encode()) - len("unix:") > 107:
        return Wrong("the path of a unix socket has at most 107 octets")  # sun_path of unix(7), with its zero
    return match.group()


AGENTX = Scalar(_AGENTX_EXPECTED, _agentx, {"type": "string", "pattern": r"^(?:unix:/.+|tcp:[A-Za-z0-9._-]+:[0-9]+)?$"})
