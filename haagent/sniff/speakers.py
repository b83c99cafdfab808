"""Who speaks VRRP for which virtual router, what changes about it, and what about it cannot be right. Pure.

A virtual router is a VRID of one family (RFC 9568 section 1.5: those of IPv4 and IPv6 are separate).
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from haagent.sniff.alternation import Alternation
from haagent.sniff.finding import Finding, ip_text, listed, mac_text
from haagent.sniff.records import VrrpHeard
from haagent.sniff.speaker import Speaker, addresses, changes, described, who
from haagent.sniff.spoken import TTL, Malformed, read

RouterKey = tuple[int, int]  # octets of an address: 4 or 16; VRID

_MALFORMED = {
    "LENGTH": "its length does not fit its number of addresses",
    "VERSION": "its version is neither 2 nor 3",
    "TYPE": "it is no advertisement (type 1)",
    "CHECKSUM": "its checksum is wrong in every form",
    "COUNT": "it lists no address (erratum 8299)",
    "INTERVAL": "its interval is zero (erratum 8301)",
    "VRID": "its VRID is 0",
}


@dataclass(slots=True)
class Router:
    """One VRID: its speakers, and which conflicts are going on."""

    speakers: dict[bytes, Speaker] = field(default_factory=dict)
    alternation: Alternation = field(default_factory=Alternation)
    split_since: float | None = None
    told: set[tuple[object, ...]] = field(default_factory=set)


class Speakers:
    """`hear` and `pass_time` return what is new, in sentences."""

    def __init__(self) -> None:
        self.routers: dict[RouterKey, Router] = {}
        self.malformed: Counter[tuple[bytes, str]] = Counter()

    def hear(self, heard: VrrpHeard) -> Iterator[Finding]:
        spoken = read(heard.message, heard.source, heard.destination)
        if isinstance(spoken, Malformed):
            yield from self._malformed(heard, spoken)
            return
        key = len(heard.source), spoken.vrid
        router = self.routers.setdefault(key, Router())
        speaker = router.speakers.get(heard.source)
        if speaker is None:
            speaker = Speaker(heard.source, heard.mac, spoken, heard.ttl, heard.at, heard.at)
            router.speakers[heard.source] = speaker
            yield Finding(heard.at, "fact", about(key), f"{who(speaker)} speaks {described(speaker)}")
            speaker.forms[spoken.form] = heard.at
        else:
            for change in changes(speaker, heard, spoken):
                yield Finding(heard.at, "change", about(key), f"{ip_text(heard.source)} {change}")
        speaker.spoken, speaker.mac, speaker.ttl = spoken, heard.mac, heard.ttl
        speaker.last_at, speaker.is_silent = heard.at, False
        speaker.count += 1
        yield from self._wrong_by_itself(key, router, speaker)
        yield from self._against_others(key, router, speaker)

    def pass_time(self, now: float) -> Iterator[Finding]:
        """Who fell silent, and which splits ended by that."""
        for key, router in self.routers.items():
            for speaker in router.speakers.values():
                if not speaker.is_silent and now - speaker.last_at > speaker.patience:
                    speaker.is_silent = True
                    if speaker.spoken.priority:
                        silent = f"{ip_text(speaker.source)} fell silent: nothing for {speaker.patience:.2f} s"
                        yield Finding(speaker.ended_at, "change", about(key), silent)
            yield from _calm(key, router, now)

    # ------------------------------------------------------------------ conflicts

    def _malformed(self, heard: VrrpHeard, malformed: Malformed) -> Iterator[Finding]:
        reason = malformed.reason.name
        self.malformed[heard.source, reason] += 1
        if self.malformed[heard.source, reason] == 1:
            yield Finding(
                heard.at,
                "conflict",
                about((len(heard.source), malformed.vrid)),
                f"{ip_text(heard.source)} ({mac_text(heard.mac)}) sends what every router discards"
                f" ({reason}): {_MALFORMED.get(reason, 'it breaks RFC 9568 section 7.1')}",
            )

    def _wrong_by_itself(self, key: RouterKey, router: Router, speaker: Speaker) -> Iterator[Finding]:
        source, spoken = ip_text(speaker.source), speaker.spoken
        if speaker.ttl != TTL and _is_new(router, "ttl", speaker.source, speaker.ttl):
            yield Finding(
                speaker.last_at,
                "conflict",
                about(key),
                f"{source} sends with {'TTL' if key[0] == 4 else 'hop limit'} {speaker.ttl}: every router discards"
                f" what does not have {TTL}, as it may come from another network",
            )
        is_foreign = key[0] == 4 and speaker.form == "pseudo_header" and speaker.count > 1  # the first may have a twin
        if is_foreign and _is_new(router, "form", speaker.source):
            yield Finding(
                speaker.last_at,
                "conflict",
                about(key),
                f"{source} puts a pseudo-header under its checksum, as keepalived and FRR do: a router that takes"
                " RFC 9568 by the word discards it",
            )
        if spoken.authentication and _is_new(router, "authentication", speaker.source):
            yield Finding(
                speaker.last_at,
                "conflict",
                about(key),
                f"{source} sends an authentication type {spoken.authentication}, which protects nothing"
                " and which RFC 9568 dropped",
            )

    def _against_others(self, key: RouterKey, router: Router, speaker: Speaker) -> Iterator[Finding]:
        now = speaker.last_at
        others = [
            each for each in router.speakers.values() if each is not speaker and now - each.last_at <= each.patience
        ]
        for other in others:
            yield from self._disagreement(key, router, speaker, other)
        window = max([each.patience for each in (speaker, *others)])
        is_speaking = speaker.spoken.priority > 0  # else it is letting go
        alternates = is_speaking and router.alternation.hear(speaker.source, now, window)
        if alternates and router.split_since is None:
            router.split_since = now
            both = sorted((speaker, *others), key=lambda each: each.source)
            words = listed([f"{who(each)} with priority {each.spoken.priority}" for each in both])
            yield Finding(
                now,
                "conflict",
                about(key),
                f"split: {len(both)} routers are Active at once: {words}."
                " At least one of them does not hear, or does not accept, the other",
            )
        yield from _calm(key, router, now)

    def _disagreement(self, key: RouterKey, router: Router, one: Speaker, other: Speaker) -> Iterator[Finding]:
        """What two routers of one VRID must have in common."""
        pair = sorted((one, other), key=lambda each: each.source)
        first, second = pair
        lists = tuple(frozenset(each.spoken.addresses) for each in pair)
        if lists[0] != lists[1] and _is_new(router, "addresses", first.source, second.source, *lists):
            apart = not lists[0] & lists[1]
            yield Finding(
                one.last_at,
                "conflict",
                about(key),
                f"{ip_text(first.source)} lists {addresses(first)},"
                f" {ip_text(second.source)} lists {addresses(second)}: "
                + (
                    "two different virtual routers use this VRID on one segment; give one of them another"
                    if apart
                    else "their configurations differ"
                ),
            )
        forms = first.form, second.form
        are_apart = set(forms) == {"rfc9568", "pseudo_header"} and min(first.count, second.count) > 1
        if key[0] == 4 and are_apart and _is_new(router, "forms", *forms):
            yield Finding(
                one.last_at,
                "conflict",
                about(key),
                f"{ip_text(first.source)} and {ip_text(second.source)} differ in what the checksum covers"
                f" ({forms[0]}, {forms[1]}): unless they take both, neither hears the other",
            )
        if first.spoken.version != second.spoken.version and _is_new(router, "version", first.source, second.source):
            yield Finding(
                one.last_at,
                "conflict",
                about(key),
                f"{ip_text(first.source)} speaks VRRPv{first.spoken.version},"
                f" {ip_text(second.source)} VRRPv{second.spoken.version}: neither hears the other",
            )
        elif first.spoken.interval != second.spoken.interval and _is_new(
            router, "interval", first.source, second.source, first.spoken.interval, second.spoken.interval
        ):
            yield Finding(
                one.last_at,
                "conflict",
                about(key),
                f"{ip_text(first.source)} advertises every {first.spoken.interval:g} s,"
                f" {ip_text(second.source)} every {second.spoken.interval:g} s: their configurations differ",
            )


def _calm(key: RouterKey, router: Router, now: float) -> Iterator[Finding]:
    if router.split_since is None:
        return
    living = [each for each in router.speakers.values() if each.ended_at >= now and each.spoken.priority]
    if len(living) < 2:
        ended_at = max(each.ended_at for each in router.speakers.values() if each not in living)
        lasted = ended_at - router.split_since
        router.split_since, router.alternation = None, Alternation()
        left = f"{ip_text(living[0].source)} alone speaks" if living else "nobody speaks any more"
        yield Finding(ended_at, "calm", about(key), f"the split is over after {lasted:.2f} s: {left}")


def _is_new(router: Router, *what: object) -> bool:
    if what in router.told:
        return False
    router.told.add(what)
    return True


def about(key: RouterKey) -> str:
    return f"vrid {key[1]}" + (" (IPv6)" if key[0] == 16 else "")
