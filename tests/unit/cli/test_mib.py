"""`haagent mib`."""

from pathlib import Path

from haagent.cli.main import main


def test_it_prints_the_folder_that_has_the_mib(capsys):
    assert main(["mib"]) == 0
    folder = Path(capsys.readouterr().out.strip())
    assert "HAAGENT-MIB DEFINITIONS ::= BEGIN" in folder.joinpath("HAAGENT-MIB.txt").read_text()


def test_a_package_without_them_says_so(capsys, monkeypatch, tmp_path):
    monkeypatch.setattr("haagent.cli.mib.__file__", str(tmp_path / "haagent" / "cli" / "mib.py"))
    monkeypatch.setattr("sysconfig.get_path", lambda name: str(tmp_path))
    assert main(["mib"]) == 1
    assert "were not installed" in capsys.readouterr().err
