"""Groups of virtual routers, and words about preemption that exclude each other."""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from haagent.config.error import Found, quote, show
from haagent.config.model import VirtualRouter
from haagent.config.reading import Draft, no_such

GUARD_TIME = VirtualRouter(name="", interface="", vrid=1, virtual_addresses=()).guard_time  # the default
OWNER = 255  # RFC 9568 section 5.2.4
ALIKE = (
    "priority",
    "advertisement_interval",
    "preempt",
    "preempt_delay",
    "guarded_takeover",
    "guard_time",
    "sticky",
    "hold_off",
)


def group_checks(groups: Iterable[Draft], routers: Mapping[str, Draft], names: Sequence[str]) -> Iterator[Found]:
    """`names`: of all routers, those too that are no drafts because something is wrong in them."""
    for each in routers.values():
        yield from _preemption(each)
    taken: dict[str, Draft] = {}
    for group in groups:
        first: Draft | None = None
        for name in group.get("routers") or ():
            if name not in names:
                yield Found(group.at("routers"), no_such("virtual router", name, names))
                continue
            other = taken.setdefault(name, group)
            if other is not group:
                yield Found(group.at("routers"), f"{quote(name)} is in {show(other.path)} already")
                continue
            router = routers.get(name)
            if router is None:
                continue
            first = first or router
            yield from _alike(first, router)


def _alike(first: Draft, router: Draft) -> Iterator[Found]:
    """They have one timer and one priority."""
    for key in ALIKE:
        one, other = first.get(key), router.get(key)
        if one is not None and other is not None and one != other:
            yield Found(
                router.at(key),
                f"is {_text(other)} here and {_text(one)} in {show(first.path)};"
                " routers of one group move as one: give them the same",
            )


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else f"{value:g}" if isinstance(value, float) else str(value)


def _preemption(router: Draft) -> Iterator[Found]:
    if router.get("guarded_takeover") is False and router.get("guard_time") != GUARD_TIME:
        yield Found(router.at("guard_time"), "has no effect with guarded_takeover = false; expected one of them")
    if router.get("preempt") is False and router.get("preempt_delay"):
        yield Found(router.at("preempt_delay"), "has no effect with preempt = false; expected one of them")
    if router.get("priority") == OWNER:
        if router.get("sticky"):
            yield Found(router.at("sticky"), "the owner of the addresses (priority 255) always preempts")
        if router.get("hold_off"):
            yield Found(router.at("hold_off"), "the owner of the addresses (priority 255) waits for nobody")
