"""A client that loads a page again and again: a fresh TCP connection every `interval`, whatever became of the others.

Runs inside the client's node (`python load.py ADDRESS PORT`), standard library alone. One JSON object a line for each
finished request, all times monotonic seconds:

    {"start": 12.30, "end": 12.31, "server": "rs1"}     answered with status 200 by that server
    {"start": 12.32, "end": 12.62, "error": "timeout"}  lost: no answer in time, refused, reset, another status

Open loop: an outage is seen to a grain of `interval`, not of the timeout, as it would be by a client that waits.
"""

import argparse
import errno
import json
import re
import select
import signal
import socket
import sys
import time
from dataclasses import dataclass

SERVED_BY = re.compile(rb"served by (\S+)")


@dataclass(slots=True)
class Attempt:
    """A request under way."""

    connection: socket.socket
    started_at: float
    answer: bytes = b""
    is_connected: bool = False


class Load:
    """The attempts under way against one address."""

    def __init__(self, address: str, port: int, timeout: float) -> None:
        self.target = (address, port)
        self.timeout = timeout
        self.request = f"GET / HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n".encode()
        self.poll = select.epoll()
        self.attempts: dict[int, Attempt] = {}  # by file descriptor, oldest first

    def open(self, now: float) -> None:
        connection = socket.socket(socket.AF_INET, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        attempt = Attempt(connection, now)
        code = connection.connect_ex(self.target)
        if code not in (0, errno.EINPROGRESS):
            self._finish(attempt, errno.errorcode.get(code, str(code)))
            return
        self.attempts[connection.fileno()] = attempt
        self.poll.register(connection, select.EPOLLOUT)

    def expire(self, now: float) -> None:
        for attempt in list(self.attempts.values()):
            if attempt.started_at + self.timeout > now:
                break
            self._finish(attempt, "timeout")

    def deadline(self) -> float:
        """When the oldest attempt is given up."""
        return next((attempt.started_at + self.timeout for attempt in self.attempts.values()), float("inf"))

    def wait(self, until: float) -> None:
        for descriptor, _ in self.poll.poll(max(0.0, until - time.monotonic())):
            attempt = self.attempts[descriptor]
            try:
                self._advance(attempt)
            except OSError as error:
                self._finish(attempt, errno.errorcode.get(error.errno or 0, str(error)))

    def _advance(self, attempt: Attempt) -> None:
        if not attempt.is_connected:
            code = attempt.connection.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            if code:
                self._finish(attempt, errno.errorcode.get(code, str(code)))
                return
            attempt.is_connected = True
            attempt.connection.send(self.request)  # fits any send buffer
            self.poll.modify(attempt.connection, select.EPOLLIN)
            return
        data = attempt.connection.recv(65536)
        attempt.answer += data
        if data:
            return
        server = SERVED_BY.search(attempt.answer)
        if attempt.answer.startswith(b"HTTP/1.1 200 ") and server:
            self._finish(attempt, None, server[1].decode(errors="replace"))
        else:
            self._finish(attempt, attempt.answer[:40].decode(errors="replace") or "closed without an answer")

    def _finish(self, attempt: Attempt, error: str | None, server: str = "") -> None:
        self.attempts.pop(attempt.connection.fileno(), None)
        attempt.connection.close()  # leaves the epoll set by itself
        outcome = {"server": server} if error is None else {"error": error}
        print(json.dumps({"start": attempt.started_at, "end": time.monotonic(), **outcome}))


def main() -> None:
    parser = argparse.ArgumentParser(description="loads a page again and again and reports each answer as a JSON line")
    parser.add_argument("address")
    parser.add_argument("port", type=int)
    parser.add_argument("--interval", type=float, default=0.02, help="seconds between requests")
    parser.add_argument("--timeout", type=float, default=0.3, help="seconds after which a request counts as lost")
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(0))
    load = Load(arguments.address, arguments.port, arguments.timeout)
    next_at = time.monotonic()
    while True:
        now = time.monotonic()
        load.expire(now)
        if now >= next_at:
            load.open(now)
            next_at = max(next_at + arguments.interval, now)  # after a stall: go on, no burst to catch up
        sys.stdout.flush()
        load.wait(min(next_at, load.deadline()))


if __name__ == "__main__":
    main()
