"""The exec check: verdicts of real programs, and that nothing of them outlives the try."""

import asyncio
import os
import time
from pathlib import Path

import pytest

from haagent.config.checks import ExecCheck
from haagent.health.probe import Probe, ProbeResult
from haagent.probes.begin import begin
from haagent.probes.exec import OUTPUT_LIMIT, Account, account_of
from haagent.probes.poller import Poller


def ask(script: str, *more: str, output: str = "exit_code", timeout: float = 10.0) -> ProbeResult:
    return run(("/bin/sh", "-c", script, "sh", *more), output, timeout)


def run(command: tuple[str, ...], output: str = "exit_code", timeout: float = 10.0) -> ProbeResult:
    async def inside() -> ProbeResult:
        loop = asyncio.get_running_loop()
        poller, done = Poller(loop), loop.create_future()
        check = ExecCheck(name="c", command=command, output=output, timeout=timeout)  # type: ignore[arg-type]
        begin(Probe(1, check, "192.0.2.11", 80), poller, done.set_result)
        result = await done
        await asyncio.sleep(0.1)  # what was killed is buried
        poller.close()
        assert isinstance(result, ProbeResult), result
        return result

    return asyncio.run(inside())


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ("exit 0", ProbeResult(True, "exit code 0")),
        ("echo fine; exit 0", ProbeResult(True, "exit code 0: fine")),
        ("echo 'disk full' >&2; exit 2", ProbeResult(False, "exit code 2: disk full")),
        ("exit 255", ProbeResult(False, "exit code 255")),
        ("kill -SEGV $$", ProbeResult(False, "it was ended by SIGSEGV")),
        ("cat; exit 3", ProbeResult(False, "exit code 3")),  # nothing to read on standard input
        ('echo "$HAAGENT_ADDRESS $HAAGENT_PORT $HAAGENT_CHECK"', ProbeResult(True, "exit code 0: 192.0.2.11 80 c")),
        ("printenv HOME; pwd", ProbeResult(True, "exit code 0: /")),  # nothing of our environment
    ],
)
def test_exit_codes(script: str, expected: ProbeResult) -> None:
    assert ask(script) == expected


def test_words_are_filled_in_and_no_shell_sees_them() -> None:
    assert run(("/bin/echo", "{address}:{port}", "$HOME", "{check};id")) == ProbeResult(
        True, "exit code 0: 192.0.2.11:80 $HOME c;id"
    )


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ('{"up": true}', ProbeResult(True, "it says up")),
        ('{"up": true, "weight": 30, "detail": "replica"}', ProbeResult(True, "replica", weight=30)),
        ('{"up": false, "detail": "behind by 400 s"}', ProbeResult(False, "behind by 400 s")),
        ('{"up": true, "weight": 5000}', ProbeResult(False, "it asks for a weight of 5000 percent, at most 1000")),
        ("yes", ProbeResult(False, "it printed no verdict in JSON: JSON is malformed: invalid character (byte 0)")),
        ("{}", ProbeResult(False, "it printed no verdict in JSON: Object missing required field `up`")),
    ],
)
def test_json(said: str, expected: ProbeResult) -> None:
    assert ask('printf %s "$1"', said, output="json") == expected


def test_a_program_that_fails_has_no_say() -> None:
    assert ask('echo "{\\"up\\": true}"; exit 1', output="json") == ProbeResult(False, 'exit code 1: {"up": true}')


def test_what_cannot_be_started_is_our_own_trouble(tmp_path: Path) -> None:
    result = run((str(tmp_path / "none"),))
    assert result.local
    assert result.detail.endswith("/none: No such file or directory")
    (tmp_path / "plain").write_text("exit 0\n")
    assert run((str(tmp_path / "plain"),)).detail.endswith("/plain: Permission denied")


def is_alive(pid: int) -> bool:
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False


def gone(pid: int) -> bool:
    until = time.monotonic() + 10
    while is_alive(pid):
        if time.monotonic() > until:
            return False
        time.sleep(0.01)
    return True


def test_at_the_deadline_the_whole_group_is_killed(tmp_path: Path) -> None:
    note = tmp_path / "pids"
    result = ask('sleep 600 & echo $! $$ > "$1"; echo started; wait', str(note), timeout=0.5)
    assert result == ProbeResult(False, 'it did not end within 0.5 s (it wrote "started")')
    assert all(gone(int(pid)) for pid in note.read_text().split())


def test_what_it_left_behind_is_killed_at_its_end_and_holds_up_nothing(tmp_path: Path) -> None:
    """A grandchild that keeps the pipe open."""
    note = tmp_path / "pid"
    began_at = time.monotonic()
    assert ask('sleep 600 & echo $! > "$1"; exit 0', str(note)) == ProbeResult(True, "exit code 0")
    assert time.monotonic() - began_at < 8
    assert gone(int(note.read_text()))


def test_too_many_words() -> None:
    assert ask("yes") == ProbeResult(False, f"it wrote more than {OUTPUT_LIMIT} octets")


def test_no_descriptor_and_no_zombie_is_left() -> None:
    before = len(os.listdir("/proc/self/fd"))
    for script in ("exit 0", "sleep 9", "yes"):
        ask(script, timeout=0.2)
    assert len(os.listdir("/proc/self/fd")) == before


def test_closing_abandons_it() -> None:
    async def inside() -> list[object]:
        results: list[object] = []
        poller = Poller(asyncio.get_running_loop())
        check = ExecCheck(name="c", command=("/bin/sleep", "600"))
        running = begin(Probe(1, check, "192.0.2.11", 80), poller, results.append)
        running.close()
        await asyncio.sleep(0.1)
        poller.close()
        return results

    assert asyncio.run(inside()) == []


def test_a_user_who_is_not_there_or_is_root_is_our_own_trouble() -> None:
    for name, words in (("nosuchuser", "there is no user nosuchuser"), ("root", "root is root, and a check's program")):
        assert str(account_of(name)).startswith(words)
    assert account_of("") == Account()
