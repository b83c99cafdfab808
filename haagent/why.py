"""Why a real server or a virtual router is in its state: the answer to `haagent why NAME`. Pure.

From the core, the snapshot, the prober's transcripts and the history. It decides nothing; sentences are those that the
core has judged by, beside the evidence.
"""

import difflib
from collections.abc import Iterable, Mapping

from haagent.config.model import (
    FileTrack,
    PoolTrack,
    ProcessTrack,
    RealServer,
    ScriptTrack,
    VirtualRouter,
    VirtualService,
    WatchedTrack,
)
from haagent.control.requests import ProbeWhy, Refused, RouterWhy, ServerWhy, Try, WhyAnswer
from haagent.core.core import Core
from haagent.core.events import ServerKey
from haagent.health.transcript import Transcript, difference, escaped, step
from haagent.pool.path import path_addresses
from haagent.pool.tracking import condition
from haagent.processes.history import Entry
from haagent.snapshot import RouterStatus, Snapshot
from haagent.view import Clock

TRANSITIONS = 10

Transcripts = Mapping[int, tuple[Transcript, ...]]


def subjects(core: Core, name: str) -> tuple[list[VirtualRouter], list[tuple[VirtualService, RealServer]]] | Refused:
    """The routers and real servers that a name means: NAME, SERVICE/NAME, or all of a service."""
    if core.config is None:
        return Refused("there is no configuration yet")
    routers = [router for router in core.config.virtual_routers if router.name == name]
    pairs = [(service, server) for service in core.config.virtual_services for server in service.real_servers]
    servers = [
        (service, server)
        for service, server in pairs
        if name in (server.name, f"{service.name}/{server.name}") or (name == service.name and not routers)
    ]
    if routers or servers:
        return routers, servers
    known = [router.name for router in core.config.virtual_routers]
    known += [each for service, server in pairs for each in (server.name, f"{service.name}/{server.name}")]
    close = difflib.get_close_matches(name, known, 1)
    hint = f'did you mean "{close[0]}"?' if close else "see: haagent status"
    return Refused(f'there is no real server and no virtual router "{name}"; {hint}')


def probe_ids(core: Core, servers: Iterable[tuple[VirtualService, RealServer]]) -> tuple[int, ...]:
    keys = [(service.name, server.name) for service, server in servers]
    return tuple(dict.fromkeys(id_ for key in keys for id_ in _ids(core, key)))


def why(
    core: Core,
    snapshot: Snapshot,
    routers: Iterable[VirtualRouter],
    servers: Iterable[tuple[VirtualService, RealServer]],
    transcripts: Transcripts,
    history: Iterable[Entry],
    clock: Clock,
) -> WhyAnswer:
    """`history`: oldest first."""
    entries = list(history)
    statuses = {router.name: router for router in snapshot.routers}
    return WhyAnswer(
        at=clock.wall,
        routers=tuple(_router(core, router, statuses[router.name], entries, clock) for router in routers),
        servers=tuple(
            _server(core, snapshot, service, server, transcripts, entries, clock) for service, server in servers
        ),
    )


def _router(core: Core, router: VirtualRouter, status: RouterStatus, entries: list[Entry], clock: Clock) -> RouterWhy:
    terms = [f"{router.priority} as configured"]
    for track in router.track:
        what = "a fault" if track.fault else f"{track.priority:+d}"
        if isinstance(track, WatchedTrack):
            seen = core.routers.watched.get(track)
            state = "not looked at yet" if seen is None else f"so it is: {seen.cause}" if seen.cause else "it is not"
            if seen is not None and seen.priority is not None:
                what = f"{seen.priority:+d}"
            terms.append(f"{what} {watched_words(track)}: {state}")
        elif isinstance(track, PoolTrack):
            holds = condition(track, core.pools.of[track.pool], core.faults.blame.here)
            state = f"so it is: {holds}" if holds else "it is not"
            terms.append(f"{what} while the pool {track.pool} is {track.when.replace('_', ' ')}: {state}")
        else:
            terms.append(f"{what} while {track.interface} is down")
    terms.append(f"= {status.effective_priority} now")
    if router.guarded_takeover and (hold := core.guard.hold(clock.monotonic)):
        terms.append(f"a preemption would wait, for at most {router.guard_time:g} s: {hold}")
    return RouterWhy(
        status=status,
        priority_terms=tuple(terms),
        history=tuple(
            each for each in entries if each.subject in ("router", "owner", "agreement") and each.name == router.name
        )[-TRANSITIONS:],
    )


def watched_words(track: WatchedTrack) -> str:
    match track:
        case ScriptTrack():
            return f"while the script {track.script[0]} fails"
        case FileTrack(when="value"):
            return f"as the file {track.file} says"
        case FileTrack():
            return f"while the file {track.file} {'exists' if track.when == 'exists' else 'is missing'}"
        case ProcessTrack():
            return f"while fewer than {track.least} processes {track.process} run"


def _server(
    core: Core,
    snapshot: Snapshot,
    service: VirtualService,
    server: RealServer,
    transcripts: Transcripts,
    entries: list[Entry],
    clock: Clock,
) -> ServerWhy:
    key = service.name, server.name
    status = next(
        real
        for each in snapshot.services
        if each.name == service.name
        for real in each.real_servers
        if real.name == server.name and not real.sorry
    )
    arp = [core.arp.verdicts[address].sentence for address in path_addresses(service) if address in core.arp.verdicts]
    return ServerWhy(
        service=service.name,
        status=status,
        arp=tuple(sentence for sentence in arp if sentence),
        probes=tuple(_probe(core, id_, transcripts.get(id_, ()), clock) for id_ in _ids(core, key)),
        history=tuple(each for each in entries if each.name == "/".join(key))[-TRANSITIONS:],
    )


def _ids(core: Core, key: ServerKey) -> tuple[int, ...]:
    return core.probing.probes_of[key] + core.probing.path_probes_of.get(key, ())


def _probe(core: Core, id_: int, tries: tuple[Transcript, ...], clock: Clock) -> ProbeWhy:
    probe, verdict = core.probing.probes[id_], core.probing.verdicts[id_]
    good = next((each for each in reversed(tries) if each.passed), None)
    failed = next((each for each in reversed(tries) if not each.passed), None)
    is_failing = bool(tries) and not tries[-1].passed
    return ProbeWhy(
        check=probe.check.name,
        target=f"[{probe.address}]:{probe.port}" if ":" in probe.address else f"{probe.address}:{probe.port}",
        through=probe.through,
        health=verdict.health,
        since=clock.to_wall(verdict.since),
        detail=verdict.detail,
        cause=verdict.cause,
        failing_step=step(failed) if failed is not None and is_failing else "",
        difference=difference(failed, good) if failed is not None and good is not None and is_failing else (),
        tries=tuple(_try(each, clock) for each in tries),
    )


def _try(each: Transcript, clock: Clock) -> Try:
    return Try(
        at=clock.to_wall(each.at),
        passed=each.passed,
        detail=each.detail,
        step=step(each),
        target=each.target,
        source=each.source,
        mark=each.mark,
        connected_after=each.connected_after,
        first_octet_after=each.first_octet_after,
        ended_after=each.ended_after,
        error=each.error,
        sent=escaped(each.sent),
        received=escaped(each.received),
        received_octets=each.received_octets,
        notes=each.notes,
    )
