"""What the processes say to each other, and how it is framed.

Every child connects to the director's internal socket (`internal.sock` beside the control socket) and says `Hello`.
A frame is a 4-octet big-endian length and that many octets. To and from vrrp the octets are JSON (standard library
alone on that side: `vrrp_messages.py`); to and from prober and observer they are msgpack of the unions below.
Levels, not deltas: `SetProbes` and `SetRouters` carry everything wanted, so a restarted process needs one message.
"""

from typing import Literal

import msgspec
from msgspec import Struct

from haagent.config.model import Check
from haagent.health.check import Failure
from haagent.health.transcript import Transcript
from haagent.snapshot import AgreementState, HealthState, RouterState, ServiceState, Snapshot


class Hello(Struct, frozen=True, kw_only=True, tag="hello"):
    """First frame of a child. `internal.sock` admits root alone, so children connect before they drop privileges."""

    process: Literal["vrrp", "prober", "observer"]
    pid: int
    detail: str = ""


# ---------------------------------------------------------------- director and prober


class Probe(Struct, frozen=True, kw_only=True):
    """One target of one check; identical ones are one Probe, whatever the number of users."""

    id: int  # stable while the check's parameters and the target stay the same
    check: Check
    address: str
    port: int
    health: HealthState = "unknown"  # the verdict so far, for a prober that starts anew
    through: str = ""  # a path probe: the address of the real server that must answer for `address` ...
    mark: int = 0  # ... and the firewall mark that leads there
    interval: float = 0.0  # instead of the check's own; 0: that


class SetProbes(Struct, frozen=True, tag="set_probes"):
    """director -> prober: everything to be probed. Unchanged ids keep their schedule and streaks."""

    probes: tuple[Probe, ...]
    has_paths: bool = False  # path probes are among them, or will be as soon as the kernel's table has their ways


class HealthReported(Struct, frozen=True, kw_only=True, tag="health_reported"):
    """prober -> director: a verdict changed, or the sentence that explains it did."""

    id: int
    health: HealthState
    detail: str  # the last result in one sentence: "connection refused", "HTTP 503, wanted 200"
    at: float  # monotonic instant (CLOCK_MONOTONIC is one clock for all processes of a host)
    weight: int | None = None  # percent of the configured weight that the real server asks for; None: it did not say
    failure: Failure = ""
    cause: str = ""  # what is behind a failure, where that could be found out


class WhyAsked(Struct, frozen=True, tag="why_asked"):
    """director -> prober: the tries that you remember of these. Answered by Remembered."""

    serial: int
    ids: tuple[int, ...]


class Remembered(Struct, frozen=True, tag="remembered"):
    """prober -> director: by id, oldest first; secrets are masked."""

    serial: int
    transcripts: dict[int, tuple[Transcript, ...]]


# -------------------------------------------------------------- director and observer


class SnapshotTaken(Struct, frozen=True, tag="snapshot_taken"):
    """director -> observer: the newest view; older ones are forgotten."""

    snapshot: Snapshot


class RouterChanged(Struct, frozen=True, kw_only=True, tag="router_changed"):
    """director -> observer: send the notification haagentRouterStateChange."""

    name: str
    interface: str
    ifindex: int
    vrid: int
    state: RouterState
    previous: RouterState
    reason: str


class ServiceChanged(Struct, frozen=True, kw_only=True, tag="service_changed"):
    """director -> observer: send the notification haagentServiceStateChange."""

    name: str
    state: ServiceState
    previous: ServiceState
    reason: str


class AgreementChanged(Struct, frozen=True, kw_only=True, tag="agreement_changed"):
    """director -> observer: send the notification haagentRouterAgreementChange."""

    name: str
    interface: str
    vrid: int
    router_state: RouterState
    state: AgreementState
    previous: AgreementState
    evidence: str


class ObserverReported(Struct, frozen=True, kw_only=True, tag="observer_reported"):
    """observer -> director: state of the AgentX session, for `status`."""

    connected: bool
    detail: str


ToProber = SetProbes | WhyAsked
FromProber = Hello | HealthReported | Remembered
ToObserver = SnapshotTaken | RouterChanged | ServiceChanged | AgreementChanged
FromObserver = Hello | ObserverReported

encode = msgspec.msgpack.Encoder().encode
decode_to_prober = msgspec.msgpack.Decoder(ToProber).decode
decode_from_prober = msgspec.msgpack.Decoder(FromProber).decode
decode_to_observer = msgspec.msgpack.Decoder(ToObserver).decode
decode_from_observer = msgspec.msgpack.Decoder(FromObserver).decode
