"""Which real servers an operator means, and whether the word may be said about them. Pure.

A refusal is one sentence that says what to do instead.
"""

from collections.abc import Mapping, Sequence
from typing import Literal

from haagent.config.model import SCHEDULER_FLAGS, VirtualService
from haagent.pool.desired import Pool
from haagent.pool.operator import Override, Overrides, PersistentChoice, ServerKey

Verb = Literal["drain", "disable", "enable", "weight"]


def select(
    services: Sequence[VirtualService], overrides: Overrides, server: str, service: str
) -> list[ServerKey] | str:
    """`server`: a real server's name (in all its services) or SERVICE/SERVER; "" with `service`: all of that service.

    What is not configured any more but was spoken of can be selected too, so that it can be forgotten.
    """
    if "/" in server:
        service, _, server = server.partition("/")
    known = [(each.name, one.name) for each in services for one in each.real_servers]
    configured = set(known)
    known += [key for key, word in overrides.items() if not word.is_automatic and key not in configured]
    if service and all(name != service for name, _ in known) and all(each.name != service for each in services):
        return f'there is no virtual service "{service}"; see `haagent status`'
    found = [key for key in known if (not service or key[0] == service) and (not server or key[1] == server)]
    if not server and not service:
        return "which real server? Give a name, SERVICE/SERVER, or --service NAME"
    if not found:
        where = f" in {service}" if service else ""
        return f'there is no real server "{server}"{where}; see `haagent status`' if server else f"{service} has none"
    return found


def refuse(
    services: Mapping[str, VirtualService],
    keys: Sequence[ServerKey],
    word: Override,
    *,
    expires_templates: bool | None,
) -> str | None:
    """Why the kernel would not do what is asked. `expires_templates`: vs/expire_quiescent_template; None: not known."""
    for name in dict.fromkeys(service for service, _ in keys):
        service = services.get(name)
        if service is None:
            if not word.is_automatic:
                return f'there is no virtual service "{name}" any more; only `enable` makes sense'
            continue
        gets_zero = word.admin == "drained" or word.weight == 0
        if gets_zero and service.scheduler in SCHEDULER_FLAGS and "fallback" not in service.scheduler_flags:
            return (
                f"{name} is scheduled by {service.scheduler} without fallback: with weight 0 a server keeps its share "
                f'of the clients and refuses them all; give the service the flag "fallback", or use disable'
            )
        if word.admin == "drained" and (sentence := _templates(service, word.persistent, expires_templates)):
            return sentence
    return None


def _templates(service: VirtualService, choice: PersistentChoice, expires: bool | None) -> str | None:
    """Persistence templates of servers with weight 0 are expired or kept for the whole network namespace."""
    if not choice:
        return None
    if not service.persistence_timeout:
        return f"{service.name} has no persistence, so there is nothing to {choice}; leave --persistent out"
    if expires is None:
        return (
            "whether the kernel expires persistence templates of drained servers is not known "
            "(net.ipv4.vs.expire_quiescent_template cannot be read); leave --persistent out"
        )
    if expires == (choice == "expire"):
        return None
    does, wanted = ("expires", 0) if expires else ("keeps", 1)
    return (
        f"the kernel {does} the persistence templates of all drained servers of this director "
        f"(net.ipv4.vs.expire_quiescent_template = {int(expires)}), and cannot do otherwise for one of them; "
        f"set it to {wanted} under [sysctl] for all, or leave --persistent out"
    )


def empties(
    before: Mapping[str, Pool], after: Mapping[str, Pool], services: Mapping[str, VirtualService]
) -> str | None:
    """The sentence, where a pool that serves would have nobody left and no sorry server."""
    for name, pool in after.items():
        was = before.get(name)
        if was is not None and was.serving and not pool.serving and services[name].sorry_server is None:
            return (
                f"{name} would have no real server in service and has no sorry server: its clients would be refused; "
                "say it again with --force if that is meant"
            )
    return None
