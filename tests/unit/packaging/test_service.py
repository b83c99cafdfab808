"""packaging/: what the service manager and snmpd are told."""

import shutil
import subprocess
from configparser import ConfigParser
from pathlib import Path

import pytest

from haagent.mib.haagent import ROOT
from haagent.processes.supervisor import HEARTBEAT_LIMIT, STOP_TIMEOUT, Supervisor

PACKAGING = Path(__file__).parents[3] / "packaging"
UNIT = PACKAGING / "haagent.service"


@pytest.fixture
def service():
    parser = ConfigParser(interpolation=None, delimiters=("=",), comment_prefixes=("#",))
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read(UNIT)
    return dict(parser["Service"])


def test_readiness_and_reload_are_told(service):
    assert (service["Type"], service["NotifyAccess"]) == ("notify", "main")
    assert service["ExecStart"] == "haagent run"
    assert service["ExecReload"] == "haagent reload"
    assert service["Restart"] == "on-failure"
    assert service["KillMode"] == "mixed"
    assert (service["RuntimeDirectory"], service["StateDirectory"]) == ("haagent", "haagent")


def test_the_times_leave_the_supervisor_its_own(service):
    children = len(Supervisor("", "", "", "", "", "").children)
    assert float(service["WatchdogSec"]) > HEARTBEAT_LIMIT
    assert float(service["TimeoutStopSec"]) > children * STOP_TIMEOUT


def test_what_was_measured_to_be_needed_is_granted_and_no_more(service):
    assert set(service["CapabilityBoundingSet"].split()) == {
        f"CAP_{name}" for name in ("NET_ADMIN", "NET_RAW", "CHOWN", "SETUID", "SETGID", "KILL", "SYS_NICE", "IPC_LOCK")
    }
    assert set(service["RestrictAddressFamilies"].split()) == {
        "AF_UNIX",
        "AF_INET",
        "AF_INET6",
        "AF_NETLINK",
        "AF_PACKET",
    }


def test_nothing_forbids_what_the_daemon_does(service):
    for key in ("ProtectKernelTunables", "RestrictRealtime", "PrivateNetwork", "PrivateUsers", "User"):
        assert key not in service


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed")
def test_systemd_accepts_the_unit(tmp_path):
    """It wants the command to exist; a fresh machine has it in a virtual environment."""
    command = shutil.which("true")
    copy = tmp_path / "haagent.service"
    copy.write_text(UNIT.read_text().replace("=haagent ", f"={command} ").replace("+modprobe", f"+{command}"))
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(copy)], capture_output=True, text=True, check=False
    )
    about_us = [line for line in done.stderr.splitlines() if "haagent" in line]  # it reads the machine's units too
    assert (done.returncode, about_us) == (0, [])


def test_snmpd_shows_the_whole_mib():
    lines = PACKAGING.joinpath("snmpd-haagent.conf").read_text().splitlines()
    assert "view systemonly included ." + ".".join(map(str, ROOT)) in lines
    assert "master agentx" in lines
    assert "agentXSocket tcp:127.0.0.1:705" in lines
    assert 'agentx = "tcp:127.0.0.1:705"' in " ".join(lines)
