"""What the user-mode kernel promises to the tests in it, and what a fresh namespace promises to each."""

import os
import subprocess
from pathlib import Path


def run(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def test_ipvs_is_there_and_its_table_is_empty() -> None:
    assert run("ipvsadm", "-Sn") == ""
    run("ipvsadm", "-A", "-t", "192.0.2.100:80", "-s", "mh")
    assert "192.0.2.100:80" in run("ipvsadm", "-Sn")


def test_the_table_of_the_test_before_is_gone() -> None:
    assert run("ipvsadm", "-Sn") == ""


def test_lo_is_up_in_the_namespace() -> None:
    assert "UP" in run("ip", "-br", "link", "show", "dev", "lo")
    assert os.readlink("/proc/self/ns/net") != os.readlink("/proc/1/ns/net")


def test_namespaces_can_be_made() -> None:
    run("ip", "netns", "add", "hx-inside")
    assert Path("/run/netns/hx-inside").exists()
    run("ip", "netns", "del", "hx-inside")
