"""What could never happen in the judgement of a service is refused, and why."""

from pathlib import Path

import pytest

from haagent.config.load import load
from haagent.config.model import Config, Damping, DynamicWeight, SlowStart

TEXT = """
[director]
names = ["d1"]
maintenance_directory = "/etc/haagent/maintenance"
probe_budget = 20
[check.a]
type = "tcp"
[check.b]
type = "tcp"
port = 81
[virtual_service.web]
address = "192.0.2.100"
port = 80
scheduler = "{scheduler}"
forwarding_method = "direct_routing"
check = ["a", "b"]
{more}
real_servers = [{{ name = "rs1", address = "192.0.2.11", weight = {weight} }}]
"""


def read(tmp_path: Path, more: str, weight: int = 100, scheduler: str = "wlc") -> Config | list[str]:
    file = tmp_path / "site.toml"
    file.write_text(TEXT.format(more=more, weight=weight, scheduler=scheduler))
    found = load(tmp_path, "d1")
    return found if isinstance(found, Config) else [str(error) for error in found]


def test_everything_is_read(tmp_path: Path) -> None:
    found = read(
        tmp_path,
        """
require = 2
slow_start = { mode = "doubling", time = 30 }
damping = { half_life = 20, suppress = 3, reuse = 0.5, maximum_time = 120 }
dynamic_weight = { floor = 5, step = 10, minimum_interval = 2 }
maximum_removal = 0.5
removal_window = 5
removal_hold = 20
""",
    )
    assert isinstance(found, Config), found
    (web,) = found.virtual_services
    assert (web.require, web.maximum_removal, web.removal_window, web.removal_hold) == (2, 0.5, 5.0, 20.0)
    assert web.slow_start == SlowStart(mode="doubling", time=30)
    assert web.damping == Damping(half_life=20, suppress=3, reuse=0.5, maximum_time=120)
    assert web.dynamic_weight == DynamicWeight(floor=5, step=10, minimum_interval=2)
    assert (found.director.maintenance_directory, found.director.probe_budget) == ("/etc/haagent/maintenance", 20)


def test_by_default_there_is_none_of_it(tmp_path: Path) -> None:
    found = read(tmp_path, "")
    assert isinstance(found, Config), found
    (web,) = found.virtual_services
    assert (web.require, web.slow_start, web.damping, web.maximum_removal) == ("all", None, None, 1.0)


@pytest.mark.parametrize(
    ("more", "weight", "scheduler", "sentence"),
    [
        ("require = 3", 100, "wlc", "3 of 2 checks can never pass; expected fewer, or all"),
        (
            'require = "some"',
            100,
            "wlc",
            'expected all, any or how many of the checks must pass, got the string "some"',
        ),
        ("require = true", 100, "wlc", "expected all, any or how many of the checks must pass, got the boolean true"),
        ("slow_start = {}", 1, "wlc", "give every real server of the service a weight of 10 or more"),
        ('slow_start = { mode = "doubling" }', 1, "wlc", "a weight of 32 or more"),
        ("slow_start = {}", 100, "rr", "scheduler rr does not share by weight; expected wrr or wlc"),
        ("slow_start = {}", 100, "mh", "each step would move clients under mh; expected wrr or wlc as scheduler"),
        (
            "damping = { suppress = 2, reuse = 2 }",
            100,
            "wlc",
            "2 is not below suppress = 2, so nobody would be kept out",
        ),
        (
            "damping = { half_life = 60, maximum_time = 60, suppress = 4 }",
            100,
            "wlc",
            "limits the penalty to 2.0 (reuse doubled every half_life), so suppress = 4 is never reached",
        ),
    ],
)
def test_refusals(tmp_path: Path, more: str, weight: int, scheduler: str, sentence: str) -> None:
    found = read(tmp_path, more, weight, scheduler)
    assert isinstance(found, list)
    assert any(sentence in each for each in found), found
