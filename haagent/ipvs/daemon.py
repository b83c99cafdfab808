"""The kernel's connection sync daemons as values, and what must change to have the wanted ones. Pure.

A network namespace has at most one that sends and one that receives (net/netfilter/ipvs/ip_vs_sync.c). The kernel fills
in what was not said, so a wanted value of 0 is satisfied by anything. Words are ours: its "master" sends, its "backup"
receives.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import IntEnum


class SyncRole(IntEnum):
    """IP_VS_STATE_*."""

    SENDER = 1
    RECEIVER = 2


@dataclass(frozen=True, slots=True)
class SyncDaemon:
    """The settable part of one daemon."""

    interface: str
    sync_id: int = 0  # 0..255: only messages with the same one are read
    maxlen: int = 0  # octets of a message; 0: as the interface's MTU allows
    port: int = 0  # UDP; 0: 8848
    ttl: int = 0  # 0: 1
    group: bytes = b""  # packed, 4 or 16 octets; empty: 224.0.0.81


SyncDaemons = Mapping[SyncRole, SyncDaemon]


@dataclass(frozen=True, slots=True)
class StartDaemon:
    role: SyncRole
    daemon: SyncDaemon


@dataclass(frozen=True, slots=True)
class StopDaemon:
    role: SyncRole


DaemonChange = StartDaemon | StopDaemon


def plan_daemons(observed: SyncDaemons, wanted: SyncDaemons, owned: Iterable[SyncRole]) -> list[DaemonChange]:
    """A running daemon cannot be changed: it is stopped and started. One that is neither wanted nor ours stays."""
    changes: list[DaemonChange] = []
    for role in SyncRole:
        running, want = observed.get(role), wanted.get(role)
        if want is not None and running is not None and satisfies(running, want):
            continue
        if running is not None and (want is not None or role in set(owned)):
            changes.append(StopDaemon(role))
        if want is not None:
            changes.append(StartDaemon(role, want))
    return changes


def satisfies(running: SyncDaemon, wanted: SyncDaemon) -> bool:
    return (
        running.interface == wanted.interface
        and running.sync_id == wanted.sync_id
        and wanted.maxlen in (0, running.maxlen)
        and wanted.port in (0, running.port)
        and wanted.ttl in (0, running.ttl)
        and wanted.group in (b"", running.group)
    )
