"""Which configuration and which socket the commands use."""

import argparse
from pathlib import Path

import pytest

from haagent.cli.options import find_socket, load_or_complain

VALID = '[director]\nnames = ["d1", "d2"]\nruntime_directory = "/run/elsewhere"\n'
ROUTER = """
[virtual_router.web]
interface = "eth0"
vrid = 51
priority = { d1 = 200, d2 = 100 }
virtual_addresses = ["192.0.2.100/24"]
"""


@pytest.fixture
def options(tmp_path):
    (tmp_path / "site.toml").write_text(VALID + ROUTER)
    return argparse.Namespace(config=tmp_path, name="d1", socket=None)


def test_a_valid_directory(options):
    config = load_or_complain(options)
    assert config is not None
    assert config.director.name == "d1"
    assert find_socket(options) == Path("/run/elsewhere/d1/control.sock")


def test_what_only_the_peer_would_meet_is_an_error_here_too(options, capsys):
    options.config.joinpath("site.toml").write_text(VALID + ROUTER.replace("d2 = 100", "d2 = 1000"))
    assert load_or_complain(options) is None
    said = capsys.readouterr().err
    assert f"{options.config}/site.toml:" in said
    assert "virtual_router.web.priority" in said
    assert said.endswith("1 error\n")


def test_a_given_socket_needs_no_configuration(options):
    options.socket, options.config = Path("/elsewhere.sock"), Path("/does/not/exist")
    assert find_socket(options) == Path("/elsewhere.sock")


def test_a_broken_directory_and_no_daemon_in_the_default_place(options, capsys):
    options.config.joinpath("site.toml").write_text("nonsense")
    options.name = "no-such-director"
    assert find_socket(options) is None
    assert "name it with --socket" in capsys.readouterr().err
