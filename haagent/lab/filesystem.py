"""A node's file system: the host's, copy-on-write, so that nothing a node writes reaches the host or another node.

Runs in a mount namespace that was just unshared. Every ordinary file system of the host becomes the lower layer of an
overlay whose upper layer is one tmpfs of the node; /proc and /sys are fresh (they show the node's namespaces), /run and
/dev/shm empty, /dev the host's. Only `binds` without `:ro` lead out.
"""

import os
from pathlib import Path

from haagent.lab import syscalls
from haagent.lab.syscalls import MS_BIND, MS_NODEV, MS_NOEXEC, MS_NOSUID, MS_PRIVATE, MS_RDONLY, MS_REC, MS_REMOUNT
from haagent.lab.topology import Bind

FRESH = ("/proc", "/sys", "/dev", "/run", "/var/run")  # not taken over from the host
VIRTUAL = {"proc", "sysfs", "devtmpfs", "devpts", "cgroup", "cgroup2", "securityfs", "debugfs", "tracefs", "mqueue"}
VIRTUAL |= {
    "bpf",
    "pstore",
    "configfs",
    "fusectl",
    "hugetlbfs",
    "autofs",
    "binfmt_misc",
    "nsfs",
    "efivarfs",
    "rpc_pipefs",
}


def enter(staging: Path, binds: tuple[Bind, ...]) -> None:
    """Replaces the root of the calling process's own mount namespace by the node's; raises OSError.

    `staging`: an empty directory of the host; what is mounted on it is seen in this namespace alone.
    """
    syscalls.mount("none", "/", flags=MS_REC | MS_PRIVATE)
    lower = [(point, kind) for point, kind in mount_points() if _is_taken_over(point, kind, staging)]
    syscalls.mount("tmpfs", str(staging), "tmpfs", options="mode=755")
    root = staging / "root"
    root.mkdir()
    for number, (point, _) in enumerate(lower):
        _overlay(point, root / point.lstrip("/"), staging / f"layer{number}")

    syscalls.mount("proc", f"{root}/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC)
    syscalls.mount("sysfs", f"{root}/sys", "sysfs", MS_NOSUID | MS_NODEV | MS_NOEXEC)
    syscalls.mount("/dev", f"{root}/dev", flags=MS_BIND | MS_REC)
    syscalls.mount("tmpfs", f"{root}/run", "tmpfs", MS_NOSUID | MS_NODEV, "mode=755")
    Path(root, "run/lock").mkdir(mode=0o1777)
    if Path(root, "dev/shm").is_dir():
        syscalls.mount("tmpfs", f"{root}/dev/shm", "tmpfs", MS_NOSUID | MS_NODEV)
    for bind in binds:
        _bind(bind, root)
    syscalls.pivot_root(str(root))


def mount_points() -> list[tuple[str, str]]:
    """(mount point, file system type) of this namespace, parents first; proc(5), /proc/self/mountinfo."""
    found: dict[str, str] = {}
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        before, _, after = line.partition(" - ")
        point = before.split()[4].encode("latin-1", "replace").decode("unicode_escape")
        found[point] = after.split()[0]  # of several mounts on one point the last is seen
    return sorted(found.items(), key=lambda entry: (entry[0].count("/"), entry[0]) if entry[0] != "/" else (0, ""))


def _is_taken_over(point: str, kind: str, staging: Path) -> bool:
    inside = any(point == fresh or point.startswith(f"{fresh}/") for fresh in FRESH)
    return not inside and kind not in VIRTUAL and os.path.isdir(point) and Path(point) != staging


def _overlay(lower: str, target: Path, layer: Path) -> None:
    upper, work = layer / "upper", layer / "work"
    upper.mkdir(parents=True)
    work.mkdir()
    target.mkdir(parents=True, exist_ok=True)
    status = os.stat(lower)
    os.chown(upper, status.st_uid, status.st_gid)
    os.chmod(upper, status.st_mode & 0o7777)
    escaped = lower.replace("\\", "\\\\").replace(":", "\\:").replace(",", "\\,")
    try:
        syscalls.mount("overlay", str(target), "overlay", 0, f"lowerdir={escaped},upperdir={upper},workdir={work}")
    except OSError:  # a file system that cannot be a lower layer (vfat, an overlay on an overlay): look, do not touch
        syscalls.mount(lower, str(target), flags=MS_BIND)
        syscalls.mount(lower, str(target), flags=MS_BIND | MS_REMOUNT | MS_RDONLY)


def _bind(bind: Bind, root: Path) -> None:
    target = root / str(bind.target).lstrip("/")
    if not bind.source.exists():
        raise FileNotFoundError(f"bind {bind.source}: no such file or directory")
    if bind.source.is_dir():
        target.mkdir(parents=True, exist_ok=True)
    else:
        target.parent.mkdir(parents=True, exist_ok=True)
        target.touch()
    syscalls.mount(str(bind.source), str(target), flags=MS_BIND | MS_REC)
    if bind.read_only:
        syscalls.mount("none", str(target), flags=MS_BIND | MS_REMOUNT | MS_RDONLY)
