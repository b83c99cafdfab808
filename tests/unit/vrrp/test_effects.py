import dataclasses
import typing

from haagent.vrrp import effects
from haagent.vrrp.effects import Effect, SendAdvertisement, SetAddresses


def test_the_union_is_everything_that_a_router_can_cause() -> None:
    declared = {each for each in vars(effects).values() if isinstance(each, type) and dataclasses.is_dataclass(each)}
    assert set(typing.get_args(Effect)) == declared


def test_effects_are_values() -> None:
    assert SendAdvertisement("web", 0) == SendAdvertisement("web", 0) != SendAdvertisement("web", 100)
    assert len({SetAddresses("web", held=True), SetAddresses("web", held=True), SetAddresses("web", held=False)}) == 2
