"""Capabilities in a child that may lose them (the whole story: tests/netns/test_prober_privileges.py)."""

import os
import subprocess
import sys

import pytest

from haagent.linux.capabilities import permitted

SCRIPT = """
from haagent.linux.capabilities import NET_ADMIN, NET_RAW, become, hold, permitted
kept = become(65534, 65534, (NET_ADMIN, NET_RAW))
assert permitted() == kept, permitted()
hold(kept & {NET_RAW}, effective=kept & {NET_RAW})
assert permitted() == kept & {NET_RAW}
try:
    hold((NET_ADMIN,), effective=())
except PermissionError:
    print("refused")
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
@pytest.mark.root
def test_what_is_given_up_does_not_come_back() -> None:
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, timeout=30, check=False)
    assert (done.stdout, done.stderr) == ("refused\n", "")


def test_what_this_process_has_is_what_the_kernel_says() -> None:
    with open("/proc/self/status") as file:
        line = next(each for each in file if each.startswith("CapPrm:"))
    assert permitted() == {number for number in range(64) if int(line.split()[1], 16) >> number & 1}
