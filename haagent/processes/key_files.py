"""The secrets of signed advertisements, from their files: 32 to 64 octets, or the same as `hex:...`, one key a file.

The vrrp process reads them itself, each time that it is told its routers: no secret crosses a socket. A file that
cannot be read any more leaves what was read before in force, so that a slip in a rotation is no fault.
"""

import sys
from collections.abc import Iterable

from haagent.processes.private_file import read_private
from haagent.vrrp.auth_hmac import Secrets
from haagent.vrrp.settings import RouterSettings
from haagent.vrrp.trailer import LEAST_KEY, MOST_KEY

_HEX = b"hex:"


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
    octets = read_private(path, "the key")
    if isinstance(octets, str):
        return octets
    octets = octets.strip(b"\r\n")
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
