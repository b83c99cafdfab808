"""What a handover means, and why it cannot be."""

from haagent.config.model import VirtualRouterGroup
from haagent.control.requests import HandOver
from haagent.handover import meant
from haagent.snapshot import RouterStatus

GROUPS = (VirtualRouterGroup(name="nat", routers=("inside", "outside")),)


def status(name: str, state: str = "active", **more: object) -> RouterStatus:
    values: dict[str, object] = {
        "name": name, "interface": "eth0", "ifindex": 2, "vrid": 51, "state": state, "reason": "", "since": 0.0,
        "priority": 100, "effective_priority": 100, "preempt": True, "advertisement_interval": 1.0,
        "primary_address": "192.0.2.1", "active_address": "192.0.2.2", "virtual_addresses": (), **more,
    }  # fmt: skip
    return RouterStatus(**values)  # type: ignore[arg-type]


ROUTERS = tuple(status(name) for name in ("web", "inside", "outside"))


def test_a_router_and_a_group() -> None:
    assert meant(ROUTERS, GROUPS, HandOver(name="web")) == ("web",)
    assert meant(ROUTERS, GROUPS, HandOver(name="nat")) == ("inside", "outside")
    assert meant(ROUTERS, GROUPS, HandOver(name="outside")) == ("inside", "outside")


def test_it_must_be_active_here() -> None:
    backup = (status("web", "backup"),)
    assert meant(backup, (), HandOver(name="web")) == (
        "web is backup here, not active: say it on the director that is (at 192.0.2.2)"
    )
    fault = (status("web", "initialize", active_address=""),)
    assert meant(fault, (), HandOver(name="web")) == (
        "web is initialize here, not active: say it on the director that is"
    )


def test_back_is_for_what_was_handed_over() -> None:
    given = (status("web", "backup", yields=True),)
    assert meant(given, (), HandOver(name="web", back=True)) == ("web",)
    answer = meant(ROUTERS, GROUPS, HandOver(name="web", back=True))
    assert answer == "web was not handed over here, or the peer is gone: nothing to end"


def test_nobody_of_that_name() -> None:
    assert meant(ROUTERS, GROUPS, HandOver(name="wbe")) == (
        'there is no virtual router and no group "wbe"; did you mean "web"?'
    )
    assert meant((), (), HandOver(name="x")) == 'there is no virtual router and no group "x"'
