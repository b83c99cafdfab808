"""Root's capabilities of which a process keeps a few while it becomes somebody else (capabilities(7), capset(2)).

Nothing is ambient or inheritable: a program that the process starts gets none of them.
"""

import ctypes
import os
from collections.abc import Iterable

KILL, SETGID, SETUID, NET_ADMIN, NET_RAW = 5, 6, 7, 12, 13  # include/uapi/linux/capability.h
_VERSION_3 = 0x20080522
_PR_SET_KEEPCAPS = 8
_SETS = 6  # two words each of effective, permitted, inheritable, interleaved


class _Header(ctypes.Structure):
    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))


_libc = ctypes.CDLL(None, use_errno=True)


def become(user: int, group: int, keep: Iterable[int]) -> frozenset[int]:
    """From root to the user, with `keep` permitted and nothing effective. What was kept: no more than root had."""
    if _libc.prctl(_PR_SET_KEEPCAPS, 1, 0, 0, 0):
        _raise()
    os.setgroups([])
    os.setgid(group)
    os.setuid(user)
    kept = frozenset(keep) & permitted()
    hold(kept, effective=())
    return kept


def permitted() -> frozenset[int]:
    words = (ctypes.c_uint32 * _SETS)()
    if _libc.capget(ctypes.byref(_Header(_VERSION_3, 0)), ctypes.byref(words)):
        _raise()
    mask = words[1] | words[4] << 32
    return frozenset(number for number in range(64) if mask >> number & 1)


def hold(keep: Iterable[int], effective: Iterable[int]) -> None:
    """Gives up all but `keep`, for good, and makes `effective` of them count. Raises PermissionError for new ones."""
    allowed, active = _mask(keep), _mask(effective)
    words = (ctypes.c_uint32 * _SETS)(active & 0xFFFFFFFF, allowed & 0xFFFFFFFF, 0, active >> 32, allowed >> 32, 0)
    if _libc.capset(ctypes.byref(_Header(_VERSION_3, 0)), ctypes.byref(words)):
        _raise()


def _mask(numbers: Iterable[int]) -> int:
    return sum(1 << number for number in frozenset(numbers))


def _raise() -> None:
    number = ctypes.get_errno()
    raise OSError(number, os.strerror(number))
