"""The control socket with a real client."""

import asyncio
import json
import socket

import pytest

from haagent.control.client import Unreachable, ask, converse
from haagent.control.requests import History, HistoryAnswer, Plan, PlanAnswer, Reload, ReloadAnswer, Step
from haagent.control.server import ControlServer

STEP = Step(action="add", subject="service", name="tcp 198.51.100.100:80", after="wlc")


async def answer(request, user):
    match request:
        case Plan():
            yield PlanAnswer(steps=(STEP,))
        case Reload():
            yield ReloadAnswer(errors=("web.toml:1:1: bad",))
        case History():
            yield HistoryAnswer(())
            yield HistoryAnswer(())


@pytest.fixture
def path(tmp_path):
    return tmp_path / "control.sock"


def serve(path, client):
    """Runs the blocking client beside the server."""

    async def both():
        server = ControlServer(path, "root", answer)
        await server.start()
        try:
            return await asyncio.to_thread(client)
        finally:
            await server.close()

    return asyncio.run(both())


def test_a_request_is_answered(path):
    assert serve(path, lambda: ask(path, Plan())) == PlanAnswer(steps=(STEP,))
    assert serve(path, lambda: ask(path, Reload())) == ReloadAnswer(errors=("web.toml:1:1: bad",))


def test_a_stream_of_answers_ends_with_the_connection(path):
    assert serve(path, lambda: list(converse(path, History()))) == [HistoryAnswer(()), HistoryAnswer(())]


def test_the_socket_is_for_owner_and_group_alone(path):
    assert serve(path, lambda: path.stat().st_mode & 0o777) == 0o660


@pytest.mark.parametrize(
    "line", [b"{}", b"status", b"\xff\xfe", b'{"request":"drop_everything"}', b"[" * 70000, b'{"x":' * 2000]
)
def test_nonsense_is_refused_with_a_sentence(path, line):
    def client():
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(str(path))
            connection.sendall(line + b"\n")
            return json.loads(connection.makefile("rb").readline())

    assert serve(path, client)["answer"] == "refused"


def test_no_daemon_is_a_sentence_that_says_what_to_do(path):
    said = ask(path, Plan())
    assert isinstance(said, Unreachable)
    assert "no haagent is running here" in said.sentence


def test_a_group_that_does_not_exist_is_told_and_leaves_root_alone(path):
    async def start():
        server = ControlServer(path, "no-such-group", answer)
        said = await server.start()
        mode = path.stat().st_mode & 0o777
        await server.close()
        return said, mode

    said, mode = asyncio.run(start())
    assert said == "the group no-such-group does not exist: only root may use the control socket"
    assert mode == 0o600
