"""The few system calls of namespaces and mounts that Python 3.11 does not wrap, through the C library.

Constants from include/uapi/linux/{sched,mount,prctl}.h. Each call raises OSError with its errno.
"""

import ctypes
import os
import signal

CLONE_NEWNS = 0x00020000
CLONE_NEWUTS = 0x04000000
CLONE_NEWIPC = 0x08000000
CLONE_NEWPID = 0x20000000
CLONE_NEWNET = 0x40000000

MS_RDONLY = 1
MS_NOSUID = 2
MS_NODEV = 4
MS_NOEXEC = 8
MS_REMOUNT = 32
MS_BIND = 4096
MS_REC = 16384
MS_PRIVATE = 1 << 18
MNT_DETACH = 2
PR_SET_PDEATHSIG = 1

_libc = ctypes.CDLL(None, use_errno=True)


def _call(name: str, *arguments: object) -> None:
    if getattr(_libc, name)(*arguments) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{name}: {os.strerror(number)}")


def unshare(flags: int) -> None:
    _call("unshare", flags)


def setns(descriptor: int, flags: int) -> None:
    """`descriptor`: a namespace file, or a pidfd for several kinds at once (Linux 5.8)."""
    _call("setns", descriptor, flags)


def mount(source: str, target: str, kind: str = "", flags: int = 0, options: str = "") -> None:
    _call("mount", os.fsencode(source), os.fsencode(target), kind.encode(), ctypes.c_ulong(flags), os.fsencode(options))


def unmount(target: str) -> None:
    """Lets go of the mount and all below it, now or when the last user is gone."""
    _call("umount2", os.fsencode(target), MNT_DETACH)


def pivot_root(directory: str) -> None:
    """Makes the mount point `directory` the root of this mount namespace and forgets the old root."""
    os.chdir(directory)
    _call("pivot_root", b".", b".")
    unmount(".")
    os.chdir("/")


def set_host_name(name: str) -> None:
    encoded = name.encode()
    _call("sethostname", encoded, ctypes.c_size_t(len(encoded)))


def die_with_parent() -> None:
    """The kernel kills this process when the thread that forked it ends (prctl(2))."""
    _call("prctl", PR_SET_PDEATHSIG, ctypes.c_ulong(signal.SIGKILL), 0, 0, 0)
