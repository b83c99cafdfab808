"""The single values that only checks have: status codes, patterns, octets in hexadecimal, header fields, DNS names."""

import json
import re

from haagent.config.error import quote
from haagent.config.values import Scalar, Wrong, describe, text

_STATUS = 'a status code from 100 to 599 or a range of them, as in "200-299"'
_RANGE = re.compile(r"([1-5][0-9]{2})-([1-5][0-9]{2})")


def _status(value: object) -> int | str | Wrong:
    match = _RANGE.fullmatch(value) if isinstance(value, str) else None
    if match is not None and match[1] <= match[2]:
        return match.group()
    if type(value) is int and 100 <= value <= 599:
        return value
    return Wrong(f"expected {_STATUS}, got {describe(value)}")


STATUS = Scalar(
    _STATUS,
    _status,
    {
        "anyOf": [
            {"type": "integer", "minimum": 100, "maximum": 599},
            {"type": "string", "pattern": "^[1-5][0-9]{2}-[1-5][0-9]{2}$"},
        ]
    },
)


def _regex(value: object) -> str | Wrong:
    if not isinstance(value, str):
        return Wrong(f"expected a regular expression, got {describe(value)}")
    try:
        re.compile(value.encode())
    except (re.error, RecursionError, OverflowError) as error:
        return Wrong(f"{quote(value[:80])} is no regular expression: {' '.join(str(error).split())}")
    return value


REGEX = Scalar("a regular expression, as of Python's re", _regex, {"type": "string", "format": "regex"})

_HEX = 'octets in hexadecimal, as in "00 ff 7a"'
_HEX_EXPECT = 'octets in hexadecimal, "??" for any octet, as in "00 ?? 7a"'


def _octets(expected: str, pattern: str) -> Scalar:
    compiled = re.compile(rf"\s*(?:{pattern}\s*)*")

    def read(value: object) -> str | Wrong:
        if isinstance(value, str) and compiled.fullmatch(value):
            return "".join(value.split()).lower()
        return Wrong(f"expected {expected}, got {describe(value)}")

    return Scalar(expected, read, {"type": "string", "pattern": f"^{compiled.pattern}$"})


HEX = _octets(_HEX, "[0-9A-Fa-f]{2}")
HEX_EXPECT = _octets(_HEX_EXPECT, r"(?:[0-9A-Fa-f]{2}|\?\?)")

_HEADERS = 'a table of header fields, as in { Accept = "text/html" }'
_FIELD_NAME = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"  # RFC 9110 §5.1
_OURS = ("host", "content-length", "connection", "transfer-encoding")


def _headers(value: object) -> tuple[tuple[str, str], ...] | Wrong:
    if not isinstance(value, dict):
        return Wrong(f"expected {_HEADERS}, got {describe(value)}")
    for name, each in value.items():
        if not re.fullmatch(_FIELD_NAME, name):
            return Wrong(f"{quote(name[:80])} is no name of a header field")
        if name.lower() in _OURS:
            return Wrong(f"{name} is set by the check itself" + ("; give it a host" if name.lower() == "host" else ""))
        if not isinstance(each, str) or not re.fullmatch(r"[^\x00-\x1f\x7f]*", each):
            return Wrong(f"expected a string without control characters for {name}, got {describe(each)}")
    return tuple(value.items())


HEADERS = Scalar(
    _HEADERS,
    _headers,
    {
        "type": "object",
        "patternProperties": {f"^{_FIELD_NAME}$": {"type": "string", "pattern": r"^[^\u0000-\u001f\u007f]*$"}},
        "additionalProperties": False,
    },
)

_JSON = 'a table of keys with dots and values, as in { status = "ok", "database.replicas" = 2 }'


def _json(value: object) -> tuple[tuple[str, str], ...] | Wrong:
    if not isinstance(value, dict):
        return Wrong(f"expected {_JSON}, got {describe(value)}")
    for key, each in value.items():
        if not isinstance(each, str | bool | int | float) or each != each:
            return Wrong(f"expected a string, a number, true or false for {quote(key[:80])}, got {describe(each)}")
    return tuple((key, json.dumps(each)) for key, each in value.items())


JSON_VALUES = Scalar(
    _JSON, _json, {"type": "object", "additionalProperties": {"type": ["string", "number", "boolean"]}}
)

_DNS = 'a name in ASCII, as in "www.example.com"'


def _dns_name(value: object) -> str | Wrong:
    """As it was written; labels of 1 to 63 octets, 253 together (RFC 1035 §2.3.4)."""
    if value == ".":
        return "."
    if not isinstance(value, str) or not re.fullmatch(r"[!-~]{1,254}", value) or "\\" in value:
        return Wrong(f"expected {_DNS}, got {describe(value)}")
    labels = value.removesuffix(".").split(".")
    if len(value.removesuffix(".")) > 253 or any(not 1 <= len(label) <= 63 for label in labels):
        return Wrong(f"{quote(value[:80])} is no name: its labels have 1 to 63 characters, all together 253")
    return value


DNS_NAME = Scalar(_DNS, _dns_name, {"type": "string", "pattern": r"^[!-~]{1,254}$"})
WORD = text("a name in ASCII without spaces", r"[!-~]+")
OPTIONAL_PATH = text('an absolute path, or "" for none', r"(?:/[^\x00-\x1f\x7f-\x9f]*)?")
ARGUMENT = text("a string without a zero octet", r"[^\x00]*")
LINE = text("a string without control characters", r"[^\x00-\x1f\x7f]*")
SECRET = text("a string of at least one character", r"[\s\S]+")
