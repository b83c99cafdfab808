"""The better director returns with an empty kernel while a client has a connection open through the other one.

Guarded, it takes the connection over: it waits for its checks and for connection sync. Unguarded it preempts at once,
and the client is reset. Topology and directors: inside_nat_pair.py; the connections are synced over the inside network.
"""

import contextlib
import socket
import subprocess
import threading
import time

import pytest

from tests.daemon_stage import Daemon, wait_until
from tests.kernel.inside_nat_pair import (
    INSIDE,
    OUTSIDE,
    PATIENCE,
    REAL,
    TOGETHER,
    VIP,
    answers_come,
    moved_to,
    netns,
    pair,
)
from tests.netns.segment import inside

__all__ = ["pair"]  # the fixture

ECHO = f"""
[connection_sync]
interface = "eth2"
sync_id = 7
warm_time = 6

[virtual_service.echo]
address = "{VIP}"
port = 7
forwarding_method = "masquerading"
check = ["alive"]
real_servers = [{{ name = "echo", address = "{REAL[0]}" }}]
"""


def configuration(*, is_guarded: bool) -> str:
    guard = f"guarded_takeover = {str(is_guarded).lower()}\n"
    return TOGETHER["group"].replace("advertisement_interval", guard + "advertisement_interval") + ECHO


def echo(listener: socket.socket) -> None:
    def answer(connection: socket.socket) -> None:
        with contextlib.suppress(OSError), connection:
            while heard := connection.recv(100):
                connection.sendall(heard)

    with contextlib.suppress(OSError):
        while True:
            threading.Thread(target=answer, args=(listener.accept()[0],), daemon=True).start()


def hears_itself(client: socket.socket) -> bool:
    try:
        client.sendall(b"still there?")
        return client.recv(100) == b"still there?"
    except OSError:
        return False


def connections(director: str) -> str:
    told = subprocess.run(
        ["ip", "netns", "exec", netns(director), "ipvsadm", "-Lnc"], check=True, capture_output=True, text=True
    )
    return told.stdout


@pytest.mark.timeout(240)
@pytest.mark.parametrize("is_guarded", [True, False], ids=["guarded", "unguarded"])
def test_an_open_connection_when_the_better_director_returns(pair: dict[str, Daemon], is_guarded: bool) -> None:
    with inside(INSIDE):
        listener = socket.create_server((REAL[0], 7), backlog=16)
    threading.Thread(target=echo, args=(listener,), daemon=True).start()
    first, second = pair["d1"], pair["d2"]
    first.write(configuration(is_guarded=is_guarded))
    second.start()
    assert wait_until(lambda: moved_to("d2", "d1") and answers_come(), PATIENCE), second.log[-3000:]
    with inside(OUTSIDE):
        client = socket.socket()
    client.settimeout(5)
    client.connect((VIP, 7))
    port = f":{client.getsockname()[1]} "
    with listener, client:
        assert hears_itself(client)
        first.start()  # its kernel is that of a machine just switched on: no table, no connection
        is_back = threading.Event()
        lost_at = waited = 0.0
        begun = time.monotonic()
        told = ""
        while not is_back.is_set() and time.monotonic() < begun + PATIENCE:
            if not lost_at and not hears_itself(client):
                lost_at = time.monotonic()
            told = told or next((each.cause for each in first.history() if "does not preempt" in each.cause), "")
            if moved_to("d1", "d2"):
                is_back.set()
                waited = time.monotonic() - begun
            time.sleep(1.0)
        assert is_back.is_set(), (first.router("outside"), first.log[-3000:])
        if not is_guarded:
            assert wait_until(lambda: not hears_itself(client), 10), f"it survived; {connections('d1')}"
            assert told == ""
            return
        assert "192.0.2.2" in told or "198.51.100.2" in told, told
        assert "connection sync has received for less than 6 s" in told + first.log
        assert waited > 6.0
        assert hears_itself(client), (lost_at, connections("d1"), first.log[-3000:])
        assert port in connections("d1")
        assert wait_until(answers_come, PATIENCE)
