"""What must agree between connection sync, the kernel's parameters and the services.

The guards say why, from what was measured on Linux 6.1: M9b (backup_only with both sync roles serves nobody).
"""

from collections.abc import Iterable, Iterator

from haagent.config.error import Found
from haagent.config.model import ConnectionSync
from haagent.config.reading import Draft

BACKUP_ONLY = "net.ipv4.vs.backup_only"


def kernel_checks(sync: Draft | None, sysctl: Draft | None, services: Iterable[Draft]) -> Iterator[Found]:
    if sync is not None:
        yield from _sync(sync, services)
    if sync is not None and sysctl is not None:
        yield from _sysctl(sync, sysctl)


def _sync(sync: Draft, services: Iterable[Draft]) -> Iterator[Found]:
    defaults = ConnectionSync()
    if sync.get("interface") == "":
        said = [
            key
            for key in ("sync_id", "maxlen", "port", "ttl", "group", "warm_time")
            if sync.get(key) != getattr(defaults, key)
        ]
        if said:
            yield Found(sync.at("interface"), f"missing, and without it {said[0]} has no effect")
        return
    if sync.get("send") is False and sync.get("receive") is False:
        yield Found(sync.at("send"), "neither sends nor receives; leave interface out to have no connection sync")
    for service in services:
        for server in service.get("real_servers") or ():
            address, family = server.get("address"), service.get("family")
            if address is not None and family is not None and (":" in address) != (family == "ipv6"):
                yield Found(
                    server.at("address"),
                    f"{address} is not {family}, and the kernel refuses such a server while connections are synced",
                )


def _sysctl(sync: Draft, sysctl: Draft) -> Iterator[Found]:
    given = dict(sysctl.get("set") or ())
    both = sync.get("interface") and sync.get("send") and sync.get("receive")
    if both and given.get(BACKUP_ONLY, "0") != "0":
        yield Found(
            sysctl.at("set"),
            f"{BACKUP_ONLY} makes a director that receives connections schedule nothing, and this one receives always, "
            "also while it is Active; leave it out, or set receive = false under [connection_sync]",
        )
    for name in sysctl.get("leave") or ():
        if name in given:
            yield Found(sysctl.at("leave"), f"{name} is to be set and to be left alone; expected one of the two")
    if sysctl.get("manage") is False and given:
        yield Found(sysctl.at("set"), "has no effect with manage = false")
