"""Telling the service manager about us (sd_notify(3)). Standard library alone."""

import os
import socket


def notify(state: str) -> None:
    """Send one or more lines ("READY=1"); nothing happens where no service manager listens."""
    address = os.environ.get("NOTIFY_SOCKET")
    if not address:
        return
    if address.startswith("@"):
        address = "\0" + address[1:]
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
        try:
            sender.sendto(state.encode(), address)
        except OSError:  # the manager is being re-executed: it asks again by its own time-outs
            return


def watchdog_interval() -> float | None:
    """Half of what the service manager allows between two WATCHDOG=1, in seconds; None: it does not ask."""
    microseconds = os.environ.get("WATCHDOG_USEC", "")
    return int(microseconds) / 2e6 if microseconds.isdigit() and int(microseconds) else None
