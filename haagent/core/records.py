"""What the history says of pools and of an operator's words."""

from haagent.config.model import VirtualService
from haagent.core.effects import Record
from haagent.core.events import ServerKey
from haagent.pool.desired import Pool
from haagent.pool.operator import (
    Override,
    override_cause,
    words,
)
from haagent.pool.tiers import NO_TIER
from haagent.snapshot import ServiceState


def pool_state(each: Pool) -> ServiceState:
    if each.is_frozen:
        return "frozen"
    if each.serving:
        return "serving"
    return "sorry" if each.uses_sorry_server else "empty"


def pool_cause(service: VirtualService, each: Pool) -> str:
    """Why a pool is in its state, in one sentence."""
    if each.is_frozen:
        return (
            f"{each.healthy} of {each.total} real servers are healthy, fewer than "
            f"{service.minimum_healthy_fraction:g} of them: those that served last are kept"
        )
    if each.uses_sorry_server and each.healthy:
        return f"live weight {each.live_weight} is below the quorum of {service.quorum}"
    tier = f", tier {each.tier}" if each.tier > 1 else ""
    return f"{len(each.serving)} of {len(service.real_servers)} real servers in service{tier}"


def tier_record(service: VirtualService, old: Pool, new: Pool) -> Record:
    before, after = (str(each.tier) if each.tier != NO_TIER else "none" for each in (old, new))
    return Record("tier", service.name, before, after, f"{new.healthy} of {new.total} real servers are healthy")


def quorum_record(service: VirtualService, old: Pool | None, new: Pool) -> Record:
    words = {True: "reached", False: "lost"}
    cause = f"live weight {new.live_weight}, quorum {service.quorum}, hysteresis {service.quorum_hysteresis}"
    return Record("quorum", service.name, words[old.has_quorum] if old else "", words[new.has_quorum], cause)


def operator_record(key: ServerKey, old: Override, new: Override) -> Record:
    return Record("operator", "/".join(key), words(old), words(new), override_cause(new), new.actor)
