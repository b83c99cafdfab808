"""What can happen to an AgentX session, and what it may ask the shell to do. Data only."""

from dataclasses import dataclass

from haagent.agentx.varbind import Varbind


@dataclass(frozen=True, slots=True)
class Connected:
    pass


@dataclass(frozen=True, slots=True)
class ConnectionFailed:
    """The connection could not be made, or ended."""

    reason: str


@dataclass(frozen=True, slots=True)
class BytesReceived:
    data: bytes


@dataclass(frozen=True, slots=True)
class DeadlinePassed:
    pass


@dataclass(frozen=True, slots=True)
class NotificationRaised:
    varbinds: tuple[Varbind, ...]  # snmpTrapOID.0 first


@dataclass(frozen=True, slots=True)
class Stopped:
    pass


Event = Connected | ConnectionFailed | BytesReceived | DeadlinePassed | NotificationRaised | Stopped


@dataclass(frozen=True, slots=True)
class Connect:
    pass


@dataclass(frozen=True, slots=True)
class Send:
    data: bytes


@dataclass(frozen=True, slots=True)
class Disconnect:
    pass


@dataclass(frozen=True, slots=True)
class Report:
    connected: bool  # True: registered and answering
    detail: str


Effect = Connect | Send | Disconnect | Report
