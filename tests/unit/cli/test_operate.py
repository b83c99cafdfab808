"""drain, disable, enable, weight: what the words become, and what is printed."""

import argparse
from datetime import UTC, datetime

import pytest

from haagent.cli import disable, drain, enable, operate, weight
from haagent.cli.main import main
from haagent.cli.status import operator_words
from haagent.control.client import Unreachable
from haagent.control.requests import Operate, OperateAnswer, Refused, StatusAnswer
from haagent.snapshot import OverrideStatus, RealServerStatus, ServiceStatus, Snapshot


def server(admin: str = "drained", **more) -> RealServerStatus:  # type: ignore[no-untyped-def]
    return RealServerStatus(
        name="rs1", address="198.51.100.11", port=80, forwarding_method="masquerading", health="up",
        admin=admin, since=0, reason="", configured_weight=1, weight=0, active_connections=2, inactive_connections=3,
        persistent_connections=4, override=OverrideStatus(**more),
    )  # type: ignore[arg-type] # fmt: skip


def snapshot(*servers: RealServerStatus) -> Snapshot:
    web = ServiceStatus(
        name="web", address="", port=80, protocol="tcp", scheduler="rr", forwarding_method="masquerading",
        state="serving", since=0, in_service=1, real_servers=servers,
    )  # fmt: skip
    return Snapshot(director="d1", version="1", at=100.0, started_at=0.0, services=(web,))


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[Operate]:
    requests: list[Operate] = []

    def ask(_path: object, request: Operate) -> OperateAnswer:
        requests.append(request)
        return OperateAnswer(servers=("web/rs1", "mail/rs1"), state=request.verb)

    monkeypatch.setattr(operate, "ask", ask)
    monkeypatch.setattr("time.time", lambda: 1000.0)
    return requests


@pytest.mark.parametrize(
    ("words", "request_"),
    [
        ("drain rs1", Operate(verb="drain", server="rs1")),
        (
            "drain web/rs1 --deadline 20m --for 2h --keep --persistent expire --force",
            Operate(
                verb="drain", server="web/rs1", deadline=2200.0, until=8200.0,
                keep=True, persistent="expire", force=True,
            ),
        ),
        ("disable --service web --for 90", Operate(verb="disable", service="web", until=1090.0)),
        ("enable rs1 --service web", Operate(verb="enable", server="rs1", service="web")),
        ("weight rs1 0 --for 10m", Operate(verb="weight", server="rs1", weight=0, until=1600.0)),
    ],
)  # fmt: skip
def test_words_become_a_request(words: str, request_: Operate, asked: list[Operate], capsys) -> None:  # type: ignore[no-untyped-def]
    verb, *rest = words.split()
    assert main([verb, "--socket", "/nowhere", *rest]) == 0
    assert asked == [request_]
    assert capsys.readouterr().out == f"web/rs1 is {verb}\nmail/rs1 is {verb}\n"


@pytest.mark.parametrize(
    "words",
    ["weight rs1 65536", "weight rs1 -1", "drain rs1 --deadline 5x", "drain rs1 --for 0", "disable rs1 --until noon",
     "drain rs1 --for 400d", "drain rs1 --for 1h --until 23:00", "enable rs1 --for 1h"],
)  # fmt: skip
def test_words_that_are_no_request(words: str, asked: list[Operate], capsys) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(SystemExit) as ended:
        main([*words.split(), "--socket", "/nowhere"])
    assert ended.value.code == 2
    assert asked == []
    assert "error:" in capsys.readouterr().err


@pytest.mark.parametrize("answer", [Refused("no such server"), Unreachable("nobody is there")])
@pytest.mark.parametrize("module", [drain, disable, enable, weight])
def test_a_refusal_is_one_line_and_exit_1(answer, module, monkeypatch, capsys) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.setattr(operate, "ask", lambda *_: answer)
    parser = argparse.ArgumentParser()
    module.add_arguments(parser)
    numbers = ["3"] if module is weight else []
    assert module.run(parser.parse_args(["rs1", *numbers, "--socket", "/nowhere"])) == 1
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith("haagent: no")


def test_waiting_shows_what_is_left_until_the_drain_has_ended(monkeypatch, capsys) -> None:  # type: ignore[no-untyped-def]
    answers = iter(
        [
            OperateAnswer(servers=("web/rs1",), state="drained"),
            StatusAnswer(snapshot(server(deadline=130.0))),
            StatusAnswer(snapshot(server("disabled"))),
        ]
    )
    monkeypatch.setattr(operate, "ask", lambda *_: next(answers))
    monkeypatch.setattr(operate.time, "sleep", lambda _: None)
    assert main(["drain", "rs1", "--wait", "--socket", "/nowhere"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "web/rs1 is drained",
        "web/rs1: 2 active, 3 inactive, 4 persistent, disabled in 30 s",
        "drained: no connections are left, or the deadline has passed",
    ]


def test_waiting_for_what_never_ends_is_refused(capsys) -> None:  # type: ignore[no-untyped-def]
    assert main(["drain", "rs1", "--wait", "--keep", "--socket", "/nowhere"]) == 1
    assert "never ends" in capsys.readouterr().err


NOON = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("12:01", datetime(2026, 11, 24, 12, 1, tzinfo=UTC)),
        ("12:00", datetime(2026, 11, 25, 12, 0, tzinfo=UTC)),
        ("3:00", datetime(2026, 11, 25, 3, 0, tzinfo=UTC)),
        ("2026-12-01 03:00+00:00", datetime(2026, 12, 1, 3, 0, tzinfo=UTC)),
    ],
)
def test_instants(text: str, moment: datetime) -> None:
    assert operate.instant(text, NOON) == moment.timestamp()


@pytest.mark.parametrize("text", ["24:00", "12:60", "", "12", "soon"])
def test_no_instants(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError):
        operate.instant(text, NOON)


@pytest.mark.parametrize(("text", "number"), [("90", 90), ("90s", 90), ("1.5m", 90), ("2h", 7200), ("1d", 86400)])
def test_times(text: str, number: float) -> None:
    assert operate.seconds(text) == number


def test_status_tells_what_was_said() -> None:
    assert operator_words(server(actor="ann", connections_left=9, deadline=130.0, until=3700.0), 100.0) == (
        "DRAINED by ann, 9 connections left, disabled in 30 s, enabled in 1 h 0 min; "
    )
    assert operator_words(server("enabled", weight=5, actor="ann"), 0.0) == "WEIGHT 5 by ann; "
