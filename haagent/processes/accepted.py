"""The configuration that runs, on disk beside the sockets: so that a director that is started again while the files of
the administrator are broken goes on with what ran, as a refused reload would have it.

`haagent run` forgets it: a fresh start takes the files or nothing.
"""

import os
from pathlib import Path

import msgspec

from haagent.config.model import Config


def read(path: Path) -> Config | None:
    """None: there is none that this version can read."""
    try:
        return msgspec.msgpack.decode(path.read_bytes(), type=Config)
    except (OSError, ValueError, RecursionError):  # not msgpack of a Config, not UTF-8
        return None


def write(path: Path, config: Config) -> str | None:
    """Why it could not be written; None: it is there."""
    new = path.with_name(path.name + ".new")
    try:
        new.write_bytes(msgspec.msgpack.encode(config))
        os.replace(new, path)
    except OSError as error:
        return f"{path} cannot be written: {error.strerror}"
    return None
