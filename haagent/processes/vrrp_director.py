"""The vrrp process's end of its connection to the director: never waited for, and done without while it is away."""

import contextlib
import socket

from haagent.processes.frames import FrameError, FrameReader, frame

RETRY_INTERVAL = 0.5  # seconds between attempts to connect
BUFFER_LIMIT = 4 << 20  # octets that may wait for a director that does not read; then reports are dropped
_READ = 1 << 20


class DirectorLink:
    """`socket` is None while there is no connection. Sending and receiving return at once."""

    def __init__(self, path: str) -> None:
        self._path = path
        self.socket: socket.socket | None = None
        self.has_lost = False  # something was dropped: report everything once `has_room`
        self._retry_at = float("-inf")
        self._out = bytearray()
        self._reader = FrameReader()

    def next_deadline(self) -> float | None:
        return self._retry_at if self.socket is None and self._path else None

    def connect(self, now: float) -> bool:
        """Try if it is time. True: connected this very moment, nothing was said yet."""
        if self.socket is not None or not self._path or now < self._retry_at:
            return False
        self._retry_at = now + RETRY_INTERVAL
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
        try:
            sock.connect(self._path)  # to a unix socket at once or not at all (EAGAIN: its queue is full)
        except OSError:
            sock.close()
            return False
        self.socket, self.has_lost = sock, False
        self._out.clear()
        self._reader = FrameReader()
        return True

    @property
    def wants_to_write(self) -> bool:
        return bool(self._out)

    @property
    def has_room(self) -> bool:
        return len(self._out) < BUFFER_LIMIT // 2

    def send(self, payload: bytes) -> None:
        if self.socket is None:
            return
        if len(self._out) + len(payload) > BUFFER_LIMIT:
            self.has_lost = True
            return
        self._out += frame(payload)
        self.flush()

    def flush(self) -> None:
        if self.socket is None:
            return
        try:
            while self._out:
                sent = self.socket.send(self._out)
                del self._out[:sent]
        except BlockingIOError:
            pass
        except OSError:
            self.close()

    def receive(self) -> list[bytes]:
        """Whole payloads that have arrived; the end of the connection closes it."""
        if self.socket is None:
            return []
        try:
            octets = self.socket.recv(_READ)
            if octets:
                return self._reader.feed(octets)
        except BlockingIOError:
            return []
        except (OSError, FrameError):
            pass
        self.close()
        return []

    def close(self) -> None:
        if self.socket is not None:
            with contextlib.suppress(OSError):
                self.socket.close()
        self.socket = None
