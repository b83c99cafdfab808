"""From generated configurations through the core to the kernel's table: what a reload, a restart and a crash lead to.

The kernel is the model of haagent.ipvs.plan, which tests/kernel/inside_ipvs.py holds against the real one. Left out is
what remembers on purpose: hysteresis, the frozen pool, damping.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from haagent.config.model import Config, RealServer, SorryServer, VirtualService
from haagent.core.core import Core
from haagent.core.effects import SetVirtualServices
from haagent.core.events import ConfigLoaded, Event, HealthChanged, TableAdopted, TableObserved
from haagent.ipvs.plan import Change, Owned, apply, plan
from haagent.ipvs.table import Destination, DestinationKey, Forwarding, Service, ServiceKey, Table
from haagent.pool.desired import packed
from tests.unit.build import config

Healths = Mapping[str, bool]  # by real server: whether it is up
SERVERS = tuple(range(1, 7))
OTHERS = DestinationKey(packed("192.0.2.77"), 80)
FOREIGN_SERVICE = ServiceKey(6, packed("203.0.113.9"), 80)
FOREIGN: Table = {FOREIGN_SERVICE: Service("rr", destinations={OTHERS: Destination(Forwarding.MASQUERADING, 3)})}


def build_server(number: int, weight: int, tier: int) -> RealServer:
    address = f"192.0.2.{10 + number}"
    return RealServer(
        name=f"rs{number}", address=address, port=80, weight=weight, tier=tier, forwarding_method="masquerading"
    )


real_servers = st.builds(build_server, st.sampled_from(SERVERS), st.sampled_from([0, 1, 1, 2, 5]), st.integers(1, 2))
pools = st.lists(real_servers, min_size=1, max_size=5, unique_by=lambda server: server.name).map(tuple)
sorry_servers = st.one_of(
    st.none(), st.just(SorryServer(address="192.0.2.99", port=80, forwarding_method="masquerading"))
)
services = st.builds(
    VirtualService,
    name=st.just(""),
    address=st.just("198.51.100.100"),
    port=st.sampled_from([80, 81, 82]),
    scheduler=st.sampled_from(["wlc", "rr", "wrr"]),
    persistence_timeout=st.sampled_from([0, 300]),
    forwarding_method=st.just("masquerading"),
    checks=st.just(("tcp",)),
    when_down=st.sampled_from(["remove", "quiesce"]),
    quorum=st.integers(1, 3),
    sorry_server=sorry_servers,
    real_servers=pools,
)


def build_config(found: list[VirtualService]) -> Config:
    return config(*(structs.replace(each, name=f"s{each.port}") for each in found))


configs = st.lists(services, max_size=3, unique_by=lambda each: each.port).map(build_config)
healths = st.fixed_dictionaries({f"rs{number}": st.booleans() for number in SERVERS})


@dataclass
class Director:
    """A core and the kernel it works on: no pool gets smaller on the way than it is at the smaller end."""

    kernel: Table
    core: Core = field(default_factory=Core)
    level: SetVirtualServices | None = None
    changes: list[Change] = field(default_factory=list)

    def deliver(self, event: Event) -> None:
        for effect in self.core.handle(event, 1.0):
            if isinstance(effect, SetVirtualServices):
                self.level = effect
                changes = plan(self.kernel, effect.table, effect.owned)
                end = apply(self.kernel, changes)
                for change in changes:
                    before, self.kernel = self.kernel, apply(self.kernel, [change])
                    self.changes.append(change)
                    for key in before.keys() & end.keys():
                        assert serving(self.kernel, key) >= min(serving(before, key), serving(end, key))
                self.core.handle(TableObserved(self.kernel, {}, 0, ()), 1.0)

    def run(self, wanted: Config, verdicts: Healths) -> "Director":
        self.deliver(ConfigLoaded(wanted))
        self.judge(verdicts)
        return self

    def judge(self, verdicts: Healths) -> None:
        for (_, name), probes in list(self.core.probing.probes_of.items()):
            for probe in probes:
                self.deliver(HealthChanged(probe, "up" if verdicts[name] else "down", "so it is"))

    def next_plan(self) -> list[Change]:
        return plan(self.kernel, self.level.table, self.level.owned) if self.level else []


def restarted(kernel: Table, owned: Owned) -> Director:
    found = Director(kernel)
    found.deliver(TableAdopted(kernel, owned))
    return found


def serving(table: Table, key: ServiceKey) -> int:
    return sum(1 for each in table[key].destinations.values() if each.weight) if key in table else 0


@given(configs, configs, healths)
def test_a_reload_leads_where_a_fresh_start_leads(first: Config, second: Config, verdicts: Healths) -> None:
    reloaded = Director({}).run(first, verdicts).run(second, verdicts)
    assert reloaded.kernel == Director({}).run(second, verdicts).kernel
    assert reloaded.next_plan() == []


@given(configs, configs, healths, healths)
def test_a_restart_with_another_configuration_leads_there_too(
    first: Config, second: Config, before: Healths, after: Healths
) -> None:
    old = Director({}).run(first, before)
    assert old.level is not None
    new = restarted(old.kernel, old.level.owned).run(second, after)
    assert new.kernel == Director({}).run(second, after).kernel
    assert new.next_plan() == []


@given(configs, healths)
def test_a_reload_of_the_same_configuration_makes_no_change(same: Config, verdicts: Healths) -> None:
    director = Director({}).run(same, verdicts)
    director.changes.clear()
    director.deliver(ConfigLoaded(same))
    assert director.changes == []


@given(configs, healths, st.randoms(use_true_random=False))
def test_every_director_makes_the_same_table_in_the_same_order(
    wanted: Config, verdicts: Healths, random: Random
) -> None:
    """Whatever the order in the files, and whichever verdict came first."""

    def shuffled(items: tuple) -> tuple:  # type: ignore[type-arg]
        return tuple(random.sample(items, len(items)))

    other = structs.replace(
        wanted,
        virtual_services=shuffled(
            tuple(structs.replace(each, real_servers=shuffled(each.real_servers)) for each in wanted.virtual_services)
        ),
    )
    one, two = Director({}).run(wanted, verdicts), Director({})
    two.deliver(ConfigLoaded(other))
    two.judge(verdicts)
    assert one.level is not None
    assert two.level is not None
    assert plan({}, one.level.table, Owned()) == plan({}, two.level.table, Owned())


def crashes(kernel: Table, changes: list[Change]) -> Iterator[Table]:
    """The kernel's table where the writer died before the first change, after each, and after the last."""
    yield kernel
    for change in changes:
        kernel = apply(kernel, [change])
        yield kernel


@settings(max_examples=60)
@given(configs, configs, healths, healths)
def test_a_writer_killed_between_any_two_messages_is_followed_by_one_that_ends_equal(
    first: Config, second: Config, before: Healths, after: Healths
) -> None:
    """Whether it died before it stored what is ours or after. Foreign entries stay as they are."""
    old = Director(FOREIGN).run(first, before)
    assert old.level is not None
    if old.level.table:  # somebody's destination in the midst of ours
        key = min(old.level.table)
        pool = dict(old.kernel[key].destinations) | {OTHERS: Destination(Forwarding.MASQUERADING, 0)}
        old.kernel = dict(old.kernel) | {key: replace(old.kernel[key], destinations=pool)}
    start = old.kernel
    whole = restarted(start, old.level.owned).run(second, after)
    owned = old.level.owned  # as stored before the writer began, or after
    for table in crashes(start, _changes_of_reload(old, second)):
        for known in (owned, owned_by_both(owned, whole)):
            new = restarted(table, known).run(second, after)
            assert new.kernel == whole.kernel
            assert new.kernel[FOREIGN_SERVICE] == FOREIGN[FOREIGN_SERVICE]
            assert new.next_plan() == []


def owned_by_both(owned: Owned, director: Director) -> Owned:
    assert director.level is not None
    return owned.together_with(director.level.owned)


def _changes_of_reload(old: Director, second: Config) -> list[Change]:
    for effect in old.core.handle(ConfigLoaded(second), 2.0):
        if isinstance(effect, SetVirtualServices):
            return plan(old.kernel, effect.table, effect.owned)
    pytest.fail("a reload says what is wanted")
