"""What the probes through the virtual address say of one real server, in one sentence with the remedy. Pure.

The *service* verdict is of the server's own address, the *path* verdict of the virtual address through that server. The
sentences name what was found behind them in the field (docs/direct-routing.md). From outside, silence has two
causes that cannot be told apart: the request was not taken, or the answer was held back.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from haagent.config.model import RealServer, VirtualService
from haagent.health.check import Failure
from haagent.snapshot import HealthState, PathState


@dataclass(frozen=True, slots=True)
class PathVerdict:
    state: PathState
    sentence: str


@dataclass(frozen=True, slots=True)
class PathResult:
    """What one check says through one virtual address."""

    check: str
    address: str
    health: HealthState
    detail: str
    failure: Failure
    cause: str = ""


UNTESTED = PathVerdict("not_tested", "path not tested: the service has no path_check")


def path_verdict(
    service: VirtualService,
    server: RealServer,
    own: HealthState,
    results: Sequence[PathResult],
    obstacle: str,
    *,
    own_failing: bool = False,
    is_confirmed: bool = True,
) -> PathVerdict:
    """`own` is the verdict on the server's own address; `obstacle`: why no probe can go through this server now.

    `own_failing`: its last try failed, though the verdict stands yet. `is_confirmed`: it was asked after the path
    failed; until then a server that just died looks like one whose path is broken.
    """
    if obstacle:
        return PathVerdict("not_tested", f"path not tested: {obstacle}")
    if not results:
        return PathVerdict("not_tested", "path not tested: none of the checks can carry a mark")
    for each in results:
        if each.health == "down":
            return PathVerdict("down", _broken(service, server, own, each, own_failing, is_confirmed))
    for each in results:
        if each.health == "unknown":
            return PathVerdict("not_tested", f"path not tested: {each.check} on {each.address}: {each.detail}")
    last = results[-1]
    return PathVerdict("up", f"{last.check} on {last.address}: {last.detail}")


def is_obstructed(results: Sequence[PathResult], obstacle: str) -> bool:
    """Whether something is in the way of the test that waiting will not heal."""
    return bool(obstacle) or any(each.health == "unknown" and each.failure == "local" for each in results)


def _broken(
    service: VirtualService,
    server: RealServer,
    own: HealthState,
    result: PathResult,
    own_failing: bool,
    is_confirmed: bool,
) -> str:
    where = f"the virtual address {result.address}"
    if own != "up":
        return f"{where} fails ({result.detail}), and so does the server's own address: heal that first"
    if own_failing:
        return f"{where} fails ({result.detail}), and so did the last try of the server's own address"
    if not is_confirmed:
        return f"{where} fails ({result.detail}); the server's own address is asked again before more is said"
    match result.failure:
        case "no_protocol" if server.forwarding_method == "tunneling":
            kind = server.tunnel.type if server.tunnel else "ipip"
            return (
                f"answers on its own address, and to the tunnel that it does not know the protocol: {kind} is not set "
                f"up there; run: haagent recipe {service.name} --os linux"
            )
        case "silent" if server.forwarding_method == "tunneling":
            return (
                f"answers on its own address, silent on {where}: it does not take the tunnel's header off, lacks the "
                "address on the tunnel's interface, filters by the reverse path (rp_filter), or holds its answers "
                f"back; run: haagent recipe {service.name} --os linux"
            )
        case "silent":
            return (
                f"answers on its own address, silent on {where}: the loopback address or weakhostreceive is missing, "
                "or the request is accepted and the reply never leaves: weakhostsend, or a packet filter; "
                f"run: haagent recipe {service.name} --os windows (or linux)"
            )
        case "refused":
            return (
                f"answers on its own address, refuses on {where}: the binding lacks the virtual address, so nothing "
                "listens there (IIS: the site's binding, and netsh http show iplisten); "
                f"run: haagent recipe {service.name} --os windows (or linux)"
            )
        case _:
            why = f": {result.cause}" if result.cause else ""
            return (
                f"passes on its own address, on {where} {result.check} says {result.detail}{why}: another site or "
                "binding answers there"
            )
