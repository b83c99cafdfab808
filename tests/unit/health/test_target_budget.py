"""So many tries a second at one address."""

from hypothesis import given
from hypothesis import strategies as st

from haagent.health.target_budget import sentence, stretches

A, B = "198.51.100.11", "198.51.100.12"


def test_within_the_budget_nothing_changes():
    assert stretches([(A, 0.1)] * 5, 50) == {}
    assert stretches([(A, 0.001)] * 5, 0) == {}


def test_beyond_it_every_check_of_that_address_is_stretched_alike():
    assert stretches([(A, 0.1)] * 12 + [(B, 1.0)], 50) == {A: 2.4}
    assert sentence(A, 2.4, 50) == (
        "198.51.100.11 would be tried 120 times a second, and probe_budget is 50: "
        "the intervals of all its checks are stretched by 2.4"
    )


@given(st.lists(st.tuples(st.sampled_from([A, B]), st.floats(0.01, 100)), max_size=50), st.floats(0.1, 100))
def test_the_budget_holds(tries, budget):
    found = stretches(tries, budget)
    for address in (A, B):
        factor = found.get(address, 1.0)
        assert factor >= 1
        assert sum(1 / (interval * factor) for where, interval in tries if where == address) <= budget * (1 + 1e-6)
