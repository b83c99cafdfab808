"""One sentence for a transition: why a router is in its state. Pure."""

from dataclasses import dataclass

from haagent.vrrp.address import dotted
from haagent.vrrp.advertisement import PRIORITY_RELEASE
from haagent.vrrp.events import AdvertisementReceived, DeadlinePassed, Event, LeaveAsked, SpokenAgain, Startup
from haagent.vrrp.router import (
    LEAVING_INTERVALS,
    Active,
    Backup,
    Initialize,
    Instant,
    Leaving,
    Lingering,
    State,
    is_stalled,
    spoken_priority,
)
from haagent.vrrp.virtual_router import VirtualRouter

SPEAKS_AGAIN = "our advertisements go out again"


@dataclass(frozen=True, slots=True)
class Heard:
    """The last advertisement for a router, from whomever: it explains a takeover."""

    source: bytes
    priority: int
    at: Instant


def explain(
    router: VirtualRouter, state: State, following: State, event: Event, now: Instant, heard: Heard | None
) -> str:
    """For the transition from `state` to `following`."""
    match state, event:
        case Initialize(), Startup() if router.is_owner:
            return "owner of the addresses (priority 255)"
        case Initialize(), Startup() if router.hold_off:
            return f"started; holding off for at most {router.hold_off:g} s, until something is received"
        case Initialize(), Startup():
            return "started; listening for an Active router"
        case Backup(), DeadlinePassed() if heard is not None and heard.priority == PRIORITY_RELEASE:
            return f"{dotted(heard.source)} let go (priority 0)"
        case Backup(active_adver_interval=interval), DeadlinePassed() if heard and now - heard.at < 3 * interval:
            return f"{dotted(heard.source)} has priority {heard.priority}, ours is {router.priority}"
        case Backup(active_adver_interval=interval, active_address=b""), DeadlinePassed():
            return f"no Active router was heard for {3 * interval:g} s and the skew"
        case Backup(active_address=address), DeadlinePassed():
            return f"nothing more was heard from {dotted(address)}"
        case Backup(), SpokenAgain():
            return SPEAKS_AGAIN
        case Active(adver_at=due), DeadlinePassed() if is_stalled(router, due, now):
            return f"stepped down after a stall of {now - due:.3f} s, to listen first"
        case Active(), AdvertisementReceived(outranking, source):
            ours = spoken_priority(router, state, now)
            if outranking.priority == ours:
                return f"{dotted(source)} has the same priority {ours} and the greater address"
            return f"{dotted(source)} has priority {outranking.priority}, ours is {ours}"
        case Active(), LeaveAsked():
            return "handing over: it holds the addresses until the peer has announced them"
        case Leaving(), AdvertisementReceived(_, source):
            return f"handing over: {dotted(source)} takes over"
        case Leaving(), DeadlinePassed() if isinstance(following, Active):
            return f"no peer took over within {LEAVING_INTERVALS * router.advertisement_interval:g} s: it stays here"
        case Leaving(), DeadlinePassed():
            return "stopped; no peer took over"
        case Lingering(then=Backup(active_address=address)), DeadlinePassed():
            return f"handed over to {dotted(address)}"
        case Lingering(), DeadlinePassed():
            return f"stopped; {dotted(heard.source) if heard else 'the peer'} has taken over"
    return type(event).__name__


def explain_mute(router: VirtualRouter, refusal: str, other: bytes) -> str:
    """What comes of it that the kernel refuses what we say; `other`: who is heard meanwhile, empty: nobody."""
    refused = f"our advertisements are refused by the kernel ({refusal})"
    if router.is_owner:
        return f"{refused}: the owner of the addresses stays Active all the same"
    if not other:
        return f"{refused}: nobody else is heard, so it stays Active"
    return f"{refused}: {dotted(other)} serves"
