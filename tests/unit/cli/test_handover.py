"""`haagent handover`: what is asked, waited for, and printed."""

from collections.abc import Callable, Iterator

import pytest

from haagent.cli import handover
from haagent.cli.main import main
from haagent.control.client import Unreachable
from haagent.control.requests import Answer, HandOver, HandOverAnswer, Refused, Request, StatusAnswer
from haagent.snapshot import RouterStatus, Snapshot


def status(state: str, reason: str) -> StatusAnswer:
    router = RouterStatus(
        name="web", interface="eth0", ifindex=2, vrid=51, state=state, reason=reason, since=0.0, priority=200,
        effective_priority=200, preempt=True, advertisement_interval=0.1, primary_address="192.0.2.1",
        active_address="192.0.2.2", virtual_addresses=(),
    )  # type: ignore[arg-type] # fmt: skip
    return StatusAnswer(Snapshot(director="d1", version="1", at=100.0, started_at=0.0, routers=(router,)))


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[Request]]:
    def play(*given: Answer | Unreachable) -> list[Request]:
        asked: list[Request] = []
        rest: Iterator[Answer | Unreachable] = iter(given)
        last: list[Answer | Unreachable] = []

        def ask(_path: object, request: Request) -> Answer | Unreachable:
            asked.append(request)
            last[:] = [next(rest, last[0] if last else Unreachable("none"))]
            return last[0]

        monkeypatch.setattr(handover, "ask", ask)
        monkeypatch.setattr(handover, "LOOK_INTERVAL", 0.0)
        return asked

    return play


def run(*words: str) -> int:
    return main(["handover", "--socket", "/nowhere", *words])


def test_it_waits_for_the_peer(answers: Callable[..., list[Request]], capsys: pytest.CaptureFixture[str]) -> None:
    asked = answers(
        HandOverAnswer(routers=("web",), timeout=5.0),
        status("active", "handing over"),
        status("backup", "handed over to 192.0.2.2"),
    )
    assert run("web", "--for", "20m") == 0
    assert asked[0] == HandOver(name="web", lasting=1200.0)
    assert capsys.readouterr().out == "web is backup: handed over to 192.0.2.2\n"


def test_nobody_takes_over(answers: Callable[..., list[Request]], capsys: pytest.CaptureFixture[str]) -> None:
    answers(HandOverAnswer(routers=("web",), timeout=0.0), status("active", "no peer took over within 0.4 s"))
    assert run("web") == 1
    assert capsys.readouterr().err == "haagent: web is active: no peer took over within 0.4 s\n"


def test_back(answers: Callable[..., list[Request]], capsys: pytest.CaptureFixture[str]) -> None:
    asked = answers(HandOverAnswer(routers=("inside", "outside")))
    assert run("nat", "--back") == 0
    assert asked == [HandOver(name="nat", back=True)]
    assert capsys.readouterr().out == "inside, outside: the priorities decide again\n"


@pytest.mark.parametrize("answer", [Refused("web is backup here"), Unreachable("web is backup here")])
def test_refused(
    answers: Callable[..., list[Request]], capsys: pytest.CaptureFixture[str], answer: Refused | Unreachable
) -> None:
    answers(answer)
    assert run("web") == 1
    assert capsys.readouterr().err == "haagent: web is backup here\n"


def test_for_and_back_exclude_each_other(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        run("web", "--for", "20m", "--back")
    assert "not allowed with" in capsys.readouterr().err
