"""What no single value of a hook shows: states that its subjects never have, names that nothing has, relative paths."""

from collections.abc import Iterable, Iterator, Sequence

from haagent.config.error import Found
from haagent.config.reading import Draft, suggest
from haagent.config.values import enumerated

STATES = {
    "router": ("initialize", "backup", "active"),
    "owner": ("agreed", "contested", "silent", "unknown"),  # what the segment says of a virtual router
    "agreement": ("agreed", "split", "one_way", "stranger", "contested", "unknown"),  # of the directors, likewise
    "service": ("serving", "sorry", "empty", "frozen", "standby"),
    "quorum": ("reached", "lost"),  # of a service whose quorum is above 1
    "real_server": ("unknown", "up", "down"),
}


def hook_rules(hooks: Iterable[Draft], routers: Sequence[str], services: Iterable[Draft]) -> Iterator[Found]:
    """`routers` by name; a service whose real servers were wrong lacks their names, and then none is called unknown."""
    known_services = list(services)
    for hook in hooks:
        command, on = hook.get("command"), hook.get("on")
        if command and not command[0].startswith("/"):
            yield Found((*hook.at("command"), 0), f'"{command[0]}" is no absolute path, and no shell looks for it')
        if on is None:
            continue
        possible = [state for subject in on for state in STATES[subject]]
        for number, state in enumerate(hook.get("states") or ()):
            if state not in possible:
                has = f"{enumerated(on)} has only {enumerated(possible)}"
                yield Found((*hook.at("states"), number), f"{state} is never reached: {has}")
        names = _names(on, routers, known_services)
        for number, name in enumerate((names and hook.get("names")) or ()):
            if name not in (names or ()):
                yield Found(
                    (*hook.at("names"), number),
                    f'no {" or ".join(on)} is called "{name}"; {suggest(name, names or [])}',
                )


def _names(on: Sequence[str], routers: Sequence[str], services: Sequence[Draft]) -> list[str] | None:
    """Everything that the subjects may be called; None where that is not known."""
    names: list[str] = []
    if {"router", "owner", "agreement"} & set(on):
        names += routers
    if "service" in on or "quorum" in on:
        names += [service.path[-1] for service in services if isinstance(service.path[-1], str)]
    if "real_server" in on:
        for service in services:
            servers = service.get("real_servers")
            if servers is None or any(server.get("name") is None for server in servers):
                return None
            for server in servers:
                names += [server.get("name"), f"{service.path[-1]}/{server.get('name')}"]
    return names
