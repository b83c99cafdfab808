"""The load generator against servers on loopback: every request ends as an answer or as a named loss."""

import json
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest

import haagent.lab.load

PAGE = b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nserved by rs7\n"


def requests(port: int, count: int = 3) -> list[dict[str, object]]:
    script = str(Path(haagent.lab.load.__file__))
    command = [sys.executable, "-I", "-S", script, "127.0.0.1", str(port), "--interval", "0.02", "--timeout", "0.3"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        lines = [json.loads(process.stdout.readline()) for _ in range(count)]
        process.terminate()
    return lines


def serve(listener: socket.socket, answer: bytes) -> None:
    while True:
        try:
            connection, _ = listener.accept()
        except OSError:
            return
        with connection:
            connection.recv(4096)
            connection.sendall(answer)


@pytest.fixture
def listener():
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield listening
        listening.shutdown(socket.SHUT_RDWR)


def test_an_answer_names_its_server(listener):
    threading.Thread(target=serve, args=(listener, PAGE), daemon=True).start()
    for line in requests(listener.getsockname()[1]):
        assert line["server"] == "rs7"
        assert line["start"] < line["end"]


def test_another_status_is_a_loss_that_shows_it(listener):
    threading.Thread(target=serve, args=(listener, PAGE.replace(b"200", b"503")), daemon=True).start()
    assert str(requests(listener.getsockname()[1])[0]["error"]).startswith("HTTP/1.1 503")


def test_a_connection_closed_without_a_word_is_a_loss(listener):
    threading.Thread(target=serve, args=(listener, b""), daemon=True).start()
    assert requests(listener.getsockname()[1])[0]["error"] == "closed without an answer"


def test_silence_is_a_timeout_and_others_go_on_meanwhile(listener):
    lines = requests(listener.getsockname()[1])  # nobody accepts: the kernel does, and says nothing more
    assert [line["error"] for line in lines] == ["timeout"] * 3
    assert lines[1]["start"] < lines[0]["end"]


def test_a_refused_connection_is_a_loss():
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
    assert requests(port)[0]["error"] == "ECONNREFUSED"
