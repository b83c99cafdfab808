"""Is it the pool or me: who is at fault when all real servers of a service are down here. Pure.

A peer that sees most of them up, in a report that is newer than our own last failure, says that this director is. One
that sees them down too says that the pool is. Without such a word there is only a hint: when everything that this
director checks failed within moments, its own link is the likelier culprit.

One real server proves nothing, so a service with a single one is at fault itself, unless others fall with it.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from haagent.health.check import HealthState

Instant = float
ServerKey = tuple[str, str]  # service name, real server name
TOGETHER = 10.0  # seconds: failures nearer together are one event
SETTLED = 2.0  # seconds that a peer's word must be newer than our last failure, beside its own `doubt`


@dataclass(frozen=True, slots=True)
class Verdict:
    """`doubt`: seconds by which two directors that check the same may come to it apart."""

    health: HealthState
    since: Instant
    doubt: float = 0.0


@dataclass(frozen=True, slots=True)
class PeerView:
    """What a peer said of the real servers, and when it came."""

    at: Instant
    healths: Mapping[ServerKey, HealthState]


@dataclass(frozen=True, slots=True)
class Blame:
    """`here`: services that only this director cannot reach; and a sentence for each finding."""

    here: frozenset[str] = frozenset()
    sentences: tuple[str, ...] = ()


def blame(verdicts: Mapping[ServerKey, Verdict], peers: Mapping[str, PeerView]) -> Blame:
    """`verdicts`: of all real servers that are checked."""
    services: dict[str, dict[ServerKey, Verdict]] = {}
    for key, verdict in verdicts.items():
        services.setdefault(key[0], {})[key] = verdict
    fallen = {name: each for name, each in services.items() if _is_down(each)}
    here: set[str] = set()
    sentences: list[str] = []
    for name, each in fallen.items():
        accuser = _who_sees_them(each, peers) if len(each) > 1 or len(fallen) > 1 else None
        if accuser is not None:
            peer, up = accuser
            here.add(name)
            sentences.append(
                f"this director is at fault, not the pool {name}: all its {len(each)} real servers are down here, "
                f"and {peer} sees {up} of them up; look at the interfaces and routes towards them"
            )
    if fallen and not here and len(fallen) == len(services) and len(verdicts) > 1:
        last = [max(verdict.since for verdict in each.values()) for each in fallen.values()]
        first = min(verdict.since for verdict in verdicts.values())
        if max(last) - first <= TOGETHER and not _is_confirmed(verdicts, peers):
            sentences.append(
                f"all {len(verdicts)} real servers that this director checks went down within "
                f"{max(1.0, max(last) - first):.0f} s: look at its own interfaces and routes first"
            )
    return Blame(frozenset(here), tuple(sentences))


def _is_down(servers: Mapping[ServerKey, Verdict]) -> bool:
    return all(verdict.health == "down" for verdict in servers.values())


def _who_sees_them(servers: Mapping[ServerKey, Verdict], peers: Mapping[str, PeerView]) -> tuple[str, int] | None:
    """A peer that sees half of them or more up, and how many."""
    settled = _settled(servers)
    for peer, view in sorted(peers.items()):
        up = sum(1 for key in servers if view.healths.get(key) == "up")
        if view.at >= settled and 2 * up >= len(servers):
            return peer, up
    return None


def _settled(servers: Mapping[ServerKey, Verdict]) -> Instant:
    """From when on a peer's word counts."""
    return max(verdict.since + verdict.doubt for verdict in servers.values()) + SETTLED


def _is_confirmed(verdicts: Mapping[ServerKey, Verdict], peers: Mapping[str, PeerView]) -> bool:
    """Whether a peer sees them all down too: then it is not us."""
    return any(
        view.at >= _settled(verdicts) and all(view.healths.get(key) == "down" for key in verdicts)
        for view in peers.values()
    )
