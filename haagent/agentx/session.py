"""One AgentX session, from the subagent's side, without I/O: RFC 2741 §7.

Events and `now` in, effects out, in order. The deadlines are state: the shell asks for `next_deadline` after every
event and delivers DeadlinePassed then; an early one does no harm. Requests are answered from `tree()` at once and
leave nothing behind, so a PDU that the master sends again is answered again.

What Net-SNMP's master taught: no context flag in Register, none in Responses; one session per connection; a reply that
does not come, or an end of file, means a new connection and everything again.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Final

from haagent.agentx.answer import Answers, answer, is_request
from haagent.agentx.codec import PduReader, encode
from haagent.agentx.events import (
    BytesReceived,
    Connect,
    Connected,
    ConnectionFailed,
    DeadlinePassed,
    Disconnect,
    Effect,
    Event,
    NotificationRaised,
    Report,
    Send,
    Stopped,
)
from haagent.agentx.pdu import (
    AddAgentCaps,
    Bare,
    Body,
    Close,
    CloseReason,
    Error,
    Malformed,
    Open,
    Pdu,
    PduType,
    Register,
    Response,
    Varbinds,
)
from haagent.agentx.varbind import Oid

SHORTEST_BACKOFF: Final = 1.0
LONGEST_BACKOFF: Final = 30.0
CONNECT_TIMEOUT: Final = 5.0
RESPONSE_TIMEOUT: Final = 10.0  # a busy master answers late; a dead one never
IDLE_TIME: Final = 15.0  # then Ping
MALFORMED_LIMIT: Final = 3  # in a row


@dataclass(frozen=True, slots=True)
class Waiting:
    retry_at: float


@dataclass(frozen=True, slots=True)
class Connecting:
    give_up_at: float


@dataclass(frozen=True, slots=True)
class Opening:
    pass


@dataclass(frozen=True, slots=True)
class Registering:
    session_id: int


@dataclass(frozen=True, slots=True)
class Serving:
    session_id: int
    ping_at: float


@dataclass(frozen=True, slots=True)
class Closed:
    pass


State = Waiting | Connecting | Opening | Registering | Serving | Closed


class Session:
    """`root` is the one subtree that we register; `counters` counts what was answered, dropped and malformed."""

    def __init__(self, root: Oid, description: str, tree: Callable[[], Answers], random: Random, now: float) -> None:
        self._root = root
        self._description = description.encode()[:255]
        self._tree = tree
        self._random = random
        self._failures = 0
        self._packet_id = 0
        self._pending: dict[int, tuple[Body, float]] = {}  # packet ID -> what we asked, when the answer is overdue
        self._reader = PduReader()
        self._malformed_in_a_row = 0
        self.state: State = Waiting(now)
        self.counters: Counter[str] = Counter()

    @property
    def next_deadline(self) -> float | None:
        overdue_at = min((due for _body, due in self._pending.values()), default=None)
        match self.state:
            case Waiting(at) | Connecting(at):
                return at
            case Closed():
                return None
            case Serving(ping_at=ping_at):
                return ping_at if overdue_at is None else min(ping_at, overdue_at)
            case _:
                return overdue_at

    def handle(self, event: Event, now: float) -> list[Effect]:
        match self.state, event:
            case Closed(), _:
                return []
            case Waiting(retry_at), DeadlinePassed() if now >= retry_at:
                self.state = Connecting(now + CONNECT_TIMEOUT)
                return [Connect()]
            case Connecting(give_up_at), DeadlinePassed() if now >= give_up_at:
                return self._reopen("no connection within 5 seconds", now)
            case Connecting(), Connected():
                return self._open(now)
            case Waiting(), ConnectionFailed():  # the echo of our own Disconnect
                return []
            case _, ConnectionFailed(reason):
                return self._reopen(reason, now)
            case ((Opening() | Registering() | Serving()), BytesReceived(data)):
                return self._receive(data, now)
            case ((Opening() | Registering() | Serving()), DeadlinePassed()):
                return self._on_deadline(now)
            case Serving(session_id=session_id), NotificationRaised(varbinds):
                self.counters["notifications_sent"] += 1
                return [self._ask(Varbinds(PduType.NOTIFY, varbinds), session_id, now)]
            case _, NotificationRaised():
                self.counters["notifications_dropped"] += 1
                return []
            case ((Registering(session_id) | Serving(session_id=session_id)), Stopped()):
                self.state = Closed()
                return [_close(session_id, CloseReason.SHUTDOWN), Disconnect()]
            case _, Stopped():
                self.state = Closed()
                return [Disconnect()]
        return []

    # ------------------------------------------------------------ what we ask of the master

    def _ask(self, body: Body, session_id: int, now: float) -> Send:
        self._packet_id = (self._packet_id + 1) & 0xFFFFFFFF
        self._pending[self._packet_id] = (body, now + RESPONSE_TIMEOUT)
        return Send(encode(Pdu(body, session_id, 0, self._packet_id)))

    def _open(self, now: float) -> list[Effect]:
        self._reader = PduReader()
        self._malformed_in_a_row = 0
        self._pending = {}
        self.state = Opening()
        return [self._ask(Open(0, self._root, self._description), 0, now)]

    def _on_deadline(self, now: float) -> list[Effect]:
        if any(now >= due for _body, due in self._pending.values()):
            return self._reopen("the master does not answer", now, CloseReason.TIMEOUTS)
        if isinstance(self.state, Serving) and now >= self.state.ping_at:
            self.state = Serving(self.state.session_id, now + IDLE_TIME)
            return [self._ask(Bare(PduType.PING), self.state.session_id, now)]
        return []

    def _reopen(self, reason: str, now: float, say: CloseReason | None = None) -> list[Effect]:
        """Give this connection up and try again, each time later, up to 30 seconds."""
        effects: list[Effect] = []
        if say and isinstance(self.state, Registering | Serving):
            effects.append(_close(self.state.session_id, say))
        backoff = min(SHORTEST_BACKOFF * 2 ** min(self._failures, 10) * self._random.uniform(1.0, 1.5), LONGEST_BACKOFF)
        self._failures += 1
        self._pending = {}
        self.state = Waiting(now + backoff)
        self.counters["reopened"] += 1
        return [*effects, Disconnect(), Report(False, reason)]

    # ------------------------------------------------------------ what the master says

    def _receive(self, data: bytes, now: float) -> list[Effect]:
        effects: list[Effect] = []
        if isinstance(self.state, Serving):
            self.state = Serving(self.state.session_id, now + IDLE_TIME)
        for pdu in self._reader.feed(data):
            if isinstance(pdu, Malformed):
                effects += self._hear_malformed(pdu, now)
            else:
                self._malformed_in_a_row = 0
                effects += self._hear(pdu, now)
            if not isinstance(self.state, Opening | Registering | Serving):
                break  # what follows belongs to a session that is gone
        return effects

    def _hear_malformed(self, pdu: Malformed, now: float) -> list[Effect]:
        self.counters[f"malformed_{pdu.fault.name.lower()}"] += 1
        self._malformed_in_a_row += 1
        if self._reader.lost or self._malformed_in_a_row >= MALFORMED_LIMIT:
            return self._reopen("the master sent what is no AgentX", now, CloseReason.PARSE_ERROR)
        if PduType.GET <= pdu.type <= PduType.UNDO_SET:
            ids = (pdu.session_id, pdu.transaction_id, pdu.packet_id)
            return [Send(encode(Pdu(Response(error=Error.PARSE_ERROR), *ids, pdu.big_endian)))]
        return []

    def _hear(self, pdu: Pdu, now: float) -> list[Effect]:
        match pdu.body:
            case Response() as response:
                return self._hear_response(response, pdu, now)
            case Close(reason):
                words = CloseReason(reason).name.lower() if reason in CloseReason.__members__.values() else str(reason)
                return self._reopen(f"the master closed the session: {words.replace('_', ' ')}", now)
        response_body = self._answer(pdu)
        if response_body is None:
            return []
        self.counters["answered"] += 1
        # §7.2.2 would copy the context flag; snmpd then reads a context, so it stays clear.
        ids = (pdu.session_id, pdu.transaction_id, pdu.packet_id)
        return [Send(encode(Pdu(response_body, *ids, pdu.big_endian)))]

    def _hear_response(self, response: Response, pdu: Pdu, now: float) -> list[Effect]:
        asked, _due = self._pending.pop(pdu.packet_id, (None, 0.0))
        if asked is None:
            self.counters["stray_responses"] += 1
            return []
        match self.state, asked:
            case Opening(), Open() if response.error == Error.NO_ERROR:
                self.state = Registering(pdu.session_id)
                # Capabilities first: they are in sysORTable by the time that the first answer can be had.
                capabilities = self._ask(AddAgentCaps(self._root, self._description), pdu.session_id, now)
                return [capabilities, self._ask(Register(self._root), pdu.session_id, now)]
            case Opening(), Open():
                return self._reopen(f"the master refused the session: {_error_words(response.error)}", now)
            case Registering(session_id), Register() if response.error == Error.NO_ERROR:
                self.state = Serving(session_id, now + IDLE_TIME)
                self._failures = 0
                return [Report(True, "registered")]
            case _, Register():
                reason = f"the master refused our subtree: {_error_words(response.error)}"
                return self._reopen(reason, now, CloseReason.OTHER)
            case _ if response.error == Error.NOT_OPEN:
                return self._reopen("the master does not know our session", now)
        if response.error != Error.NO_ERROR:
            self.counters["refused_by_master"] += 1
        return []

    def _answer(self, pdu: Pdu) -> Response | None:
        """The response to a request of the master, or None where there is none to give."""
        if pdu.body == Bare(PduType.CLEANUP_SET):
            return None  # §7.2.4.4
        if not is_request(pdu.body):
            self.counters["out_of_place"] += 1  # only a subagent sends these
            return None
        if not isinstance(self.state, Registering | Serving) or pdu.session_id != self.state.session_id:
            return Response(error=Error.NOT_OPEN)
        if pdu.context:
            return Response(error=Error.UNSUPPORTED_CONTEXT)
        return answer(self._tree(), pdu.body)


def _close(session_id: int, reason: CloseReason) -> Send:
    return Send(encode(Pdu(Close(reason), session_id)))


def _error_words(error: int) -> str:
    return Error(error).name.lower().replace("_", " ") if error in Error.__members__.values() else f"error {error}"
