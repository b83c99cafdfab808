"""The tier that serves."""

from haagent.config.model import RealServer
from haagent.pool.tiers import NO_TIER, serving_tier


def server(name: str, tier: int) -> RealServer:
    return RealServer(name=name, address="192.0.2.1", port=80, tier=tier, forwarding_method="masquerading")


SERVERS = (server("c", 3), server("a", 1), server("b", 2))


def test_the_lowest_number_with_somebody_healthy() -> None:
    assert serving_tier(SERVERS, {"a": 1, "b": 1, "c": 1}) == 1
    assert serving_tier(SERVERS, {"b": 1, "c": 1}) == 2
    assert serving_tier(SERVERS, {"c": 1}) == 3


def test_weight_0_does_not_serve() -> None:
    assert serving_tier(SERVERS, {"a": 0, "c": 1}) == 3


def test_nobody() -> None:
    assert serving_tier(SERVERS, {}) == NO_TIER
    assert serving_tier((), {}) == NO_TIER
