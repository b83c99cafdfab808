"""A client that never stops asking, and hosts that answer for a virtual address: what an outage costs, in requests.

UDP, one request every 2 ms, each with a number of its own; every host answers for whatever address it holds.
"""

import contextlib
import itertools
import select
import socket
import threading
import time
from types import TracebackType

from tests.netns.segment import Host, inside

PORT = 7007
REQUEST_INTERVAL = 0.002
PATIENCE = 1.0  # seconds after the last request
_IP_FREEBIND = 15


class Answerer:
    """Echoes, from the address that was asked, whether the host holds it now or not."""

    def __init__(self, host: Host, ip: str) -> None:
        with inside(host.netns):
            self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.setsockopt(socket.IPPROTO_IP, _IP_FREEBIND, 1)
        self._socket.bind((ip, PORT))
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                request, client = self._socket.recvfrom(64)
                if client is None:  # it was shut down
                    return
                with contextlib.suppress(OSError):  # the address has just gone
                    self._socket.sendto(request, client)

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()


class Load:
    """`with Load(client, ip, *hosts) as load: ...`; afterwards `lost`, `sent`, and `outage` in seconds."""

    def __init__(self, client: Host, ip: str, *hosts: Host) -> None:
        self._answerers = [Answerer(host, ip) for host in hosts]
        with inside(client.netns):
            self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            self._poll = select.poll()
            self._poll.register(self._socket, select.POLLIN)
        self._socket.connect((ip, PORT))
        self._socket.setblocking(False)
        self._sent_at: list[float] = []
        self._answered: dict[int, float] = {}  # number -> when the answer came
        self._stop_at = float("inf")
        self._thread = threading.Thread(target=self._ask, daemon=True)

    @property
    def sent(self) -> int:
        return len(self._sent_at)

    @property
    def lost(self) -> int:
        return self.sent - len(self._answered)

    @property
    def outage(self) -> float:
        """From the last answered request before the longest row of lost ones to the next one; 0: none is lost."""
        return max(
            (
                self._sent_at[after] - self._sent_at[before]
                for before, after in itertools.pairwise(sorted(self._answered))
                if after > before + 1
            ),
            default=0.0,
        )

    @property
    def slowest(self) -> float:
        """Seconds that the slowest answer took."""
        return max((at - self._sent_at[number] for number, at in self._answered.items()), default=0.0)

    def _ask(self) -> None:
        due = time.monotonic()
        while due < self._stop_at:
            now = time.monotonic()
            if now >= due:
                with contextlib.suppress(OSError):  # ECONNREFUSED and the like are losses, and are counted as such
                    self._socket.send(str(self.sent).encode())
                self._sent_at.append(now)
                due += REQUEST_INTERVAL
            self._listen(max(0.0, due - time.monotonic()))
        end = time.monotonic() + PATIENCE
        while self.lost and time.monotonic() < end:
            self._listen(0.05)

    def _listen(self, wait: float) -> None:
        if self._poll.poll(1000 * wait):  # not select(): a long test run has descriptors beyond its limit
            with contextlib.suppress(OSError):
                while True:
                    number = int(self._socket.recv(64))
                    self._answered.setdefault(number, time.monotonic())

    def __enter__(self) -> "Load":
        self._thread.start()
        time.sleep(0.3)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._stop_at = time.monotonic()
        self._thread.join(PATIENCE + 5)
        for each in self._answerers:
            each.close()
        self._socket.close()
