"""Parameters and sync daemons are set, healed and given back; the kernel's side is a folder and a few daemons.

The real kernel: tests/kernel/inside_operator.py.
"""

import errno
from pathlib import Path
from typing import cast

import pytest

from haagent.ipvs.daemon import DaemonChange, StartDaemon, SyncDaemon, SyncDaemons, SyncRole
from haagent.linux.ipvs import Ipvs
from haagent.linux.netlink import NetlinkFailure
from haagent.pool.settings import Settings
from haagent.pool.sysctls import EXPIRE_QUIESCENT_TEMPLATE
from haagent.processes import kernel_settings
from haagent.processes.kernel_settings import KernelSettings

A, B = "net.ipv4.vs.a", "net.ipv4.conf.eth0/1.b"
SENDER, RECEIVER = SyncRole
SYNC = SyncDaemon("eth0", 1)


class Daemons:
    """What of Ipvs is used."""

    def __init__(self) -> None:
        self.running: dict[SyncRole, SyncDaemon] = {}
        self.refuses = 0
        self.is_unreadable = False

    def daemons(self) -> SyncDaemons | NetlinkFailure:
        return NetlinkFailure(errno.EPERM, "no") if self.is_unreadable else dict(self.running)

    def apply_daemons(self, changes: list[DaemonChange]) -> list[tuple[DaemonChange, int]]:
        if self.refuses:
            return [(change, self.refuses) for change in changes]
        for change in changes:
            if isinstance(change, StartDaemon):
                assert change.role not in self.running
                self.running[change.role] = change.daemon
            else:
                del self.running[change.role]
        return []


class Kernel:
    def __init__(self, base: Path) -> None:
        self.root, self.file, self.sync = base / "sys", base / "state" / "kernel.json", Daemons()
        for name in (A, B, EXPIRE_QUIESCENT_TEMPLATE):
            self.path(name).parent.mkdir(parents=True, exist_ok=True)
            self.set(name, "0")

    def path(self, name: str) -> Path:
        return self.root / name.translate(str.maketrans("./", "/."))

    def set(self, name: str, value: str) -> None:
        self.path(name).write_text(value + "\n")

    def get(self, name: str) -> str:
        return self.path(name).read_text().strip()[:1]

    def settings(self) -> KernelSettings:
        return KernelSettings(cast(Ipvs, self.sync), self.file, self.root)


@pytest.fixture
def kernel(tmp_path: Path) -> Kernel:
    return Kernel(tmp_path)


def test_set_and_given_back(kernel: Kernel) -> None:
    ours = kernel.settings()
    outcome = ours.round(Settings({A: "1", B: "0"}, {SENDER: SYNC}), is_audit=True)
    assert (kernel.get(A), kernel.sync.running) == ("1", {SENDER: SYNC})
    assert outcome.observed.sysctls == {A: "1", B: "0", EXPIRE_QUIESCENT_TEMPLATE: "0"}
    assert (outcome.repairs, outcome.failures) == (0, ())
    assert outcome.observed.before == {A: "0"}
    assert ours.release() == ()
    assert (kernel.get(A), kernel.sync.running) == ("0", {})


def test_what_is_no_longer_wanted_is_given_back_at_once(kernel: Kernel) -> None:
    ours = kernel.settings()
    ours.round(Settings({A: "1", B: "1"}, {SENDER: SYNC, RECEIVER: SYNC}), is_audit=True)
    ours.round(Settings({B: "1"}, {RECEIVER: SYNC}), is_audit=False)
    assert (kernel.get(A), kernel.get(B)) == ("0", "1")
    assert kernel.sync.running == {RECEIVER: SYNC}
    ours.round(Settings(), is_audit=False)
    assert (kernel.get(B), kernel.sync.running) == ("0", {})


def test_a_successor_of_a_crash_knows_the_first_values_and_adopts(kernel: Kernel) -> None:
    wanted = Settings({A: "1"}, {SENDER: SYNC})
    kernel.settings().round(wanted, is_audit=True)
    second = kernel.settings()
    assert second.round(wanted, is_audit=True).repairs == 0
    second.release()
    assert (kernel.get(A), kernel.sync.running) == ("0", {})


def test_values_of_another_boot_are_forgotten(kernel: Kernel, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    kernel.settings().round(Settings({A: "1"}), is_audit=True)
    boot = tmp_path / "boot_id"
    boot.write_text("another\n")
    monkeypatch.setattr(kernel_settings, "BOOT_ID", boot)
    kernel.set(A, "5")
    successor = kernel.settings()
    successor.round(Settings({A: "1"}), is_audit=True)
    successor.release()
    assert kernel.get(A) == "5"


def test_drift_is_healed_at_an_audit_and_counted(kernel: Kernel) -> None:
    ours, wanted = kernel.settings(), Settings({A: "1"}, {SENDER: SYNC})
    ours.round(wanted, is_audit=True)
    kernel.set(A, "0")
    kernel.sync.running.clear()
    assert ours.round(wanted, is_audit=False).repairs == 0
    assert kernel.get(A) == "0"
    assert ours.round(wanted, is_audit=True).repairs == 2
    assert (kernel.get(A), kernel.sync.running) == ("1", {SENDER: SYNC})
    assert ours.round(wanted, is_audit=True).repairs == 0
    ours.release()
    assert kernel.get(A) == "0"


def test_what_is_set_already_is_not_ours(kernel: Kernel) -> None:
    kernel.set(A, "1")
    ours = kernel.settings()
    ours.round(Settings({A: "1"}), is_audit=True)
    kernel.set(A, "1")
    ours.release()
    assert kernel.get(A) == "1"


def test_somebody_elses_daemon_stays(kernel: Kernel) -> None:
    kernel.sync.running[RECEIVER] = SyncDaemon("eth7", 9)
    ours = kernel.settings()
    ours.round(Settings(), is_audit=True)
    ours.release()
    assert kernel.sync.running == {RECEIVER: SyncDaemon("eth7", 9)}


def test_what_cannot_be_done_is_a_sentence(kernel: Kernel) -> None:
    kernel.sync.refuses = errno.ENODEV
    missing = "net.ipv4.vs.missing"
    outcome = kernel.settings().round(Settings({missing: "1", A: "1"}, {SENDER: SYNC}), is_audit=True)
    assert outcome.failures == (
        f"the kernel has no {missing}",
        "the connection sync sender cannot be started on eth0: there is no interface eth0",
    )
    assert kernel.get(A) == "1"
    kernel.sync.is_unreadable = True
    assert "cannot be read" in kernel.settings().round(Settings({}, {SENDER: SYNC}), is_audit=True).failures[-1]


def test_after_the_release_nothing_is_set_any_more(kernel: Kernel) -> None:
    ours = kernel.settings()
    ours.release()
    ours.round(Settings({A: "1"}), is_audit=True)
    assert kernel.get(A) == "0"


def test_looking_changes_nothing(kernel: Kernel) -> None:
    ours = kernel.settings()
    assert ours.look([A, "net.ipv4.vs.missing"]) == Settings({A: "0"})
    assert not kernel.file.exists()
