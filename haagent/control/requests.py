"""What a client may ask on the control socket, and what comes back: one JSON object a line, each way.

Stable: fields are only ever added. `Follow` is answered by entries until the client goes away.
"""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct

from haagent.processes.history import Entry
from haagent.snapshot import HealthState, RealServerStatus, RouterStatus, Snapshot


class Status(Struct, frozen=True, tag_field="request", tag="status"):
    """Answered by StatusAnswer."""


class Reload(Struct, frozen=True, tag_field="request", tag="reload"):
    """Validate, then switch. Answered by ReloadAnswer."""


class History(Struct, frozen=True, kw_only=True, tag_field="request", tag="history"):
    """Answered by HistoryAnswer: the last `limit` entries, oldest first; with `follow` then one EntryAdded each.

    With `since` all entries that are kept from that sequence number on, whatever the limit. Numbers ascend; what was
    told once up to N is continued without a gap and without a duplicate by since = N + 1.
    """

    limit: int = 100
    follow: bool = False
    since: Annotated[int, Meta(ge=1)] | None = None


class Plan(Struct, frozen=True, tag_field="request", tag="plan"):
    """What a reload of the files on disk would change now. Answered by PlanAnswer or Refused."""


class Operate(Struct, frozen=True, kw_only=True, tag_field="request", tag="operate"):
    """An operator's word on real servers. Answered by OperateAnswer or Refused. Instants are wall-clock seconds."""

    verb: Literal["drain", "disable", "enable", "weight"]
    server: str = ""  # a name, in all its services, or SERVICE/SERVER
    service: str = ""  # alone: all its real servers
    weight: Annotated[int, Meta(ge=0, le=65535)] = 0
    deadline: float | None = None  # drain: then it is disabled
    until: float | None = None  # then it is enabled again
    keep: bool = False  # drain: it stays in the table, whatever happens
    persistent: Literal["", "expire", "keep"] = ""
    force: bool = False  # also the last one that serves


class Why(Struct, frozen=True, tag_field="request", tag="why"):
    """Why a real server (NAME or SERVICE/NAME) or a virtual router is as it is. Answered by WhyAnswer or Refused."""

    name: str


class Refused(Struct, frozen=True, tag_field="answer", tag="refused"):
    """One sentence that says what to do."""

    reason: str


class StatusAnswer(Struct, frozen=True, tag_field="answer", tag="status"):
    snapshot: Snapshot


class ReloadAnswer(Struct, frozen=True, kw_only=True, tag_field="answer", tag="reload"):
    """`errors` is empty: the new configuration runs. Otherwise nothing changed."""

    errors: tuple[str, ...] = ()


class HistoryAnswer(Struct, frozen=True, tag_field="answer", tag="history"):
    entries: tuple[Entry, ...]


class EntryAdded(Struct, frozen=True, tag_field="answer", tag="entry"):
    entry: Entry


class Step(Struct, frozen=True, kw_only=True):
    """One change to the kernel. "mark" and "source_nat" are nftables rules, "sync" a connection sync daemon."""

    action: Literal["add", "set", "remove"]
    subject: Literal["service", "destination", "mark", "source_nat", "address", "sysctl", "sync"]
    name: str  # "tcp 198.51.100.100:80", "tcp 198.51.100.100:80 -> 198.51.100.11:80", "198.51.100.100/24 on eth0"
    before: str = ""
    after: str = ""


class PlanAnswer(Struct, frozen=True, kw_only=True, tag_field="answer", tag="plan"):
    steps: tuple[Step, ...] = ()
    errors: tuple[str, ...] = ()


class OperateAnswer(Struct, frozen=True, kw_only=True, tag_field="answer", tag="operate"):
    """It is stored, and what follows is under way."""

    servers: tuple[str, ...]  # SERVICE/SERVER of each that was meant
    state: str  # "drained", "weight 5", ...


class Try(Struct, frozen=True, kw_only=True):
    """One try of a probe. Octets are escaped as in Python's literals, secrets are masked; `at` in wall-clock seconds,
    `*_after` in seconds from there, null where it did not come so far."""

    at: float
    passed: bool
    detail: str
    step: str  # the first that failed: "start", "connection", "answer", "judgement"; "" where it passed
    target: str = ""
    source: str = ""
    mark: int = 0
    connected_after: float | None = None
    first_octet_after: float | None = None
    ended_after: float = 0.0
    error: str = ""  # the kernel's: "ECONNREFUSED"
    sent: str = ""
    received: str = ""  # the first 2048 octets
    received_octets: int = 0
    notes: tuple[str, ...] = ()  # what they mean: "tls ...", "dns < ..."


class ProbeWhy(Struct, frozen=True, kw_only=True):
    """One check of a real server, on its own address or (`through`) on the virtual one."""

    check: str
    target: str
    through: str = ""  # a path probe: the real server's own address
    health: HealthState
    since: float
    detail: str
    cause: str = ""  # what is behind the failure, where that could be found out
    failing_step: str = ""
    difference: tuple[str, ...] = ()  # from the last try that passed
    tries: tuple[Try, ...] = ()  # the last failures, the last good one and the last, oldest first


class ServerWhy(Struct, frozen=True, kw_only=True):
    service: str
    status: RealServerStatus
    arp: tuple[str, ...] = ()  # who else answers for the virtual address, or why that is not known
    probes: tuple[ProbeWhy, ...] = ()
    history: tuple[Entry, ...] = ()


class RouterWhy(Struct, frozen=True, kw_only=True):
    status: RouterStatus
    priority_terms: tuple[str, ...] = ()  # what the effective priority is made of
    history: tuple[Entry, ...] = ()


class WhyAnswer(Struct, frozen=True, kw_only=True, tag_field="answer", tag="why"):
    at: float
    routers: tuple[RouterWhy, ...] = ()
    servers: tuple[ServerWhy, ...] = ()


class HandOver(Struct, frozen=True, kw_only=True, tag_field="request", tag="hand_over"):
    """Move a virtual router or a group to the peer. Answered by HandOverAnswer or Refused."""

    name: str
    lasting: Annotated[float, Meta(gt=0)] | None = None  # seconds; None: until the peer goes
    back: bool = False  # the handover is over: the priorities decide again


class HandOverAnswer(Struct, frozen=True, kw_only=True, tag_field="answer", tag="hand_over"):
    """It is under way: look at the status."""

    routers: tuple[str, ...]
    timeout: float = 0.0  # seconds after which it has come to its end, one way or the other


Request = Status | Reload | History | Plan | Operate | Why | HandOver
Answer = (
    Refused
    | StatusAnswer
    | ReloadAnswer
    | HistoryAnswer
    | EntryAdded
    | PlanAnswer
    | OperateAnswer
    | WhyAnswer
    | HandOverAnswer
)

encode = msgspec.json.Encoder().encode
decode_request = msgspec.json.Decoder(Request).decode
decode_answer = msgspec.json.Decoder(Answer).decode
