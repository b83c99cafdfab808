"""What must agree in how a virtual service judges its real servers: what could never happen is refused, and why."""

from collections.abc import Iterator
from typing import Any

from haagent.config.error import Found
from haagent.config.reading import Draft

STEPS = {"linear": 10, "doubling": 32}  # the least weight that has them all (haagent/health/slow_start.py)
# net/netfilter/ipvs/ip_vs_{rr,lc,dh,fo,ovf}.c: these do not share by weight.
UNWEIGHTED = ("rr", "lc", "dh", "fo", "ovf")


def judgement_checks(service: Draft) -> Iterator[Found]:
    checks, require = service.get("checks"), service.get("require")
    if isinstance(require, int) and checks is not None and require > len(checks):
        yield Found(service.at("require"), f"{require} of {len(checks)} checks can never pass; expected fewer, or all")
    yield from _slow_start(service)
    if (damping := service.get("damping")) is not None:
        yield from _damping(damping)


def _slow_start(service: Draft) -> Iterator[Found]:
    start, scheduler = service.get("slow_start"), service.get("scheduler")
    if start is None:
        return
    if scheduler in UNWEIGHTED:
        yield Found(service.at("slow_start"), f"scheduler {scheduler} does not share by weight; expected wrr or wlc")
        return
    if scheduler in ("sh", "mh"):
        yield Found(
            service.at("slow_start"),
            f"each step would move clients under {scheduler}; expected wrr or wlc as scheduler",
        )
        return
    needed = STEPS.get(start.get("mode") or "", 1)
    for server in service.get("real_servers") or ():
        if server.get("weight") == 1:
            yield Found(
                service.at("slow_start"),
                f"has no steps for a weight of 1, since the kernel's weights are whole numbers; "
                f"give every real server of the service a weight of {needed} or more",
            )
            return


def _damping(damping: Draft) -> Iterator[Found]:
    values: list[Any] = [damping.get(name) for name in ("suppress", "reuse", "half_life", "maximum_time")]
    if any(value is None for value in values):
        return
    suppress, reuse, half_life, maximum_time = values
    if reuse >= suppress:
        yield Found(damping.at("reuse"), f"{reuse:g} is not below suppress = {suppress:g}, so nobody would be kept out")
        return
    most = reuse * 2.0 ** min(maximum_time / half_life, 900.0)
    if most < suppress:
        yield Found(
            damping.at("maximum_time"),
            f"limits the penalty to {most:.1f} (reuse doubled every half_life), so suppress = {suppress:g} is never "
            "reached; expected a longer time",
        )
