"""What a director wants of the kernel beside the table: parameters and connection sync daemons. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from haagent.config.model import Config
from haagent.ipvs.daemon import SyncDaemons, SyncRole
from haagent.pool.connection_sync import wanted_daemons
from haagent.pool.sysctls import values, wanted_sysctls


@dataclass(frozen=True, slots=True)
class Settings:
    """Wanted ones, or observed ones in the same shape."""

    sysctls: Mapping[str, str] = field(default_factory=dict)  # by name, with dots
    daemons: SyncDaemons = field(default_factory=dict)
    before: Mapping[str, str] = field(default_factory=dict)  # observed: what is given back when no longer wanted
    owned: tuple[SyncRole, ...] = ()  # observed: daemons that are stopped when no longer wanted


def wanted_settings(config: Config) -> Settings:
    return Settings(values(wanted_sysctls(config)), wanted_daemons(config))
