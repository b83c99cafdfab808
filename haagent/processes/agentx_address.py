"""Where an AgentX master listens (RFC 2741 §8.1), and what to tell the operator when it cannot be reached."""

import grp
import os
import pwd
from dataclasses import dataclass
from typing import Final

AGENTX_PORT: Final = 705


@dataclass(frozen=True, slots=True)
class UnixAddress:
    path: str


@dataclass(frozen=True, slots=True)
class TcpAddress:
    host: str
    port: int


def parse_address(text: str) -> UnixAddress | TcpAddress | None:
    """ "unix:/path", "tcp:host", "tcp:host:port" or "tcp:[host]:port"; None where it is none of them."""
    kind, _, rest = text.partition(":")
    if kind == "unix" and rest.startswith("/"):
        return UnixAddress(rest)
    if kind != "tcp" or not rest:
        return None
    host, colon, port = rest.rpartition(":")
    if not colon or rest.endswith("]"):
        host, port = rest, str(AGENTX_PORT)
    if not port.isascii() or not port.isdigit() or not 0 < int(port) < 65536:
        return None
    return TcpAddress(host.removeprefix("[").removesuffix("]"), int(port))


def why_not(address: str, fault: OSError) -> str:
    """The sentence for the operator: what failed, and what to do."""
    match fault:
        case PermissionError():
            owner = f"{pwd.getpwuid(os.geteuid()).pw_name} {grp.getgrgid(os.getegid()).gr_name}"
            words = f"permission denied; add `agentXPerms 0660 0755 {owner}` to snmpd.conf and restart snmpd"
        case FileNotFoundError():
            words = "no such socket; is snmpd running, with `master agentx` in snmpd.conf?"
        case ConnectionRefusedError():
            words = "connection refused; is snmpd running, with `master agentx` in snmpd.conf?"
        case _:
            words = fault.strerror or str(fault)
    return f"cannot connect to {address}: {words}"
