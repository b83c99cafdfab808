"""`haagent lab`: what it says about a file that it cannot play, and where it would play one."""

from argparse import ArgumentParser
from pathlib import Path

import pytest

from haagent.cli.lab import add_arguments, needs_ipvs, run
from haagent.lab.topology import Topology, parse

NODES = "name: x\ntopology:\n  nodes:\n    a:\n      kind: linux\n      "


def played(*words: str) -> int:
    parser = ArgumentParser()
    add_arguments(parser)
    return run(parser.parse_args(words))


def test_every_problem_is_printed_with_its_place(tmp_path, capsys):
    file = tmp_path / "a.clab.yml"
    file.write_text(NODES + "ports: []\n      license: x\n")
    assert played(str(file)) == 1
    lines = capsys.readouterr().err.splitlines()
    assert [line.removeprefix(f"{file}:").split(" node")[0] for line in lines] == ["6:7:", "7:7:"]


def test_a_file_that_cannot_be_read_is_named(tmp_path, capsys):
    assert played(str(tmp_path / "none.clab.yml")) == 1
    (tmp_path / "binary.clab.yml").write_bytes(b"\xff\xfe\x80")
    assert played(str(tmp_path / "binary.clab.yml")) == 1
    complaints = capsys.readouterr().err.splitlines()
    assert "No such file" in complaints[0]
    assert "binary.clab.yml" in complaints[1]


def test_native_and_uml_exclude_each_other(tmp_path):
    with pytest.raises(SystemExit):
        played(str(tmp_path), "--native", "--uml")


@pytest.mark.parametrize(
    ("command", "needed"),
    [
        ("cmd: haagent run", True),
        ("cmd: /opt/bin/haagent run", True),
        ("cmd: sh -c 'sleep 1; exec haagent run'", True),
        ('exec: ["ipvsadm -C"]', True),
        ('exec: ["ip address"]', False),
        ("cmd: cat /etc/haagent.conf", False),
    ],
)
def test_a_topology_needs_ipvs_where_a_command_does(command, needed):
    topology = parse(NODES + command, Path("a.clab.yml"))
    assert isinstance(topology, Topology)
    assert needs_ipvs(topology) is needed
