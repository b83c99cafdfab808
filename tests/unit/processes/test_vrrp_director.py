"""The connection to the director: it comes, goes, jams and talks nonsense, and nothing ever waits for it."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from haagent.processes.frames import FrameReader, frame
from haagent.processes.vrrp_director import BUFFER_LIMIT, RETRY_INTERVAL, DirectorLink


@pytest.fixture
def listener(tmp_path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as each:
        each.bind(str(tmp_path / "internal.sock"))
        each.listen(1)
        yield each


@pytest.fixture
def link(tmp_path: Path, listener: socket.socket) -> DirectorLink:
    return DirectorLink(str(tmp_path / "internal.sock"))


def test_frames_go_both_ways(link: DirectorLink, listener: socket.socket) -> None:
    assert link.connect(0.0)
    director, _ = listener.accept()
    with director:
        link.send(b"one")
        link.send(b"two")
        assert FrameReader().feed(director.recv(100)) == [b"one", b"two"]
        assert link.receive() == []
        director.sendall(frame(b"three") + frame(b"four")[:3])
        assert link.receive() == [b"three"]
        director.sendall(frame(b"four")[3:])
        assert link.receive() == [b"four"]


def test_absent_it_is_tried_again_now_and_then(tmp_path: Path) -> None:
    link = DirectorLink(str(tmp_path / "nobody.sock"))
    assert not link.connect(10.0)
    assert link.next_deadline() == 10.0 + RETRY_INTERVAL
    link.send(b"into the void")
    assert not link.wants_to_write
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(str(tmp_path / "nobody.sock"))
        listener.listen(1)
        assert not link.connect(10.0 + RETRY_INTERVAL / 2)
        assert link.connect(10.0 + RETRY_INTERVAL)
        assert link.next_deadline() is None


def test_without_a_path_there_is_no_director() -> None:
    link = DirectorLink("")
    assert not link.connect(0.0)
    assert link.next_deadline() is None


def test_a_director_that_ends_is_gone_and_comes_back(link: DirectorLink, listener: socket.socket) -> None:
    assert link.connect(0.0)
    listener.accept()[0].close()
    assert link.receive() == []
    assert link.socket is None
    assert link.connect(1.0)


@pytest.mark.parametrize("action", ["send", "receive"])
def test_a_reset_closes(link: DirectorLink, listener: socket.socket, action: str) -> None:
    assert link.connect(0.0)
    director, _ = listener.accept()
    link.send(b"unread")
    director.close()  # with unread octets: a reset
    if action == "send":
        link.send(b"more")
        link.send(b"more")
    else:
        link.receive()
    assert link.socket is None


def test_a_length_beyond_reason_closes(link: DirectorLink, listener: socket.socket) -> None:
    assert link.connect(0.0)
    director, _ = listener.accept()
    with director:
        director.sendall(b"\xff\xff\xff\xff")
        assert link.receive() == []
        assert link.socket is None


def test_one_that_does_not_read_costs_a_bounded_buffer_and_then_a_full_report(
    link: DirectorLink, listener: socket.socket
) -> None:
    assert link.connect(0.0)
    director, _ = listener.accept()
    payload = bytes(1 << 16)
    for _ in range(2 * BUFFER_LIMIT // len(payload)):
        link.send(payload)
    assert link.has_lost
    assert link.wants_to_write
    assert not link.has_room
    reader, whole = FrameReader(), 0
    with director:
        director.setblocking(False)
        while link.wants_to_write:
            whole += len(reader.feed(director.recv(1 << 20)))
            link.flush()
        whole += len(reader.feed(director.recv(1 << 20)))
    assert link.has_room
    assert whole >= BUFFER_LIMIT // len(payload) - 1
    assert link.connect(1.0) is False
