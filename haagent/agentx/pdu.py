"""AgentX protocol data units as data: RFC 2741 §6. `codec.py` gives them their octets."""

from dataclasses import dataclass
from enum import IntEnum

from haagent.agentx.varbind import Fault, Oid, SearchRange, Varbind


class PduType(IntEnum):
    """h.type, RFC 2741 §6.1."""

    OPEN = 1
    CLOSE = 2
    REGISTER = 3
    UNREGISTER = 4
    GET = 5
    GET_NEXT = 6
    GET_BULK = 7
    TEST_SET = 8
    COMMIT_SET = 9
    UNDO_SET = 10
    CLEANUP_SET = 11
    NOTIFY = 12
    PING = 13
    INDEX_ALLOCATE = 14
    INDEX_DEALLOCATE = 15
    ADD_AGENT_CAPS = 16
    REMOVE_AGENT_CAPS = 17
    RESPONSE = 18


class Error(IntEnum):
    """res.error: AgentX (RFC 2741 §6.2.16) and the SNMP ones that a read-only agent says (RFC 3416 §3)."""

    NO_ERROR = 0
    GEN_ERR = 5
    COMMIT_FAILED = 14
    NOT_WRITABLE = 17
    OPEN_FAILED = 256
    NOT_OPEN = 257
    INDEX_WRONG_TYPE = 258
    INDEX_ALREADY_ALLOCATED = 259
    INDEX_NONE_AVAILABLE = 260
    INDEX_NOT_ALLOCATED = 261
    UNSUPPORTED_CONTEXT = 262
    DUPLICATE_REGISTRATION = 263
    UNKNOWN_REGISTRATION = 264
    UNKNOWN_AGENT_CAPS = 265
    PARSE_ERROR = 266
    REQUEST_DENIED = 267
    PROCESSING_ERROR = 268


class CloseReason(IntEnum):
    OTHER = 1
    PARSE_ERROR = 2
    PROTOCOL_ERROR = 3
    TIMEOUTS = 4
    SHUTDOWN = 5
    BY_MANAGER = 6


@dataclass(frozen=True, slots=True)
class Open:
    timeout: int  # seconds, 0: the master's default
    id: Oid
    description: bytes


@dataclass(frozen=True, slots=True)
class Close:
    reason: int


@dataclass(frozen=True, slots=True)
class Register:
    subtree: Oid
    timeout: int = 0
    priority: int = 127  # the lower value wins
    range_subid: int = 0
    upper_bound: int = 0  # on the wire only with a range_subid


@dataclass(frozen=True, slots=True)
class Unregister:
    subtree: Oid
    priority: int = 127
    range_subid: int = 0
    upper_bound: int = 0


@dataclass(frozen=True, slots=True)
class Get:
    ranges: tuple[SearchRange, ...]


@dataclass(frozen=True, slots=True)
class GetNext:
    ranges: tuple[SearchRange, ...]


@dataclass(frozen=True, slots=True)
class GetBulk:
    non_repeaters: int
    max_repetitions: int
    ranges: tuple[SearchRange, ...]


@dataclass(frozen=True, slots=True)
class Varbinds:
    """TestSet, Notify, IndexAllocate and IndexDeallocate have this one body."""

    type: PduType
    varbinds: tuple[Varbind, ...]


@dataclass(frozen=True, slots=True)
class Bare:
    """CommitSet, UndoSet, CleanupSet and Ping have no body."""

    type: PduType


@dataclass(frozen=True, slots=True)
class AddAgentCaps:
    id: Oid
    description: bytes


@dataclass(frozen=True, slots=True)
class RemoveAgentCaps:
    id: Oid


@dataclass(frozen=True, slots=True)
class Response:
    uptime_ticks: int = 0
    error: int = 0  # an Error, or a number that we do not know
    index: int = 0  # 1-based position of the variable at fault
    varbinds: tuple[Varbind, ...] = ()


Body = (
    Open
    | Close
    | Register
    | Unregister
    | Get
    | GetNext
    | GetBulk
    | Varbinds
    | Bare
    | AddAgentCaps
    | RemoveAgentCaps
    | Response
)


@dataclass(frozen=True, slots=True)
class Pdu:
    body: Body
    session_id: int = 0
    transaction_id: int = 0
    packet_id: int = 0
    big_endian: bool = True
    flags: int = 0  # the low three; the byte order and the context have fields of their own
    context: bytes | None = None  # None: the flag is clear


@dataclass(frozen=True, slots=True)
class Malformed:
    """Octets that are no PDU. The header fields are 0 where they could not be read."""

    fault: Fault
    type: int = 0
    session_id: int = 0
    transaction_id: int = 0
    packet_id: int = 0
    big_endian: bool = True
