"""The lab on the running kernel: what a topology promises is there, and nothing of it is left behind."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from haagent.lab.namespaces import Lab, LabError, hardware_address
from haagent.lab.topology import Endpoint, Topology, parse

pytestmark = pytest.mark.root

THREE = """\
name: {name}
topology:
  defaults: {{kind: linux}}
  nodes:
    switch: {{kind: bridge}}
    a:
      exec: [ip address add 192.0.2.1/24 dev eth1, "sh -c 'hostname >/etc/left-by; printenv COLOUR >/run/colour'"]
      binds: ["page:/srv/deep/page:ro", "shared:/shared"]
      env: {{COLOUR: blue}}
    b:
      exec: [ip address add 192.0.2.2/24 dev eth1]
      cmd: sh -c 'echo started; exec sleep 1000'
    c:
      exec: [ip address add 192.0.2.3/24 dev eth1]
  links:
    - {{endpoints: ["a:eth1", "switch:port-a"], mtu: 1400}}
    - endpoints: ["b:eth1", "switch:port-b"]
    - endpoints: ["c:eth1", "switch:port-c"]
"""


def build(directory: Path, text: str = THREE) -> Topology:
    (directory / "page").write_text("hello\n")
    (directory / "shared").mkdir(exist_ok=True)
    topology = parse(text.format(name=f"hxlab{os.getpid()}"), directory / "three.clab.yml")
    assert isinstance(topology, Topology), [str(problem) for problem in topology]
    return topology


def traces(topology: Topology) -> dict[str, list[str]]:
    """Everything by which a lab could be noticed on the host."""
    prefix = f"clab-{topology.name}-"
    directory = f"haagent-lab-{topology.name}"
    names = subprocess.run(["ip", "netns", "list"], capture_output=True, text=True, check=True).stdout.splitlines()
    links = subprocess.run(["ip", "-brief", "link"], capture_output=True, text=True, check=True).stdout.split()
    processes = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            processes.append(entry.read_bytes().decode(errors="replace"))
        except OSError:
            continue
    return {
        "namespaces": [name for name in names if name.startswith(prefix)],
        "mounts": [
            line for line in Path("/proc/mounts").read_text().splitlines() if prefix in line or directory in line
        ],
        "links": [link for link in links if link.split("@")[0] in ("eth1", "port-a", "port-b", "port-c", "switch")],
        "processes": [line for line in processes if line.startswith(prefix)],
        "files": [str(path) for path in Path("/tmp").glob(f"{directory}*")],
    }


NOTHING: dict[str, list[str]] = {"namespaces": [], "mounts": [], "links": [], "processes": [], "files": []}


def within(seconds: float, true: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if true():
            return True
        time.sleep(0.05)
    return true()


def reaches(lab: Lab, source: str, address: str) -> bool:
    return lab.run(source, ["ping", "-c1", "-W1", address], timeout=10).returncode == 0


@pytest.fixture
def lab(tmp_path):
    with Lab(build(tmp_path)) as up:
        yield up


def test_nodes_reach_each_other_through_the_bridge_and_a_cut_cable_parts_them(lab):
    assert within(10, lambda: reaches(lab, "a", "192.0.2.2"))
    assert within(10, lambda: reaches(lab, "c", "192.0.2.1"))
    lab.link_down("a", "eth1")
    assert not reaches(lab, "c", "192.0.2.1")
    assert reaches(lab, "c", "192.0.2.2")
    carrier = ["cat", "/sys/class/net/eth1/carrier"]
    assert within(5, lambda: lab.run("a", carrier, timeout=10).stdout == "0\n")
    lab.link_up("a", "eth1")
    assert within(10, lambda: reaches(lab, "c", "192.0.2.1"))


def test_links_have_the_mtu_and_the_address_of_the_topology(lab):
    shown = lab.run("a", ["ip", "link", "show", "dev", "eth1"], timeout=10).stdout
    assert "mtu 1400" in shown
    assert hardware_address(lab.topology.name, Endpoint("a", "eth1")) in shown


def test_exec_ran_with_the_nodes_environment_and_name(lab):
    assert lab.run("a", ["cat", "/etc/left-by", "/run/colour"], timeout=10).stdout == "a\nblue\n"


def test_file_systems_of_nodes_and_host_are_separate(lab):
    assert lab.run("b", ["ls", "/etc/left-by", "/run/colour"], timeout=10).returncode != 0
    assert not Path("/etc/left-by").exists()
    assert not Path("/run/colour").exists()


def test_binds_lead_to_the_host_and_read_only_ones_do_not_write(lab, tmp_path):
    assert lab.run("a", ["cat", "/srv/deep/page"], timeout=10).stdout == "hello\n"
    assert lab.run("a", ["sh", "-c", "echo x >/srv/deep/page"], timeout=10).returncode != 0
    assert lab.run("a", ["sh", "-c", "echo written >/shared/file"], timeout=10).returncode == 0
    assert (tmp_path / "shared/file").read_text() == "written\n"
    assert not Path("/srv/deep").exists()


def test_a_node_sees_its_own_processes_alone(lab):
    listed = lab.run("b", ["ps", "-e", "-o", "args="], timeout=10).stdout.splitlines()
    assert [line.split()[0] for line in listed] == [f"clab-{lab.topology.name}-b", "sleep", "ps"]


def test_cmd_runs_is_listed_and_is_killed_with_the_node(lab):
    assert within(5, lambda: lab.log("b") == "started\n")
    assert within(5, lambda: [p.arguments for p in lab.processes("b")] == [("sleep", "1000")])
    lab.run("b", ["sh", "-c", "sleep 999 >/dev/null 2>&1 &"], timeout=10)
    assert len(lab.processes("b")) == 2
    lab.kill_node("b")
    assert lab.processes("b") == []
    assert lab.mains["b"].wait(timeout=10) == -signal.SIGKILL
    assert within(10, lambda: reaches(lab, "a", "192.0.2.2"))


def test_ip_netns_exec_works(lab):
    command = ["ip", "netns", "exec", lab.namespace("a"), "ip", "-brief", "address", "show", "dev", "eth1"]
    assert "192.0.2.1/24" in subprocess.run(command, capture_output=True, text=True, check=True).stdout


def test_nothing_is_left_after_stop(tmp_path):
    topology = build(tmp_path)
    before = Path("/proc/mounts").read_text()
    assert traces(topology) == NOTHING
    with Lab(topology) as lab:
        lab.run("c", ["sh", "-c", "setsid sleep 998 >/dev/null 2>&1 &"], timeout=10)
        up = traces(topology)
        assert len(up["namespaces"]) == 4
        assert len(up["processes"]) == 3
    assert traces(topology) == NOTHING
    assert Path("/proc/mounts").read_text() == before
    lab.stop()  # once more is harmless


def test_a_failing_exec_is_shown_and_nothing_is_left(tmp_path):
    topology = build(tmp_path, THREE.replace("192.0.2.3/24", "192.0.2.333/24"))
    with pytest.raises(LabError, match=r"(?s)node c: exec 'ip address add .* ended with status 1:\n.*192.0.2.333"):
        Lab(topology).start()
    assert traces(topology) == NOTHING


def test_a_missing_bind_is_named_and_nothing_is_left(tmp_path):
    topology = build(tmp_path, THREE.replace("page:/srv", "nowhere:/srv"))
    with pytest.raises(LabError, match=r"node a: bind .*/nowhere: no such file"):
        Lab(topology).start()
    assert traces(topology) == NOTHING


def test_a_lab_that_is_up_is_not_started_twice(lab):
    with pytest.raises(LabError, match="up already"):
        Lab(lab.topology).start()
    assert within(10, lambda: reaches(lab, "a", "192.0.2.2"))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_signal_ends_everything(tmp_path, number):
    """By the command line, as users do; what SIGKILL leaves, empty namespace files, the next start sweeps."""
    topology = build(tmp_path)
    (tmp_path / "three.clab.yml").write_text(THREE.format(name=topology.name))
    command = [sys.executable, "-m", "haagent.cli.lab", str(tmp_path / "three.clab.yml"), "--native"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert process.stdout is not None
    assert "is up" in process.stdout.readline()
    process.send_signal(number)
    process.communicate(timeout=30)
    if number == signal.SIGKILL:
        assert within(10, lambda: traces(topology)["processes"] == [])
        for path in traces(topology)["files"]:
            Path(path, "b.log").unlink()
            Path(path, "staging").rmdir()
            Path(path).rmdir()
        with Lab(topology) as again:  # sweeps the empty namespaces
            assert within(10, lambda: reaches(again, "a", "192.0.2.2"))
    assert traces(topology) == NOTHING


def test_the_shell_enters_nodes_and_leaving_it_takes_the_lab_down(tmp_path):
    topology = build(tmp_path)
    (tmp_path / "three.clab.yml").write_text(THREE.format(name=topology.name))
    command = [sys.executable, "-m", "haagent.cli.lab", str(tmp_path / "three.clab.yml"), "--native", "--keep"]
    typed = f"node b hostname\nip netns exec clab-{topology.name}-c ip address\nexit\n"
    shown = subprocess.run(command, input=typed, capture_output=True, text=True, timeout=60, check=False)
    assert shown.returncode == 0
    assert "b" in shown.stdout.splitlines()
    assert "inet 192.0.2.3/24" in shown.stdout
    assert traces(topology) == NOTHING


def test_a_command_runs_beside_the_lab_and_gives_its_exit_status(tmp_path):
    topology = build(tmp_path)
    (tmp_path / "three.clab.yml").write_text(THREE.format(name=topology.name))
    command = [sys.executable, "-m", "haagent.cli.lab", str(tmp_path / "three.clab.yml"), "--native", "--command"]
    words = ["sh", "-c", f"ip netns exec clab-{topology.name}-a ping -c1 -W1 192.0.2.2 && exit 7"]
    shown = subprocess.run([*command, *words], capture_output=True, text=True, timeout=60, check=False)
    assert shown.returncode == 7
    assert "1 received" in shown.stdout
    assert traces(topology) == NOTHING
