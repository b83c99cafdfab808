"""What a configuration would change in the kernel now: the core's own answer, on a copy of it. Pure."""

import copy
from collections.abc import Iterable
from dataclasses import fields, is_dataclass
from ipaddress import ip_address
from typing import Any, Literal

from haagent.config.model import Config
from haagent.control.requests import Step
from haagent.core.core import Core
from haagent.core.effects import SetVirtualServices
from haagent.core.events import ConfigLoaded, Instant
from haagent.ipvs.daemon import StopDaemon, SyncDaemon, SyncRole, plan_daemons
from haagent.ipvs.marks import FAMILY as MARKS_FAMILY
from haagent.ipvs.marks import TABLE as MARKS_TABLE
from haagent.ipvs.marks import Marks, Rule, ordered, rule_text
from haagent.ipvs.plan import (
    AddDestination,
    AddService,
    Change,
    RemoveDestination,
    RemoveService,
    SetDestination,
    SetService,
    plan,
)
from haagent.ipvs.source_nat import NatRule
from haagent.ipvs.table import Table
from haagent.ipvs.words import destination_name, destination_text, service_name, service_text
from haagent.pool.connection_sync import wanted_daemons
from haagent.pool.settings import Settings
from haagent.pool.sysctls import wanted_sysctls
from haagent.vrrp.advertisement import PRIORITY_OWNER


def preview(core: Core, config: Config, now: Instant, settings: Settings | None = None) -> tuple[Step, ...]:
    """The changes that the table keeper would make if `config` were loaded, in its order.

    `settings`: the kernel's values now of what `config` wants; None: as the core knows them.
    """
    trial: Core = _copied(core, {})
    levels = [effect for effect in trial.handle(ConfigLoaded(config), now) if isinstance(effect, SetVirtualServices)]
    owned = levels[-1].owned.or_all_of(core.kernel.observed, is_exclusive=levels[-1].policy.is_exclusive)
    changes = plan(core.kernel.observed, levels[-1].table, owned)
    steps = tuple(step(change, core.kernel.observed) for change in changes)
    steps += mark_steps(core.kernel.marks, levels[-1].marks)
    return steps + setting_steps(settings or core.kernel.settings, config)


def _copied(each: Any, copies: dict[int, Any]) -> Any:
    """One copy of each owner, however many refer to it, with tables of its own: the rest is replaced, never changed."""
    if isinstance(each, dict | list | set):
        return copy.copy(each)
    if isinstance(each, type) or not is_dataclass(each) or each.__hash__ is not None:  # it cannot change
        return each
    if id(each) not in copies:
        twin = copies[id(each)] = copy.copy(each)
        for part in fields(each):
            setattr(twin, part.name, _copied(getattr(each, part.name), copies))
    return copies[id(each)]


def setting_steps(observed: Settings, config: Config) -> tuple[Step, ...]:
    """Kernel parameters, each with its reason, and connection sync daemons. What is not known yet counts as unset."""
    parameters = tuple(
        Step(
            action="set",
            subject="sysctl",
            name=name,
            before=observed.sysctls.get(name, "unknown"),
            after=f"{setting.value} ({setting.reason})",
        )
        for name, setting in wanted_sysctls(config).items()
        if observed.sysctls.get(name) != setting.value
    )
    returned = tuple(
        Step(
            action="set",
            subject="sysctl",
            name=name,
            before=observed.sysctls.get(name, "unknown"),
            after=f"{value} (as it was before haagent)",
        )
        for name, value in observed.before.items()
        if name not in wanted_sysctls(config)
    )
    daemons = tuple(
        Step(action="remove", subject="sync", name=change.role.name.lower(), before=sync_text(observed, change.role))
        if isinstance(change, StopDaemon)
        else Step(action="add", subject="sync", name=change.role.name.lower(), after=daemon_text(change.daemon))
        for change in plan_daemons(observed.daemons, wanted_daemons(config), observed.owned)
    )
    return parameters + returned + daemons


def sync_text(settings: Settings, role: SyncRole) -> str:
    running = settings.daemons.get(role)
    return daemon_text(running) if running else ""


def daemon_text(daemon: SyncDaemon) -> str:
    group = f", group {ip_address(daemon.group)}" if daemon.group else ""
    return f"{daemon.interface}, sync id {daemon.sync_id}{group}, port {daemon.port or 8848}"


def mark_steps(observed: Marks, wanted: Marks) -> tuple[Step, ...]:
    """Rules of our nftables table; they change together, in one transaction."""
    table = f"nftables {MARKS_FAMILY} {MARKS_TABLE}"

    def text(rule: Rule) -> str:
        return rule_text(rule) if rule.address else "a rule or chain that is not ours"

    def subject(rule: Rule) -> Literal["mark", "source_nat"]:
        return "source_nat" if isinstance(rule, NatRule) else "mark"

    lost, added = ordered(observed - wanted), ordered(wanted - observed)
    gone = [Step(action="remove", subject=subject(rule), name=table, before=text(rule)) for rule in lost]
    new = [Step(action="add", subject=subject(rule), name=table, after=text(rule)) for rule in added]
    return (*gone, *new)


def step(change: Change, observed: Table) -> Step:
    """One change in words, with what the kernel holds now."""
    match change:
        case AddService(key, service):
            return Step(action="add", subject="service", name=service_name(key), after=service_text(service))
        case SetService(key, service):
            return Step(
                action="set",
                subject="service",
                name=service_name(key),
                before=service_text(observed[key]),
                after=service_text(service),
            )
        case RemoveService(key):
            return Step(action="remove", subject="service", name=service_name(key), before=service_text(observed[key]))
        case AddDestination(key, target, destination):
            return Step(
                action="add",
                subject="destination",
                name=destination_name(key, target),
                after=destination_text(destination),
            )
        case SetDestination(key, target, destination):
            return Step(
                action="set",
                subject="destination",
                name=destination_name(key, target),
                before=destination_text(observed[key].destinations[target]),
                after=destination_text(destination),
            )
        case RemoveDestination(key, target):
            return Step(
                action="remove",
                subject="destination",
                name=destination_name(key, target),
                before=destination_text(observed[key].destinations[target]),
            )


def left_over(config: Config, found: Iterable[tuple[str, str, int]]) -> tuple[Step, ...]:
    """Virtual addresses that are on an interface although no router has become Active yet: they are let go first.

    `found` holds (interface, address, prefix length). The owner's addresses (priority 255) are its own and stay.
    """
    present = set(found)
    return tuple(
        Step(
            action="remove",
            subject="address",
            name=f"{each.address}/{each.prefix_length} on {router.interface}",
            before="left by a predecessor; the router starts as Backup",
        )
        for router in config.virtual_routers
        if router.priority != PRIORITY_OWNER
        for each in router.virtual_addresses + router.unadvertised_addresses
        if (router.interface, each.address, each.prefix_length) in present
    )
