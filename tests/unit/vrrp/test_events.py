import dataclasses
import typing

from haagent.vrrp import events
from haagent.vrrp.advertisement import Advertisement
from haagent.vrrp.events import AdvertisementReceived, Event, Startup
from haagent.vrrp.virtual_router import VirtualRouter


def test_the_union_is_everything_that_can_happen() -> None:
    declared = {each for each in vars(events).values() if isinstance(each, type) and dataclasses.is_dataclass(each)}
    assert set(typing.get_args(Event)) == declared - {Advertisement, VirtualRouter}


def test_events_are_values() -> None:
    heard = Advertisement(51, 100, 1.0, (b"\xc6\x33\x64\x64",))
    assert AdvertisementReceived(heard, b"\xc0\0\2\1") == AdvertisementReceived(heard, b"\xc0\0\2\1")
    assert Startup() == Startup()
