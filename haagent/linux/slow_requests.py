"""Requests that the kernel does slowly, by a thread of their own: taking a macvlan down waits for a grace period of RCU
(macvlan_hash_del; 16 ms measured), and no advertisement may wait for that. Python lets go of its lock meanwhile.
"""

import contextlib
import signal
import socket
import threading
from queue import SimpleQueue

from haagent.linux.netlink import NetlinkFailure, NetlinkSocket

_STACK = 1 << 18  # octets; the process locks all of its memory


class Switch:
    """Of one interface: what it is to be, so that a slow request that came too late is left out."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.is_on = False


class SlowRequests:
    """Done in order. `socket` becomes readable when none is left; nothing is started before the first."""

    def __init__(self) -> None:
        self.socket, self._teller = socket.socketpair()
        for end in (self.socket, self._teller):
            end.setblocking(False)
        self._queue: SimpleQueue[tuple[bytes, Switch, threading.Event]] = SimpleQueue()
        self._thread: threading.Thread | None = None

    def put(self, message: bytes, switch: Switch) -> threading.Event:
        """Done unless the switch is on when its turn comes. The event: that turn is over."""
        if self._thread is None:
            threading.stack_size(_STACK)
            self._thread = threading.Thread(target=self._run, name="slow-requests", daemon=True)
            self._thread.start()
        over = threading.Event()
        self._queue.put((message, switch, over))
        return over

    def hear(self) -> None:
        """`socket` was readable."""
        with contextlib.suppress(BlockingIOError):
            self.socket.recv(4096)

    def _run(self) -> None:
        signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())  # they are to wake the loop's select
        netlink = NetlinkSocket.open(0)  # NETLINK_ROUTE
        while True:
            message, switch, over = self._queue.get()
            with switch.lock:
                if not switch.is_on and not isinstance(netlink, NetlinkFailure):
                    netlink.request([message])
            over.set()
            if self._queue.empty():
                with contextlib.suppress(BlockingIOError):  # full of words that were not heard yet: they do as well
                    self._teller.send(b"x")
