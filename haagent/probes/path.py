"""What makes a try a path probe: the firewall mark, and a source address that is no virtual one.

On the Active director the virtual address is local, and the kernel would use it as the source of a connection to
itself: the real server, which has that address too, would answer nobody. So the source is what the kernel uses towards
the real server's own address.
"""

import asyncio
import os
import socket
from dataclasses import replace

from haagent.health.probe import Probe
from haagent.probes.exchange import Done, Way, local


class Answered:
    """A try that ended before it began; the result comes in the next turn of the loop."""

    def __init__(self, done: Done, why: str) -> None:
        self._handle = asyncio.get_running_loop().call_soon(done, local(why))

    def close(self) -> None:
        self._handle.cancel()


def way_through(probe: Probe, way: Way) -> Way | str:
    """The way through that real server; or why there is none."""
    source = source_towards(probe.through)
    if isinstance(source, int):
        return f"no way to {probe.through}: {os.strerror(source)}"
    if source == probe.address:
        return (
            f"its own address towards {probe.through} is the virtual address itself; give it another that is preferred"
        )
    return replace(way, source=source, device="", mark=probe.mark)


def source_towards(address: str) -> str | int:
    """The source address that the kernel chooses, or an errno."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as asking:
            asking.connect((address, 9))  # sends nothing
            return str(asking.getsockname()[0])
    except OSError as error:
        return error.errno or 0
