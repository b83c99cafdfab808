"""The director's shell where it says something by itself. Whole: tests/netns/test_daemon.py."""

from pathlib import Path

import pytest
from msgspec import structs

from haagent.config.model import Config, Snmp
from haagent.processes.director import Options, load_for_all, needs_restart
from tests.unit.build import config, real_server, router, service


def test_services_and_routers_change_by_a_reload():
    assert needs_restart(config(), config(service(real_server(1)), routers=(router(),))) is None


@pytest.mark.parametrize("key", ["runtime_directory", "state_directory", "control_group", "user"])
def test_what_the_processes_were_started_with_needs_a_restart(key):
    running = config()
    loaded = structs.replace(running, director=structs.replace(running.director, **{key: "/else"}))
    assert needs_restart(running, loaded) == f"director.{key} cannot change by a reload: restart haagent"


def test_another_agentx_master_needs_a_restart():
    running = config()
    said = needs_restart(running, structs.replace(running, snmp=Snmp(agentx="tcp:127.0.0.1:705")))
    assert said is not None
    assert said.startswith("snmp.agentx cannot change")


def test_what_only_the_peer_would_meet_is_refused_here(tmp_path: Path):
    text = '[director]\nnames = ["d1", "d2"]\n[virtual_router.web]\ninterface = "eth0"\nvrid = 51\n'
    text += 'priority = {{ d1 = 200, d2 = {} }}\nvirtual_addresses = ["192.0.2.100/24"]\n'
    options = Options(tmp_path, "d1", 0, 0)
    tmp_path.joinpath("site.toml").write_text(text.format(100))
    assert isinstance(load_for_all(options), Config)
    tmp_path.joinpath("site.toml").write_text(text.format(0))
    errors = load_for_all(options)
    assert isinstance(errors, list)
    assert ["priority" in str(error) for error in errors] == [True]
