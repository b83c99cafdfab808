"""From what the checks say to what the pool is told: damping, slow start, wished weights, a limit on removals. Pure.

`Judgement` is all that one service remembers of it, a value: `judged` makes the next one from the last one and from
what is seen now, and forgets nobody but real servers that are gone or have another address. `effective` is what `pool`
gets to hear instead of the checks' verdicts, `with_shares` what becomes of the weights afterwards: quorum and freeze
count configured weights, so no slow start costs a quorum.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from haagent.config.model import VirtualService
from haagent.health import slow_start
from haagent.health.check import HealthState
from haagent.health.damping import Damped, changed, decayed, eligible_at, penalty_at
from haagent.health.dynamic_weight import WHOLE, Followed, follow, next_change_at
from haagent.health.removal import Limits, Removals, limited, next_release_at
from haagent.health.slow_start import next_step_at, scaled
from haagent.ipvs.table import DestinationKey
from haagent.pool.desired import Pool, destination_key

Instant = float
LARGEST_WEIGHT = 65535
NEVER, NOBODY_ASKED, NO_REMOVALS = Damped(), Followed(), Removals()


@dataclass(frozen=True, slots=True)
class Seen:
    """One real server now."""

    health: HealthState  # all checks together
    asked: int | None = None  # percent of its weight that it asks for
    is_wanted: bool = True  # neither drained nor disabled
    served: bool = False  # until now


@dataclass(frozen=True, slots=True)
class ServerJudgement:
    """What is remembered of one real server."""

    target: tuple[str, int]  # address and port: a server with another one is another server
    verdict: HealthState = "unknown"  # the last that was known
    damped: Damped = NEVER
    ramp_since: Instant | None = None  # None: it has its whole share
    followed: Followed = NOBODY_ASKED
    share: float = 1.0  # of its weight, now
    is_in: bool = False  # by verdict, damping and operators


@dataclass(frozen=True, slots=True)
class Judgement:
    """Of one service."""

    servers: Mapping[str, ServerJudgement] = field(default_factory=dict)
    removals: Removals = NO_REMOVALS


def judged(service: VirtualService, seen: Mapping[str, Seen], before: Judgement, now: Instant) -> Judgement:
    """`seen`: every real server of the service by name."""
    known = {
        server.name: each
        for server in service.real_servers
        if (each := before.servers.get(server.name)) and each.target == (server.address, server.port)
    }
    removals = limited(
        Limits(service.maximum_removal, service.removal_window, service.removal_hold),
        Removals(before.removals.left, {name: at for name, at in before.removals.held.items() if name in known}),
        down={name for name, each in seen.items() if each.health == "down"},
        newly_down=[
            name
            for name, each in seen.items()
            if each.health == "down" and each.served and name in known and known[name].verdict == "up"
        ],
        total=sum(1 for server in service.real_servers if server.weight and seen[server.name].is_wanted),
        now=now,
    )
    servers = {
        server.name: _server(
            service,
            known.get(server.name, ServerJudgement((server.address, server.port))),
            seen[server.name],
            now,
            is_held=server.name in removals.held,
        )
        for server in service.real_servers
    }
    return Judgement(servers, removals)


def _server(
    service: VirtualService, before: ServerJudgement, seen: Seen, now: Instant, *, is_held: bool
) -> ServerJudgement:
    verdict = before.verdict if seen.health == "unknown" else seen.health
    damped = Damped()
    if (damping := service.damping) is not None:
        damped = before.damped
        if verdict != before.verdict and before.verdict != "unknown":
            damped = changed(damping, damped, now)
        damped = decayed(damping, damped, now)
    is_in = ((seen.health == "up" and not damped.suppressed) or is_held) and seen.is_wanted
    ramp_since = before.ramp_since
    if service.slow_start is None or not is_in:
        ramp_since = None
    elif not before.is_in and not seen.served:
        ramp_since = now
    elif ramp_since is not None and slow_start.share(service.slow_start, ramp_since, now) >= 1:
        ramp_since = None
    followed = follow(service.dynamic_weight, before.followed, seen.asked, now)
    part = (
        1.0
        if service.slow_start is None or ramp_since is None
        else slow_start.share(service.slow_start, ramp_since, now)
    )
    part *= (WHOLE if followed.percent is None else followed.percent) / WHOLE
    return ServerJudgement(before.target, verdict, damped, ramp_since, followed, part, is_in)


def is_plain(service: VirtualService) -> bool:
    """Whether nothing of this is configured: without wishes of real servers, there is nothing to remember."""
    return service.slow_start is None and service.damping is None and service.maximum_removal >= 1


def next_deadline(service: VirtualService, judgement: Judgement, now: Instant) -> Instant | None:
    """When `judged` will say something else although nothing new is seen."""
    found = [next_release_at(judgement.removals)]
    for each in judgement.servers.values():
        if service.damping is not None:
            found.append(eligible_at(service.damping, each.damped))
        if service.slow_start is not None and each.ramp_since is not None:
            found.append(next_step_at(service.slow_start, each.ramp_since, now))
        found.append(next_change_at(service.dynamic_weight, each.followed))
    return min((at for at in found if at is not None), default=None)


# ------------------------------------------------------------------------------------------------ what follows from it


def effective(judgement: Judgement, name: str, health: HealthState, *, is_damped: bool) -> HealthState:
    """What the pool is told of a real server. `is_damped`: whether damping counts."""
    if name in judgement.removals.held:
        return "up"
    each = judgement.servers.get(name)
    if is_damped and each is not None and each.damped.suppressed and health == "up":
        return "down"
    return health


def suppresses(judgement: Judgement) -> bool:
    return any(each.damped.suppressed for each in judgement.servers.values())


def is_worse(damped: Pool, undamped: Pool) -> bool:
    """Whether damping alone would cost the service its quorum, or freeze it: then damping does not count."""
    return (undamped.has_quorum and not damped.has_quorum) or (damped.is_frozen and not undamped.is_frozen)


def with_shares(service: VirtualService, judgement: Judgement, pool: Pool) -> Pool:
    """The pool with the weights of those that serve reduced, or raised, to their shares.

    At least 1, but for one that asked to be drained; and if all did, each gets 1: nobody serves while nobody does.
    """
    if all(each.share == 1.0 for each in judgement.servers.values()):
        return pool
    destinations = dict(pool.service.destinations)
    weights: dict[DestinationKey, int] = {}
    for server in service.real_servers:
        target = destination_key(server.address, server.port)
        if server.name in pool.serving and target in destinations:
            known = judgement.servers.get(server.name)
            share = 1.0 if known is None else known.share
            weights[target] = min(LARGEST_WEIGHT, scaled(destinations[target].weight, share)) if share > 0 else 0
    if not any(weights.values()):
        weights = dict.fromkeys(weights, 1)
    destinations |= {target: replace(destinations[target], weight=weight) for target, weight in weights.items()}
    return replace(pool, service=replace(pool.service, destinations=destinations))


# --------------------------------------------------------------------------------------------------- in words


@dataclass(frozen=True, slots=True)
class Change:
    """One line of the history."""

    name: str  # of the real server
    previous: str
    state: str
    cause: str


def changes(service: VirtualService, before: Judgement, after: Judgement, now: Instant) -> Iterator[Change]:
    for name, each in after.servers.items():
        old = before.servers.get(name)
        was_suppressed = old is not None and old.damped.suppressed
        if each.damped.suppressed and not was_suppressed:
            yield Change(name, "eligible", "suppressed", suppression(service, each, now))
        elif was_suppressed and not each.damped.suppressed:
            yield Change(name, "suppressed", "eligible", "its penalty has decayed")
        is_held, was_held = name in after.removals.held, name in before.removals.held
        if is_held and not was_held:
            yield Change(name, "", "held", hold(service, after, name, now))
        elif was_held and not is_held:
            came_back = each.verdict == "up"
            cause = "it is up again" if came_back else f"still down after {service.removal_hold:g} s"
            yield Change(name, "held", "kept" if came_back else "removed", cause)


def suppression(service: VirtualService, each: ServerJudgement, now: Instant) -> str:
    """Why a flapping real server is kept out; empty: it is not."""
    if service.damping is None or (at := eligible_at(service.damping, each.damped)) is None:
        return ""
    penalty = penalty_at(service.damping, each.damped, now)
    left = max(0.0, at - now)
    return f"it flaps: penalty {penalty:.1f}, eligible again in {left:.0f} s at penalty {service.damping.reuse:g}"


def hold(service: VirtualService, judgement: Judgement, name: str, now: Instant) -> str:
    """Why a failed real server stays in service; empty: it does not."""
    until = judgement.removals.held.get(name)
    if until is None:
        return ""
    return (
        f"kept although it is down: more than {service.maximum_removal:.0%} of the real servers failed within "
        f"{service.removal_window:g} s; if it is still down it leaves in {max(0.0, until - now):.0f} s"
    )
