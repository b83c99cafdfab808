"""A file with a secret in it, read only where nobody else may read it. Standard library alone: vrrp reads keys so."""

import os
import stat

_SIZE_LIMIT = 4096


def read_private(path: str, name: str) -> bytes | str:
    """The first octets, or a sentence that says what to do. `name` is the sentence's word for the file.

    Opened without waiting: a FIFO in its place is no regular file, and holds nobody up.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        with os.fdopen(descriptor, "rb") as file:
            mode = os.fstat(descriptor).st_mode
            octets = file.read(_SIZE_LIMIT) if stat.S_ISREG(mode) else b""
    except OSError as error:
        return f"{name} {path} cannot be read: {error.strerror}"
    if not stat.S_ISREG(mode):
        return f"{name} {path} is no regular file"
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        return f"{name} {path} may be read by others: chmod 600 {path}"
    return octets
