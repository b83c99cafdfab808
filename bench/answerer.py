"""Servers that can be killed: one process answers HTTP on many addresses, and does to each what it is told.

    python -m bench.answerer PORT ADDRESS ...

Each line on standard input is an address and "close" (its socket closes just after the next answer: connections are
refused) or "hang" (connections are accepted, nobody answers). It says when, as "ADDRESS INSTANT", on standard output.
"""

import os
import select
import socket
import sys
import time

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok"


def main(port: int, addresses: list[str]) -> int:
    epoll = select.epoll()
    listeners: dict[int, tuple[socket.socket, str]] = {}
    accepted: dict[int, tuple[socket.socket, str]] = {}
    orders: dict[str, str] = {}
    hanging: set[str] = set()
    for address in addresses:
        listener = socket.create_server((address, port), backlog=512)
        listener.setblocking(False)
        listeners[listener.fileno()] = listener, address
        epoll.register(listener.fileno(), select.EPOLLIN)
    epoll.register(0, select.EPOLLIN)
    print("ready", flush=True)
    while True:
        for descriptor, _ in epoll.poll():
            if descriptor == 0:
                said = os.read(0, 1 << 20).decode()
                if not said:
                    return 0
                orders |= dict(line.split() for line in said.splitlines())
            elif descriptor in listeners:
                listener, address = listeners[descriptor]
                try:
                    made, _ = listener.accept()
                except OSError:
                    continue
                accepted[made.fileno()] = made, address
                epoll.register(made.fileno(), select.EPOLLIN)
            else:
                made, address = accepted[descriptor]
                try:
                    data = made.recv(4096)
                    if data and address in hanging:
                        continue
                    if data:
                        made.send(ANSWER)
                except OSError:
                    data = b""
                del accepted[descriptor]
                made.close()
                order = orders.pop(address, "") if data else ""
                if order == "close":
                    for listener, its in list(listeners.values()):
                        if its == address:
                            del listeners[listener.fileno()]
                            listener.close()
                elif order == "hang":
                    hanging.add(address)
                if order:
                    print(address, time.monotonic(), flush=True)


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), sys.argv[2:]))
