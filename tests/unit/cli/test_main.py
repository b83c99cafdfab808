"""The command itself: its verbs, its exit codes, and what it loads."""

import importlib
import os
import subprocess
import sys

import pytest

from haagent.cli.main import COMMANDS, main
from haagent.version import VERSION


def test_help_names_every_verb(capsys):
    with pytest.raises(SystemExit) as ended:
        main(["--help"])
    assert ended.value.code == 0
    words = capsys.readouterr().out
    for verb, does in COMMANDS.items():
        assert f"    {verb} " in words
        assert " ".join(does.split()[:3]) in words


@pytest.mark.parametrize("verb", COMMANDS)
def test_every_verb_has_its_module_and_its_help(verb, capsys):
    module = importlib.import_module(f"haagent.cli.{verb}")
    assert module.__doc__.startswith(f"`haagent {verb}")
    with pytest.raises(SystemExit) as ended:
        main([verb, "--help"])
    assert ended.value.code == 0
    assert capsys.readouterr().out.startswith(f"usage: haagent {verb}")


@pytest.mark.parametrize("arguments", [["frobnicate"], [], ["status", "--frobnicate"], ["history", "-n", "many"]])
def test_what_is_no_command_is_exit_2(arguments, capsys):
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    assert "usage: haagent" in capsys.readouterr().err


def test_version(capsys):
    with pytest.raises(SystemExit) as ended:
        main(["--version"])
    assert ended.value.code == 0
    assert capsys.readouterr().out == f"haagent {VERSION}\n"


def test_a_verb_loads_only_its_own_module():
    """Help must not wait for netlink, yaml and the rest."""
    script = (
        "import sys\nfrom haagent.cli.main import main\n"
        "try: main(['--help'])\nexcept SystemExit: pass\n"
        "print([name for name in sys.modules if name.startswith('haagent.cli.') and name != 'haagent.cli.main'])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize("verb", ["mib", "schema"])  # a line, and more than a buffer
def test_a_reader_that_goes_away_is_no_traceback(verb):
    reader, writer = os.pipe()
    os.close(reader)
    command = [sys.executable, "-m", "haagent", verb]
    done = subprocess.run(command, stdout=writer, stderr=subprocess.PIPE, text=True, check=False)
    os.close(writer)
    assert (done.returncode, done.stderr) == (1, "")
