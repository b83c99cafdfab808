"""A regular expression of an operator's, stopped when it takes too long for an answer of a stranger's.

Nested and neighbouring repetitions can take time that grows with a power of the answer's length, or exponentially, and
the prober has one thread for all. CPython's matcher looks for signals every few thousand steps (Modules/_sre), so a
timer on our own processor time ends it: a machine that is busy with others does not make an expression slow.
"""

import re
import signal
import threading
from enum import Enum, auto
from types import FrameType

MATCH_TIME = 0.05  # seconds of processor time for one search


class Search(Enum):
    FOUND = auto()
    MISSING = auto()
    TOO_SLOW = auto()


class _Stopped(Exception):
    """Raised into the matcher, and nowhere else."""


_is_matching = False


def _stop(number: int, where: FrameType | None) -> None:
    if _is_matching:
        raise _Stopped


def search(regex: re.Pattern[bytes], answer: bytes, end: int) -> Search:
    """Anywhere in the first `end` octets. Outside of the main thread there are no signals, and no limit."""
    global _is_matching
    if threading.current_thread() is not threading.main_thread():
        return Search.FOUND if regex.search(answer, 0, end) else Search.MISSING
    if signal.getsignal(signal.SIGVTALRM) is not _stop:
        signal.signal(signal.SIGVTALRM, _stop)
    try:
        _is_matching = True
        signal.setitimer(signal.ITIMER_VIRTUAL, MATCH_TIME)
        found = regex.search(answer, 0, end)
        _is_matching = False
    except _Stopped:
        return Search.TOO_SLOW
    finally:
        _is_matching = False
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
    return Search.FOUND if found else Search.MISSING
