"""The short form of `make fuzz`: the same seeds in every run, a few seconds."""

from pathlib import Path
from random import Random

import pytest

from tests.fuzz.guided import MISSING, attempt, guided, is_available
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


# ------------------------------------------------------------------------------------------------- guided by coverage

ANSWERED = [name for name in TARGETS if name.startswith("probe_")] + ["http", "dns_message", "program", "certificate"]
needs_atheris = pytest.mark.skipif(not is_available(), reason=MISSING)


@needs_atheris
def test_coverage_leads_to_new_code_in_the_parsers_of_answers_and_to_no_failure(tmp_path: Path) -> None:
    """All parsers of what a real server may say, in one process; the corpus of the first run starts the second."""
    seeds = sum(len(TARGETS[name].seeds) for name in ANSWERED)
    first = guided(ANSWERED, tmp_path, rounds=seeds + 1)
    assert first.failures == (), "\n".join(map(str, first.failures))
    further = guided(ANSWERED, tmp_path, rounds=20_000, seed=2)
    assert further.failures == (), "\n".join(map(str, further.failures))
    assert further.rounds >= 20_000
    assert further.reached > first.reached > 500


@needs_atheris
def test_a_fault_that_chance_would_not_find_is_found_and_replays(tmp_path: Path) -> None:
    from tests.fuzz.planted import TARGETS as PLANTED

    assert fuzz(PLANTED["planted"], 0, 20_000) == []
    [failure] = guided(["planted"], tmp_path, rounds=400_000, module="tests.fuzz.planted").failures
    assert failure.octets[:4] == bytes.fromhex("9c3ed157")
    again = attempt(PLANTED["planted"], failure.octets)
    assert again is not None
    assert "is_deep" in again.trace


@needs_atheris
def test_a_parser_that_kills_its_process_is_a_failure(tmp_path: Path) -> None:
    [failure] = guided(["lethal"], tmp_path, rounds=10, module="tests.fuzz.planted").failures
    assert failure.target == "lethal"
