"""Faults as data, drawn from the seed; `inject` puts one into a world."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from random import Random
from typing import TYPE_CHECKING, Literal, assert_never, get_args

from tests.simulation.real_server import Mood

if TYPE_CHECKING:
    from tests.simulation.world import World

FIRST_AT = 8.0  # every election of the start is over
CALM_AT = 46.0  # every fault is over, but for directors that stay away

Kind = Literal[
    "stall", "crash", "power_loss", "clean_stop", "link_down", "mute",  # of one director
    "partition", "one_way", "loss", "corruption", "jitter",  # of the segment
    "reload", "address_deleted", "kernel_refuses", "kernel_slow", "handover",
    "server_refuses", "server_hangs", "server_late", "server_flaps", "server_unreachable",
    "prober_killed", "table_edited",
]  # fmt: skip
OF_POOLS: tuple[Kind, ...] = (
    "server_refuses", "server_hangs", "server_late", "server_flaps", "server_unreachable", "prober_killed",
    "table_edited",
)  # fmt: skip
KINDS: tuple[Kind, ...] = tuple(each for each in get_args(Kind) if each not in OF_POOLS)
SERVERS = 3
ALL_SERVERS = SERVERS  # of server_unreachable: the director's own way to them is broken

# While one of these lasts, and until all have heard each other again, two routers may be Active
DISTURBING = frozenset(("stall", "partition", "one_way", "loss", "corruption", "jitter", "link_down", "mute"))


@dataclass(frozen=True, slots=True)
class Fault:
    kind: Kind
    at: float  # seconds of the world
    until: float  # inf: for good
    director: int
    router: int = 0  # of a pool's fault: the real server
    value: float = 0.0  # what the kind makes of it: a probability, a priority, seconds, or the side of each station
    preempt: bool = True  # of a reload


def draw_faults(random: Random, directors: int, routers: int) -> tuple[Fault, ...]:
    """One fault alone in a third of the seeds (its exact bounds are checked), else up to six at once."""
    count = 1 if random.random() < 1 / 3 else random.randint(2, 6)
    return tuple(sorted((_draw(random, directors, routers) for _ in range(count)), key=lambda fault: fault.at))


def draw_pool_faults(random: Random, directors: int) -> tuple[Fault, ...]:
    """One to five faults of real servers and of what watches them, beside at most two of the others."""
    drawn = [_draw(random, directors, 1, OF_POOLS) for _ in range(random.randint(1, 5))]
    drawn += [_draw(random, directors, 1) for _ in range(random.randint(0, 2))]
    return tuple(sorted(drawn, key=lambda fault: fault.at))


def _draw(random: Random, directors: int, routers: int, kinds: tuple[Kind, ...] = KINDS) -> Fault:
    kind = random.choice(kinds)
    at = random.uniform(FIRST_AT, CALM_AT - 8.0)
    lasts = random.choice((random.uniform(0.05, 1.0), random.uniform(1.0, 8.0), random.uniform(8.0, 30.0)))
    until = min(at + lasts, CALM_AT)
    value = 0.0
    match kind:
        case "stall":
            until = min(until, at + 8.0)
        case "power_loss" | "clean_stop":
            until = inf if random.random() < 0.3 else until
        case "loss":
            value = random.choice((0.1, 0.3, 0.6))
        case "corruption":
            value = random.choice((0.05, 0.3))
        case "jitter":
            value = round(random.uniform(0.1, 2.5), 9)
        case "kernel_slow":
            value = round(random.uniform(0.01, 1.5), 9)
        case "handover":
            value = random.choice((inf, lasts, 0.0))  # seconds; taken back at `until`, if that is sooner
        case "reload":
            value = random.choice((1, 50, 100, 150, 200, 254))
        case "server_unreachable":
            until = inf if random.random() < 0.4 else until
        case "server_late":
            value = round(random.uniform(0.2, 2.0), 9)
        case "server_flaps":
            value = random.uniform(0.3, 5.0)
        case "partition" | "one_way":
            value = random.randrange(1, 1 << (directors + 1))  # a bit for each station: its side
        case _:
            pass
    return Fault(
        kind,
        at,
        until,
        random.randrange(directors),
        _draw_which(random, kind, routers),
        value,
        preempt=random.random() < 0.7,
    )


def _draw_which(random: Random, kind: Kind, routers: int) -> int:
    if kind == "server_unreachable":
        return random.choice((0, 1, 2, ALL_SERVERS))
    return random.randrange(SERVERS if kind in OF_POOLS else routers)


def inject(world: World, fault: Fault) -> None:
    director = world.directors[fault.director]
    number = fault.router if len(world.segments) > 1 else 0
    segment = world.segments[number]
    match fault.kind:
        case "stall":
            world.at(fault.at, director.stall, fault.until)
        case "crash":
            world.at(fault.at, director.kill)
            world.at(fault.until, director.power_on)
        case "power_loss":
            world.at(fault.at, director.power_off)
            if fault.until < inf:
                world.at(fault.until, director.power_on)
        case "clean_stop":
            world.at(fault.at, director.stop)
            if fault.until < inf:
                world.at(fault.until, director.power_on)
        case "link_down":
            world.at(fault.at, director.set_link, +1, number)
            world.at(fault.until, director.set_link, -1, number)
        case "mute":
            world.at(fault.at, _raise, director, "refusing_sends", 1)
            world.at(fault.until, _raise, director, "refusing_sends", -1)
        case "partition" | "one_way":
            sides = int(fault.value)
            pairs = [
                (sender, receiver)
                for sender in segment.stations()
                for receiver in segment.stations()
                if (sides >> sender & 1) != (sides >> receiver & 1)
                and (fault.kind == "partition" or sides >> sender & 1)
            ]
            world.at(fault.at, segment.cut, pairs, +1)
            world.at(fault.until, segment.cut, pairs, -1)
        case "loss" | "corruption":
            world.at(fault.at, _raise, segment, fault.kind, fault.value)
            world.at(fault.until, _raise, segment, fault.kind, -fault.value)
        case "jitter":
            world.at(fault.at, _raise, segment, "delay", fault.value)
            world.at(fault.until, _raise, segment, "delay", -fault.value)
        case "kernel_refuses":
            world.at(fault.at, _raise, director.kernel, "refusing", 1)
            world.at(fault.until, _raise, director.kernel, "refusing", -1)
        case "kernel_slow":
            world.at(fault.at, _raise, director.kernel, "latency", fault.value)
            world.at(fault.until, _raise, director.kernel, "latency", -fault.value)
        case "reload":
            world.at(fault.at, director.reload, fault.router, int(fault.value), fault.preempt)
        case "handover":
            world.at(fault.at, director.hand_over, fault.router, fault.value)
            world.at(fault.until, director.take_back, fault.router)
        case "prober_killed":
            world.at(fault.at, director.restart_prober, fault.until)
        case "table_edited":
            world.at(fault.at, director.kernel.lose_destinations)
        case "server_refuses" | "server_hangs" | "server_late" | "server_flaps" | "server_unreachable":
            _inject_server(world, fault)
        case "address_deleted":
            world.at(fault.at, director.lose_address, fault.router)
        case _:
            assert_never(fault.kind)


def _inject_server(world: World, fault: Fault) -> None:
    if fault.kind == "server_unreachable":
        for server in world.real_servers if fault.router == ALL_SERVERS else [world.real_servers[fault.router]]:
            world.at(fault.at, server.cut_off, fault.director, +1)
            if fault.until < inf:
                world.at(fault.until, server.cut_off, fault.director, -1)
        return
    server = world.real_servers[fault.router]
    match fault.kind:
        case "server_flaps":
            at, by = fault.at, +1
            while at < fault.until or by < 0:
                world.at(min(at, fault.until), server.change, "refuses", by)
                at, by = at + fault.value, -by
        case _:
            mood: Mood = "refuses" if fault.kind == "server_refuses" else "late"
            if fault.kind == "server_hangs":
                mood = "hangs"
            if fault.kind == "server_late":
                world.at(fault.at, _raise, server, "delay", fault.value)
                world.at(fault.until, _raise, server, "delay", -fault.value)
            world.at(fault.at, server.change, mood, +1)
            world.at(fault.until, server.change, mood, -1)


def _raise(thing: object, name: str, by: float) -> None:
    """Several faults of one kind add up; after the last, what was there is there again to the last bit."""
    setattr(thing, name, round(getattr(thing, name) + by, 9))
