"""The secrets of signed advertisements, from their files: 32 to 64 octets, or the same as `hex:...`, one key a file.

The vrrp process reads them itself, each time that it is told its routers: no secret crosses a socket. A file that
cannot be read any more leaves what was read before in force, so that a slip in a rotation is no fault.
"""

import os
import stat
import sys
from collections.abc import Iterable

from haagent.vrrp.auth_hmac import Secrets
from haagent.vrrp.settings import RouterSettings
from haagent.vrrp.trailer import LEAST_KEY, MOST_KEY

_HEX = b"hex:"
_SIZE_LIMIT = 4096


def read_secrets(routers: Iterable[RouterSettings], before: Secrets) -> dict[str, bytes | str]:
    """By file: the key, or the sentence why there is none."""
    files = {key.file for router in routers if router.auth_hmac for key in router.auth_hmac.keys}
    secrets: dict[str, bytes | str] = {}
    for file in sorted(files):
        secret, known = read_key(file), before.get(file)
        if isinstance(secret, str) and isinstance(known, bytes):
            print(f"haagent vrrp: {secret}; the key that was read before stays in force", file=sys.stderr)
            secret = known
        secrets[file] = secret
    return secrets


def read_key(path: str) -> bytes | str:
    """The key without the line end, or a sentence that says what to do."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        with os.fdopen(descriptor, "rb") as file:
            status = os.fstat(descriptor)
            octets = file.read(_SIZE_LIMIT).strip(b"\r\n") if stat.S_ISREG(status.st_mode) else b""
    except OSError as error:
        return f"the key {path} cannot be read: {error.strerror}"
    if not stat.S_ISREG(status.st_mode):
        return f"the key {path} is no regular file"
    if status.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        return f"the key {path} may be read by others: chmod 600 {path}"
    if octets.startswith(_HEX):
        try:
            octets = bytes.fromhex(octets.removeprefix(_HEX).decode("ascii", "replace"))
        except ValueError:
            return f"the key {path} has something behind hex: that is no hexadecimal number"
    if not LEAST_KEY <= len(octets) <= MOST_KEY:
        return (
            f"the key {path} has {len(octets)} octets; expected {LEAST_KEY} to {MOST_KEY}"
            f' (echo "hex:$(openssl rand -hex {LEAST_KEY})" > {path})'
        )
    return octets
