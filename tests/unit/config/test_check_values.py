"""The single values of checks: what each accepts and becomes, and the sentence for what it refuses."""

import pytest

from haagent.config.check_values import DNS_NAME, HEADERS, HEX, HEX_EXPECT, JSON_VALUES, REGEX, STATUS
from haagent.config.values import Scalar, Wrong


@pytest.mark.parametrize(
    ("scalar", "value", "becomes"),
    [
        (STATUS, 200, 200),
        (STATUS, "200-299", "200-299"),
        (REGEX, r"^\d+$", r"^\d+$"),
        (HEX, "00 FF\n7a", "00ff7a"),
        (HEX, "", ""),
        (HEX_EXPECT, "00 ?? 7A", "00??7a"),
        (HEADERS, {"X-A": "b", "Accept": ""}, (("X-A", "b"), ("Accept", ""))),
        (
            JSON_VALUES,
            {"a.b": 1, "c": "x", "d": True, "e": 1.5},
            (("a.b", "1"), ("c", '"x"'), ("d", "true"), ("e", "1.5")),
        ),
        (DNS_NAME, ".", "."),
        (DNS_NAME, "_sip._udp.Example.com.", "_sip._udp.Example.com."),
    ],
)
def test_right(scalar: Scalar, value: object, becomes: object) -> None:
    assert scalar.read(value) == becomes


@pytest.mark.parametrize(
    ("scalar", "value", "message"),
    [
        (STATUS, 99, 'expected a status code from 100 to 599 or a range of them, as in "200-299", got the integer 99'),
        (STATUS, "299-200", 'got the string "299-200"'),
        (STATUS, True, "got the boolean true"),
        (REGEX, "(", '"(" is no regular expression: missing ), unterminated subpattern at position 0'),
        (REGEX, 1, "expected a regular expression, got the integer 1"),
        (HEX, "0", "expected octets in hexadecimal"),
        (HEX, "00 ??", "expected octets in hexadecimal"),
        (HEX_EXPECT, "0?", '"??" for any octet'),
        (HEADERS, {"a b": "c"}, '"a b" is no name of a header field'),
        (HEADERS, {"Host": "x"}, "Host is set by the check itself; give it a host"),
        (HEADERS, {"X": "a\r\nY: b"}, "expected a string without control characters for X"),
        (HEADERS, [], "expected a table of header fields"),
        (JSON_VALUES, {"a": []}, 'expected a string, a number, true or false for "a", got an array'),
        (JSON_VALUES, {"a": float("nan")}, "got the float nan"),
        (DNS_NAME, "a..b", '"a..b" is no name: its labels have 1 to 63 characters, all together 253'),
        (DNS_NAME, "x" * 64, "is no name"),
        (DNS_NAME, "gr\u00fcn.example", "expected a name in ASCII"),
    ],
)
def test_wrong(scalar: Scalar, value: object, message: str) -> None:
    wrong = scalar.read(value)
    assert isinstance(wrong, Wrong)
    assert message in wrong.message
