"""Who may run: the total, the share of one address, and the order."""

from hypothesis import given
from hypothesis import strategies as st

from haagent.config.checks import TcpCheck
from haagent.health.budget import Budget
from haagent.health.probe import Probe

CHECK = TcpCheck(name="c")


def probe(id: int, address: str = "192.0.2.11") -> Probe:
    return Probe(id, CHECK, address, 80)


def taken(budget: Budget) -> list[int]:
    ids = []
    while (one := budget.take()) is not None:
        ids.append(one.id)
    return ids


def test_the_total_in_the_order_of_asking() -> None:
    budget = Budget(2, 9)
    for id in range(4):
        budget.ask(probe(id))
    assert taken(budget) == [0, 1]
    budget.give_back(1)
    budget.ask(probe(1))  # again: behind those that wait
    assert taken(budget) == [2]
    budget.give_back(0)
    budget.give_back(2)
    assert taken(budget) == [3, 1]
    assert len(budget) == 0


def test_an_address_holds_up_none_but_its_own() -> None:
    budget = Budget(10, 2)
    for id in range(5):
        budget.ask(probe(id))
    budget.ask(probe(9, "192.0.2.12"))
    assert taken(budget) == [0, 1, 9]
    assert len(budget) == 3
    budget.give_back(9)
    assert taken(budget) == []
    budget.give_back(0)
    assert taken(budget) == [2]


def test_forgetting_those_that_wait() -> None:
    budget = Budget(1, 1)
    for id, address in ((0, "a"), (1, "a"), (2, "b"), (3, "a")):
        budget.ask(probe(id, address))
    assert taken(budget) == [0]
    assert budget.forget(1)
    assert budget.forget(2)
    assert not budget.forget(0)  # it runs
    budget.give_back(0)
    assert taken(budget) == [3]


@given(
    st.integers(1, 5), st.integers(1, 3), st.lists(st.tuples(st.integers(0, 2), st.integers(0, 30), st.integers(0, 2)))
)
def test_limits_hold_and_nobody_is_lost(total: int, each: int, moves: list[tuple[int, int, int]]) -> None:
    budget, running, waiting = Budget(total, each), dict[int, str](), dict[int, str]()
    for move, id, place in moves:
        if move == 0 and id not in running and id not in waiting:
            waiting[id] = f"host{place}"
            budget.ask(probe(id, f"host{place}"))
        elif move == 1 and running:
            gone = sorted(running)[id % len(running)]
            del running[gone]
            budget.give_back(gone)
        elif move == 2 and waiting:
            gone = sorted(waiting)[id % len(waiting)]
            del waiting[gone]
            assert budget.forget(gone)
        for one in taken(budget):
            running[one] = waiting.pop(one)
        hosts = list(running.values())
        assert len(running) <= total
        assert all(hosts.count(host) <= each for host in hosts)
        assert len(budget) == len(waiting)
        free = {host for host in waiting.values() if hosts.count(host) < each}
        assert not free or len(running) == total


def test_path_probes_of_one_virtual_address_count_for_their_own_real_servers() -> None:
    budget = Budget(10, 1)
    for number in (1, 2):
        budget.ask(
            Probe(number, TcpCheck(name="t"), "198.51.100.100", 80, through=f"198.51.100.1{number}", mark=number)
        )
    assert budget.take() is not None
    assert budget.take() is not None


def test_who_is_admitted_at_once_overtakes_nobody_and_counts() -> None:
    budget = Budget(2, 1)
    first, same_host, second, third = (
        Probe(number, TcpCheck(name="t"), f"198.51.100.{host}", 80) for number, host in enumerate((1, 1, 2, 3))
    )
    assert budget.admits(first)
    assert not budget.admits(same_host)
    budget.ask(same_host)
    assert budget.admits(second)
    assert not budget.admits(third)
    budget.give_back(first.id)  # its place is the waiting one's
    assert not budget.admits(third)
    assert budget.take() is same_host
    budget.give_back(second.id)
    assert budget.admits(third)
