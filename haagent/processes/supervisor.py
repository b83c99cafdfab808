"""The parent of the four processes: starts them, starts the dead ones again, stops them in order.

It decides nothing else.

    supervisor ── director     started first; says LISTENING, READY, RELOADING, ALIVE on a pipe
               ├─ vrrp         outlives the director: the addresses stay where its machines put them
               ├─ prober       ends with the director and is started again after it
               └─ observer     likewise

Every child holds the read end of a pipe whose write end is ours: if we are killed, each sees it end and stops cleanly
(vrrp says priority 0 and lets its addresses go). Standard library alone.
"""

import argparse
import os
import select
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field

from haagent.processes.notify import notify, watchdog_interval

BACKOFF_FIRST, BACKOFF_LAST = 0.1, 10.0  # seconds between a death and the next start
SETTLED_TIME = 30.0  # a child that lived this long starts again at once
HEARTBEAT_LIMIT = 15.0  # a director that says nothing for this long hangs and is killed
STOP_TIMEOUT = 5.0  # for each child to end after SIGTERM
EXIT_CONFIGURATION = 78  # EX_CONFIG: starting again would not help
EXIT_PERMISSION = 77  # EX_NOPERM


@dataclass(slots=True)
class Child:
    """One process and when it may be started again."""

    name: str
    arguments: list[str]
    process: subprocess.Popen[bytes] | None = None
    started_at: float = 0.0
    start_at: float = 0.0
    backoff: float = BACKOFF_FIRST
    pass_fds: tuple[int, ...] = field(default=())

    def start(self, now: float) -> None:
        command = [sys.executable, "-m", f"haagent.processes.{self.name}", *self.arguments]
        self.process = subprocess.Popen(command, pass_fds=self.pass_fds, stdin=subprocess.DEVNULL)
        self.started_at = now

    def bury(self, now: float) -> str:
        """After its death: when it may come back, and the sentence for the log."""
        assert self.process is not None
        code, self.process = self.process.returncode, None
        if now - self.started_at > SETTLED_TIME:
            self.backoff = BACKOFF_FIRST
        self.start_at, self.backoff = now + self.backoff, min(self.backoff * 2, BACKOFF_LAST)
        how = f"was killed by signal {-code}" if code < 0 else f"exited with {code}"
        return f"the {self.name} process {how}; it is started again in {self.start_at - now:.1f} s"


class Supervisor:
    """`run()` returns the exit code of the daemon."""

    def __init__(self, directory: str, name: str, internal_socket: str, accepted: str, user: str, agentx: str) -> None:
        alive, self._alive_writer = os.pipe()
        self._words, words_writer = os.pipe()
        os.set_blocking(self._words, False)
        self._wake_reader, self._wake_writer = os.pipe()
        for descriptor in (self._wake_reader, self._wake_writer):
            os.set_blocking(descriptor, False)
        common = ["--socket", internal_socket, "--alive-fd", str(alive)]
        unprivileged = [*common, "--user", user]
        self.director = Child(
            "director",
            [
                *("--config", directory, "--name", name, "--accepted", accepted),
                *("--alive-fd", str(alive), "--words-fd", str(words_writer)),
            ],
            pass_fds=(alive, words_writer),
        )
        self.vrrp = Child("vrrp", common, pass_fds=(alive,))
        self.prober = Child("prober", unprivileged, pass_fds=(alive,))
        self.observer = Child("observer", [*unprivileged, "--agentx", agentx], pass_fds=(alive,))
        self.children = (self.vrrp, self.director, self.prober, self.observer)
        self._is_listening = False
        self._has_listened = False
        self._owes_reload = False  # a SIGHUP came while there was no director that could hear it
        self._is_stopping = False
        self._heard_at = time.monotonic()
        self._signals: list[int] = []
        self._exit_code = 0

    def run(self) -> int:
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD):
            signal.signal(number, self._remember)
        signal.set_wakeup_fd(self._wake_writer, warn_on_full_buffer=False)
        self.director.start(time.monotonic())
        watchdog = watchdog_interval()
        while not self._is_stopping:
            self._start_the_dead(time.monotonic())
            readable, _, _ = select.select([self._words, self._wake_reader], [], [], self._pause(watchdog))
            if self._wake_reader in readable:
                os.read(self._wake_reader, 4096)
            if self._words in readable:
                self._hear()
            self._act_on_signals()
            self._reap()
            self._check_heartbeat()
            if watchdog and time.monotonic() - self._heard_at < HEARTBEAT_LIMIT:
                notify("WATCHDOG=1")
        self._stop()
        return self._exit_code

    # ------------------------------------------------------------------ inside

    def _remember(self, number: int, _frame: object) -> None:
        self._signals.append(number)

    def _pause(self, watchdog: float | None) -> float:
        now = time.monotonic()
        dead = [child.start_at for child in self.children if child.process is None and self._may_start(child)]
        return max(0.0, min([now + (watchdog or 1.0), now + 1.0, *dead]) - now)

    def _may_start(self, child: Child) -> bool:
        return child is self.director or self._is_listening or child is self.vrrp

    def _start_the_dead(self, now: float) -> None:
        for child in self.children:
            if child.process is None and now >= child.start_at and self._may_start(child):
                if child is self.director:
                    self._heard_at = now
                child.start(now)

    def _hear(self) -> None:
        """The director's words, one a line."""
        try:
            words = os.read(self._words, 65536).decode()
        except BlockingIOError:
            return
        self._heard_at = time.monotonic()
        for word in words.split("\n"):
            match word.split(" ", 1):
                case ["LISTENING"]:
                    self._is_listening = self._has_listened = True
                    self._pass_on_reload()
                case ["READY"]:
                    notify(f"READY=1\nMAINPID={os.getpid()}")
                case ["RELOADING"]:
                    notify(f"RELOADING=1\nMONOTONIC_USEC={time.monotonic_ns() // 1000}")
                case ["STATUS", text]:
                    notify(f"STATUS={text}")

    def _act_on_signals(self) -> None:
        while self._signals:
            number = self._signals.pop(0)
            if number in (signal.SIGTERM, signal.SIGINT):
                self._is_stopping = True
            elif number == signal.SIGHUP:
                self._owes_reload = True
                self._pass_on_reload()

    def _pass_on_reload(self) -> None:
        """A director that is not there yet would die of the signal."""
        if self._owes_reload and self._is_listening and self.director.process:
            self._owes_reload = False
            self.director.process.send_signal(signal.SIGHUP)

    def _reap(self) -> None:
        now = time.monotonic()
        for child in self.children:
            if child.process is None or child.process.poll() is None:
                continue
            code = child.process.returncode
            if child is self.director:
                self._is_listening = False
            if code in (EXIT_CONFIGURATION, EXIT_PERMISSION) and not self._has_listened:  # it has said why
                self._exit_code, self._is_stopping = 1, True
            sentence = child.bury(now)
            if not self._is_stopping:
                print(f"haagent: {sentence}", file=sys.stderr, flush=True)

    def _check_heartbeat(self) -> None:
        if self.director.process and time.monotonic() - self._heard_at > HEARTBEAT_LIMIT:
            print(f"haagent: the director says nothing for {HEARTBEAT_LIMIT:g} s: killed", file=sys.stderr, flush=True)
            self.director.process.kill()
            self._heard_at = time.monotonic()

    def _stop(self) -> None:
        """vrrp first: the peer takes over while the table here still serves what arrives."""
        notify("STOPPING=1")
        for child in self.children:
            if child.process is None or child.process.poll() is not None:
                continue
            try:
                child.process.terminate()
                child.process.wait(STOP_TIMEOUT)
            except subprocess.TimeoutExpired:
                print(f"haagent: the {child.name} process does not end: killed", file=sys.stderr, flush=True)
                child.process.kill()
                child.process.wait()
            except PermissionError:  # of another user, and we lack CAP_KILL: the director's end has told it already
                self._wait_for(child.process, child.name)

    def _wait_for(self, process: subprocess.Popen[bytes], name: str) -> None:
        try:
            process.wait(STOP_TIMEOUT)
        except subprocess.TimeoutExpired:
            sentence = f"the {name} process (pid {process.pid}) does not end and we may not kill it: grant CAP_KILL"
            print(f"haagent: {sentence}", file=sys.stderr, flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(prog="haagent.processes.supervisor")
    for option in ("config", "name", "socket", "accepted", "user", "agentx"):
        parser.add_argument(f"--{option}", required=True)
    options = parser.parse_args()
    return Supervisor(
        options.config, options.name, options.socket, options.accepted, options.user, options.agentx
    ).run()


if __name__ == "__main__":
    raise SystemExit(main())
