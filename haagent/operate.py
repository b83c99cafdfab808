"""An operator's request against what the core knows: the new overrides, or the sentence that refuses it. Pure."""

from haagent.control.requests import Operate
from haagent.core.core import Core
from haagent.pool.operator import Override, Overrides, ServerKey, said
from haagent.pool.selection import empties, refuse, select
from haagent.pool.sysctls import EXPIRE_QUIESCENT_TEMPLATE

LONGEST = 10 * 366 * 86400.0  # seconds


def operate(core: Core, request: Operate, wall: float, actor: str) -> tuple[Overrides, list[ServerKey]] | str:
    """Nothing changes here: who calls stores the overrides first, then hands them to the core."""
    if core.config is None:
        return "no configuration is loaded yet"
    for instant, option in ((request.until, "--for or --until"), (request.deadline, "--deadline")):
        if instant is not None and instant <= wall:
            return f"the time of {option} has passed already"
        if instant is not None and instant > wall + LONGEST:
            return f"the time of {option} is more than ten years ahead"
    services = core.config.virtual_services
    keys = select(services, core.words.overrides, request.server, request.service)
    if isinstance(keys, str):
        return keys
    word = override(request, wall, actor)
    by_name = {service.name: service for service in services}
    observed = core.kernel.settings.sysctls.get(EXPIRE_QUIESCENT_TEMPLATE)
    expires = None if observed is None else observed != "0"
    if sentence := refuse(by_name, keys, word, expires_templates=expires):
        return sentence
    overrides = said(core.words.overrides, keys, word, core.config.director.name)
    if not request.force and (sentence := empties(core.pools.of, core.pools.projected(overrides), by_name)):
        return sentence
    return overrides, keys


def override(request: Operate, wall: float, actor: str) -> Override:
    """The request without those whom it is about."""
    match request.verb:
        case "drain":
            return Override(
                admin="drained",
                deadline=request.deadline,
                until=request.until,
                keep=request.keep,
                persistent=request.persistent,
                at=wall,
                actor=actor,
            )
        case "disable":
            return Override(admin="disabled", until=request.until, at=wall, actor=actor)
        case "weight":
            return Override(weight=request.weight, until=request.until, at=wall, actor=actor)
        case "enable":
            return Override(at=wall, actor=actor)
