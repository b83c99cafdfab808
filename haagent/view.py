"""From the core and the vrrp process's report to the Snapshot that people and managers read. Pure.

Inside, instants are monotonic; a Snapshot carries wall-clock seconds. `Clock` holds one reading of both.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from msgspec import structs

from haagent.config.model import ALL_PORTS, PortRange, RealServer, SorryServer, VirtualService
from haagent.core.core import Core
from haagent.core.events import Instant
from haagent.core.records import pool_cause
from haagent.core.standing import is_stale
from haagent.health.damping import eligible_at, penalty_at
from haagent.health.slow_start import ends_at
from haagent.ipvs.table import DestinationCounts, ServiceKey
from haagent.ipvs.words import destination_name
from haagent.pool.desired import destination_key, service_key
from haagent.pool.judgement import Judgement, hold, suppression
from haagent.pool.maintenance import strangers, with_files
from haagent.pool.operator import AUTOMATIC, Override, left, unknown
from haagent.pool.path import path_addresses
from haagent.snapshot import (
    AgreementStatus,
    AnnouncedStatus,
    CheckStatus,
    ContestStatus,
    JudgementStatus,
    Leaving,
    OverrideStatus,
    PeerStatus,
    ProcessStatus,
    RealServerStatus,
    RouterStatus,
    ServiceStatus,
    Snapshot,
)


@dataclass(frozen=True, slots=True)
class Clock:
    monotonic: Instant
    wall: float

    def to_wall(self, instant: Instant) -> float:
        return self.wall - self.monotonic + instant


def snapshot(
    core: Core,
    routers: Iterable[RouterStatus],
    processes: Iterable[ProcessStatus],
    clock: Clock,
    *,
    version: str,
    started_at: float,
    problems: Iterable[str] = (),
    peers: tuple[PeerStatus, ...] = (),
) -> Snapshot:
    """`routers` and `processes` are already in wall-clock time. `problems`: sentences that the shell adds."""
    routers = tuple(
        _with_agreement(core, structs.replace(each, announced=_announced(core, each.name, clock)), clock)
        for each in routers
    )
    processes = tuple(processes)
    services = () if core.config is None else tuple(_service(core, s, clock) for s in core.config.virtual_services)
    return Snapshot(
        director=core.config.director.name if core.config else "",
        version=version,
        at=clock.wall,
        started_at=started_at,
        routers=routers,
        services=services,
        processes=processes,
        problems=(*_problems(core, routers, services, processes, clock.monotonic), *problems),
        table_repairs=core.kernel.repairs,
        table_drifts=core.kernel.drifted,
        table_left=core.kernel.left,
        table_foreign=core.kernel.foreign,
        table_leaving=tuple(
            Leaving(name=each.name, destination=destination_name(*entry), until=clock.to_wall(each.until))
            for entry, each in core.level.leaving.items()
        ),
        peers=peers,
    )


def _with_agreement(core: Core, router: RouterStatus, clock: Clock) -> RouterStatus:
    agreement = core.agreements.of.get(router.name)
    if agreement is None or (agreement.state == "unknown" and not agreement.evidence):
        return router
    status = AgreementStatus(state=agreement.state, since=clock.to_wall(agreement.since), evidence=agreement.evidence)
    return structs.replace(router, agreement=status)


def _service(core: Core, service: VirtualService, clock: Clock) -> ServiceStatus:
    key, pool = service_key(service), core.pools.of[service.name]
    servers = [_real_server(core, service, server, key, clock) for server in service.real_servers]
    if service.sorry_server:
        servers.append(_sorry_server(core, service, service.sorry_server, key, clock))
    return ServiceStatus(
        name=service.name,
        address=service.address,
        port=service.port,
        protocol=service.protocol,
        scheduler=service.scheduler,
        forwarding_method=service.forwarding_method,
        state=core.pools.states[service.name],
        reason=pool_cause(service, pool),
        since=clock.to_wall(core.pools.since[service.name]),
        in_service=sum(1 for server in servers if server.weight and not server.sorry),
        real_servers=tuple(servers),
        firewall_mark=service.firewall_mark,
        addresses=service.addresses,
        ports=ports_text(service.ports),
        protocols=service.protocols,
        persistence_timeout=service.persistence_timeout,
        tier=pool.tier,
        healthy=pool.healthy,
        live_weight=pool.live_weight,
        arp=tuple(words for each in path_addresses(service) if (words := _arp_words(core, each))),
        quorum=service.quorum,
        has_quorum=pool.has_quorum,
    )


def agreement_words(agreement: AgreementStatus) -> str:
    """ "split: d1 and d2 are both Active; ..." """
    return f"{agreement.state.replace('_', ' ')}: {'; '.join(agreement.evidence)}"


def ports_text(ports: tuple[PortRange, ...]) -> tuple[str, ...]:
    if ports == ALL_PORTS:
        return ("all",)
    return tuple(f"{each.first}" if each.first == each.last else f"{each.first}-{each.last}" for each in ports)


def _real_server(
    core: Core, service: VirtualService, server: RealServer, key: ServiceKey, clock: Clock
) -> RealServerStatus:
    standing = core.standings.of[service.name, server.name]
    weight, counts = _kernel(core, key, server.address, server.port)
    status = RealServerStatus(
        name=server.name,
        address=server.address,
        port=server.port,
        forwarding_method=server.forwarding_method,
        health=standing.health,
        since=clock.to_wall(standing.since),
        reason=standing.reason,
        configured_weight=server.weight,
        weight=weight,
        tier=server.tier,
        upper_threshold=server.upper_threshold,
        lower_threshold=server.lower_threshold,
        checks=tuple(
            CheckStatus(
                name=name,
                health=core.probing.verdicts[id_].health,
                since=clock.to_wall(core.probing.verdicts[id_].since),
                detail=core.probing.verdicts[id_].detail,
                weight=core.probing.verdicts[id_].weight,
                unjudged_since=_unjudged_since(core, id_, clock),
            )
            for name, id_ in zip(service.checks, core.probing.probes_of[service.name, server.name], strict=True)
        ),
    )
    path = core.paths.of[service.name, server.name]
    status = structs.replace(
        status,
        path=path.verdict.state,
        path_reason=path.verdict.sentence,
        path_since=clock.to_wall(path.since) if path.verdict.state else 0.0,
    )
    status = structs.replace(status, judgement=_judgement(core, service, server.name, clock))
    key_ = service.name, server.name
    word = core.words.overrides.get(key_, AUTOMATIC)
    status = with_override(_with_counts(status, counts), word, counts)
    if key_ in core.words.drained_by:  # the stricter word
        files = {key_: core.words.drained_by[key_]}
        status = structs.replace(status, admin=with_files({service.name: service}, {key_: word}, files)[key_].admin)
    return status


def _judgement(core: Core, service: VirtualService, name: str, clock: Clock) -> JudgementStatus | None:
    judgement, file = core.judgements.of.get(service.name), core.words.drained_by.get((service.name, name), "")
    each = judgement.servers.get(name) if judgement else None
    if judgement is None or each is None:
        return JudgementStatus(maintenance_file=file) if file else None
    damping, start, held = service.damping, service.slow_start, judgement.removals.held.get(name)
    eligible = eligible_at(damping, each.damped) if damping else None
    return JudgementStatus(
        penalty=round(penalty_at(damping, each.damped, clock.monotonic), 3) if damping else 0.0,
        eligible_at=0.0 if eligible is None else clock.to_wall(eligible),
        share=each.share,
        warm_at=clock.to_wall(ends_at(start, each.ramp_since)) if start and each.ramp_since is not None else 0.0,
        percent=each.followed.percent,
        held_until=0.0 if held is None else clock.to_wall(held),
        maintenance_file=file,
    )


def with_override(status: RealServerStatus, word: Override, counts: DestinationCounts) -> RealServerStatus:
    """What an operator said about the real server."""
    if word.is_automatic:
        return status
    return structs.replace(
        status,
        admin=word.admin,
        override=OverrideStatus(
            weight=word.weight,
            deadline=word.deadline or 0.0,
            until=word.until or 0.0,
            at=word.at,
            actor=word.actor,
            connections_left=left(word, counts) if word.admin == "drained" else 0,
        ),
    )


def _sorry_server(
    core: Core, service: VirtualService, server: SorryServer, key: ServiceKey, clock: Clock
) -> RealServerStatus:
    weight, counts = _kernel(core, key, server.address, server.port)
    status = RealServerStatus(
        name="sorry_server",
        address=server.address,
        port=server.port,
        forwarding_method=server.forwarding_method,
        sorry=True,
        health="up",
        since=clock.to_wall(core.pools.since[service.name]),
        reason="serves while the pool is below its quorum; it is not probed",
        configured_weight=1,
        weight=weight,
    )
    return _with_counts(status, counts)


def _kernel(core: Core, key: ServiceKey, address: str, port: int) -> tuple[int | None, DestinationCounts]:
    target = destination_key(address, port)
    service = core.kernel.observed.get(key)
    destination = service.destinations.get(target) if service else None
    counts = core.kernel.counts.get((key, target), DestinationCounts())
    return (destination.weight if destination else None), counts


def _with_counts(status: RealServerStatus, counts: DestinationCounts) -> RealServerStatus:
    return structs.replace(
        status,
        active_connections=counts.active_connections,
        inactive_connections=counts.inactive_connections,
        persistent_connections=counts.persistent_connections,
        connections=counts.connections,
        incoming_packets=counts.incoming_packets,
        outgoing_packets=counts.outgoing_packets,
        incoming_bytes=counts.incoming_bytes,
        outgoing_bytes=counts.outgoing_bytes,
    )


def _arp_words(core: Core, address: str) -> str:
    return core.arp.verdicts[address].sentence if address in core.arp.verdicts else ""


def _announced(core: Core, router: str, clock: Clock) -> AnnouncedStatus:
    verdict = core.owners.verdicts.get(router)
    if verdict is None:
        return AnnouncedStatus()
    return AnnouncedStatus(
        state=verdict.state,
        reason=verdict.sentence,
        at=clock.to_wall(verdict.at) if verdict.at else 0.0,
        contests=tuple(
            ContestStatus(address=each.address, mac=each.mac, name=each.name, heard_by=each.heard_by)
            for each in verdict.contests
        ),
    )


def _is_told(core: Core, contest: ContestStatus) -> bool:
    """The ARP leak test knows the real server behind it, and what to do there."""
    return contest.mac in _arp_words(core, contest.address)


def _unjudged_since(core: Core, id_: int, clock: Clock) -> float:
    verdict = core.probing.verdicts[id_]
    if verdict.unjudged_since is None or not is_stale(core.probing.probes[id_], verdict, clock.monotonic):
        return 0.0
    return clock.to_wall(verdict.unjudged_since)


def _path_problems(core: Core) -> Iterable[str]:
    """What the service verdicts do not say by themselves."""
    for (service, server), path in core.paths.of.items():
        if path.verdict.state == "down" and core.standings.of[service, server].health == "up":
            yield f"the path to {server} of {service} is broken: {path.verdict.sentence}"
        elif path.is_obstructed:
            yield f"{server} of {service}: {path.verdict.sentence}"
    for address in sorted(core.arp.verdicts):
        if core.arp.verdicts[address].is_tested and core.arp.verdicts[address].sentence:
            yield core.arp.verdicts[address].sentence


def _problems(
    core: Core,
    routers: tuple[RouterStatus, ...],
    services: tuple[ServiceStatus, ...],
    processes: tuple[ProcessStatus, ...],
    now: Instant,
) -> Iterable[str]:
    """What makes `haagent status` exit 2: one sentence each."""
    for router in routers:
        if router.state == "initialize":
            yield f"virtual router {router.name} takes no part: {router.reason}"
        elif not all(_is_told(core, each) for each in router.announced.contests):
            yield f"virtual router {router.name} is contested: {router.announced.reason}"
        if router.agreement and router.agreement.state in ("split", "one_way", "stranger"):
            yield f"virtual router {router.name}: {agreement_words(router.agreement)}"
    for service in services:
        if service.state not in ("serving", "standby"):
            why = service.reason if service.healthy else "no real server is in service"
            yield f"virtual service {service.name} is {service.state}: {why}"
        elif not service.has_quorum:
            yield (
                f"virtual service {service.name} is below its quorum: "
                f"live weight {service.live_weight} of {service.quorum}"
            )
        for server in service.real_servers:
            if not server.sorry and server.health == "down" and server.admin == "enabled":
                yield f"real server {server.name} of {service.name} is down: {server.reason}"
            elif stale := next((each for each in server.checks if each.unjudged_since), None):
                yield (
                    f'real server {server.name} of {service.name} is not judged any more, its last verdict "'
                    f'{stale.health}" stands: {stale.name}: {stale.detail}'
                )
        yield from _judgement_problems(core, service, core.judgements.of.get(service.name), now)
    yield from _path_problems(core)
    yield from core.faults.find().sentences
    for process in processes:
        if not process.running:
            yield f"the {process.name} process is not running"
    yield from core.kernel.failures
    if left_so := core.kernel.left:
        yield (
            f'{len(left_so)} entries of the kernel\'s table are not as wanted, and drift = "report" leaves them so: '
            f"{left_so[0]}{' and others' if len(left_so) > 1 else ''}; haagent reload sets them right"
        )
    if core.config is not None:
        yield from unknown(core.words.overrides, core.config.virtual_services)
        for file in strangers(core.config.virtual_services, core.words.files):
            yield f"the maintenance file {file} names no real server: ADDRESS, ADDRESS:PORT, a name or SERVICE:SERVER"


def _judgement_problems(core: Core, service: ServiceStatus, judgement: Judgement | None, now: Instant) -> Iterable[str]:
    """Who is kept out although it is up, and who is kept in although it is down."""
    if judgement is None or core.config is None:
        return
    configured = next(each for each in core.config.virtual_services if each.name == service.name)
    for server in service.real_servers:
        each = judgement.servers.get(server.name)
        if each is None:
            continue
        if server.health == "up" and (why := suppression(configured, each, now)):
            serves = server.name in core.pools.of[service.name].serving
            state = "serves for want of others" if serves else "is kept out"
            yield f"real server {server.name} of {service.name} {state}: {why}"
        if why := hold(configured, judgement, server.name, now):
            yield f"real server {server.name} of {service.name} is {why}"
