"""The wanted connection sync daemons from the configuration. Pure.

Both directors run both roles all the time: who is Active sends what it has, and nothing must be switched when the roles
change. Measured (M8): entries that were synced survive a switch; those of the last seconds may not.
"""

from haagent.config.model import Config
from haagent.ipvs.daemon import SyncDaemon, SyncDaemons, SyncRole
from haagent.pool.desired import packed


def wanted_daemons(config: Config) -> SyncDaemons:
    sync = config.connection_sync
    if not sync.interface or not config.virtual_services:
        return {}
    daemon = SyncDaemon(
        interface=sync.interface,
        sync_id=sync.sync_id,
        maxlen=sync.maxlen,
        port=sync.port,
        ttl=sync.ttl,
        group=packed(sync.group),
    )
    roles = {SyncRole.SENDER: sync.send, SyncRole.RECEIVER: sync.receive}
    return {role: daemon for role, runs in roles.items() if runs}
