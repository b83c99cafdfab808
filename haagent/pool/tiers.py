"""Which tier of a pool serves: the lowest number in which a real server is healthy. Pure.

A tier takes over when the one before it has nobody left, and hands back as soon as somebody returns there. There is no
moment without servers: the plan lets a pool grow before it lets it shrink.
"""

from collections.abc import Iterable, Mapping

from haagent.config.model import RealServer

NO_TIER = 0


def serving_tier(servers: Iterable[RealServer], live: Mapping[str, int]) -> int:
    """`live`: the weights of the healthy, by name. NO_TIER: nobody is healthy."""
    return min((server.tier for server in servers if live.get(server.name)), default=NO_TIER)
