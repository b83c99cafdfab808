"""Kernel parameters and connection sync daemons: made equal to the wanted, given back on a clean stop.

What a parameter was before us is on disk before it is changed (STATE_DIRECTORY/NAME/kernel.json), so that a crash never
loses it; likewise which daemons are ours. After a reboot the kernel's own values are the ones before us.
"""

import os
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import msgspec
from msgspec import Struct

from haagent.ipvs.daemon import StartDaemon, StopDaemon, SyncDaemons, SyncRole, plan_daemons, satisfies
from haagent.linux import sysctls
from haagent.linux.ipvs import Ipvs, explain_daemon
from haagent.linux.netlink import NetlinkFailure
from haagent.pool.settings import Settings
from haagent.pool.sysctls import EXPIRE_QUIESCENT_TEMPLATE

BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


class Memory(Struct, frozen=True):
    """Of one boot."""

    boot: str = ""
    sysctls: dict[str, str] = {}  # by name: the value before us, of those that we changed
    daemons: tuple[SyncRole, ...] = ()  # that are ours to stop


@dataclass(frozen=True, slots=True)
class Outcome:
    observed: Settings
    repairs: int = 0  # what somebody else had changed
    failures: tuple[str, ...] = ()


class KernelSettings:
    """`round` is called by the table keeper, in its thread; `release` by the director that stops."""

    def __init__(self, ipvs: Ipvs, file: Path, root: Path = sysctls.PROC_SYS) -> None:
        self._ipvs, self._file, self._root = ipvs, file, root
        self._memory: Memory | None = None
        self._wanted: Settings | None = None  # of the last round
        self._outcome = Outcome(Settings())
        self._lock = threading.Lock()
        self._is_released = False

    def round(self, wanted: Settings, *, is_audit: bool) -> Outcome:
        """Between audits only what changes is looked at."""
        with self._lock:
            if self._is_released or (not is_audit and wanted == self._wanted):
                return Outcome(self._outcome.observed, 0, self._outcome.failures)
            memory = self._remembered()
            sysctls_now, drifted, failures = self._set(wanted.sysctls, memory)
            daemons_now, lost, refused = self._sync(wanted.daemons)
            self._wanted = wanted
            self._outcome = Outcome(self._seen(sysctls_now, daemons_now), drifted + lost, (*failures, *refused))
            return self._outcome

    def look(self, names: Iterable[str]) -> Settings:
        """The kernel's values now, also of parameters that are not ours yet; nothing is changed."""
        with self._lock:
            values, _ = sysctls.read(names, self._root)
            daemons = self._ipvs.daemons()
            return self._seen(values, {} if isinstance(daemons, NetlinkFailure) else daemons)

    def _seen(self, values: Mapping[str, str], daemons: SyncDaemons) -> Settings:
        memory = self._remembered()
        return Settings(values, daemons, memory.sysctls, memory.daemons)

    def release(self) -> tuple[str, ...]:
        """Everything as it was before us; a sentence for each failure."""
        with self._lock:
            memory, self._is_released = self._remembered(), True
            failures = sysctls.write(memory.sysctls, self._root)
            for change, code in self._ipvs.apply_daemons([StopDaemon(role) for role in memory.daemons]):
                failures.append(explain_daemon(change, code))
            failures += self._remember(Memory(memory.boot))
            return tuple(failures)

    # ------------------------------------------------------------------ parameters

    def _set(self, wanted: Mapping[str, str], memory: Memory) -> tuple[dict[str, str], int, list[str]]:
        """The values now, how many somebody else had changed, and what could not be done."""
        values, failures = sysctls.read(wanted, self._root)
        told, _ = sysctls.read([EXPIRE_QUIESCENT_TEMPLATE], self._root)  # what a drain does to persistent clients
        changes = {name: value for name, value in wanted.items() if name in values and values[name] != value}
        returned = {name: value for name, value in memory.sysctls.items() if name not in wanted}
        kept = {name: value for name, value in memory.sysctls.items() if name in wanted}
        before = {**{name: values[name] for name in changes}, **kept, **returned}
        if before != memory.sysctls:
            failures += self._remember(msgspec.structs.replace(memory, sysctls=before))
        believed = self._wanted.sysctls if self._wanted else {}
        known = self._outcome.observed.sysctls
        drifted = sum(1 for name, value in changes.items() if believed.get(name) == value == known.get(name))
        failures += sysctls.write({**changes, **returned}, self._root)
        if returned:
            assert self._memory is not None
            failures += self._remember(
                msgspec.structs.replace(self._memory, sysctls={k: v for k, v in before.items() if k not in returned})
            )
        now, _ = sysctls.read(values, self._root) if changes else (values, [])
        return {**told, **now}, drifted, failures

    # ------------------------------------------------------------------ connection sync

    def _sync(self, wanted: SyncDaemons) -> tuple[SyncDaemons, int, list[str]]:
        """The daemons now, how many somebody else had stopped or replaced, and what could not be done."""
        memory = self._remembered()
        observed = self._ipvs.daemons()
        if isinstance(observed, NetlinkFailure):
            sentence = f"the connection sync daemons cannot be read: {observed.text}"
            return {}, 0, [sentence] if wanted or memory.daemons else []
        changes = plan_daemons(observed, wanted, memory.daemons)
        failures: list[str] = []
        ours = tuple(sorted({*memory.daemons, *wanted}))
        if ours != memory.daemons:
            failures += self._remember(msgspec.structs.replace(memory, daemons=ours))
        if not changes:
            return observed, 0, failures
        believed = self._outcome.observed.daemons if self._wanted and self._wanted.daemons == wanted else {}
        lost = sum(
            1
            for change in changes
            if isinstance(change, StartDaemon)
            and (known := believed.get(change.role)) is not None
            and satisfies(known, change.daemon)
        )
        failures += [explain_daemon(*failure) for failure in self._ipvs.apply_daemons(changes)]
        now = self._ipvs.daemons()
        if ours != (still := tuple(role for role in ours if role in wanted)):
            failures += self._remember(msgspec.structs.replace(self._remembered(), daemons=still))
        return observed if isinstance(now, NetlinkFailure) else now, lost, failures

    # ------------------------------------------------------------------ what was before us

    def _remembered(self) -> Memory:
        if self._memory is None:
            boot = BOOT_ID.read_text().strip()
            memory = read(self._file)
            self._memory = memory if memory.boot == boot else Memory(boot)
        return self._memory

    def _remember(self, memory: Memory) -> list[str]:
        self._memory = memory
        sentence = write(self._file, memory)
        return [sentence] if sentence else []


def read(path: Path) -> Memory:
    """Nothing where there is no such file, or none that can be read: then there is nothing to give back."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Memory)
    except (OSError, ValueError, RecursionError):
        return Memory()


def write(path: Path, memory: Memory) -> str | None:
    """Whole, synced, renamed. Why it could not be written; None: it is on disk."""
    new = path.with_name(path.name + ".new")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with new.open("wb") as file:
            file.write(msgspec.json.encode(memory))
            file.flush()
            os.fsync(file.fileno())
        os.replace(new, path)
    except OSError as error:
        return f"{path} cannot be written: {error.strerror}"
    return None
