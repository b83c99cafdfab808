"""What a path check needs (pool/path.py): servers that have the virtual address, an address, a check, marks."""

from collections.abc import Iterator, Mapping

from haagent.config.error import Found, show
from haagent.config.reading import Draft

PATH_MARKS = 1 << 16  # from director.path_mark_base on
PATH_METHODS = ("direct_routing", "tunneling")
BACKUP_ONLY = "net.ipv4.vs.backup_only"
WITHOUT_MARK = ("icmp", "exec")  # IPVS schedules no echo request; a program's sockets are not ours


def path_checks(
    director: Draft | None, sysctl: Draft | None, services: Mapping[str, Draft], checks: Mapping[str, Draft]
) -> Iterator[Found]:
    path_checked = [service for service in services.values() if service.get("path_check") in ("report", "require")]
    for service in path_checked:
        yield from _service(service, checks)
    if not path_checked:
        return
    base = director.get("path_mark_base") if director is not None else None
    for service in services.values():
        mark = service.get("firewall_mark")
        if mark and base is not None and base <= mark < base + PATH_MARKS:
            yield Found(
                service.at("firewall_mark"),
                f"{mark} is one of the {PATH_MARKS} marks from director.path_mark_base ({base}) on, "
                "which path checks use; expected another, or another path_mark_base",
            )
    if sysctl is not None and dict(sysctl.get("set") or ()).get(BACKUP_ONLY, "0") != "0":
        yield Found(
            sysctl.at("set"),
            f"with {BACKUP_ONLY} a Backup director's IPVS forwards nothing, path probes neither; leave it out, or set "
            f"path_check = false in {show(path_checked[0].path)}",
        )


def _service(service: Draft, checks: Mapping[str, Draft]) -> Iterator[Found]:
    method, servers = service.get("forwarding_method"), service.get("real_servers")
    methods = [server.get("forwarding_method") for server in servers or ()] or [method]
    if None not in methods and not set(methods) & set(PATH_METHODS):
        yield Found(
            service.at("path_check"),
            f"under {method} no real server has the virtual address, so there is no path to check; leave it out",
        )
    names = service.get("checks")
    if names == ():
        yield Found(
            service.at("path_check"), "repeats the checks on the virtual address, and there are none: add check"
        )
    for number, name in enumerate(names or ()):
        kind = str(checks[name].table.struct.__struct_config__.tag) if name in checks else ""
        if kind in WITHOUT_MARK and len(names) == 1:
            yield Found(
                (*service.at("check"), number), f"a path check cannot repeat a check of type {kind}; add another"
            )
    if service.get("firewall_mark") and service.get("addresses") == ():
        yield Found(
            service.at("path_check"), "the service has no address to probe; list its addresses, or leave it out"
        )
