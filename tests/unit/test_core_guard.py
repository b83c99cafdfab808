"""Guarded takeover: which events make a director ready to preempt, and when the routers are told."""

from msgspec import structs

from haagent.config.model import ConnectionSync
from haagent.core.core import Core
from haagent.core.effects import SetTracking, SetVirtualServices
from haagent.core.events import (
    ConfigLoaded,
    DeadlinePassed,
    Event,
    HealthChanged,
    RoutersObserved,
    TableAdopted,
    TableObserved,
)
from haagent.ipvs.daemon import SyncDaemons, SyncRole
from haagent.ipvs.plan import Owned
from haagent.pool.connection_sync import wanted_daemons
from haagent.pool.settings import Settings
from haagent.vrrp.settings import Tracking
from tests.unit.build import config, real_server, router, service

WEB = service(real_server(1), real_server(2))
PLAIN = config(WEB, routers=(router(),))
SYNCED = structs.replace(PLAIN, connection_sync=ConnectionSync(interface="eth2", warm_time=10.0))
UNJUDGED = "not every check has given its first verdict"
UNAUDITED = "no audit has found the kernel's table as it should be yet"


class Director:
    """A core, the last level it wanted, and what its routers were told last."""

    def __init__(self) -> None:
        self.core = Core()
        self.level: SetVirtualServices | None = None
        self.told: list[str] = [""]  # each other word
        self.deliver(TableAdopted({}, Owned()), 0.0)

    def deliver(self, event: Event, now: float) -> None:
        for effect in self.core.handle(event, now):
            if isinstance(effect, SetVirtualServices):
                self.level = effect
            if (
                isinstance(effect, SetTracking)
                and (hold := effect.tracking.get("web", Tracking()).hold) != self.told[-1]
            ):
                self.told.append(hold)

    def judge(self, now: float, health: str = "up") -> None:
        for id_ in self.core.probing.probes:
            self.deliver(HealthChanged(id_, health, "so it is"), now)  # type: ignore[arg-type]

    def audit(self, now: float, daemons: SyncDaemons | None = None, *, is_counted: bool = True) -> None:
        assert self.level is not None
        settings = Settings(daemons=daemons or {})
        self.deliver(TableObserved(self.level.table, {}, 0, (), settings=settings, is_counted=is_counted), now)


def test_verdicts_and_an_audit_after_them() -> None:
    subject = Director()
    subject.deliver(ConfigLoaded(PLAIN), 1.0)
    subject.audit(1.5)
    assert subject.told == ["", UNJUDGED]
    subject.judge(2.0)
    assert subject.told == ["", UNJUDGED, UNAUDITED]
    subject.audit(2.5, is_counted=False)
    assert subject.told[-1] == UNAUDITED
    subject.audit(4.5)
    assert subject.told == ["", UNJUDGED, UNAUDITED, ""]


def test_an_audit_of_an_older_level_is_none() -> None:
    subject = Director()
    subject.deliver(ConfigLoaded(PLAIN), 1.0)
    assert subject.level is not None
    before = subject.level.table
    subject.judge(2.0)
    subject.deliver(TableObserved(before, {}, 0, (), is_counted=True), 2.1)
    assert subject.told[-1] == UNAUDITED


def test_a_verdict_that_all_are_down_is_a_verdict() -> None:
    subject = Director()
    subject.deliver(ConfigLoaded(PLAIN), 1.0)
    subject.judge(2.0, "down")
    subject.audit(4.0)
    assert subject.told[-1] == ""


def test_connection_sync_receives_for_its_time() -> None:
    subject = Director()
    subject.deliver(ConfigLoaded(SYNCED), 1.0)
    subject.judge(2.0)
    daemons = wanted_daemons(SYNCED)
    subject.audit(3.0, daemons)
    assert subject.told[-1] == "connection sync does not receive"  # no router is told of: there was nobody to send
    subject.deliver(RoutersObserved({"web": "backup"}), 4.0)
    subject.deliver(DeadlinePassed(0.0), 4.0)
    assert subject.told[-1] == "connection sync has received for less than 10 s"
    assert subject.core.next_instant() == 14.0
    subject.deliver(DeadlinePassed(0.0), 14.0)
    assert subject.told[-1] == ""
    assert subject.core.next_instant() is None
    subject.audit(20.0, {SyncRole.SENDER: daemons[SyncRole.SENDER]})
    assert subject.told[-1] == "connection sync does not receive"


def test_a_router_without_a_guard_is_told_nothing() -> None:
    subject = Director()
    subject.deliver(ConfigLoaded(config(WEB, routers=(structs.replace(router(), guarded_takeover=False),))), 1.0)
    assert subject.told == [""]


def test_without_services_nothing_holds() -> None:
    subject = Director()
    subject.deliver(ConfigLoaded(config(routers=(router(),))), 1.0)
    assert subject.told == [""]


def test_a_reload_with_new_checks_asks_for_them() -> None:
    subject = Director()
    subject.deliver(ConfigLoaded(PLAIN), 1.0)
    subject.judge(2.0)
    subject.audit(3.0)
    more = config(service(real_server(1), real_server(3)), routers=(router(),))
    subject.deliver(ConfigLoaded(more), 10.0)
    assert subject.told[-1] == UNJUDGED
