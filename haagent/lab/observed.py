"""What the directors of a lab say about themselves, and what changed since the last look, as lines to print. Pure."""

from collections.abc import Mapping

from haagent.snapshot import RealServerStatus, Snapshot

Statuses = Mapping[str, Snapshot | None]  # director -> its snapshot; None: it does not answer


def active_director(statuses: Statuses) -> str | None:
    """The one director whose virtual routers are all Active while no other's are; None while there is no such one."""
    holders = [name for name, seen in statuses.items() if seen and any(r.state == "active" for r in seen.routers)]
    if len(holders) != 1:
        return None
    seen = statuses[holders[0]]
    assert seen is not None
    return holders[0] if all(router.state == "active" for router in seen.routers) else None


def is_settled(statuses: Statuses) -> bool:
    """One director is Active, and every other stands by for each of its routers."""
    active = active_director(statuses)
    return active is not None and all(
        seen is not None and all(router.state == "backup" for router in seen.routers)
        for name, seen in statuses.items()
        if name != active
    )


def in_service(seen: Snapshot | None) -> set[str]:
    """Names of the real servers that the director's kernel sends clients to."""
    if seen is None:
        return set()
    return {
        server.name
        for service in seen.services
        for server in service.real_servers
        if not server.sorry and server.weight is not None and server.weight > 0
    }


def changes(before: Statuses, after: Statuses) -> list[str]:
    """Sentences for the roles that changed, and for the real servers as the Active director sees them."""
    lines: list[str] = []
    for name, seen in after.items():
        old = before.get(name)
        if seen is None:
            if old is not None:
                lines.append(f"{name} does not answer any more")
            continue
        roles = {router.name: router.state for router in old.routers} if old else {}
        for router in seen.routers:
            if roles.get(router.name) != router.state:
                lines.append(f"{name} is {router.state.capitalize()} for virtual router {router.name}: {router.reason}")
    active = active_director(after)
    if active is not None and active == active_director(before):
        old, seen = before[active], after[active]
        assert old is not None
        assert seen is not None
        lines += _server_changes(active, _servers(old), _servers(seen))
    return lines


def _servers(seen: Snapshot) -> dict[tuple[str, str], RealServerStatus]:
    return {(service.name, server.name): server for service in seen.services for server in service.real_servers}


def _server_changes(
    director: str, before: dict[tuple[str, str], RealServerStatus], after: dict[tuple[str, str], RealServerStatus]
) -> list[str]:
    lines = []
    for key, server in after.items():
        old = before.get(key)
        was, now = bool(old and old.weight), bool(server.weight)
        if was != now:
            lines.append(f"{director}: {server.name} is {'in' if now else 'out of'} service: {server.reason}")
    return lines
