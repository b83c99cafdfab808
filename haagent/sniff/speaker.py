"""One source of advertisements for one virtual router, and the words for it. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from haagent.sniff.finding import ip_text, mac_text
from haagent.sniff.records import VrrpHeard
from haagent.sniff.spoken import Spoken
from haagent.vrrp.timers import active_down_interval


@dataclass(slots=True)
class Speaker:
    """One source of advertisements for one virtual router."""

    source: bytes
    mac: bytes
    spoken: Spoken
    ttl: int
    first_at: float
    last_at: float
    forms: dict[str, float] = field(default_factory=dict)  # checksum form -> when it was heard last
    count: int = 0
    is_silent: bool = False

    @property
    def form(self) -> str:
        """Some send each advertisement twice, once in each form, until they know which one their peer wants."""
        return "both" if len(self.forms) > 1 else self.spoken.form

    def hear_form(self, form: str, at: float) -> None:
        """Before `last_at` and `spoken` are replaced."""
        is_twin = len(self.forms) > 1 or at - self.last_at < self.spoken.interval / 2
        self.forms = {
            each: when for each, when in self.forms.items() if each != form and is_twin and at - when <= self.patience
        }
        self.forms[form] = at

    @property
    def patience(self) -> float:
        """How long its Backup routers wait for it, the slowest of them."""
        return active_down_interval(1, self.spoken.interval)

    @property
    def ended_at(self) -> float:
        """From when on it does not count as Active, unless it speaks again."""
        return self.last_at + self.patience if self.spoken.priority else self.last_at


def who(speaker: Speaker) -> str:
    return f"{ip_text(speaker.source)} ({mac_text(speaker.mac)})"


def addresses(speaker: Speaker) -> str:
    each = [ip_text(address) for address in speaker.spoken.addresses]
    return ", ".join(each) if len(each) <= 8 else f"{', '.join(each[:8])} and {len(each) - 8} more"


def described(speaker: Speaker) -> str:
    spoken = speaker.spoken
    return (
        f"VRRPv{spoken.version} with priority {spoken.priority}, every {spoken.interval:g} s, for {addresses(speaker)}"
        f" (checksum {spoken.form}, {'TTL' if len(speaker.source) == 4 else 'hop limit'} {speaker.ttl}"
        f"{f', signed with key {spoken.key_id}' if spoken.key_id else ''})"
    )


def changes(before: Speaker, heard: VrrpHeard, spoken: Spoken) -> Iterator[str]:
    """What is different from the last advertisement of the same source."""
    old = before.spoken
    if before.is_silent:
        yield f"speaks again, with priority {spoken.priority}"
    if old.priority != spoken.priority and spoken.priority == 0:
        yield f"lets go (priority {old.priority} -> 0)"
    elif old.priority != spoken.priority and not (before.is_silent and old.priority == 0):
        yield f"changed its priority: {old.priority} -> {spoken.priority}"
    if old.version != spoken.version:
        yield f"changed its version: {old.version} -> {spoken.version}"
    if old.interval != spoken.interval:
        yield f"changed its interval: {old.interval:g} s -> {spoken.interval:g} s"
    if old.addresses != spoken.addresses:
        gone = [f"-{ip_text(each)}" for each in old.addresses if each not in spoken.addresses]
        new = [f"+{ip_text(each)}" for each in spoken.addresses if each not in old.addresses]
        yield f"changed its addresses: {', '.join(new + gone) or 'the order'}"
    if old.key_id != spoken.key_id:
        yield _signing(old.key_id, spoken.key_id)
    form = before.form
    before.hear_form(spoken.form, heard.at)
    now = "both" if len(before.forms) > 1 else spoken.form
    if form != now:
        yield f"changed its checksum form: {form} -> {now}"
    if before.ttl != heard.ttl:
        yield f"changed its TTL: {before.ttl} -> {heard.ttl}"
    if before.mac != heard.mac:
        yield f"changed its MAC: {mac_text(before.mac)} -> {mac_text(heard.mac)}"


def _signing(before: int, now: int) -> str:
    if not before:
        return f"signs its advertisements now, with key {now}"
    return f"changed its signing key: {before} -> {now}" if now else "does not sign its advertisements any more"
