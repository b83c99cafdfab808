"""Slow requests: in order, told when none is left, and left out where the switch was turned on meanwhile."""

import select
from unittest.mock import patch

from haagent.linux import slow_requests
from haagent.linux.slow_requests import SlowRequests, Switch

PATIENCE = 10.0


class Kernel:
    """Takes the place of the netlink socket."""

    def __init__(self) -> None:
        self.asked: list[bytes] = []

    def open(self, protocol: int) -> "Kernel":
        return self

    def request(self, messages: list[bytes]) -> list[int]:
        self.asked += messages
        return [0]


def test_in_order_and_then_told() -> None:
    kernel, requests, on = Kernel(), SlowRequests(), Switch()
    on.is_on = True
    with patch.object(slow_requests, "NetlinkSocket", kernel):
        assert not select.select([requests.socket], [], [], 0)[0]
        turns = [requests.put(name, switch) for name, switch in ((b"a", Switch()), (b"b", on), (b"c", Switch()))]
        assert all(turn.wait(PATIENCE) for turn in turns)
        assert select.select([requests.socket], [], [], PATIENCE)[0]
    assert kernel.asked == [b"a", b"c"]
    requests.hear()
    requests.hear()  # nothing more to hear is no error


def test_a_held_lock_is_waited_for() -> None:
    """Whoever turns the switch on under the lock is not overtaken."""
    kernel, requests, switch = Kernel(), SlowRequests(), Switch()
    with patch.object(slow_requests, "NetlinkSocket", kernel):
        with switch.lock:
            turn = requests.put(b"down", switch)
            assert not turn.wait(0.05)
            switch.is_on = True
        assert turn.wait(PATIENCE)
    assert kernel.asked == []
