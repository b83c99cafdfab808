"""Routers that are Active together or not at all: one state, one priority, one timer.

A router by itself is a group of one, so nothing here is special for it. What is heard for one member is heard for the
group; what the group does, every member does; a fault of one is a fault of all.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from math import inf

from haagent.vrrp.effects import Effect
from haagent.vrrp.router import Initialize, Instant, State
from haagent.vrrp.settings import Fault, Term, effective_priority, is_impaired
from haagent.vrrp.virtual_router import VirtualRouter

TIE_MEMORY = 8  # advertisement intervals: who was heard on an earlier member's segment is compared there


@dataclass(slots=True)
class Group:
    """The working memory that its members share. Only the Speaker changes it."""

    key: str
    members: tuple[str, ...] = ()  # routers, in the configured order
    state: State = field(default_factory=Initialize)
    reason: str = "starting"
    since: Instant = 0.0
    parameters: dict[str, VirtualRouter] = field(default_factory=dict)  # by member; empty: it has a fault
    spoken_at: Instant = -inf  # when the kernel last took an advertisement of any member
    silent_since: Instant | None = None  # what was refused since then was all that was sent; None: nothing was refused
    refusal: str = ""  # the kernel's last word


def group_key(router: str, group: str) -> str:
    """Routers without a group have one of their own. No configured name has a blank in it."""
    return f"group {group}" if group else router


def unite(
    resolved: Mapping[str, VirtualRouter | Fault], configured: int, terms: Iterable[Term]
) -> dict[str, VirtualRouter] | Fault:
    """Each member's parameters with the priority of the group: the configured one, and every term of every member."""
    united = {name: each for name, each in resolved.items() if isinstance(each, VirtualRouter)}
    if len(united) < len(resolved):
        return Fault(
            "; ".join(
                each.sentence if len(resolved) == 1 else f"{name}: {each.sentence}"
                for name, each in resolved.items()
                if isinstance(each, Fault)
            )
        )
    if len(united) == 1:
        return united
    once = tuple(dict.fromkeys(terms))
    first = next(iter(united.values()))
    return {
        name: replace(
            each,
            priority=effective_priority(configured, once),
            is_impaired=is_impaired(once),
            advertisement_interval=first.advertisement_interval,
            preempt=first.preempt,
            preempt_delay=first.preempt_delay,
            mute_hold=first.mute_hold,
            guard_time=first.guard_time,
            sticky=first.sticky,
        )
        for name, each in united.items()
    }


def spread(effects: Iterable[Effect], members: Iterable[str]) -> list[Effect]:
    """What the group does as what its members do: all of them one thing before any does the next."""
    return [replace(effect, router=member) for effect in effects for member in members]


def breaks_ties(member: str, members: Iterable[str], heard_at: Mapping[str, Instant], memory: Instant) -> bool:
    """Whether addresses are compared on this member's segment: on the first one where somebody was heard lately.

    Two directors may be in opposite order on two segments; each would yield to the other, or neither.
    """
    for each in members:
        if each == member:
            return True
        if heard_at.get(each, float("-inf")) >= memory:
            return False
    return True
