"""Where a master can be, and the sentence for each way in which it cannot be reached."""

import errno
import os

import pytest

from haagent.processes.agentx_address import TcpAddress, UnixAddress, parse_address, why_not


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("unix:/var/agentx/master", UnixAddress("/var/agentx/master")),
        ("tcp:localhost:7050", TcpAddress("localhost", 7050)),
        ("tcp:192.0.2.1", TcpAddress("192.0.2.1", 705)),
        ("tcp:[2001:db8::1]:705", TcpAddress("2001:db8::1", 705)),
        ("tcp:[2001:db8::1]", TcpAddress("2001:db8::1", 705)),
        ("unix:relative", None),
        ("udp:192.0.2.1:705", None),
        ("tcp:192.0.2.1:0", None),
        ("tcp:192.0.2.1:port", None),
        ("tcp:", None),
        ("", None),
    ],
)
def test_addresses(text: str, address: UnixAddress | TcpAddress | None) -> None:
    assert parse_address(text) == address


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (errno.EACCES, "permission denied; add `agentXPerms 0660 0755 "),
        (errno.ENOENT, "no such socket; is snmpd running, with `master agentx` in snmpd.conf?"),
        (errno.ECONNREFUSED, "connection refused; is snmpd running, with `master agentx` in snmpd.conf?"),
        (errno.EHOSTUNREACH, "No route to host"),
    ],
)
def test_each_way_to_fail_has_its_sentence(number: int, words: str) -> None:
    said = why_not("unix:/var/agentx/master", OSError(number, os.strerror(number)))
    assert said.startswith(f"cannot connect to unix:/var/agentx/master: {words}")
