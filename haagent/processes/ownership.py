"""Which entries of the kernel's IPVS table are ours, on disk: so that a restart with another configuration removes
what this one no longer wants, and never what somebody else made.

Written whole to a new file, synced, renamed: a crash at any byte leaves the old or the new list.
"""

import os
from pathlib import Path

import msgspec

from haagent.ipvs.plan import Owned
from haagent.ipvs.table import DestinationKey, ServiceKey

_Service = tuple[int, bytes, int, int]


class _Stored(msgspec.Struct, frozen=True):
    services: list[_Service]
    destinations: list[tuple[_Service, tuple[bytes, int]]]


def read(path: Path) -> Owned | str:
    """What we own, nothing where there is no file yet; or why it cannot be read."""
    try:
        stored = msgspec.json.decode(path.read_bytes(), type=_Stored)
    except FileNotFoundError:
        return Owned()
    except (OSError, ValueError, RecursionError) as error:  # no JSON, no UTF-8, no end
        return f"{path} cannot be read: {error}; only what the configuration names counts as ours"
    return Owned(
        frozenset(ServiceKey(*service) for service in stored.services),
        frozenset((ServiceKey(*service), DestinationKey(*target)) for service, target in stored.destinations),
    )


def write(path: Path, owned: Owned) -> str | None:
    """Why it could not be written; None: it is on disk."""
    stored = _Stored(
        [_stored(key) for key in sorted(owned.services)],
        [(_stored(key), (target.address, target.port)) for key, target in sorted(owned.destinations)],
    )
    new = path.with_name(path.name + ".new")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o640)
        with os.fdopen(descriptor, "wb") as file:
            file.write(msgspec.json.encode(stored))
            file.flush()
            os.fsync(file.fileno())
        os.replace(new, path)
    except OSError as error:
        return f"{path} cannot be written: {error.strerror}"
    return None


def _stored(key: ServiceKey) -> _Service:
    return key.protocol, key.address, key.port, key.firewall_mark
