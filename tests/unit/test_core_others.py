"""What a reload removes, and what somebody else did to the table: from events to levels and records."""

import pytest
from msgspec import structs

from haagent.config.model import Config, VirtualService
from haagent.core.core import Core
from haagent.core.effects import Record, SetVirtualServices
from haagent.core.events import ConfigLoaded, DeadlinePassed, Event, HealthChanged, TableAdopted, TableObserved
from haagent.ipvs.drift import Drift, Policy
from haagent.ipvs.plan import Owned, apply, plan
from haagent.ipvs.table import DestinationCounts, DestinationKey, Table
from haagent.pool.desired import destination_key, service_key
from tests.unit.build import config, real_server, service


def web(*numbers: int, **more: object) -> VirtualService:
    return structs.replace(service(*map(real_server, numbers)), removal_time=30.0, **more)  # type: ignore[arg-type]


def at(number: int) -> DestinationKey:
    return destination_key(f"198.51.100.{10 + number}", 80)


WEB = service_key(web(1))


class Director:
    def __init__(self, kernel: Table | None = None) -> None:
        self.core, self.kernel = Core(), kernel or {}
        self.records: list[Record] = []
        self.level: SetVirtualServices | None = None
        self.deliver(TableAdopted(self.kernel, Owned()), 0.0)

    def deliver(self, event: Event, now: float) -> None:
        for effect in self.core.handle(event, now):
            if isinstance(effect, Record):
                self.records.append(effect)
            if isinstance(effect, SetVirtualServices):
                self.level = effect
                owned = effect.owned.or_all_of(self.kernel, is_exclusive=effect.policy.is_exclusive)
                self.kernel = apply(self.kernel, plan(self.kernel, effect.table, owned))

    def load(self, wanted: Config, now: float) -> None:
        self.deliver(ConfigLoaded(wanted), now)
        for id_, verdict in self.core.probing.verdicts.items():
            if verdict.health == "unknown":
                self.deliver(HealthChanged(id_, "up", "HTTP 200"), now)

    def look(self, now: float, *, busy: tuple[int, ...] = ()) -> None:
        counts = {(WEB, at(number)): DestinationCounts(active_connections=1) for number in busy}
        self.deliver(TableObserved(self.kernel, counts, 0, (), is_counted=True), now)

    def weights(self) -> dict[DestinationKey, int]:
        found = self.kernel.get(WEB)
        return {key: each.weight for key, each in found.destinations.items()} if found else {}

    def told(self) -> list[tuple[str, str, str]]:
        return [(each.name, each.state, each.cause) for each in self.records if each.subject == "table"]


def test_a_removed_server_goes_with_its_last_connection() -> None:
    subject = Director()
    subject.load(config(web(1, 2)), 1.0)
    subject.load(config(web(1)), 10.0)
    assert subject.weights() == {at(1): 1, at(2): 0}
    subject.look(11.0, busy=(2,))
    assert at(2) in subject.weights()
    subject.look(12.0)
    assert subject.weights() == {at(1): 1}
    assert subject.told() == [
        ("web/rs2", "leaving", "a reload removed it: 30 s for its connections"),
        ("web/rs2", "removed", "its last connection is closed"),
    ]


def test_a_removed_server_goes_at_its_deadline_and_a_reload_does_not_move_that() -> None:
    subject = Director()
    subject.load(config(web(1, 2)), 1.0)
    subject.load(config(web(1)), 10.0)
    subject.load(config(web(1)), 20.0)
    subject.look(25.0, busy=(2,))
    assert subject.core.next_instant() == 40.0
    subject.deliver(DeadlinePassed(0.0), 40.0)
    assert subject.weights() == {at(1): 1}
    assert subject.told()[-1] == ("web/rs2", "removed", "its removal_time is over")
    assert subject.core.next_instant() is None


def test_a_removed_service_stands_until_its_connections_are_over() -> None:
    subject = Director()
    subject.load(config(web(1, 2)), 1.0)
    subject.load(config(), 10.0)
    assert subject.weights() == {at(1): 0, at(2): 0}
    subject.look(11.0, busy=(2,))
    assert subject.weights() == {at(2): 0}
    subject.deliver(DeadlinePassed(0.0), 40.0)
    assert subject.kernel == {}


def test_one_that_comes_back_does_not_lose_its_connections() -> None:
    subject = Director()
    subject.load(config(web(1, 2)), 1.0)
    subject.load(config(web(1)), 10.0)
    subject.deliver(ConfigLoaded(config(web(1, 2))), 20.0)
    assert subject.weights() == {at(1): 1, at(2): 0}  # until its checks have judged it
    assert subject.core.level.leaving == {}


def test_by_default_what_is_removed_goes_at_once() -> None:
    subject = Director()
    subject.load(config(service(real_server(1), real_server(2))), 1.0)
    subject.load(config(service(real_server(1))), 10.0)
    assert subject.weights() == {at(1): 1}


@pytest.mark.parametrize(("foreign", "stays"), [("ignore", True), ("adopt", False), ("remove", False)])
def test_what_was_there_at_the_start(foreign: str, stays: bool) -> None:
    others = Director()
    others.load(config(service(real_server(1), port=8080)), 1.0)
    subject = Director(others.kernel)
    wanted = config(web(1))
    subject.load(structs.replace(wanted, director=structs.replace(wanted.director, foreign=foreign)), 1.0)
    assert bool(others.kernel.keys() & subject.kernel.keys()) is stays


def test_the_policy_is_told_with_the_level() -> None:
    subject = Director()
    wanted = config(web(1))
    subject.load(structs.replace(wanted, director=structs.replace(wanted.director, drift="report")), 1.0)
    assert subject.level is not None
    assert subject.level.policy == Policy(heals=False, is_exclusive=False, generation=1)
    subject.load(wanted, 2.0)
    assert subject.level.policy == Policy(generation=2)


def test_others_edits_are_named_and_counted() -> None:
    subject = Director()
    subject.load(config(web(1, 2)), 1.0)
    edits = (Drift((WEB, at(1)), "weight 1", "weight 5"), Drift((WEB, at(9)), "absent", "weight 1"))
    names = tuple(each.name for each in edits)
    subject.deliver(TableObserved(subject.kernel, {}, 1, (), drifts=edits, foreign=names[1:]), 5.0)
    assert [(each.name, each.previous, each.state, each.cause, each.actor) for each in subject.records[-2:]] == [
        (names[0], "weight 1", "weight 5", "somebody else changed it: it is set right", "somebody else"),
        (names[1], "absent", "weight 1", "somebody else added it: it is left so", "somebody else"),
    ]
    assert (subject.core.kernel.drifted, subject.core.kernel.foreign) == (2, names[1:])


def test_a_flood_of_edits_is_a_few_lines() -> None:
    subject = Director()
    subject.load(config(web(1)), 1.0)
    edits = tuple(Drift((WEB, destination_key(f"192.0.2.{n}", 80)), "absent", "weight 1") for n in range(100))
    before = len(subject.records)
    subject.deliver(TableObserved(subject.kernel, {}, 0, (), drifts=edits), 5.0)
    assert len(subject.records) - before == 21
    assert subject.records[-1].cause == "somebody else changed 80 entries more"
