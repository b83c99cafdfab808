"""Which addresses are ours to remove. That they go, and nothing else: tests/netns/test_cleanup.py."""

import fcntl
import os
import socket
from pathlib import Path

import pytest
from msgspec import structs

from haagent.cli.cleanup import Held, interfaces_at_risk, is_locked, left_behind, others_run
from haagent.config.model import Config
from haagent.linux.rtnetlink import AddressHeard
from tests.unit.build import config, router


def held(address: str, *, ours: bool = False, interface: str = "eth0", secondary: bool = False) -> Held:
    host, _, length = address.partition("/")
    return Held(interface, AddressHeard(7, (socket.inet_aton(host), int(length)), secondary, ours))


@pytest.mark.parametrize(
    ("address", "ours", "interface", "priority", "takes_unknown", "goes"),
    [
        ("198.51.100.100/24", True, "eth0", 200, True, True),
        ("198.51.100.100/24", False, "eth0", 200, True, True),  # a kernel without IFA_PROTO
        ("198.51.100.100/24", True, "eth0", 255, True, True),  # the owner's, but we had added it
        ("198.51.100.100/24", False, "eth0", 255, True, False),  # the owner's own
        ("198.51.100.100/24", False, "eth1", 200, True, False),
        ("198.51.100.100/32", False, "eth0", 200, True, False),
        ("198.51.100.1/24", False, "eth0", 200, True, False),
        ("203.0.113.7/32", True, "eth1", 200, True, True),  # of a router that is configured no more
        ("203.0.113.7/32", True, "eth1", 200, False, False),  # perhaps another daemon's
        ("198.51.100.100/24", True, "eth0", 200, False, True),
    ],
)
def test_what_goes(address: str, ours: bool, interface: str, priority: int, takes_unknown: bool, goes: bool) -> None:
    each = held(address, ours=ours, interface=interface)
    configs = [config(routers=(structs.replace(router(), priority=priority),))]
    assert left_behind([each], configs, takes_unknown=takes_unknown) == ([each] if goes else [])


def test_what_one_configuration_calls_its_own_is_not_taken_for_another() -> None:
    """The file on disk made it the owner's while the daemon still ran as a backup."""
    each = held("198.51.100.100/24")
    configs = [config(routers=(structs.replace(router(), priority=number),)) for number in (255, 100)]
    assert left_behind([each], configs, takes_unknown=True) == []


def test_secondaries_that_would_go_with_a_primary() -> None:
    ours, strange = held("198.51.100.100/24", ours=True), held("198.51.100.5/24", secondary=True)
    assert interfaces_at_risk([ours, strange], [ours]) == {"eth0"}
    assert interfaces_at_risk([ours, held("203.0.113.5/24", secondary=True)], [ours]) == set()
    also = held("198.51.100.6/24", ours=True, secondary=True)
    assert interfaces_at_risk([ours, also], [ours, also]) == set()
    assert interfaces_at_risk([strange, also], [also]) == set()


def test_a_lock_tells_who_lives(tmp_path: Path) -> None:
    def at(name: str) -> Config:
        other = config()
        director = structs.replace(other.director, name=name, runtime_directory=str(tmp_path))
        return structs.replace(other, director=director)

    lock = tmp_path / "d1" / "lock"
    assert not is_locked(lock)
    lock.parent.mkdir()
    descriptor = os.open(lock, os.O_RDWR | os.O_CREAT)
    assert not is_locked(lock)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    assert is_locked(lock)
    assert others_run(at("d2"))
    assert not others_run(at("d1"))
    os.close(descriptor)
    assert not is_locked(lock)
    assert not others_run(at("d2"))
