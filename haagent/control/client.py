"""The commands' side of the control socket: one request, its answers. Blocking."""

import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec

from haagent.control.requests import Answer, Request, decode_answer, encode

TIMEOUT = 30.0  # seconds; a reload of 10,000 servers takes a few


@dataclass(frozen=True, slots=True)
class Unreachable:
    """No daemon answered: one sentence that says what to do."""

    sentence: str


def ask(path: Path, request: Request) -> Answer | Unreachable:
    """The one answer to a request."""
    for answer in converse(path, request):
        return answer
    return Unreachable(f"{path}: the daemon closed the connection without an answer; see its log")


def converse(path: Path, request: Request, timeout: float | None = TIMEOUT) -> Iterator[Answer | Unreachable]:
    """Every answer, until the daemon ends the connection. `timeout` None: wait for ever between two answers."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(TIMEOUT)
        try:
            connection.connect(str(path))
            connection.sendall(encode(request) + b"\n")
            connection.settimeout(timeout)
            with connection.makefile("rb") as lines:
                for line in lines:
                    yield decode_answer(line)
        except (FileNotFoundError, ConnectionRefusedError):
            yield Unreachable(f"no haagent is running here ({path}): start it, or name its socket with --socket")
        except PermissionError:
            yield Unreachable(f"{path}: permission denied; be root or a member of the control_group")
        except TimeoutError:
            yield Unreachable(f"{path}: no answer within {TIMEOUT:g} s; see the daemon's log")
        except (OSError, msgspec.DecodeError) as error:
            yield Unreachable(f"{path}: {error}")
