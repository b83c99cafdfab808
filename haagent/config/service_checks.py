"""What must agree within a virtual service, and between virtual services.

The guards say why, from what was measured on Linux 6.1 (M6: weight 0 under mh and sh) and from net/netfilter/ipvs: an
operator is told here what the kernel would refuse, or do in silence.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any

from haagent.config.error import Found, show
from haagent.config.judgement_checks import judgement_checks
from haagent.config.model import ALL_PORTS, SCHEDULER_FLAGS, PortRange
from haagent.config.reading import Draft, no_such
from haagent.config.server_checks import family_of, own_addresses, server_checks
from haagent.config.values import ADDRESS, PORTS, enumerated


def service_checks(
    services: Mapping[str, Draft],
    checks: Mapping[str, Draft],
    check_names: Sequence[str],
    router_names: Sequence[str],
) -> Iterator[Found]:
    known = set(check_names)
    for service in services.values():
        yield from _form(service)
        yield from _scheduling(service)
        yield from _persistence(service)
        yield from _quorum(service)
        yield from judgement_checks(service)
        for number, name in enumerate(service.get("checks") or ()):
            if name not in known:
                yield Found((*service.at("check"), number), no_such("check", name, check_names))
        yield from _ports_to_check(service, checks)
        router = service.get("active_only")
        if router and router not in router_names:
            yield Found(service.at("active_only"), no_such("virtual router", router, router_names))
        yield from server_checks(service)
    yield from _taken(services.values())
    yield from _marked_twice(services.values())


def _form(service: Draft) -> Iterator[Found]:
    """An address with a port, an address with all ports, or a firewall mark."""
    mark, address, port = service.get("firewall_mark"), service.get("address"), service.get("port")
    addresses, ports = service.get("addresses"), service.get("ports")
    if mark is None:
        return
    if mark:
        for key, many in (("address", "addresses"), ("port", "ports")):
            if service.get(key):
                yield Found(service.at(key), f"a firewall mark stands for it; list it in {many} to have the mark set")
        if addresses and ports == ():
            yield Found(service.at("ports"), f"missing; expected {PORTS.expected}")
        if ports and addresses == ():
            yield Found(service.at("addresses"), "missing; expected the addresses whose ports get the mark")
        if service.get("protocols") and addresses == ():
            yield Found(service.at("protocols"), "without addresses nothing is marked here; leave protocols out")
    else:
        if address == "":
            yield Found(service.at("address"), f"missing; expected {ADDRESS.expected}; or a firewall_mark")
        for key in ("addresses", "protocols"):
            if service.get(key):
                yield Found(service.at(key), "only a firewall_mark ties several of them together; give the service one")
        if ports and ports != ALL_PORTS:
            yield Found(service.at("ports"), "only a firewall_mark ties several ports together; give the service one")
        elif ports and port:
            yield Found(service.at("ports"), "stands beside port; leave one of them out")
        elif ports and service.get("persistence_timeout") == 0:
            yield Found(
                service.at("ports"),
                "the kernel serves all ports of an address only to clients that stay with their real server; "
                "give it a persistence_timeout, or a firewall_mark and addresses",
            )
        elif port == 0 and ports == ():
            yield Found(service.at("port"), 'missing; expected an integer from 1 to 65535; or ports = "all"')
    protocol, protocols = service.get("protocol"), service.get("protocols")
    if protocols and protocol and protocol not in protocols:
        yield Found(service.at("protocol"), f"{protocol} is not one of protocols; leave protocol out")
    family = service.get("family")
    for place, each in own_addresses(service):
        if family is not None and family_of(each) != family:
            yield Found(place, f"{each} is not {family}; the kernel has a service of its own for each family")


def _protocols(service: Draft) -> tuple[str, ...]:
    """What may reach the service, as far as it is known."""
    protocol = service.get("protocol")
    return service.get("protocols") or ((protocol,) if protocol else ())


def _scheduling(service: Draft) -> Iterator[Found]:
    scheduler, flags = service.get("scheduler"), service.get("scheduler_flags")
    if flags and scheduler is not None and scheduler not in SCHEDULER_FLAGS:
        having = enumerated(list(SCHEDULER_FLAGS))
        yield Found(service.at("scheduler_flags"), f"scheduler {scheduler} has no flags; those that have: {having}")
    if scheduler in SCHEDULER_FLAGS and flags is not None and "fallback" not in flags:
        idle = [server for server in service.get("real_servers") or () if server.get("weight") == 0]
        why = 'when_down = "quiesce"' if service.get("when_down") == "quiesce" else ""
        why = why or ("removal_time" if service.get("removal_time") else "")
        if why or idle:
            yield Found(
                service.at("scheduler_flags"),
                f"under {scheduler} without fallback, a server with weight 0 keeps its share of the clients and "
                f"refuses them all, and {why or show((*idle[0].path, 'weight'))} gives that weight; "
                'expected the flag "fallback", or no scheduler_flags at all',
            )
    if scheduler == "ovf" and "udp" in _protocols(service):
        yield Found(service.at("scheduler"), "ovf counts active connections, and UDP has none; expected another")
    if service.get("one_packet") and (others := [each for each in _protocols(service) if each != "udp"]):
        yield Found(service.at("one_packet"), f'{others[0]} has connections; expected protocol = "udp"')


def _persistence(service: Draft) -> Iterator[Found]:
    timeout = service.get("persistence_timeout")
    if timeout is None:
        return
    if timeout and service.get("one_packet"):
        yield Found(service.at("one_packet"), "schedules every datagram anew, and persistence_timeout keeps the client")
    if service.get("persistence_engine"):
        if not timeout:
            yield Found(service.at("persistence_engine"), "says how clients are told apart; give a persistence_timeout")
        if any(each != "udp" for each in _protocols(service)):
            yield Found(
                service.at("persistence_engine"), 'the kernel reads SIP in UDP alone; expected protocol = "udp"'
            )
    prefix, family = service.get("persistence_prefix"), service.get("family")
    longest = 128 if family == "ipv6" else 32
    if prefix is not None and family is not None and prefix > longest:
        yield Found(service.at("persistence_prefix"), f"{prefix} is longer than an {family} address; at most {longest}")
    elif prefix is not None and prefix != longest and not timeout:
        yield Found(service.at("persistence_prefix"), "has no effect without a persistence_timeout")


def _quorum(service: Draft) -> Iterator[Found]:
    quorum, hysteresis = service.get("quorum"), service.get("quorum_hysteresis")
    if quorum is not None and hysteresis is not None:
        if hysteresis >= quorum:
            yield Found(
                service.at("quorum_hysteresis"),
                f"{hysteresis} is not below the quorum {quorum}, so it would be lost with the last server alone",
            )
        elif quorum + hysteresis > 1 and (servers := service.get("real_servers")):
            most = _greatest_tier(servers)
            if most is not None and most < quorum + hysteresis:
                yield Found(
                    service.at("quorum"),
                    f"is reached at {quorum + hysteresis} (with its hysteresis), "
                    f"but the weights of a tier sum up to {most} at most",
                )
    if service.get("minimum_healthy_fraction") and service.get("sorry_server") is not None:
        yield Found(
            service.at("minimum_healthy_fraction"),
            "keeps the real servers that served last, so the sorry server would never serve; leave one of them out",
        )


def _greatest_tier(servers: Sequence[Draft]) -> int | None:
    sums: dict[int, int] = {}
    for server in servers:
        tier, weight = server.get("tier"), server.get("weight")
        if tier is None or weight is None:
            return None
        sums[tier] = sums.get(tier, 0) + weight
    return max(sums.values())


def _ports_to_check(service: Draft, checks: Mapping[str, Draft]) -> Iterator[Found]:
    servers = service.get("real_servers") or ()
    if not any(server.get("port") == 0 for server in servers) or service.get("port") != 0:
        return
    for number, name in enumerate(service.get("checks") or ()):
        check = checks.get(name)
        if check is not None and "port" in check.values and check.values["port"] is None:
            yield Found(
                (*service.at("check"), number), f"the service has no one port to check; give {show(check.path)} a port"
            )


# ------------------------------------------------------------------------------------------------ the same thing twice


def _taken(services: Iterable[Draft]) -> Iterator[Found]:
    taken: dict[tuple[Any, ...], Draft] = {}
    for service in services:
        mark, family = service.get("firewall_mark"), service.get("family")
        address, port, protocol = service.get("address"), service.get("port"), service.get("protocol")
        if mark and family is not None:
            first = taken.setdefault((mark, family), service)
            if first is not service:
                yield Found(service.at("firewall_mark"), f"mark {mark} of {family} is {show(first.path)} already")
        elif address and port is not None and protocol is not None:
            first = taken.setdefault((address, port, protocol), service)
            if first is not service:
                said = f"{address} {protocol} {port or 'all ports'}"
                yield Found(service.at("address"), f"{said} is {show(first.path)} already")


def _marked_twice(services: Iterable[Draft]) -> Iterator[Found]:
    """The kernel looks for a mark first, so a port that gets one reaches no other service."""
    uses: dict[tuple[str, str], list[tuple[PortRange, bool, int, Draft]]] = {}
    for order, service in enumerate(services):
        is_mark = bool(service.get("firewall_mark"))
        ranges = service.get("ports") if is_mark else (PortRange(service.get("port") or 0, service.get("port") or 0),)
        for _, address in own_addresses(service):
            for protocol in _protocols(service):
                for each in ranges or ():
                    uses.setdefault((address, protocol), []).append((each, is_mark, order, service))
    for (address, protocol), used in uses.items():
        used.sort(key=lambda use: use[:3])
        for (first, first_marks, _, one), (second, second_marks, _, other) in pairwise(used):
            if one is not other and second.first <= first.last and (first_marks or second_marks):
                marking, plain = (one, other) if first_marks else (other, one)
                key = "ports" if plain.get("firewall_mark") else "port"
                said = f"{address} {protocol} {second.first or 'all ports'}"
                yield Found(plain.at(key), f"{said} gets the firewall mark of {show(marking.path)} already")
