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
from haagent.vrrp.advertisement import Advertisement, ChecksumForm, Discard
from haagent.vrrp.effects import Effect
from haagent.vrrp.events import (
    AdvertisementReceived,
    DeadlinePassed,
    Event,
    ParametersChanged,
    SegmentChanged,
    Shutdown,
    Startup,
)
from haagent.vrrp.router import Active, Backup, Initialize, Instant, State, deadline, is_stalled, step
from haagent.vrrp.settings import Fault, Interface, RouterSettings, Surroundings, Tracking, effective_priority, resolve
from haagent.vrrp.virtual_router import VirtualRouter

TWINS_AT_FIRST = 4  # advertisements of a new Active router that go out in both checksum forms
TWIN_EVERY = 16  # and one of so many later

StateName = Literal["initialize", "backup", "active"]


@dataclass(frozen=True, slots=True)
class Transition:
    """Edge: a router changed its state, or the sentence that explains it changed."""

    router: str
    previous: StateName
    state: StateName
    reason: str


SpeakerEffect = Effect | Transition


@dataclass(frozen=True, slots=True)
class Heard:
    """The last advertisement for a router, from whomever: it explains a takeover."""

    source: bytes
    priority: int
    at: Instant


@dataclass(slots=True)
class Machine:
    """One router's working memory. Only the Speaker changes it."""

    settings: RouterSettings
    parameters: VirtualRouter | None = None  # None: it has a fault
    state: State = field(default_factory=Initialize)
    reason: str = "starting"
    since: Instant = 0.0
    peer_form: ChecksumForm | None = None  # what the peer was last heard to send
    heard: Heard | None = None
    counters: Counter[str] = field(default_factory=Counter)
    messages: dict[int, bytes] = field(default_factory=dict)  # priority -> prepared VRRP message
    twins: dict[int, bytes] = field(default_factory=dict)  # the same in the other form, while no peer was heard
    spoken: int = 0  # advertisements since it became Active
    source: bytes = b""  # packed: where these messages come from; still known when a fault has ended the parameters

    @property
    def state_name(self) -> StateName:
        match self.state:
            case Active():
                return "active"
            case Backup():
                return "backup"
            case Initialize():
                return "initialize"


class Speaker:
    """Levels come in by `set_*`, edges by `receive`, `pass_time` and `stop`; each returns the effects, in order."""

    def __init__(self) -> None:
        self.machines: dict[str, Machine] = {}
        # removed by the last set_routers: their farewells are to be sent before anything else is delivered
        self.retired: dict[str, Machine] = {}
        self.discarded: dict[str, Counter[Discard]] = {}  # interface -> reasons
        self._surroundings = Surroundings()
        self._by_vrid: dict[tuple[str, int], Machine] = {}
        self._deadlines: list[tuple[Instant, str]] = []  # heap; entries of moved deadlines are skipped when met
        self._is_stopping = False

    # ------------------------------------------------------------------ levels that come in

    def set_routers(self, settings: Iterable[RouterSettings], now: Instant) -> list[SpeakerEffect]:
        """The whole wanted set. Unchanged routers keep state and deadlines; removed ones shut down first."""
        wanted = {each.name: each for each in settings}
        self.retired = {}
        effects: list[SpeakerEffect] = []
        for name, machine in list(self.machines.items()):
            successor = wanted.get(name)
            if successor is None or (successor.interface, successor.vrid) != (
                machine.settings.interface,
                machine.settings.vrid,
            ):
                effects += self._deliver(machine, Shutdown(), now, "removed from the configuration")
                self.retired[name] = self.machines.pop(name)
        for name, each in wanted.items():
            if name in self.machines:
                self.machines[name].settings = each
            else:
                self.machines[name] = Machine(each, since=now)
        self._by_vrid = {(m.settings.interface, m.settings.vrid): m for m in self.machines.values()}
        self._surroundings = replace(
            self._surroundings,
            virtual=frozenset(
                (m.settings.interface, address)
                for m in self.machines.values()
                for address, _ in m.settings.virtual_addresses + m.settings.unadvertised_addresses
            ),
        )
        return effects + self._resolve_all(now)

    def set_interfaces(self, interfaces: Iterable[Interface], now: Instant) -> list[SpeakerEffect]:
        """All interfaces of the host, after any change of a link or of an address."""
        self.retired = {}
        self._surroundings = replace(self._surroundings, interfaces={each.name: each for each in interfaces})
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
        heard = wire.decode(message, ttl, source, destination)
        machine = self._by_vrid.get((interface, heard.vrid)) if isinstance(heard, Advertisement) else None
        if isinstance(heard, Advertisement) and machine is None:
            heard = Discard.VRID
        elif machine and machine.parameters and source == machine.parameters.primary_address:
            heard = Discard.OWN
        if isinstance(heard, Discard) or machine is None:
            self.discarded.setdefault(interface, Counter())[heard if isinstance(heard, Discard) else Discard.VRID] += 1
            return []
        self._count(machine, heard)
        machine.heard = Heard(source, heard.priority, now)
        if machine.peer_form is not heard.checksum_form:
            machine.peer_form = heard.checksum_form
            self._prepare(machine)
        return self._deliver(machine, AdvertisementReceived(heard, source), now)

    def pass_time(self, now: Instant) -> list[SpeakerEffect]:
        """Deliver what is due. Every queued datagram must have been given to `receive` before (keepalived #2066)."""
        effects: list[SpeakerEffect] = []
        while self._deadlines and self._deadlines[0][0] <= now:
            due, name = heapq.heappop(self._deadlines)
            machine = self.machines.get(name)
            if machine is None or deadline(machine.state) != due:
                continue  # moved or gone since
            effects += self._step_until_ahead(machine, now)
        return effects

    def _step_until_ahead(self, machine: Machine, now: Instant) -> list[SpeakerEffect]:
        """A state may have several deadlines due at once; a forgotten row must not become a busy loop."""
        effects: list[SpeakerEffect] = []
        for _ in range(4):
            following = deadline(machine.state)
            if following is None or following > now:
                return effects
            effects += self._deliver(machine, DeadlinePassed(), now)
        raise AssertionError(f"{machine.settings.name} does not move on from {machine.state} at {now}")

    def segment_changed(self, interface: str, now: Instant) -> list[SpeakerEffect]:
        """The link of `interface` flapped without our noticing it as a fault: announce again."""
        effects: list[SpeakerEffect] = []
        for machine in self.machines.values():
            if machine.settings.interface == interface:
                effects += self._deliver(machine, SegmentChanged(), now)
        return effects

    def stop(self, now: Instant) -> list[SpeakerEffect]:
        """A clean stop: every router lets go."""
        self._is_stopping = True
        self.retired = {}
        effects: list[SpeakerEffect] = []
        for machine in self.machines.values():
            effects += self._deliver(machine, Shutdown(), now, "the director is stopping")
        return effects

    # ------------------------------------------------------------------ questions

    def next_deadline(self) -> Instant | None:
        while self._deadlines:
            due, name = self._deadlines[0]
            machine = self.machines.get(name)
            if machine is not None and deadline(machine.state) == due:
                return due
            heapq.heappop(self._deadlines)
        return None

    def sender(self, router: str, priority: int) -> Machine:
        """Whose interface, source and messages a SendAdvertisement is for.

        A router that moved to another interface or VRID is both retired and new: the farewell is the retired one's.
        """
        retired = self.retired.get(router) if priority == wire.PRIORITY_RELEASE else None
        return retired or self.machines[router]

    def message(self, router: str, priority: int) -> bytes:
        """The prepared VRRP message of a SendAdvertisement."""
        return self.sender(router, priority).messages[priority]

    def utterance(self, router: str, priority: int) -> tuple[bytes, ...]:
        """What a SendAdvertisement puts on the wire, now: the message, and at times its twin.

        Where `checksum` is "auto" and no peer was heard yet, one that takes the other form only cannot read us. And
        keepalived 2.2.7 sets its Adver_Timer anew for every datagram that it refuses: as Active router it falls silent
        when ours come faster than its own, and we would never learn its form. One that it can read makes it speak.
        """
        machine = self.sender(router, priority)
        message, twin = machine.messages[priority], machine.twins.get(priority)
        machine.spoken += 1
        if twin is not None and (
            priority == wire.PRIORITY_RELEASE or machine.spoken <= TWINS_AT_FIRST or machine.spoken % TWIN_EVERY == 0
        ):
            return message, twin
        return (message,)

    def effective_priority(self, router: str) -> int:
        return effective_priority(self.machines[router].settings, self._surroundings)

    # ------------------------------------------------------------------ inside

    def _resolve_all(self, now: Instant) -> list[SpeakerEffect]:
        effects: list[SpeakerEffect] = []
        if self._is_stopping:
            return effects
        for machine in self.machines.values():
            effects += self._resolve(machine, now)
        return effects

    def _resolve(self, machine: Machine, now: Instant) -> list[SpeakerEffect]:
        match resolve(machine.settings, self._surroundings), machine.parameters:
            case Fault(sentence), VirtualRouter():
                effects = self._deliver(machine, Shutdown(), now, sentence)
                machine.parameters = None
                return effects
            case Fault(sentence), None:
                return self._explain(machine, sentence)
            case VirtualRouter() as parameters, None:
                machine.parameters = parameters
                self._prepare(machine)
                return self._deliver(machine, Startup(), now)
            case VirtualRouter() as parameters, VirtualRouter() as previous if parameters != previous:
                return self._replace_parameters(machine, parameters, previous, now)
        return []

    def _replace_parameters(
        self, machine: Machine, parameters: VirtualRouter, previous: VirtualRouter, now: Instant
    ) -> list[SpeakerEffect]:
        machine.parameters = parameters
        self._prepare(machine)
        return self._deliver(machine, ParametersChanged(previous), now)

    def _prepare(self, machine: Machine) -> None:
        """Encode everything that a transition may have to send, so that the transition itself does not."""
        parameters = machine.parameters
        if parameters is None:
            return
        form = machine.peer_form or ChecksumForm.RFC9568
        if parameters.checksum != "auto":
            form = ChecksumForm(parameters.checksum)
        machine.source = parameters.primary_address
        machine.messages = _encode(parameters, form)
        is_form_known = machine.peer_form is not None or parameters.checksum != "auto"
        machine.twins = {} if is_form_known else _encode(parameters, ChecksumForm.PSEUDO_HEADER)

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
        if set(heard.addresses) != set(parameters.advertised):
            counters["address_list_mismatches"] += 1

    def _deliver(self, machine: Machine, event: Event, now: Instant, because: str = "") -> list[SpeakerEffect]:
        parameters = machine.parameters
        if parameters is None:
            return []
        before, previous = machine.state, machine.state_name
        machine.state, caused = step(parameters, before, event, now)
        effects: list[SpeakerEffect] = list(caused)
        due = deadline(machine.state)
        if due is not None and due != deadline(before):
            heapq.heappush(self._deadlines, (due, parameters.name))
        if machine.state_name != previous:
            machine.since = now
            machine.reason = because or explain(parameters, before, event, now, machine.heard)
            if machine.state_name == "active":
                machine.spoken = 0
                machine.counters["active_transitions"] += 1
            effects.append(Transition(parameters.name, previous, machine.state_name, machine.reason))
        return effects

    def _explain(self, machine: Machine, sentence: str) -> list[SpeakerEffect]:
        if machine.reason == sentence:
            return []
        machine.reason = sentence
        return [Transition(machine.settings.name, machine.state_name, machine.state_name, sentence)]


def _encode(parameters: VirtualRouter, form: ChecksumForm) -> dict[int, bytes]:
    """Priority -> message, for the two priorities that a router ever says."""
    return {
        priority: wire.encode(
            Advertisement(parameters.vrid, priority, parameters.advertisement_interval, parameters.advertised, form),
            parameters.primary_address,
        )
        for priority in (parameters.priority, wire.PRIORITY_RELEASE)
    }


def explain(router: VirtualRouter, state: State, event: Event, now: Instant, heard: Heard | None) -> str:
    """One sentence for a transition out of `state`."""
    match state, event:
        case Initialize(), Startup() if router.is_owner:
            return "owner of the addresses (priority 255)"
        case Initialize(), Startup():
            return "started; listening for an Active router"
        case Backup(), DeadlinePassed() if heard is not None and heard.priority == wire.PRIORITY_RELEASE:
            return f"{dotted(heard.source)} let go (priority 0)"
        case Backup(active_adver_interval=interval), DeadlinePassed() if heard and now - heard.at < 3 * interval:
            return f"{dotted(heard.source)} has priority {heard.priority}, ours is {router.priority}"
        case Backup(active_adver_interval=interval, active_address=b""), DeadlinePassed():
            return f"no Active router was heard for {3 * interval:g} s and the skew"
        case Backup(active_address=address), DeadlinePassed():
            return f"nothing more was heard from {dotted(address)}"
        case Active(adver_at=due), DeadlinePassed() if is_stalled(router, due, now):
            return f"stepped down after a stall of {now - due:.3f} s, to listen first"
        case Active(), AdvertisementReceived(outranking, source) if outranking.priority == router.priority:
            return f"{dotted(source)} has the same priority {router.priority} and the greater address"
        case Active(), AdvertisementReceived(outranking, source):
            return f"{dotted(source)} has priority {outranking.priority}, ours is {router.priority}"
    return type(event).__name__


def dotted(address: bytes) -> str:
    return ".".join(str(octet) for octet in address)
