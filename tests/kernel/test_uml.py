"""haagent.lab.uml: the exit status, the output and the host's cleanliness."""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from haagent.lab.uml import KERNEL_FAILED, TIMED_OUT, run_in_uml, stream_in_uml, uml_available


def alive_in_group(group: int) -> list[str]:
    processes = subprocess.run(["ps", "-eo", "pgid=,stat="], check=True, capture_output=True, text=True).stdout
    return [state for pgid, state in map(str.split, processes.splitlines()) if int(pgid) == group and state[0] != "Z"]


def wait_until(condition: Callable[[], object]) -> None:
    """The test's own time limit ends a wait that is in vain."""
    while not condition():
        time.sleep(0.05)


pytestmark = [pytest.mark.uml, pytest.mark.skipif(uml_available() is not None, reason="no user-mode kernel here")]


def test_exit_status_and_output_come_back_and_the_host_stays_clean(tmp_path: Path) -> None:
    kept, forgotten = tmp_path / "kept", tmp_path / "forgotten"
    kept.mkdir()
    forgotten.mkdir()
    script = f"echo out; echo err >&2; [ -t 1 ] || echo pipe; echo 1 >{kept}/file; echo 2 >{forgotten}/file; exit 7"
    result = run_in_uml(["sh", "-c", script], timeout=90, modules=(), writable=[kept])
    assert (result.returncode, result.output, result.failure) == (7, "out\nerr\npipe\n", "")
    assert (kept / "file").read_text() == "1\n"
    assert list(forgotten.iterdir()) == []


def test_long_output_arrives_whole_and_unchanged() -> None:
    result = run_in_uml(["seq", "100000"], timeout=90, modules=())
    assert result.output == "".join(f"{number}\n" for number in range(1, 100001))


def test_environment_and_directory_are_the_callers() -> None:
    command = ["sh", "-c", 'echo "$HAAGENT_UML $GREETING"; pwd']
    result = run_in_uml(command, timeout=90, modules=(), env={"GREETING": "it's"})
    assert result.output == f"1 it's\n{os.getcwd()}\n"


def test_a_command_that_hangs_is_ended_and_what_it_said_is_kept() -> None:
    result = run_in_uml(["sh", "-c", "echo before; sleep 1000"], timeout=25, modules=())
    assert (result.returncode, result.output) == (TIMED_OUT, "before\n")
    assert "25 s" in result.failure


def test_a_kernel_panic_is_told_apart_from_an_exit_status() -> None:
    result = run_in_uml(["sh", "-c", "echo before; echo c >/proc/sysrq-trigger"], timeout=90, modules=())
    assert (result.returncode, result.output) == (KERNEL_FAILED, "before\n")
    assert "panic" in result.failure


def test_the_kernel_ends_with_the_process_that_started_it(tmp_path: Path) -> None:
    code = "import sys; from pathlib import Path; from haagent.lab.uml import run_in_uml; "
    code += "run_in_uml(['sh', '-c', f'echo >{sys.argv[1]}/up; sleep 1000'], timeout=99, writable=[Path(sys.argv[1])])"
    starter = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)])
    try:
        wait_until((tmp_path / "up").exists)
        kernel = int(Path(f"/proc/{starter.pid}/task/{starter.pid}/children").read_text())
        assert alive_in_group(kernel)
    finally:
        starter.kill()
        starter.wait()
    wait_until(lambda: not alive_in_group(kernel))


def test_the_streaming_form_writes_to_our_standard_output(capfd: pytest.CaptureFixture[str]) -> None:
    assert stream_in_uml(["sh", "-c", "echo hello; exit 3"], timeout=90, modules=()) == 3
    assert capfd.readouterr().out == "hello\n"
