"""A link that flaps, with delays and without."""

from haagent.vrrp.debounce import Debounce
from haagent.vrrp.settings import Interface, TrackedInterface

DELAYED = TrackedInterface("eth1", True, 0, down_delay=2.0, up_delay=5.0)
PROMPT = TrackedInterface("eth1", True, 0)


def link(is_up: bool) -> dict[str, Interface]:
    return {"eth1": Interface("eth1", 3, is_up, b"\2\0\0\0\0\2")}


def test_without_a_delay_it_has_no_say() -> None:
    debounce = Debounce()
    assert debounce.follow([PROMPT], link(False), 0.0) == {}
    assert debounce.next_deadline() is None


def test_it_counts_as_down_only_after_its_delay() -> None:
    debounce = Debounce()
    assert debounce.follow([DELAYED], link(True), 0.0) == {DELAYED: True}
    assert debounce.follow([DELAYED], link(False), 10.0) == {DELAYED: True}
    assert debounce.next_deadline() == 12.0
    assert debounce.follow([DELAYED], link(False), 11.9) == {DELAYED: True}
    assert debounce.follow([DELAYED], link(False), 12.0) == {DELAYED: False}
    assert debounce.next_deadline() is None
    assert debounce.follow([DELAYED], link(True), 13.0) == {DELAYED: False}
    assert debounce.follow([DELAYED], link(True), 18.0) == {DELAYED: True}


def test_a_flap_starts_the_delay_anew() -> None:
    debounce = Debounce()
    debounce.follow([DELAYED], link(True), 0.0)
    debounce.follow([DELAYED], link(False), 10.0)
    debounce.follow([DELAYED], link(True), 11.0)
    assert debounce.next_deadline() is None
    debounce.follow([DELAYED], link(False), 11.5)
    assert debounce.next_deadline() == 13.5


def test_a_new_one_counts_as_what_it_is() -> None:
    debounce = Debounce()
    assert debounce.follow([DELAYED], {}, 0.0) == {DELAYED: False}
    debounce.follow([], {}, 1.0)
    assert debounce.follow([DELAYED], link(True), 2.0) == {DELAYED: True}
