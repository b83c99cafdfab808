"""The kernel parameters that a director wants, each with its reason, from the configuration alone. Pure.

Names are those of sysctl(8), with dots: Documentation/networking/ipvs-sysctl.rst and ip-sysctl.rst. Everything under
net.ipv4.vs is per network namespace, and so is the rest that is used here. What is not wanted is not touched.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from ipaddress import ip_address, ip_interface

from haagent.config.model import Config, VirtualService
from haagent.pool.path import path_addresses

VS = "net.ipv4.vs."
EXPIRE_QUIESCENT_TEMPLATE = VS + "expire_quiescent_template"
SLOPPY = {"tcp": VS + "sloppy_tcp", "sctp": VS + "sloppy_sctp"}


@dataclass(frozen=True, slots=True)
class Setting:
    """One parameter's wanted value."""

    value: str
    reason: str


def wanted_sysctls(config: Config) -> dict[str, Setting]:
    """By name, in the order of their names. What `set` gives wins; what `leave` lists is left out."""
    sysctl = config.sysctl
    if not sysctl.manage or not config.virtual_services:
        return {}
    wanted = {**dict(_follows(config)), **{name: Setting(value, "[sysctl] set says so") for name, value in sysctl.set}}
    return {name: wanted[name] for name in sorted(wanted) if name not in sysctl.leave}


def _follows(config: Config) -> Iterator[tuple[str, Setting]]:
    services = config.virtual_services
    for service in services:
        if "masquerading" in _methods(service):
            name = "net.ipv6.conf.all.forwarding" if service.family == "ipv6" else "net.ipv4.ip_forward"
            yield name, Setting("1", f"{service.name} masquerades, so answers are routed through this director")
    for service in services:
        if service.source_nat:
            why = f"{service.name} has source NAT: without a tracking entry its rule sees nothing of IPVS"
            yield VS + "conntrack", Setting("1", why)
    if removing := [each.name for each in services if each.when_down == "remove"]:
        why = f"{removing[0]} removes a real server that is down: its clients get a reset instead of silence"
        yield VS + "expire_nodest_conn", Setting("1", why)
    for service in services:
        if service.persistence_timeout and service.when_down == "quiesce":
            why = f"{service.name} is persistent and quiesces: clients of a server with weight 0 are sent to another"
            yield EXPIRE_QUIESCENT_TEMPLATE, Setting("1", why)
    for service in services:
        if {"direct_routing", "tunneling"} & _methods(service):
            why = f"{service.name} shows one direction only: a client's reused port is scheduled anew after its FIN"
            yield VS + "conn_reuse_mode", Setting("3", why)
    yield from _sloppy(config)
    yield from _warm(config)
    yield from _one_network(config)
    yield from _path_checks(config)


def _sloppy(config: Config) -> Iterator[tuple[str, Setting]]:
    """Measured (M8): of 20 open connections under mh, 20 live on after a switch of directors with it, 0 without."""
    is_synced = bool(config.connection_sync.interface)
    wants = config.sysctl.sloppy if config.sysctl.sloppy is not None else not is_synced
    if not wants:
        return
    for protocol, name in SLOPPY.items():
        if any(protocol in (service.protocols or (service.protocol,)) for service in config.virtual_services):
            how = "is asked for" if config.sysctl.sloppy else "there is no connection sync"
            yield name, Setting("1", f"{how}: after a switch of directors open {protocol} connections are taken up")


def _warm(config: Config) -> Iterator[tuple[str, Setting]]:
    """A returning director waits for `warm_time` (guard.py); by default the kernel tells a connection again after its
    50th packet only, and one of a packet a second would stay unknown for most of a minute (ip_vs_sync.c)."""
    sync = config.connection_sync
    if not (sync.interface and sync.send) or not any(each.guarded_takeover for each in config.virtual_routers):
        return
    period = max(1, int(sync.warm_time / 2))
    why = f"guarded takeover: a connection with traffic is told again every {period} s"
    yield VS + "sync_threshold", Setting("3 0", why)
    yield VS + "sync_refresh_period", Setting(str(period), why)


def _one_network(config: Config) -> Iterator[tuple[str, Setting]]:
    """A real server that masquerades from within its clients' network must not be told of a shorter way.

    The kernel sends redirects where "all" or the interface says so.
    """
    for router in config.virtual_routers:
        held = router.virtual_addresses + router.unadvertised_addresses
        networks = [ip_interface(f"{each.address}/{each.prefix_length}").network for each in held]
        addresses = {each.address for each in held}
        for service in config.virtual_services:
            if not addresses & {service.address, *service.addresses}:
                continue
            for server in service.real_servers:
                if server.forwarding_method != "masquerading" or ":" in server.address:
                    continue
                if any(ip_address(server.address) in network for network in networks):
                    why = f"{server.name} of {service.name} masquerades in the network of its clients"
                    for where in ("all", router.interface.replace(".", "/")):
                        yield f"net.ipv4.conf.{where}.send_redirects", Setting("0", why)


def _path_checks(config: Config) -> Iterator[tuple[str, Setting]]:
    """Measured (M4): the answer to a path probe comes from the virtual address, which is local on the Active director.

    Without accept_local it is dropped as a martian. IPv6 has no such check.
    """
    for router in config.virtual_routers:
        held = {each.address for each in router.virtual_addresses + router.unadvertised_addresses}
        for service in config.virtual_services:
            if service.path_check == "off" or service.family != "ipv4" or not held & set(path_addresses(service)):
                continue
            why = f"{service.name} has a path check: answers of its virtual address come back to this very host"
            yield f"net.ipv4.conf.{router.interface.replace('.', '/')}.accept_local", Setting("1", why)


def _methods(service: VirtualService) -> set[str]:
    servers = {server.forwarding_method for server in service.real_servers} or {service.forwarding_method}
    return servers | ({service.sorry_server.forwarding_method} if service.sorry_server else set())


def values(wanted: Mapping[str, Setting]) -> dict[str, str]:
    return {name: setting.value for name, setting in wanted.items()}
