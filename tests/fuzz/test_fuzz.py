"""The short form of `make fuzz`: the same seeds in every run, a few seconds."""

from random import Random

import pytest

from tests.fuzz.mutate import mutate
from tests.fuzz.run import fuzz, replay
from tests.fuzz.targets import TARGETS, Target

ROUNDS = {"config": 150, "topology": 150, "sniff": 150}  # slow ones; the others:
MANY = 1000


@pytest.mark.parametrize("name", TARGETS)
def test_only_declared_values_come_out(name: str) -> None:
    failures = fuzz(TARGETS[name], first=0, rounds=ROUNDS.get(name, MANY))
    assert not failures, "\n".join(map(str, failures))


def test_a_seed_replays() -> None:
    def run(octets: bytes, random: object) -> None:
        assert b"x" not in octets

    target = Target("x", (b"axb", b"abc"), run)
    failures = [failure for seed in range(50) if (failure := replay(target, seed))]
    assert failures
    assert replay(target, failures[0].seed) == failures[0]
    assert len(fuzz(target, 0, 50)) == 1  # one for each place in the code


@pytest.mark.parametrize("name", TARGETS)
def test_damage_differs_from_the_seeds_and_is_sometimes_none(name: str) -> None:
    target = TARGETS[name]
    made = {mutate(target.seeds, Random(seed)) for seed in range(200)}
    assert len(made) > 50
    assert made & set(target.seeds)
