from dataclasses import FrozenInstanceError, replace

import pytest

from haagent.vrrp.virtual_router import VirtualRouter

ROUTER = VirtualRouter("web", "eth0", 51, 100, 1.0, ((b"\xc6\x33\x64\x64", 24),), (b"\xc6\x33\x64\x64",), b"\xc0\0\2\2")


@pytest.mark.parametrize(("priority", "is_owner"), [(1, False), (254, False), (255, True)])
def test_the_owner_has_priority_255(priority: int, is_owner: bool) -> None:
    assert replace(ROUTER, priority=priority).is_owner is is_owner


def test_is_replaced_and_never_changed() -> None:
    with pytest.raises(FrozenInstanceError):
        ROUTER.priority = 1  # type: ignore[misc]


def test_defaults_are_those_of_the_design() -> None:
    assert (ROUTER.preempt, ROUTER.checksum) == (True, "auto")
    assert (ROUTER.announce_burst, ROUTER.announce_delay, ROUTER.announce_refresh) == (5, 5.0, 60.0)
