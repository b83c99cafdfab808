"""What single values accept and refuse."""

import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from haagent.config import values
from haagent.config.model import ALL_PORTS, InterfaceAddress, PortRange
from haagent.config.values import Scalar, Wrong, describe, enumerated

URL = "/check.txt?x=%20"


@pytest.mark.parametrize(
    ("scalar", "value", "read"),
    [
        (values.ADDRESS, "192.0.2.1", "192.0.2.1"),
        (values.ADDRESS, "127.0.0.1", "127.0.0.1"),
        (values.ADDRESS, "10.0.0.0", "10.0.0.0"),
        (values.ADDRESS, "2001:DB8:0:0::0001", "2001:db8::1"),
        (values.ADDRESS, "::1", "::1"),
        (values.PORTS, "all", ALL_PORTS),
        (values.PORTS, ["443", 80, "8000-8010"], (PortRange(80, 80), PortRange(443, 443), PortRange(8000, 8010))),
        (values.PORTS, ["81-90", "80", "85-100"], (PortRange(80, 100),)),
        (values.fraction(), 1, 1.0),
        (values.INTERFACE_ADDRESS, "192.0.2.1", InterfaceAddress("192.0.2.1", 32)),
        (values.INTERFACE_ADDRESS, "192.0.2.1/1", InterfaceAddress("192.0.2.1", 1)),
        (values.INTERFACE_ADDRESS, "192.0.2.0/31", InterfaceAddress("192.0.2.0", 31)),
        (values.INTERFACE_ADDRESS, "192.0.2.255/32", InterfaceAddress("192.0.2.255", 32)),
        (values.INTERFACE_ADDRESS, "2001:DB8::64", InterfaceAddress("2001:db8::64", 128)),
        (values.INTERFACE_ADDRESS, "2001:db8::64/64", InterfaceAddress("2001:db8::64", 64)),
        (values.INTERFACE_ADDRESS, "fe80::64/10", InterfaceAddress("fe80::64", 10)),
        (values.INTERFACE_ADDRESS, "2001:db8::/127", InterfaceAddress("2001:db8::", 127)),
        (values.INTERFACE_ADDRESS, "2001:db8::ffff/112", InterfaceAddress("2001:db8::ffff", 112)),
        (values.PEER, "fe80::2", "fe80::2"),
        (values.PEER, "192.0.2.2", "192.0.2.2"),
        (values.PASSWORD, "12345678", "12345678"),
        (values.PASSWORD, "", ""),
        (values.INTERFACE, "bond0.100", "bond0.100"),
        (values.INTERFACE, "a" * 15, "a" * 15),
        (values.NAME, "n" * 63, "n" * 63),
        (values.NAME, "_.-", "_.-"),
        (values.URL_PATH, URL, URL),
        (values.HOST, "", ""),
        (values.HOST, "www.example.com:8080", "www.example.com:8080"),
        (values.ANY_TEXT, "é\n\0", "é\n\0"),
        (values.ABSOLUTE_PATH, "/", "/"),
        (values.ABSOLUTE_PATH, "/srv/é ü", "/srv/é ü"),
        (values.AGENTX, "", ""),
        (values.AGENTX, "unix:/var/agentx/master", "unix:/var/agentx/master"),
        (values.AGENTX, "tcp:localhost:705", "tcp:localhost:705"),
        (values.seconds(0.01, 40.95, whole_centiseconds=True), 40.95, 40.95),
        (values.seconds(1, 10), 1, 1.0),
        (values.BOOLEAN, False, False),
    ],
)
def test_accepted(scalar: Scalar, value: object, read: object) -> None:
    assert scalar.read(value) == read
    assert type(scalar.read(value)) is type(read)


@pytest.mark.parametrize(
    ("scalar", "value", "words"),
    [
        (values.ADDRESS, 1, "expected an IPv4 or IPv6 address"),
        (values.ADDRESS, "", "expected an IPv4 or IPv6 address"),
        (values.ADDRESS, "192.0.2", "expected an IPv4 or IPv6 address"),
        (values.ADDRESS, "192.0.2.1 ", "expected an IPv4 or IPv6 address"),
        (values.ADDRESS, "192.0.2.1\n", "expected an IPv4 or IPv6 address"),
        (values.ADDRESS, "192.0.2.1/24", "expected an IPv4 or IPv6 address"),
        (values.ADDRESS, "192.0.2.1:80", "expected an IPv4 or IPv6 address"),
        (values.ADDRESS, "192.0.2.٣", "expected an IPv4 or IPv6 address"),
        (values.ADDRESS, "192.0.2.256", "numbers go from 0 to 255"),
        (values.ADDRESS, "192.0.02.1", "leading zeros in the address 192.0.02.1; 192.0.2.1 if decimal"),
        (values.ADDRESS, "0.0.0.0", "no host's address"),
        (values.ADDRESS, "0.1.2.3", "no host's address"),
        (values.ADDRESS, "224.0.0.18", "a multicast address"),
        (values.ADDRESS, "239.255.255.255", "a multicast address"),
        (values.ADDRESS, "255.255.255.255", "the broadcast address"),
        (values.ADDRESS, "::", "no host's address"),
        (values.ADDRESS, "ff02::1", "a multicast address"),
        (values.ADDRESS, "fe80::1", "is link-local, so it needs an interface"),
        (values.ADDRESS, "2001:db8::1%eth0", "names an interface"),
        (values.ADDRESS, "::ffff:192.0.2.1", "IPv6 clothes; 192.0.2.1 if"),
        (values.ADDRESS, "2001:db8::1/64", "expected an IPv4 or IPv6 address"),
        (values.ADDRESS, "2001:db8:::1", "expected an IPv4 or IPv6 address"),
        (values.PORTS, [], "got an empty one"),
        (values.PORTS, "80", 'or "all", got the string'),
        (values.PORTS, ["80", "x"], 'in it stands the string "x"'),
        (values.PORTS, ["80-79"], "80-79 is no port"),
        (values.PORTS, [0], "0 is no port"),
        (values.PORTS, ["65536"], "65536 is no port"),
        (values.PORTS, [True], "in it stands the boolean true"),
        (values.fraction(), 1.1, "expected a number from 0 to 1"),
        (values.fraction(), True, "expected a number from 0 to 1"),
        (values.INTERFACE_ADDRESS, "2001:db8::1/129", "from 1 to 128 after the slash"),
        (values.INTERFACE_ADDRESS, "2001:db8::1/0", "from 1 to 128 after the slash"),
        (values.INTERFACE_ADDRESS, "2001:db8::/64", "the network's own number"),
        (values.INTERFACE_ADDRESS, "2001:db8::1%eth0/64", "names an interface"),
        (values.INTERFACE_ADDRESS, "ff02::1/64", "a multicast address"),
        (values.INTERFACE_ADDRESS, "::ffff:192.0.2.1/96", "IPv6 clothes"),
        (values.PEER, "fe80::2%eth0", "names an interface"),
        (values.PEER, "224.0.0.18", "a multicast address"),
        (values.PASSWORD, "123456789", "at most 8 ASCII characters"),
        (values.PASSWORD, "pass wd", "at most 8 ASCII characters"),
        (values.INTERFACE_ADDRESS, [], "expected an address with a prefix length"),
        (values.INTERFACE_ADDRESS, "192.0.2.1/", "from 1 to 32 after the slash"),
        (values.INTERFACE_ADDRESS, "192.0.2.1/0", "from 1 to 32 after the slash"),
        (values.INTERFACE_ADDRESS, "192.0.2.1/024", "from 1 to 32 after the slash"),
        (values.INTERFACE_ADDRESS, "192.0.2.1/33", "from 1 to 32 after the slash"),
        (values.INTERFACE_ADDRESS, "192.0.2.1/255.255.255.0", "from 1 to 32 after the slash"),
        (values.INTERFACE_ADDRESS, "192.0.2.0/24", "the network's own number"),
        (values.INTERFACE_ADDRESS, "192.0.2.255/24", "the network's broadcast address"),
        (values.INTERFACE_ADDRESS, "192.0.2.7/30", "the network's broadcast address"),
        (values.INTERFACE, "", "expected an interface name"),
        (values.INTERFACE, "a" * 16, "expected an interface name"),
        (values.INTERFACE, "..", "expected an interface name"),
        (values.INTERFACE, "eth/0", "expected an interface name"),
        (values.INTERFACE, "eth0:1", "expected an interface name"),
        (values.INTERFACE, "eth 0", "expected an interface name"),
        (values.INTERFACE, "é", "expected an interface name"),
        (values.NAME, "", "expected a name"),
        (values.NAME, "n" * 64, "expected a name"),
        (values.NAME, "a\n", "expected a name"),
        (values.URL_PATH, "check", "expected a path"),
        (values.URL_PATH, "/a b", "expected a path"),
        (values.URL_PATH, "/\r\nx: y", "expected a path"),
        (values.HOST, "a\r\nb", "expected a host name"),
        (values.HOST, "a b", "expected a host name"),
        (values.ABSOLUTE_PATH, "run", "expected an absolute path"),
        (values.ABSOLUTE_PATH, "/a\0", "expected an absolute path"),
        (values.AGENTX, "udp:1", "expected"),
        (values.AGENTX, "unix:var", "expected"),
        (values.AGENTX, "tcp:localhost", "expected"),
        (values.AGENTX, "tcp:localhost:0", "expected"),
        (values.AGENTX, "tcp:localhost:65536", "expected"),
        (values.AGENTX, "unix:/" + "a" * 107, "at most 107 octets"),
        (values.integer(0, 5), True, "got the boolean true"),
        pytest.param(values.integer(0, 5), 10**5000, "got an integer that is far too large", id="10**5000"),
        (values.seconds(1, 10), 10**400, "got an integer that is far too large"),
        (values.seconds(1, 10), float("inf"), "got the float inf"),
        (values.seconds(0.01, 40.95, whole_centiseconds=True), 0.001, "from 0.01 to 40.95 in whole hundredths"),
        (values.BOOLEAN, 1, "expected true or false, got the integer 1"),
        (values.ANY_TEXT, 1, "expected a string"),
    ],
)
def test_refused(scalar: Scalar, value: object, words: str) -> None:
    read = scalar.read(value)
    assert isinstance(read, Wrong)
    assert words in read.message


@given(st.integers(0, 255), st.integers(0, 255), st.integers(0, 255), st.integers(0, 255))
def test_dotted_addresses_are_read_or_called_no_unicast(a: int, b: int, c: int, d: int) -> None:
    text = f"{a}.{b}.{c}.{d}"
    is_unicast = a != 0 and not 224 <= a <= 239 and text != "255.255.255.255"
    assert (values.ADDRESS.read(text) == text) is is_unicast


@given(st.integers(1, 4095))
def test_every_whole_centisecond_is_an_interval(centiseconds: int) -> None:
    scalar = values.seconds(0.01, 40.95, whole_centiseconds=True)
    assert scalar.read(float(f"{centiseconds // 100}.{centiseconds % 100:02}")) == centiseconds / 100


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (False, "the boolean false"),
        (datetime.date(1979, 5, 27), "the date or time 1979-05-27"),
        ("x" * 81, 'the string "' + "x" * 77 + '..."'),
        ({}, "a table"),
        ([], "an array"),
    ],
)
def test_describe(value: object, words: str) -> None:
    assert describe(value) == words


def test_describe_knows_what_toml_has_and_nothing_else() -> None:
    with pytest.raises(AssertionError, match="not a TOML value"):
        describe(None)


def test_enumerated_stops_somewhere() -> None:
    assert enumerated(["a", "b"]) == "a, b"
    assert enumerated([str(number) for number in range(21)]) == "0, 1, 2, 3, 4, 5, 6, 7, 8, 9 and 11 more"
