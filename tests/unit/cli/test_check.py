"""`haagent check` as a user sees it."""

import argparse
from pathlib import Path

import pytest

from haagent.cli import check

SAMPLE = Path(__file__).parents[3] / "haagent.conf.d"


def run(*arguments: str) -> int:
    parser = argparse.ArgumentParser()
    check.add_arguments(parser)
    return check.run(parser.parse_args(arguments))


def test_valid(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("-c", str(SAMPLE)) == 0
    assert capsys.readouterr() == (f"{SAMPLE}: valid for d1, d2\n", "")
    assert run("-c", str(SAMPLE), "--name", "d2") == 0
    assert capsys.readouterr() == (f"{SAMPLE}: valid for d2\n", "")


def test_errors_name_the_file_as_the_caller_can_open_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    conf = tmp_path / "conf"
    conf.mkdir()
    (conf / "a.toml").write_text('[director]\nnames = ["d1"]\nx = 1\n[snmp]\nagentx = 1\n')
    monkeypatch.chdir(tmp_path)
    assert run("-c", "conf/") == 1
    out, err = capsys.readouterr()
    assert out == ""
    lines = err.splitlines()
    assert lines[0].startswith("conf/a.toml:3:1: director.x: unknown key; one of names, ")
    assert lines[1].startswith("conf/a.toml:5:1: snmp.agentx: expected ")
    assert lines[2:] == ["2 errors"]


def test_no_directory(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("-c", str(tmp_path / "x")) == 1
    wanted = f"{tmp_path}/x: cannot be read as a directory: No such file or directory\n1 error\n"
    assert capsys.readouterr() == ("", wanted)


def test_an_unknown_director(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("-c", str(SAMPLE), "--name", "d3") == 1
    assert 'there is no director "d3"; say which of d1, d2 this is with --name\n1 error\n' in capsys.readouterr().err
