"""The exec check: a program of the operator judges, by its exit code or in JSON.

It runs as the prober's user, or as another that the check names, and without capabilities, in a session of its own,
without a shell, with nothing on its standard input. At the deadline, at its end and when it says too much, the whole
process group is killed: whatever it started does not outlive the try. Exit code 0 is up, any other down.
JSON says more:
{"up": true, "weight": 50, "detail": "..."}.
"""

import errno
import os
import pwd
import signal
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import IO

import msgspec

from haagent.config.checks import ExecCheck
from haagent.health.probe import ProbeResult
from haagent.probes.exchange import STALLED, Done, local
from haagent.probes.poller import Poller, Watch
from haagent.probes.words import line, plain

OUTPUT_LIMIT = 65536  # octets of standard output and error together
READ_SIZE = 16384
LONGEST_WEIGHT = 1000  # percent
PATIENCE = 60.0
PATH_SHOWN = 200
ENVIRONMENT = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8"}


class Execution:
    """One run of the program; `done` receives its result, never before the constructor has returned."""

    def __init__(self, check: ExecCheck, address: str, port: int, poller: Poller, done: Done) -> None:
        self._check, self._poller = check, poller
        self._done: Done | None = done
        self._process: subprocess.Popen[bytes] | None = None
        self._pidfd = -1
        self._said = b""
        deadline_at = time.monotonic() + check.timeout
        failure = self._start(address, port, deadline_at)
        if failure is not None:
            poller.soon(lambda: self._finish(failure))

    def _start(self, address: str, port: int, deadline_at: float) -> ProbeResult | None:
        words = {"{address}": address, "{port}": str(port), "{check}": self._check.name}
        command = [filled(each, words) for each in self._check.command]
        environment = {
            **ENVIRONMENT,
            "HAAGENT_ADDRESS": address,
            "HAAGENT_PORT": str(port),
            "HAAGENT_CHECK": self._check.name,
        }
        account = account_of(self._check.user)
        if isinstance(account, str):
            return local(account)
        try:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                env=environment,
                cwd="/",
                start_new_session=True,
                user=account.user,
                group=account.group,
                extra_groups=account.others,
            )
        except OSError as error:
            if account.user is not None and error.errno == errno.EPERM:
                return local(f"it may not start programs as {self._check.user} (CAP_SETUID)")
            return local(f"{plain(command[0], PATH_SHOWN)}: {os.strerror(error.errno or errno.EIO)}")
        try:
            self._pidfd = os.pidfd_open(self._process.pid)
            output = self._output()
            os.set_blocking(output.fileno(), False)
            self._poller.watch(Watch(self._pidfd, deadline_at, self._on_exit, self._on_deadline))
            self._poller.watch(Watch(output.fileno(), deadline_at, self._on_output, self._on_deadline))
        except OSError as error:
            return local(f"it is short of descriptors or memory ({os.strerror(error.errno or errno.EIO)})")
        return None

    def _output(self) -> IO[bytes]:
        assert self._process is not None
        assert self._process.stdout is not None
        return self._process.stdout

    def _on_output(self, events: int) -> None:
        while True:
            try:
                data = os.read(self._output().fileno(), READ_SIZE)
            except BlockingIOError:
                return
            if not data:
                return
            self._said += data
            if len(self._said) > OUTPUT_LIMIT:
                self._finish(ProbeResult(False, f"it wrote more than {OUTPUT_LIMIT} octets"))
                return

    def _on_exit(self, events: int) -> None:
        process = self._process
        assert process is not None
        self._on_output(0)  # what it wrote last
        if self._done is None:
            return
        ended = os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)  # not reaped: its group keeps its id
        assert ended is not None
        code = ended.si_status
        if ended.si_code != os.CLD_EXITED:
            self._finish(ProbeResult(False, f"it was ended by {signal_name(code)}"))
        elif self._check.output == "json":
            self._finish(judge_json(self._said, code))
        else:
            self._finish(judge_code(self._said, code))

    def _on_deadline(self, late: float) -> None:
        if late > STALLED * self._check.timeout:
            self._finish(local(f"it was {late:.1f} s late"))
            return
        self._on_output(0)
        said = f" (it wrote {line(self._said)})" if self._said.strip() else ""
        self._finish(ProbeResult(False, f"it did not end within {self._check.timeout:g} s{said}"))

    def _finish(self, result: ProbeResult) -> None:
        done = self._done
        self.close()
        if done is not None:
            done(result)

    def close(self) -> None:
        """Kills the process group and lets go; a result that is not there yet never comes."""
        self._done = None
        process, self._process = self._process, None
        if process is None:
            return
        assert process.stdout is not None
        self._poller.forget(process.stdout.fileno())
        process.stdout.close()
        try:
            os.killpg(process.pid, signal.SIGKILL)  # not reaped, so the id is still its own
        except (ProcessLookupError, PermissionError):  # gone; or of a user whom we may not end any more
            pass
        if self._pidfd >= 0:
            self._poller.forget(self._pidfd)
            bury(process, self._pidfd, self._poller)
        else:
            process.wait()


def bury(process: subprocess.Popen[bytes], pidfd: int, poller: Poller) -> None:
    """Reaps it now or when it is gone: a process that hangs in the kernel may take its time, and we do not wait."""

    def gone(_: int) -> None:
        poller.forget(pidfd)
        os.close(pidfd)
        process.wait()

    if process.poll() is not None:
        os.close(pidfd)
        return
    poller.forget(pidfd)
    poller.rewatch(Watch(pidfd, time.monotonic() + PATIENCE, gone, lambda late: None))


@dataclass(frozen=True, slots=True)
class Account:
    """Whom a program runs as; None: as we do."""

    user: int | None = None
    group: int | None = None
    others: list[int] | None = None


def account_of(name: str) -> Account | str:
    """A string says what is in the way. Looked up each time: accounts come and go while we run."""
    if not name:
        return Account()
    try:
        found = pwd.getpwnam(name)
    except KeyError:
        return f"there is no user {plain(name)}"
    if found.pw_uid == 0:
        return f"{plain(name)} is root, and a check's program runs unprivileged"
    if found.pw_uid == os.geteuid():
        return Account()
    return Account(found.pw_uid, found.pw_gid, os.getgrouplist(name, found.pw_gid))


def filled(word: str, words: Mapping[str, str]) -> str:
    for name, value in words.items():
        word = word.replace(name, value)
    return word


def signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def judge_code(said: bytes, code: int) -> ProbeResult:
    words = plain(said.strip().split(b"\n", 1)[0].decode(errors="replace"))
    return ProbeResult(code == 0, f"exit code {code}" + (f": {words}" if words else ""))


class Verdict(msgspec.Struct, frozen=True):
    """What the program prints."""

    up: bool
    weight: int | None = None  # percent of the configured weight
    detail: str = ""


def judge_json(said: bytes, code: int) -> ProbeResult:
    """A program that fails has no say, whatever it printed."""
    if code != 0:
        return judge_code(said, code)
    try:
        verdict = msgspec.json.decode(said, type=Verdict)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        return ProbeResult(False, f"it printed no verdict in JSON: {plain(str(error))}")
    if verdict.weight is not None and not 0 <= verdict.weight <= LONGEST_WEIGHT:
        return ProbeResult(False, f"it asks for a weight of {verdict.weight} percent, at most {LONGEST_WEIGHT}")
    said_word = "up" if verdict.up else "down"
    return ProbeResult(verdict.up, plain(verdict.detail) or f"it says {said_word}", weight=verdict.weight)


def begin(check: ExecCheck, address: str, port: int, poller: Poller, done: Done) -> Execution:
    return Execution(check, address, port, poller, done)
