"""Run a command inside Debian's user-mode kernel: a real Linux with IPVS on machines whose own kernel has none.

The package `user-mode-linux` is a whole kernel that runs as an ordinary process. It is booted with the host's root file
system, mounted read-only; the guest sees it through an overlay whose upper layer is the guest's own memory, so the
command may write anywhere and nothing of it reaches the host. Only the directories named `writable` are the host's own.

    result = run_in_uml(["ipvsadm", "-Ln"], timeout=60)
    result.returncode, result.output

Inside: uid 0, `lo` up, proc, sysfs, devpts, an empty /run, the working directory and PATH of the caller, HAAGENT_UML=1,
one CPU. The exit status comes back through a file in a scratch directory, not through the console.
"""

import ctypes
import os
import secrets
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import termios
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

KERNEL = "linux.uml"
MODULES_DIRECTORY = Path("/usr/lib/uml/modules")

SCHEDULERS = ("rr", "wrr", "lc", "wlc", "lblc", "lblcr", "dh", "sh", "mh", "sed", "nq", "fo", "ovf")
IPVS_MODULES: tuple[str, ...] = ("ip_vs", *(f"ip_vs_{name}" for name in SCHEDULERS))

LIBC = ctypes.CDLL(None)
PR_SET_PDEATHSIG = 1

TIMED_OUT = 124  # as timeout(1)
KERNEL_FAILED = 125  # the guest ended without telling an exit status: panic, out of memory, could not start

INHERITED_VARIABLES = ("PATH", "HOME", "TERM", "LANG", "LC_ALL", "COLORTERM", "NO_COLOR", "VIRTUAL_ENV")
DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

# Stage one runs as process 1 on the read-only host root; /tmp is a mount point that surely exists. overlay.ko has no
# dependencies, so insmod does before /lib/modules is there. pivot_root, not chroot: user namespaces refuse a chroot.
STAGE_ONE = """\
#!/bin/sh
export PATH={default_path}
mount -t proc proc /proc && mount -t sysfs sysfs /sys
mount -t tmpfs -o mode=755 tmpfs /tmp
mkdir /tmp/upper /tmp/work /tmp/root
insmod {modules}/"$(uname -r)"/kernel/fs/overlayfs/overlay.ko
mount -t overlay -o lowerdir=/,upperdir=/tmp/upper,workdir=/tmp/work overlay /tmp/root || echo o >/proc/sysrq-trigger
cd /tmp/root
mount -n --move /dev dev; mount -n --move /proc proc; mount -n --move /sys sys
mkdir -p dev/pts dev/shm usr/lib/modules run tmp
mount -t devpts -o mode=620,ptmxmode=666 devpts dev/pts
ln -sf pts/ptmx dev/ptmx
ln -sfn /proc/self/fd dev/fd
mount -t tmpfs tmpfs dev/shm
mount -t tmpfs -o mode=755 tmpfs run
mkdir -p run/lock run/old-root
mount --bind {modules} usr/lib/modules
{writable_mounts}
mkdir run/haagent-uml
mount -t hostfs -o {scratch} none run/haagent-uml
pivot_root . run/old-root
exec chroot . /bin/sh /run/haagent-uml/stage-two
"""

# Stage two runs on the overlay. Output goes through cat so that the command sees no terminal where the caller has none;
# a daemon that the command leaves behind may hold the pipe, so cat is waited for only briefly.
STAGE_TWO = """\
umount -l /run/old-root
hostname uml; ip link set lo up
{load}
unset mem uml_dir umid panic
{run}
stty -F /dev/tty1 opost
sync
echo o >/proc/sysrq-trigger
while :; do sleep 1; done
"""
RUN_PIPED = """\
stty -F /dev/tty1 -opost -echo
mkfifo /run/haagent-output
cat </run/haagent-output >/dev/tty1 &
cat=$!
/bin/sh /run/haagent-uml/command </dev/null >/run/haagent-output 2>&1
echo $? >/run/haagent-uml/status
for tenth in 1 2 3 4 5 6 7 8 9 10; do kill -0 $cat 2>/dev/null || break; sleep 0.1; done"""
RUN_ON_TERMINAL = """\
stty -F /dev/tty1 sane {size}
setsid -c -w /bin/sh /run/haagent-uml/command </dev/tty1 >/dev/tty1 2>&1
echo $? >/run/haagent-uml/status"""


@dataclass(frozen=True, slots=True)
class UmlResult:
    """How a command in the user-mode kernel ended.

    `returncode` is the command's own, or TIMED_OUT, or KERNEL_FAILED; in the latter two `failure` is a sentence with
    the kernel's last words. `output` is standard output and standard error together.
    """

    returncode: int
    output: str
    failure: str = ""


def uml_available() -> str | None:
    """None where the user-mode kernel can be booted, else a sentence that says what is missing."""
    if sys.platform != "linux":
        return "the user-mode kernel runs on Linux only"
    if shutil.which(KERNEL) is None or not any(MODULES_DIRECTORY.glob("*")):
        return "the user-mode kernel is not installed: apt-get install user-mode-linux"
    return None


def kernel_has_ipvs() -> bool:
    """Whether this very kernel does IPVS; as root, tries to load the module."""
    table = Path("/proc/net/ip_vs")
    if not table.exists() and os.geteuid() == 0 and shutil.which("modprobe"):
        subprocess.run(["modprobe", "ip_vs"], check=False, capture_output=True, timeout=30)
    return table.exists()


def inside_uml() -> bool:
    """Whether this process runs in a kernel booted by this module."""
    return os.environ.get("HAAGENT_UML") == "1"


def run_in_uml(
    command: Sequence[str],
    *,
    timeout: float,
    memory_mib: int = 1024,
    modules: Sequence[str] = IPVS_MODULES,
    env: Mapping[str, str] | None = None,
    writable: Sequence[Path] = (),
) -> UmlResult:
    """Boot, run `command` without a terminal and with an empty standard input, collect its output.

    `timeout` is in seconds and covers the boot (2-5 s). `env` is added to the caller's PATH, HOME, TERM and locale.
    """
    return _boot(command, timeout, memory_mib, modules, env, writable, capture=True, interactive=False)


def stream_in_uml(
    command: Sequence[str],
    *,
    timeout: float | None = None,
    memory_mib: int = 1024,
    modules: Sequence[str] = IPVS_MODULES,
    env: Mapping[str, str] | None = None,
    writable: Sequence[Path] = (),
    interactive: bool = False,
) -> int:
    """As `run_in_uml`, but the output goes to our standard output as it comes; returns the exit status.

    `interactive` makes our terminal the command's controlling terminal (Ctrl-C goes to the guest). Where no exit status
    came back, the sentence that says why is printed on standard error.
    """
    result = _boot(command, timeout, memory_mib, modules, env, writable, capture=False, interactive=interactive)
    if result.failure:
        print(result.failure, file=sys.stderr)
    return result.returncode


def _boot(
    command: Sequence[str],
    timeout: float | None,
    memory_mib: int,
    modules: Sequence[str],
    env: Mapping[str, str] | None,
    writable: Sequence[Path],
    *,
    capture: bool,
    interactive: bool,
) -> UmlResult:
    missing = uml_available()
    if missing is not None:
        return UmlResult(KERNEL_FAILED, "", missing)
    with tempfile.TemporaryDirectory(prefix="haagent-uml-") as name:
        scratch = Path(name)
        on_terminal = interactive or (not capture and sys.stdout.isatty())
        _write_scripts(scratch, command, modules, env or {}, writable, on_terminal=on_terminal)
        console = "fd:0,fd:1" if interactive else "null,fd:1"
        sys.stdout.flush()
        with (
            (scratch / "kernel.log").open("wb") as kernel_log,
            (scratch / "output").open("wb") as output,  # not a pipe: the kernel's helper processes would hold it open
            _terminal_kept(),
        ):
            process = subprocess.Popen(
                [
                    *(KERNEL, f"mem={memory_mib}M", "root=/dev/root", "rootfstype=hostfs", "rootflags=/", "ro"),
                    *(f"init={scratch}/stage-one", "con=null", "con0=null,fd:2", f"con1={console}"),
                    *(f"uml_dir={scratch}", f"umid=haagent-{secrets.token_hex(4)}", "quiet", "panic=1"),
                ],
                stdin=None if interactive else subprocess.DEVNULL,
                stdout=output if capture else None,
                stderr=kernel_log,
                env={"PATH": DEFAULT_PATH, "HOME": name, "TMPDIR": _memory_directory(memory_mib, scratch)},
                start_new_session=True,  # all its processes are one group, ours to end
                preexec_fn=_end_with_parent,
            )
            timed_out = False
            try:
                process.wait(timeout)
            except subprocess.TimeoutExpired:
                timed_out = True
            finally:
                _end(process)
        return _result(scratch, timeout if timed_out else None)


def _end_with_parent() -> None:
    """Should we be killed, the kernel hears SIGTERM, on which it ends its helper processes and itself."""
    LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def _result(scratch: Path, timed_out_after: float | None) -> UmlResult:
    text = (scratch / "output").read_text(errors="replace")
    if timed_out_after is not None:
        return UmlResult(TIMED_OUT, text, f"the user-mode kernel was ended after {timed_out_after:g} s")
    status = scratch / "status"
    digits = status.read_text().strip() if status.exists() else ""
    if digits.isdigit():
        return UmlResult(int(digits), text)
    lines = (scratch / "kernel.log").read_text(errors="replace").splitlines()
    last_words = " / ".join([line for line in lines if "panic" in line] or lines[-3:])
    return UmlResult(KERNEL_FAILED, text, f"the user-mode kernel ended without an exit status: {last_words}")


def _end(process: subprocess.Popen[bytes]) -> None:
    """End the kernel and the helper processes it made: they share its process group."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    process.wait()


@contextmanager
def _terminal_kept() -> Iterator[None]:
    """Puts the terminal's settings back: the guest makes it raw, and a killed guest leaves it so."""
    settings = termios.tcgetattr(0) if os.isatty(0) else None
    try:
        yield
    finally:
        if settings is not None:
            termios.tcsetattr(0, termios.TCSADRAIN, settings)


def _memory_directory(memory_mib: int, scratch: Path) -> str:
    """Where the guest's memory file lives (it is unlinked at once): in memory where that is large and executable."""
    try:
        shared = os.statvfs("/dev/shm")
    except OSError:
        return str(scratch)
    enough = shared.f_bavail * shared.f_frsize >= memory_mib << 20
    return "/dev/shm" if enough and not shared.f_flag & os.ST_NOEXEC else str(scratch)


def _write_scripts(
    scratch: Path,
    command: Sequence[str],
    modules: Sequence[str],
    env: Mapping[str, str],
    writable: Sequence[Path],
    *,
    on_terminal: bool,
) -> None:
    mounts = []
    for directory in writable:
        path = str(directory.resolve(strict=True))
        if "," in path:
            raise ValueError(f"{path}: a writable directory's name must not contain a comma (mount options end there)")
        mounts.append(f"mount -t hostfs -o {shlex.quote(path)} none {shlex.quote('.' + path)}")
    variables = {name: os.environ[name] for name in INHERITED_VARIABLES if name in os.environ}
    variables |= {"HAAGENT_UML": "1", "PYTHONDONTWRITEBYTECODE": "1", **env}
    variables["PATH"] = f"{variables['PATH']}:{DEFAULT_PATH}" if "PATH" in variables else DEFAULT_PATH
    size = ""
    if on_terminal and os.isatty(1):
        columns, rows = os.get_terminal_size(1)
        size = f"rows {rows} cols {columns}"
    run = RUN_ON_TERMINAL.format(size=size) if on_terminal else RUN_PIPED
    exports = "".join(f"export {name}={shlex.quote(value)}\n" for name, value in variables.items())
    stage_one = scratch / "stage-one"
    stage_one.write_text(
        STAGE_ONE.format(
            default_path=DEFAULT_PATH, modules=MODULES_DIRECTORY, writable_mounts="\n".join(mounts), scratch=scratch
        )
    )
    stage_one.chmod(0o755)
    load = f"modprobe -a {shlex.join(modules)} 2>/dev/kmsg" if modules else ":"
    (scratch / "stage-two").write_text(STAGE_TWO.format(load=load, run=run))
    (scratch / "command").write_text(f"{exports}cd {shlex.quote(os.getcwd())}\nexec {shlex.join(command)}\n")
