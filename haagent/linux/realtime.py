"""Makes the calling process punctual: SCHED_FIFO, locked memory, no timer slack, no garbage collection, a watchdog.

Each step may be refused (a container, no CAP_SYS_NICE); the process then runs without it and says so in one sentence.
sched(7), mlockall(2), prctl(2) PR_SET_TIMERSLACK, getrlimit(2) RLIMIT_RTTIME.
"""

import ctypes
import gc
import os
import resource
import signal
from types import FrameType

FIFO_PRIORITY = 50
NICE = -20
RUNAWAY_TIME = 2.0
"""Seconds of processor time without one wait after which the process gives up real time, so that the host lives on;
after twice as much the kernel kills it and the supervisor starts another."""

_MCL_CURRENT, _MCL_FUTURE = 1, 2
_PR_SET_TIMERSLACK = 29


def become_punctual() -> str:
    """What was reached, in one line: "FIFO 50, memory locked"."""
    gc.collect()
    gc.freeze()
    gc.disable()
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(_PR_SET_TIMERSLACK, 1, 0, 0, 0)
    return ", ".join((_schedule(), _lock_memory(libc)))


def _schedule() -> str:
    try:
        _limit_runaway()
        os.sched_setscheduler(0, os.SCHED_FIFO | os.SCHED_RESET_ON_FORK, os.sched_param(FIFO_PRIORITY))
        return f"FIFO {FIFO_PRIORITY}"
    except OSError as refusal:
        try:
            os.setpriority(os.PRIO_PROCESS, 0, NICE)
            return f"FIFO refused ({refusal.strerror}): nice {NICE}"
        except OSError:
            return f"FIFO refused ({refusal.strerror}): normal priority; give CAP_SYS_NICE"


def _lock_memory(libc: ctypes.CDLL) -> str:
    if libc.mlockall(_MCL_CURRENT | _MCL_FUTURE) == 0:
        return "memory locked"
    return f"memory not locked ({os.strerror(ctypes.get_errno())}); give CAP_IPC_LOCK"


def _limit_runaway() -> None:
    """A loop that never waits would keep everybody else off its processor for ever."""
    signal.signal(signal.SIGXCPU, _give_up_real_time)
    microseconds = int(RUNAWAY_TIME * 1e6)
    resource.setrlimit(resource.RLIMIT_RTTIME, (microseconds, 2 * microseconds))


def _give_up_real_time(signal_number: int, frame: FrameType | None) -> None:
    os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
