"""Hooks as an administrator writes them."""

from pathlib import Path

import pytest

from haagent.config.load import load
from haagent.config.model import Config, Hook

BASE = """
[director]
names = ["d1"]
[virtual_router.web]
interface = "eth0"
vrid = 51
virtual_addresses = ["192.0.2.100/24"]
[virtual_service.www]
address = "192.0.2.100"
port = 80
forwarding_method = "direct_routing"
real_servers = [{ name = "rs1", address = "192.0.2.11" }]
"""


def read(path: Path, text: str) -> Config | list[str]:
    (path / "a.toml").write_text(BASE + text)
    loaded = load(path, "d1")
    return loaded if isinstance(loaded, Config) else [error.message for error in loaded]


def test_a_hook_and_its_defaults(tmp_path: Path) -> None:
    text = '[hook.tell]\non = ["router"]\nnames = ["web"]\nstates = ["active"]\ncommand = ["/bin/true", "-x", ""]\n'
    config = read(tmp_path, text)
    assert isinstance(config, Config)
    wanted = Hook(name="tell", on=("router",), names=("web",), states=("active",), command=("/bin/true", "-x", ""))
    assert config.hooks == (wanted,)
    assert (wanted.timeout, wanted.user) == (10.0, "nobody")


def test_a_hook_for_a_split(tmp_path: Path) -> None:
    text = '[hook.tell]\non = ["agreement"]\nnames = ["web"]\nstates = ["split"]\ncommand = ["/bin/true"]\n'
    config = read(tmp_path, text)
    assert isinstance(config, Config)
    assert config.hooks[0].on == ("agreement",)


@pytest.mark.parametrize("name", ["rs1", "www/rs1"])
def test_a_real_server_by_either_name(tmp_path: Path, name: str) -> None:
    text = f'[hook.tell]\non = ["real_server"]\nnames = ["{name}"]\ncommand = ["/bin/true"]\n'
    assert isinstance(read(tmp_path, text), Config)


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ('command = ["/bin/true"]', "missing; expected an array of subjects"),
        ('on = ["router"]', "missing; expected an array of an absolute path and arguments"),
        ('on = []\ncommand = ["/bin/true"]', "expected an array of subjects, at least 1, got an empty one"),
        ('on = ["router"]\ncommand = "/bin/true -x"', "expected an array of an absolute path and arguments, got"),
        ('on = ["router"]\ncommand = ["true"]', '"true" is no absolute path, and no shell looks for it'),
        (
            'on = ["table"]\ncommand = ["/bin/true"]',
            'unknown subject "table"; one of router, owner, agreement, service, quorum, real_server',
        ),
        (
            'on = ["router"]\nstates = ["down"]\ncommand = ["/bin/true"]',
            "down is never reached: router has only initialize, backup, active",
        ),
        (
            'on = ["router"]\nnames = ["wbe"]\ncommand = ["/bin/true"]',
            'no router is called "wbe"; did you mean "web"?',
        ),
        ('on = ["service"]\nnames = ["web"]\ncommand = ["/bin/true"]', 'no service is called "web"; one of www'),
        ('on = ["router"]\ncommand = ["/bin/true"]\ntimeout = 0', "expected a number of seconds from 0.1 to 3600"),
        ('on = ["router"]\ncommand = ["/bin/true"]\nuser = "a b"', "expected the name of an account or group"),
        ('on = ["router"]\ncommand = ["/bin/true"]\nshell = true', "unknown key; one of on, names, states"),
    ],
)
def test_what_is_wrong(tmp_path: Path, keys: str, said: str) -> None:
    errors = read(tmp_path, f"[hook.tell]\n{keys}\n")
    assert isinstance(errors, list)
    assert len(errors) == 1, errors
    assert said in errors[0]
