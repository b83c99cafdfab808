"""`haagent recipe`."""

import pytest

from haagent.cli.main import main

CONFIG = """\
[director]
names = ["d1"]
[virtual_service.web]
address = "198.51.100.100"
port = 80
forwarding_method = "direct_routing"
real_servers = [{ name = "rs1", address = "198.51.100.11" }, { name = "rs2", address = "198.51.100.12" }]
"""


@pytest.fixture
def recipe(tmp_path):  # type: ignore[no-untyped-def]
    (tmp_path / "a.toml").write_text(CONFIG)
    return lambda *words: main(["recipe", *words, "-c", str(tmp_path), "--name", "d1"])


def test_it_prints_the_commands_for_all_or_for_one(recipe, capsys):
    assert recipe("web", "--os", "linux") == 0
    assert capsys.readouterr().out.splitlines().count("ip address replace 198.51.100.100/32 dev lo") == 2
    assert recipe("web", "--os", "windows", "--server", "rs2") == 0
    printed = capsys.readouterr().out
    assert "# rs2 (198.51.100.12)" in printed
    assert "rs1" not in printed


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["wbe", "--os", "linux"], 'there is no virtual service "wbe"; web'),
        (["web", "--os", "linux", "--server", "rs9"], 'web has no real server "rs9"; rs1, rs2'),
    ],
)
def test_what_does_not_exist_is_said_with_what_does(recipe, capsys, words, sentence):
    assert recipe(*words) == 1
    assert capsys.readouterr().err == f"haagent: {sentence}\n"
