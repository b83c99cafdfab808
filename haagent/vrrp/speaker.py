"""Every virtual router of one director: the pure core of the vrrp process.

It resolves each router's parameters from its settings and surroundings, hands events to the machines of `router.py`,
prepares the messages that a transition will send, counts, and knows the next deadline. No clock, no socket.
"""

import heapq
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Literal

from haagent.vrrp import advertisement as wire
from haagent.vrrp.address import dotted
from haagent.vrrp.advertisement import Advertisement, ChecksumForm, Discard
from haagent.vrrp.auth_hmac import Authenticator, Secrets, renewed
from haagent.vrrp.debounce import Debounce
from haagent.vrrp.effects import AnnounceAddresses, Effect, SetAddresses
from haagent.vrrp.events import (
    AdvertisementReceived,
    DeadlinePassed,
    Event,
    LeaveAsked,
    ParametersChanged,
    ReturnAsked,
    SegmentChanged,
    SegmentHeard,
    Shutdown,
    SpokenAgain,
    Startup,
)
from haagent.vrrp.explain import SPEAKS_AGAIN, Heard, explain, explain_mute
from haagent.vrrp.group import TIE_MEMORY, Group, breaks_ties, group_key, spread, unite
from haagent.vrrp.outgoing import Outgoing, encode_all
from haagent.vrrp.reception import complaint, read
from haagent.vrrp.router import Active, Backup, Initialize, Instant, Leaving, Lingering, State, deadline, step
from haagent.vrrp.settings import (
    Fault,
    Interface,
    RouterSettings,
    Surroundings,
    Term,
    Tracking,
    effective_priority,
    resolve,
    terms,
)
from haagent.vrrp.sources import Sources
from haagent.vrrp.timers import shortest_active_down_interval
from haagent.vrrp.virtual_router import VirtualRouter

TWINS_AT_FIRST = 4  # advertisements of a new Active router that go out in both checksum forms
TWIN_EVERY = 16  # and one of so many later

StateName = Literal["initialize", "backup", "active"]


def name_of(state: State) -> StateName:
    """Who is leaving still holds the addresses and serves: for everybody on this host it is Active."""
    match state:
        case Active() | Leaving() | Lingering():
            return "active"
        case Backup():
            return "backup"
        case Initialize():
            return "initialize"


@dataclass(frozen=True, slots=True)
class Transition:
    """Edge: a router changed its state, or the sentence that explains it changed."""

    router: str
    previous: StateName
    state: StateName
    reason: str


SpeakerEffect = Effect | Transition


@dataclass(slots=True)
class Machine:
    """One router's working memory; its state is its group's. Only the Speaker changes it."""

    settings: RouterSettings
    group: Group
    parameters: VirtualRouter | None = None  # None: its group has a fault
    election: VirtualRouter | None = None  # the same in the group's name, as `step` wants it
    peer_form: ChecksumForm | None = None  # what the peer was last heard to send
    heard: Heard | None = None
    heard_event: AdvertisementReceived | None = None  # the same, as it was delivered
    heard_at: Instant | None = None  # by the first path
    counters: Counter[str] = field(default_factory=Counter)
    sources: Sources = field(default_factory=Sources)  # who advertises for it
    # priority -> what is to be sent; still there when a fault has ended the parameters
    messages: dict[int, tuple[Outgoing, ...]] = field(default_factory=dict)
    twins: dict[int, tuple[Outgoing, ...]] = field(default_factory=dict)  # in the other form, while no peer was heard
    # of the parameters: a peer that says everything in both forms changes what we shall send each time
    encoded: dict[ChecksumForm, dict[int, tuple[Outgoing, ...]]] = field(default_factory=dict)
    spoken: int = 0  # advertisements since it became Active
    complaints: set[Discard] = field(default_factory=set)  # told since the last transition
    authenticator: Authenticator | None = None  # where advertisements are signed

    def source_on(self, interface: str) -> bytes:
        """Our own address there; empty while we do not speak there."""
        paths = self.parameters.paths if self.parameters else ()
        return next((path.source for path in paths if path.interface == interface), b"")

    @property
    def state(self) -> State:
        return self.group.state

    @property
    def reason(self) -> str:
        return self.group.reason

    @property
    def since(self) -> Instant:
        return self.group.since

    @property
    def state_name(self) -> StateName:
        return name_of(self.group.state)

    @property
    def active_address(self) -> bytes:
        """Packed: who is Active on its segment, as far as we know; empty: unknown."""
        match self.group.state:
            case Active() | Leaving() | Lingering():
                return self.parameters.primary_address if self.parameters else b""
            case Backup(active_address=heard) if len(self.group.members) == 1:
                return heard
            case Backup(active_address=heard) if heard and self.heard is not None:
                return self.heard.source
        return b""


class Speaker:
    """Levels come in by `set_*`, edges by the others; each returns the effects, in order."""

    def __init__(self) -> None:
        self.machines: dict[str, Machine] = {}
        # removed by the last set_routers: their farewells are to be sent before anything else is delivered
        self.retired: dict[str, Machine] = {}
        self.discarded: dict[str, Counter[Discard]] = {}  # interface -> reasons
        self._groups: dict[str, Group] = {}
        self._holding_off: set[str] = set()  # of their keys
        self._surroundings = Surroundings()
        self._debounce = Debounce()
        self._by_place: dict[tuple[str, int, int], Machine] = {}  # interface, octets of an address, VRID
        self._deadlines: list[tuple[Instant, str]] = []  # heap; entries of moved deadlines are skipped when met
        self.is_stopping = False
        self.utc_offset = 0.0  # from an instant to the time of day, for the sequences of signed advertisements

    # ------------------------------------------------------------------ levels that come in

    def set_routers(
        self, settings: Iterable[RouterSettings], now: Instant, secrets: Secrets | None = None
    ) -> list[SpeakerEffect]:
        """The whole wanted set. Unchanged routers keep state and deadlines; removed ones shut down first.

        `secrets`: what the key files of `auth_hmac` hold now; None: as before. Other keys move no state.
        """
        wanted = {each.name: each for each in settings}
        self.retired = {}
        effects = self._retire(wanted, now)
        secrets = self._surroundings.secrets if secrets is None else secrets
        for name, each in wanted.items():
            if name in self.machines:
                self.machines[name].settings = each
                continue
            key = group_key(name, each.group)
            group = self._groups.setdefault(key, Group(key, since=now))
            self.machines[name] = Machine(each, group)
            if isinstance(group.state, Backup):  # it joins the others: what a predecessor left is swept
                effects.append(SetAddresses(name, held=False))
        for group in self._groups.values():
            group.members = tuple(name for name in wanted if self.machines[name].group is group)
        self._by_place = {place: m for m in self.machines.values() for place in m.settings.places}
        tracked = {track for each in wanted.values() for track in each.tracked_interfaces}
        self._surroundings = replace(
            self._surroundings,
            virtual=frozenset(
                (m.settings.interface, address)
                for m in self.machines.values()
                for address, _ in m.settings.virtual_addresses + m.settings.unadvertised_addresses
            ),
            links=self._debounce.follow(tracked, self._surroundings.interfaces, now),
            secrets=secrets,
        )
        for machine in self.machines.values():
            machine.authenticator = renewed(machine.authenticator, machine.settings.auth_hmac, secrets)
        return effects + self._resolve_all(now)

    def _retire(self, wanted: dict[str, RouterSettings], now: Instant) -> list[SpeakerEffect]:
        """Those that are gone, or are another router now. Where the rest of a group goes on there is no farewell:
        the peers would take it for the group's."""
        leaving: dict[str, list[str]] = {}
        for name, machine in self.machines.items():
            if name not in wanted or _identity(wanted[name]) != _identity(machine.settings):
                leaving.setdefault(machine.group.key, []).append(name)
        effects: list[SpeakerEffect] = []
        for key, names in leaving.items():
            group = self._groups[key]
            if len(names) == len(group.members):
                effects += self._deliver(group, Shutdown(), now, "removed from the configuration")
                del self._groups[key]
            else:
                effects += [SetAddresses(name, held=False) for name in names if group.parameters]
                effects += [
                    Transition(name, self.machines[name].state_name, "initialize", "removed from its group")
                    for name in names
                    if self.machines[name].state_name != "initialize"
                ]
                group.members = tuple(each for each in group.members if each not in names)
                group.parameters = {each: group.parameters[each] for each in group.members if group.parameters}
            for name in names:
                self.retired[name] = self.machines.pop(name)
        return effects

    def set_interfaces(self, interfaces: Iterable[Interface], now: Instant) -> list[SpeakerEffect]:
        """All interfaces of the host, after any change of a link or of an address."""
        self.retired = {}
        known = {each.name: each for each in interfaces}
        tracked = {track for m in self.machines.values() for track in m.settings.tracked_interfaces}
        self._surroundings = replace(
            self._surroundings, interfaces=known, links=self._debounce.follow(tracked, known, now)
        )
        return self._resolve_all(now)

    def set_virtual_macs(self, missing: dict[str, str], now: Instant) -> list[SpeakerEffect]:
        """Router -> why the interface with its virtual MAC address is not there; empty: it is."""
        if missing == self._surroundings.no_virtual_mac:
            return []
        self._surroundings = replace(self._surroundings, no_virtual_mac=missing)
        return self._resolve_all(now)

    def set_tracking(self, tracking: dict[str, Tracking], now: Instant) -> list[SpeakerEffect]:
        """The director's word on every tracked router; routers that are not named have neither fault nor term."""
        self.retired = {}
        self._surroundings = replace(self._surroundings, tracking=tracking)
        return self._resolve_all(now)

    # ------------------------------------------------------------------ edges that come in

    def receive(
        self, interface: str, message: bytes, ttl: int, source: bytes, destination: bytes, now: Instant
    ) -> list[SpeakerEffect]:
        """One datagram of protocol 112; `message` is the IP payload."""
        machine = self._by_place.get((interface, len(source), message[1])) if len(message) > 1 else None
        settings, own = (machine.settings, machine.source_on(interface)) if machine else (None, b"")
        signer = machine.authenticator if machine else None
        heard = read(settings, own, interface, message, ttl, source, destination, signer, now + self.utc_offset)
        if isinstance(heard, Discard) or machine is None:
            reason = heard if isinstance(heard, Discard) else Discard.VRID
            self.discarded.setdefault(interface, Counter())[reason] += 1
            if machine is not None and reason is not Discard.OWN:
                machine.sources.refuse(source, message, reason.name.lower(), now)
            return self._complain(machine, reason, message, source)
        machine.sources.hear(source, heard, now)
        is_second = interface != machine.settings.interface
        if is_second and self._is_tie_elsewhere(machine, heard, now):
            return []
        self._count(machine, heard)
        machine.heard = Heard(source, heard.priority, now)
        if not is_second:
            machine.heard_at = now
        if machine.peer_form is not heard.checksum_form:
            machine.peer_form = heard.checksum_form
            self._prepare(machine)
        hold = self._hold(machine.group)
        mute = self._is_mute(machine.group, now)
        event = AdvertisementReceived(heard, source, self._breaks_ties(machine, now), bool(hold), mute)
        machine.heard_event = event
        before = machine.group.state
        because = explain_mute(machine.election, machine.group.refusal, source) if mute and machine.election else ""
        effects = self._deliver(machine.group, event, now, because, machine=machine, own=own)
        return effects + self._tell_guard(machine.group, before, Heard(source, heard.priority, now), hold)

    def _hold(self, group: Group) -> str:
        holds = (self._surroundings.tracking.get(name, Tracking()).hold for name in group.members)
        return next((hold for hold in holds if hold), "")

    def _tell_guard(self, group: Group, before: State, heard: Heard, hold: str) -> list[SpeakerEffect]:
        """What a guarded router waits for, and why it waits no longer: said where people look for it."""
        match before, group.state:
            case Backup(), Backup(held_until=Instant() as until) if heard.at < until and hold and group.state != before:
                who = f"{dotted(heard.source)} (priority {heard.priority})"
                limit = self.machines[group.members[0]].settings.guard_time
                return self._explain(group, f"does not preempt {who} yet, for at most {limit:g} s: {hold}")
            case Backup(held_until=Instant() as until), Backup() if group.state is before:
                over = f"preempts although {hold}: it has waited long enough" if hold else "preempts: it is ready now"
                return self._explain(group, over) if heard.at < until or hold else []
        return []

    def _breaks_ties(self, machine: Machine, now: Instant) -> bool:
        members = machine.group.members
        if len(members) == 1:
            return True
        heard_at = {name: heard.at for name in members if (heard := self.machines[name].heard) is not None}
        memory = now - TIE_MEMORY * machine.settings.advertisement_interval
        return breaks_ties(machine.settings.name, members, heard_at, memory)

    def _is_tie_elsewhere(self, machine: Machine, heard: Advertisement, now: Instant) -> bool:
        """Equal priorities: which address is the greater one may differ between two paths, so the first path decides
        while anybody is heard there."""
        parameters = machine.parameters
        return (
            parameters is not None
            and isinstance(machine.state, Active)
            and heard.priority == parameters.priority
            and machine.heard_at is not None
            and now - machine.heard_at < 4 * heard.max_advertise_interval
        )

    def _complain(self, machine: Machine | None, reason: Discard, message: bytes, source: bytes) -> list[SpeakerEffect]:
        """What would end with two Active routers is said where people look: once, until the next transition."""
        if machine is None or machine.parameters is None or reason in machine.complaints:
            return []
        sentence = complaint(reason, machine.settings, message, source)
        if not sentence:
            return []
        machine.complaints.add(reason)
        return self._explain(machine.group, sentence)

    def pass_time(self, now: Instant) -> list[SpeakerEffect]:
        """Deliver what is due. Every queued datagram must have been given to `receive` before (keepalived #2066)."""
        effects: list[SpeakerEffect] = []
        settled = self._debounce.next_deadline()
        if settled is not None and settled <= now:
            effects += self.set_interfaces(self._surroundings.interfaces.values(), now)
        while self._deadlines and self._deadlines[0][0] <= now:
            due, key = heapq.heappop(self._deadlines)
            group = self._groups.get(key)
            if group is None or deadline(group.state) != due:
                continue  # moved or gone since
            effects += self._step_until_ahead(group, now)
        return effects

    def _step_until_ahead(self, group: Group, now: Instant) -> list[SpeakerEffect]:
        """A state may have several deadlines due at once; a forgotten row must not become a busy loop."""
        effects: list[SpeakerEffect] = []
        for _ in range(4):
            following = deadline(group.state)
            if following is None or following > now:
                return effects
            effects += self._deliver(group, DeadlinePassed(), now)
        raise AssertionError(f"{group.key} does not move on from {group.state} at {now}")

    def sent(self, router: str, refusal: str, now: Instant) -> list[SpeakerEffect]:
        """What became of a SendAdvertisement: `refusal` is the kernel's reason where it took none of its datagrams."""
        machine = self.machines.get(router)
        if machine is None:
            return []
        group = machine.group
        if not refusal:
            group.spoken_at = now
            return [] if group.silent_since is None else self._speak_again(group, now)
        if group.silent_since is None:
            group.silent_since = max(group.spoken_at, group.since)
        group.refusal = refusal
        if group.since == now and group.spoken_at < now and router == group.members[-1]:
            return self._yield_at_once(group, now)
        if not self._is_mute(group, now) or machine.election is None:
            return []
        return self._explain(group, explain_mute(machine.election, refusal, b""))

    def _yield_at_once(self, group: Group, now: Instant) -> list[SpeakerEffect]:
        """Its first advertisement was refused: where it preempts somebody who lives, that one goes on.

        The addresses and their announcement wait behind the advertisement, and go nowhere.
        """
        for machine in (self.machines[name] for name in group.members):
            event, heard = machine.heard_event, machine.heard
            if event is None or heard is None or machine.election is None or not isinstance(group.state, Active):
                continue
            lives = now - heard.at < shortest_active_down_interval(event.advertisement.max_advertise_interval)
            if lives and heard.priority != wire.PRIORITY_RELEASE and not machine.election.is_owner:
                because = explain_mute(machine.election, group.refusal, heard.source)
                return self._deliver(group, replace(event, is_mute=True), now, because, machine)
        return []

    def _speak_again(self, group: Group, now: Instant) -> list[SpeakerEffect]:
        was_mute = self._is_mute(group, now)
        group.silent_since = None
        effects = self._deliver(group, SpokenAgain(), now)
        return effects + (self._explain(group, SPEAKS_AGAIN) if was_mute else [])

    def _is_mute(self, group: Group, now: Instant) -> bool:
        """The group's: one segment on which one member is heard is enough for its peers."""
        if group.silent_since is None or not group.parameters or not isinstance(group.state, Active):
            return False
        interval = group.parameters[group.members[0]].advertisement_interval
        return now - group.silent_since >= shortest_active_down_interval(interval)

    def segment_changed(self, interface: str, now: Instant) -> list[SpeakerEffect]:
        """The link of `interface` flapped without our noticing it as a fault: announce again."""
        return self._tell(interface, SegmentChanged(), now)

    def announce(self, router: str) -> list[SpeakerEffect]:
        """Somebody else says to have an address of it. Nothing where it is not Active, or is about to leave."""
        machine = self.machines.get(router)
        return [AnnounceAddresses(router)] if machine and isinstance(machine.state, Active) else []

    def segment_heard(self, interface: str, now: Instant) -> list[SpeakerEffect]:
        """A frame came in on `interface`: who holds off there needs to wait no longer."""
        return self._tell(interface, SegmentHeard(), now)

    def _tell(self, interface: str, event: Event, now: Instant) -> list[SpeakerEffect]:
        there = {m.group.key: m.group for m in self.machines.values() if m.settings.interface == interface}
        return [effect for group in there.values() for effect in self._deliver(group, event, now)]

    def hand_over(self, router: str, preempt_at: Instant, now: Instant) -> list[SpeakerEffect]:
        """The peer gets the router, with all of its group, and keeps it until then. Nothing where it is not Active."""
        machine = self.machines.get(router)
        return [] if machine is None else self._deliver(machine.group, LeaveAsked(preempt_at), now)

    def take_back(self, router: str, now: Instant) -> list[SpeakerEffect]:
        """The handover is over: where the priority is the higher one, it is Active again an Active_Down_Interval
        later."""
        machine = self.machines.get(router)
        return [] if machine is None else self._deliver(machine.group, ReturnAsked(), now)

    def stop(self, now: Instant) -> list[SpeakerEffect]:
        """A clean stop: every router tells its peers. Let time pass until `has_left`, or `abandon`."""
        self.is_stopping = True
        self.retired = {}
        effects: list[SpeakerEffect] = []
        for group in self._groups.values():
            if isinstance(group.state, Active | Leaving | Lingering):
                effects += self._deliver(group, LeaveAsked(None), now, "the director is stopping")
            else:
                effects += self._deliver(group, Shutdown(), now, "the director is stopping")
        return effects

    def abandon(self, now: Instant) -> list[SpeakerEffect]:
        """Let go now, whether a successor was heard or not."""
        self.is_stopping = True
        return [
            effect
            for group in self._groups.values()
            for effect in self._deliver(group, Shutdown(), now, "the director is stopping")
        ]

    # ------------------------------------------------------------------ questions

    @property
    def has_left(self) -> bool:
        return all(isinstance(group.state, Initialize) for group in self._groups.values())

    def holding_off(self) -> set[str]:
        """Interfaces on which a router waits for a first frame."""
        return {
            self.machines[name].settings.interface
            for key in self._holding_off
            if (group := self._groups.get(key)) is not None
            and isinstance(group.state, Backup)
            and group.state.holds_off
            for name in group.members
        }

    def next_deadline(self) -> Instant | None:
        settled = self._debounce.next_deadline()
        while self._deadlines:
            due, key = self._deadlines[0]
            group = self._groups.get(key)
            if group is not None and deadline(group.state) == due:
                return due if settled is None else min(due, settled)
            heapq.heappop(self._deadlines)
        return settled

    def sender(self, router: str, priority: int) -> Machine:
        """Whose interface, source and messages a SendAdvertisement is for.

        A router that moved to another interface or VRID is both retired and new: the farewell is the retired one's.
        """
        retired = self.retired.get(router) if priority == wire.PRIORITY_RELEASE else None
        return retired or self.machines[router]

    def message(self, router: str, priority: int) -> bytes:
        """The prepared VRRP message of a SendAdvertisement, to the first of its destinations."""
        return self.sender(router, priority).messages[priority][0].message

    def utterance(self, router: str, priority: int, now: Instant = 0.0) -> tuple[Outgoing, ...]:
        """What a SendAdvertisement puts on the wire, now: the message by every path, and at times its twin.

        Where `checksum` is "auto" and no peer was heard yet, one that takes the other form only cannot read us. And
        keepalived 2.2.7 sets its Adver_Timer anew for every datagram that it refuses: as Active router it falls silent
        when ours come faster than its own, and we would never learn its form. One that it can read makes it speak.
        """
        machine = self.sender(router, priority)
        outgoing, twins = machine.messages[priority], machine.twins.get(priority, ())
        machine.spoken += 1
        has_twins = machine.spoken <= TWINS_AT_FIRST or machine.spoken % TWIN_EVERY == 0
        twins = twins if has_twins or priority == wire.PRIORITY_RELEASE else ()
        if machine.authenticator is not None:  # a twin has a sequence of its own: with the same it would be a replay
            utc = now + self.utc_offset
            return machine.authenticator.sign(outgoing, utc) + machine.authenticator.sign(twins, utc)
        return outgoing + twins

    def effective_priority(self, router: str) -> int:
        machine = self.machines[router]
        if machine.parameters is not None:
            return machine.parameters.priority
        return effective_priority(machine.settings.priority, self.terms(router))

    def terms(self, router: str) -> tuple[Term, ...]:
        """Everything that moves the priority of the router's group now."""
        return self._terms(self.machines[router].group)

    # ------------------------------------------------------------------ inside

    def _terms(self, group: Group) -> tuple[Term, ...]:
        members = (self.machines[name].settings for name in group.members)
        return tuple(dict.fromkeys(term for each in members for term in terms(each, self._surroundings)))

    def _resolve_all(self, now: Instant) -> list[SpeakerEffect]:
        effects: list[SpeakerEffect] = []
        if self.is_stopping:
            return effects
        for group in self._groups.values():
            effects += self._resolve(group, now)
        return effects

    def _resolve(self, group: Group, now: Instant) -> list[SpeakerEffect]:
        resolved = {name: resolve(self.machines[name].settings, self._surroundings) for name in group.members}
        configured = min((self.machines[name].settings.priority for name in group.members), default=0)
        match unite(resolved, configured, self._terms(group)):
            case Fault(sentence) if group.parameters:
                effects = self._deliver(group, Shutdown(), now, sentence)
                group.parameters = {}
                for name in group.members:
                    self.machines[name].parameters = self.machines[name].election = None
                return effects
            case Fault(sentence):
                return self._explain(group, sentence)
            case dict() as parameters if not group.parameters:
                self._take(group, parameters)
                return self._deliver(group, Startup(), now)
            case dict() as parameters if parameters != group.parameters or not self._is_taken(group):
                previous = next(iter(group.parameters.values()))
                self._take(group, parameters)
                return self._deliver(group, ParametersChanged(previous), now)
        return []

    def _is_taken(self, group: Group) -> bool:
        return all(self.machines[name].parameters is not None for name in group.members)

    def _take(self, group: Group, parameters: dict[str, VirtualRouter]) -> None:
        group.parameters = parameters
        for name, each in parameters.items():
            machine = self.machines[name]
            machine.parameters, machine.election = each, replace(each, name=group.key)
            machine.encoded = {}
            self._prepare(machine)

    def _prepare(self, machine: Machine) -> None:
        """Encode everything that a transition may have to send, so that the transition itself does not."""
        parameters = machine.parameters
        if parameters is None:
            return
        form = machine.peer_form or ChecksumForm.RFC9568
        if parameters.checksum != "auto":
            form = ChecksumForm(parameters.checksum)
        machine.messages = self._encode(machine, parameters, form)
        has_two_forms = parameters.version == 3 and len(parameters.primary_address) == 4
        is_form_known = machine.peer_form is not None or parameters.checksum != "auto"
        machine.twins = (
            self._encode(machine, parameters, ChecksumForm.PSEUDO_HEADER) if has_two_forms and not is_form_known else {}
        )

    def _encode(
        self, machine: Machine, parameters: VirtualRouter, form: ChecksumForm
    ) -> dict[int, tuple[Outgoing, ...]]:
        if form not in machine.encoded:
            machine.encoded[form] = encode_all(parameters, form)
        return machine.encoded[form]

    def _count(self, machine: Machine, heard: Advertisement) -> None:
        counters = machine.counters
        counters["advertisements_received"] += 1
        counters[f"checksum_{heard.checksum_form.value}"] += 1
        if heard.priority == wire.PRIORITY_RELEASE:
            counters["priority_zero_received"] += 1
        parameters = machine.parameters
        if parameters is None:
            return
        if abs(heard.max_advertise_interval - parameters.advertisement_interval) > 0.005:
            counters["interval_mismatches"] += 1
        if heard.addresses != parameters.advertised and set(heard.addresses) != set(parameters.advertised):
            counters["address_list_mismatches"] += 1

    def _deliver(
        self,
        group: Group,
        event: Event,
        now: Instant,
        because: str = "",
        machine: Machine | None = None,
        own: bytes = b"",
    ) -> list[SpeakerEffect]:
        """`machine`: the member that the event is about; else the first stands for all. `own`: our address on the path
        by which it came, for the tie-break."""
        machine = machine or self.machines[group.members[0]]
        election = machine.election
        if election is None:
            return []
        if own and own != election.primary_address:
            election = replace(election, primary_address=own)
        before = group.state
        group.state, caused = step(election, before, event, now)
        effects: list[SpeakerEffect] = list(caused if group.members == (group.key,) else spread(caused, group.members))
        if isinstance(group.state, Backup) and group.state.holds_off:
            self._holding_off.add(group.key)
        elif self._holding_off:
            self._holding_off.discard(group.key)
        due = deadline(group.state)
        if due is not None and due != deadline(before):
            heapq.heappush(self._deadlines, (due, group.key))
        if type(group.state) is type(before):
            return effects
        if isinstance(group.state, Initialize) or (isinstance(group.state, Backup) and group.state.mute_until is None):
            group.silent_since = None  # it lets go for another reason: the next time it is Active, it is judged anew
        previous, state = name_of(before), machine.state_name
        group.reason = because or explain(election, before, group.state, event, now, self._last_heard(group, machine))
        if state != previous:
            group.since = now
        for name in group.members:
            self.machines[name].complaints.clear()
            if state == "active" != previous:
                self.machines[name].spoken = 0
                self.machines[name].counters["active_transitions"] += 1
            effects.append(Transition(name, previous, state, group.reason))
        return effects

    def _last_heard(self, group: Group, machine: Machine) -> Heard | None:
        heard = [each.heard for name in group.members if (each := self.machines[name]).heard is not None]
        return max(heard, key=lambda each: each.at, default=None)

    def _explain(self, group: Group, sentence: str) -> list[SpeakerEffect]:
        if group.reason == sentence:
            return []
        group.reason = sentence
        states = ((name, self.machines[name].state_name) for name in group.members)
        return [Transition(name, state, state, sentence) for name, state in states]


def _identity(settings: RouterSettings) -> tuple[tuple[str, int, int], str]:
    """What makes it this router and no other."""
    return settings.place, settings.group
