"""Which routers an operator's handover means, or why it cannot be. Pure.

A router that is in a group moves with its group.
"""

import difflib
from collections.abc import Sequence

from haagent.config.model import VirtualRouterGroup
from haagent.control.requests import HandOver
from haagent.snapshot import RouterStatus


def meant(
    routers: Sequence[RouterStatus], groups: Sequence[VirtualRouterGroup], request: HandOver
) -> tuple[str, ...] | str:
    """The routers that move, in the configured order; or a sentence that says what to do instead."""
    name = request.name
    group = next((each for each in groups if name == each.name or name in each.routers), None)
    members = group.routers if group else tuple(each.name for each in routers if each.name == name)
    if not members:
        known = [each.name for each in groups] + [each.name for each in routers]
        close = difflib.get_close_matches(name, known, 1)
        return f'there is no virtual router and no group "{name}"' + (f'; did you mean "{close[0]}"?' if close else "")
    first = next(each for each in routers if each.name == members[0])
    if request.back:
        return members if first.yields else f"{name} was not handed over here, or the peer is gone: nothing to end"
    if first.state != "active":
        where = f" (at {first.active_address})" if first.active_address else ""
        return f"{name} is {first.state} here, not active: say it on the director that is{where}"
    return members
