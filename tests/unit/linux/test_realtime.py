"""Punctuality is reached or its refusal is told; always in a process of its own."""

import os
import subprocess
import sys

import pytest

PROGRAM = """
import gc, os, resource, signal
from haagent.linux.realtime import become_punctual, RUNAWAY_TIME
print(become_punctual())
print(os.sched_getscheduler(0) & ~os.SCHED_RESET_ON_FORK, gc.isenabled(), gc.get_freeze_count() > 0)
print(resource.getrlimit(resource.RLIMIT_RTTIME) == (int(RUNAWAY_TIME * 1e6), int(RUNAWAY_TIME * 2e6)))
os.kill(os.getpid(), signal.SIGXCPU)
print(os.sched_getscheduler(0) & ~os.SCHED_RESET_ON_FORK)
"""


def outcome(*wrapper: str) -> list[str]:
    command = (*wrapper, sys.executable, "-c", PROGRAM)
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()


@pytest.mark.skipif(os.geteuid() != 0, reason="needs CAP_SYS_NICE and CAP_IPC_LOCK")
def test_with_privilege() -> None:
    detail, state, has_watchdog, after_runaway = outcome()
    assert detail == "FIFO 50, memory locked"
    assert state == f"{os.SCHED_FIFO} False True"
    assert has_watchdog == "True"
    assert after_runaway == str(os.SCHED_OTHER)


def test_without_privilege_it_says_so() -> None:
    # Still uid 0: another user could not read an interpreter below /root
    wrapper = ("setpriv", "--bounding-set", "-all", "--inh-caps", "-all") if os.geteuid() == 0 else ()
    if wrapper:
        wrapper += ("prlimit", "--rtprio=0", "--nice=0", "--memlock=65536")
    detail, state, _, _ = outcome(*wrapper)
    assert detail.startswith("FIFO refused (Operation not permitted): normal priority")
    assert "memory not locked" in detail
    assert state == f"{os.SCHED_OTHER} False True"
