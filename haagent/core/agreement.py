"""Whether the directors agree about a virtual router: one verdict with its evidence, as sentences. Pure.

    split      two are Active and neither hears the other; or a Backup hears two that are
    one_way    two are Active, and only one of them hears the other
    stranger   somebody else speaks for the VRID
    contested  two MACs answer for one of its addresses
    agreed     nothing of that

Who is Active and hears whom is known of this director, and of the others as far as they tell it over [peers]. Only a
router that is Active speaks, so a direction in which nothing is sent cannot be judged, nor needs to be.

A verdict changes once its evidence was seen again two Active_Down_Intervals after it was first seen, and at least
LEAST_PATIENCE: neither a takeover nor a lost advertisement is told.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import combinations

from haagent.core.hearing import Hearing, Instant, Source
from haagent.snapshot import AgreementState
from haagent.vrrp.timers import active_down_interval

PATIENCE = 2  # Active_Down_Intervals
LEAST_PATIENCE = 3.0  # seconds
LEAST_REFUSED_INTERVAL = 1.0  # of a source whose interval is not believed
SETTLE_TIME = 1.0  # seconds after a split in which the loser may still have been heard to answer
TWO_ACTIVE = ("split", "one_way")
ORDER: tuple[AgreementState, ...] = ("split", "one_way", "stranger", "contested")  # the worst first

REFUSALS = {
    "ttl": "came through a router",
    "length": "have another length, as signed ones do",
    "version": "are of another version",
    "type": "are of an unknown type",
    "checksum": "have a wrong checksum",
    "count": "list no address",
    "interval": "have another interval",
    "auth_type": "use an unknown authentication",
    "auth_type_mismatch": "use another authentication",
    "auth_failure": "have another password",
    "destination": "are multicast where unicast is wanted, or the other way round",
    "source": "come from none of the unicast peers",
    "signature_missing": "are not signed",
    "signature_type": "are signed by another scheme",
    "signature_key": "are signed with an unknown key",
    "signature_wrong": "have a wrong signature",
    "signature_stale": "are signed too long ago, or the clocks differ",
    "signature_replayed": "were heard before",
}


@dataclass(frozen=True, slots=True)
class Scene:
    """Everything that is known of one virtual router."""

    me: str  # this director
    own: Hearing
    words: Mapping[str, Hearing | None] = field(default_factory=dict)  # by director of [peers]; None: nothing said yet
    known: Mapping[str, str] = field(default_factory=dict)  # address -> who has it, as the configuration says
    is_unicast: bool = False
    has_second_path: bool = False
    fresh: float = 15.0  # seconds for which a peer's word is believed
    contest: str = ""  # who else answers for its addresses
    contest_at: Instant = 0.0  # when that was last heard
    disagreed_at: Instant = 0.0  # when two were last found to be Active


@dataclass(frozen=True, slots=True)
class Finding:
    """What the evidence says now. `seen_at`: the newest of it."""

    state: AgreementState
    evidence: tuple[str, ...]
    seen_at: Instant


@dataclass(frozen=True, slots=True)
class Agreement:
    """The verdict that is told, and what may follow it."""

    state: AgreementState = "unknown"
    evidence: tuple[str, ...] = ()
    since: Instant = 0.0
    pending: AgreementState = "unknown"
    pending_since: Instant = 0.0
    disagreed_at: Instant = 0.0  # when two were last found to be Active


def patience(own: Hearing) -> float:
    return max(LEAST_PATIENCE, PATIENCE * active_down_interval(own.priority, own.interval))


def damped(before: Agreement, found: Finding, own: Hearing, now: Instant) -> Agreement:
    """The verdict after one more look at the evidence."""
    disagreed_at = now if found.state in TWO_ACTIVE else before.disagreed_at
    if found.state == before.state:
        return Agreement(before.state, found.evidence, before.since, disagreed_at=disagreed_at)
    if found.state != before.pending:
        return Agreement(before.state, before.evidence, before.since, found.state, now, disagreed_at)
    if found.seen_at - before.pending_since < patience(own):
        return replace(before, disagreed_at=disagreed_at)
    return Agreement(found.state, found.evidence, now, disagreed_at=disagreed_at)


def find(scene: Scene, now: Instant) -> Finding:
    """The worst that the evidence shows, with all of it."""
    findings = [*_peers(scene, now), *_sources(scene, now)]
    has_two = any(each.state in TWO_ACTIVE for each in findings)
    if scene.contest and (has_two or scene.contest_at > scene.disagreed_at + SETTLE_TIME):
        findings.append(Finding("contested", (scene.contest,), scene.contest_at))
    for state in ORDER:
        if same := [each for each in findings if each.state == state]:
            rest = [each for each in findings if each.state != state]
            evidence = dict.fromkeys(words for each in (*same, *rest) for words in each.evidence)
            return Finding(state, tuple(evidence), max(each.seen_at for each in same))
    return Finding("agreed", tuple(_basis(scene, now)), now)


# ---------------------------------------------------------------------- other directors' words


def _peers(scene: Scene, now: Instant) -> Iterator[Finding]:
    """Any two that are Active at once, this director or others."""
    fresh = {name: word for name, word in scene.words.items() if word and now - word.at <= scene.fresh}
    for (one, here), (other, there) in combinations(({scene.me: scene.own} | fresh).items(), 2):
        if _are_both_active(here, there):
            seen_at = there.at if one == scene.me else min(here.at, there.at)
            yield _both_active(one, here, other, there, seen_at)


def _are_both_active(here: Hearing, there: Hearing) -> bool:
    """Each view must be newer than the other's role: in a takeover the last word of a dead Active is older."""
    return here.state == there.state == "active" and here.since < there.at and there.since < here.at


def _both_active(one: str, here: Hearing, other: str, there: Hearing, seen_at: Instant) -> Finding:
    hears = _heard(here, there.own), _heard(there, here.own)
    evidence = (
        f"{one} and {other} are both Active",
        _hearing_words(one, here, other, there.own, hears[0]),
        _hearing_words(other, there, one, here.own, hears[1]),
    )
    return Finding("one_way" if hears[0] is not hears[1] else "split", evidence, seen_at)


def _heard(who: Hearing, addresses: tuple[str, ...]) -> bool:
    return any(each.address in addresses and _speaks(who, each) for each in who.sources)


def _hearing_words(who: str, hearing: Hearing, whom: str, addresses: tuple[str, ...], hears: bool) -> str:
    place = f"{whom} ({', '.join(addresses)})" if addresses else whom
    theirs = [each for each in hearing.sources if each.address in addresses]
    if hears:
        return f"{who} hears {place}"
    if refused := [each for each in theirs if each.refusal and _is_recent(hearing, each)]:
        return f"{who} does not listen to {place}: its advertisements {_refusal(refused[0])}"
    if heard := [each.at for each in theirs if not each.refusal]:
        return f"{who} heard nothing from {place} for {hearing.at - max(heard):.0f} s"
    return f"{who} has never heard {place}"


# ---------------------------------------------------------------------- what is heard here


def _sources(scene: Scene, now: Instant) -> Iterator[Finding]:
    own, me = scene.own, scene.me
    speaking: dict[str, Source] = {}
    for source in own.sources:
        if not _is_recent(own, source):
            continue
        name = _name(scene, source.address)
        if not name and (why := _why_stranger(scene, source)):
            yield Finding("stranger", (f"{source.address} {why}",), source.at)
        elif source.refusal and name and not _is_told(scene, name, now):
            words = f"{me} does not listen to {_place(name, source)}: its advertisements {_refusal(source)}"
            yield Finding("one_way", (words,), source.at)
        elif not source.refusal and source.priority:
            speaking[name or source.address] = source
    yield from _rivals(scene, speaking, now)


def _rivals(scene: Scene, speaking: Mapping[str, Source], now: Instant) -> Iterator[Finding]:
    """Whoever hears another Active router yields, or makes it yield; and only an Active one speaks."""
    own = scene.own
    if own.state == "active":
        for name, source in speaking.items():
            if source.at > own.since + active_down_interval(own.priority, own.interval) and not _is_told(
                scene, name, now
            ):
                words = (
                    f"{_place(name, source)} goes on advertising priority {source.priority}, below the"
                    f" {own.priority} of {scene.me}: it does not hear {scene.me}"
                )
                yield Finding("one_way", (words,), source.at)
    elif len(speaking) > 1 and (not scene.has_second_path or scene.words):
        both = sorted(speaking.items(), key=lambda each: each[1].at)[-2:]
        words = " and ".join(_place(name, source) for name, source in both) + " both advertise as Active"
        yield Finding("split", (f"{scene.me} hears that {words}",), min(source.at for _, source in both))


def _is_told(scene: Scene, name: str, now: Instant) -> bool:
    """Whether that director's own word is there, which says more than what is heard here."""
    word = scene.words.get(name)
    return word is not None and now - word.at <= scene.fresh


def _why_stranger(scene: Scene, source: Source) -> str:
    """Why an address that nobody is known to have is no peer's; empty: it may be one's."""
    said = f"advertises VRRPv{source.version} with priority {source.priority} for this VRID"
    if source.refusal:
        said += f", refused since its advertisements {_refusal(source)}"
    if source.others or source.lacks:
        has = [f"other virtual addresses ({', '.join(source.others)})"] if source.others else []
        has += [f"without {', '.join(source.lacks)}"] if source.lacks else []
        said += ", " + " and ".join(has)
    if _all_peers_are_known(scene):
        peers = [f"{name} {', '.join(word.own)}" for name, word in scene.words.items() if word]
        return f"{said}: it is none of the peers ({'; '.join(peers)})"
    if scene.is_unicast and source.refusal == "source":
        return said
    if source.refusal or source.others or source.lacks:
        return f"{said}: a stranger with this VRID, or a peer that is configured otherwise"
    return ""


def _all_peers_are_known(scene: Scene) -> bool:
    return bool(scene.words) and all(word is not None and word.own for word in scene.words.values())


def _name(scene: Scene, address: str) -> str:
    """Whose address it is; empty: nobody's that we know."""
    for name, word in scene.words.items():
        if word is not None and address in word.own:
            return name
    return scene.known.get(address, "")


def _place(name: str, source: Source) -> str:
    return source.address if name == source.address else f"{name} ({source.address})"


def _refusal(source: Source) -> str:
    return REFUSALS.get(source.refusal, f"are refused ({source.refusal})")


def _speaks(who: Hearing, source: Source) -> bool:
    return not source.refusal and source.priority > 0 and _is_recent(who, source)


def _is_recent(who: Hearing, source: Source) -> bool:
    interval = max(who.interval, source.interval, LEAST_REFUSED_INTERVAL if source.refusal else 0.0)
    return who.at - source.at <= active_down_interval(who.priority, interval)


# ---------------------------------------------------------------------- why nothing is wrong


def _basis(scene: Scene, now: Instant) -> Iterator[str]:
    """What the agreement rests on."""
    own, me = scene.own, scene.me
    active = [each for each in own.sources if _speaks(own, each)]
    if own.state == "active":
        yield f"{me} is Active and hears nobody else advertise"
    elif active:
        yield f"{me} is Backup of {_place(_name(scene, active[0].address) or active[0].address, active[0])}"
    else:
        yield f"{me} is Backup"
    for name, word in scene.words.items():
        if word is None or now - word.at > scene.fresh:
            yield f"nothing is known from {name}"
        elif own.state == "active" and word.state == "backup" and own.since < word.at:
            hears = _heard(word, own.own)
            yield f"{name} is Backup and {'hears' if hears else 'does not hear'} {me}"
        else:
            yield f"{name} is {word.state.capitalize()}"
    if not scene.words:
        yield "no word of other directors: [peers] is not configured"
