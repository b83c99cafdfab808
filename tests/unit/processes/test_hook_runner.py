"""Real commands: what they get, how they end, and that nothing of them stays."""

import asyncio
import json
import os
import pwd
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from msgspec import structs

from haagent.config.model import Hook
from haagent.processes.history import Entry
from haagent.processes.hook_runner import HookRunner, unfit

ME = pwd.getpwuid(os.geteuid()).pw_name


def script(path: Path, text: str) -> str:
    file = path / "command"
    file.write_text(f"#!/bin/sh\n{text}\n")
    file.chmod(0o755)
    return str(file)


def hook(command: str, **changes: object) -> Hook:
    values: dict[str, object] = {"name": "tell", "on": ("router",), "command": (command,), "user": ME, **changes}
    return Hook(**values)  # type: ignore[arg-type]


def entry(sequence: int = 7, state: str = "active", previous: str = "backup", name: str = "web") -> Entry:
    return Entry(
        sequence=sequence, at=1.5, subject="router", name=name, previous=previous, state=state, cause="it's\nso"
    )


def play(
    *hooks: Hook, act: Callable[[HookRunner], None] = lambda runner: runner.happened(entry()), grace: float = 20.0
) -> tuple[list[tuple[str, str, str]], list[str]]:
    """Records and complaints."""
    records: list[tuple[str, str, str]] = []
    complaints: list[str] = []

    async def both() -> None:
        runner = HookRunner("d1", lambda *record: records.append(record), complaints.append)
        runner.set_hooks(hooks)
        act(runner)
        await runner.close(grace)

    asyncio.run(both())
    return records, complaints


def test_the_event_on_stdin_and_in_the_environment(tmp_path: Path) -> None:
    command = script(tmp_path, f'cat > {tmp_path}/stdin; env > {tmp_path}/env; echo $# "$1" > {tmp_path}/arguments')
    records, complaints = play(structs.replace(hook(command), command=(command, "a b;c")))
    assert complaints == []
    ((name, state, cause),) = records
    assert (name, state) == ("tell/web", "succeeded")
    assert cause.startswith("router web active: exit status 0 after ")
    assert json.loads((tmp_path / "stdin").read_text()) == {
        "director": "d1",
        "hook": "tell",
        "sequence": 7,
        "at": 1.5,
        "subject": "router",
        "name": "web",
        "previous": "backup",
        "state": "active",
        "cause": "it's\nso",
        "reasserted": False,
        "overtaken": 0,
    }
    environment = (tmp_path / "env").read_text()
    assert "HAAGENT_STATE=active\n" in environment
    assert "HAAGENT_NAME=web\n" in environment
    assert "VIRTUAL_ENV" not in environment
    assert (tmp_path / "arguments").read_text() == "1 a b;c\n"


def test_a_failure_says_its_last_line(tmp_path: Path) -> None:
    records, _ = play(hook(script(tmp_path, "echo first; echo no route >&2; exit 3")))
    assert records[0][1] == "failed"
    assert "exit status 3, 'no route'" in records[0][2]
    records, _ = play(hook(script(tmp_path, "kill -9 $$")))
    assert "killed by signal 9" in records[0][2]


def test_the_deadline_kills_the_whole_process_group(tmp_path: Path) -> None:
    command = script(tmp_path, f"sleep 60 & echo $! > {tmp_path}/child; trap '' TERM; sleep 60")
    begun = time.monotonic()
    records, _ = play(hook(command, timeout=0.5))
    assert records[0][1] == "timed_out"
    assert "killed with its process group at its timeout of 0.5 s" in records[0][2]
    assert time.monotonic() - begun < 30
    assert is_gone(int((tmp_path / "child").read_text()))


def is_gone(pid: int) -> bool:
    """Or a zombie that nobody has waited for yet."""
    for _ in range(100):
        try:
            if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
                return True
        except OSError:
            return True
        time.sleep(0.02)
    return False


def test_a_command_that_writes_without_end_and_reads_nothing_is_only_slow(tmp_path: Path) -> None:
    records, _ = play(hook(script(tmp_path, "exec <&-; head -c 3000000 /dev/zero | tr '\\0' x; exit 1")))
    assert records[0][1] == "failed"
    assert len(records[0][2]) < 500


def test_a_background_child_does_not_hold_up_the_next_event(tmp_path: Path) -> None:
    command = script(tmp_path, f"sleep 5 & echo $! >> {tmp_path}/children")

    def act(runner: HookRunner) -> None:
        runner.happened(entry(1, "active"))
        runner.happened(entry(2, "backup", "active"))

    begun = time.monotonic()
    records, _ = play(hook(command), act=act)
    assert [record[1] for record in records] == ["succeeded", "succeeded"]
    assert time.monotonic() - begun < 4
    for child in (tmp_path / "children").read_text().split():
        os.kill(int(child), 9)


def test_serial_and_the_newest_state_last(tmp_path: Path) -> None:
    log = tmp_path / "log"
    command = script(tmp_path, f"echo start $HAAGENT_STATE >> {log}; sleep 0.2; echo end $HAAGENT_STATE >> {log}")

    def act(runner: HookRunner) -> None:
        for number, state in enumerate(("active", "backup", "active", "initialize"), 1):
            runner.happened(entry(number, state, "before"))

    records, _ = play(hook(command), act=act)
    assert log.read_text().split("\n")[:-1] == ["start active", "end active", "start initialize", "end initialize"]
    assert "2 older events were overtaken" in records[1][2]


def test_a_sentence_that_changed_is_no_event(tmp_path: Path) -> None:
    records, _ = play(hook(script(tmp_path, "")), act=lambda runner: runner.happened(entry(1, "active", "active")))
    assert records == []


def test_after_a_start_the_current_state_is_said_again(tmp_path: Path) -> None:
    command = script(tmp_path, f"echo $HAAGENT_STATE $HAAGENT_REASSERTED >> {tmp_path}/log")

    def act(runner: HookRunner) -> None:
        for _ in range(3):
            runner.router_reported("web", "active", "nothing more was heard", 5)

    play(hook(command), act=act)
    assert (tmp_path / "log").read_text() == "active 1\n"


def test_what_cannot_run_is_told_at_once_and_recorded_each_time(tmp_path: Path) -> None:
    plain = tmp_path / "plain"
    plain.write_text("x")
    assert unfit(hook("/no/such")) == "/no/such does not exist"
    assert unfit(hook(str(plain))) == f"{plain} is not executable"
    assert unfit(hook("/bin/true", user="no-such-user")) == (
        "there is no user no-such-user: create it, or name another one as `user`"
    )
    assert unfit(hook("/bin/true")) is None
    records, complaints = play(hook("/no/such"), hook("/bin/true", name="who", user="no-such-user"))
    assert complaints[0] == "hook tell: /no/such does not exist"
    assert len(complaints) == 2
    assert [(name, state) for name, state, _ in records] == [("tell/web", "not_started"), ("who/web", "not_started")]
    assert "/no/such cannot be started: No such file or directory" in records[0][2]
    assert "there is no user no-such-user" in records[1][2]


def test_the_end_of_the_director_leaves_no_command(tmp_path: Path) -> None:
    command = script(tmp_path, f"echo $$ > {tmp_path}/pid; sleep 60")

    async def both() -> None:
        runner = HookRunner("d1", lambda *_: None, lambda _: None)
        runner.set_hooks((hook(command),))
        runner.happened(entry())
        await runner.close(1.0)

    asyncio.run(both())
    assert is_gone(int((tmp_path / "pid").read_text()))


@pytest.mark.root
def test_the_user_and_its_groups_alone(tmp_path: Path) -> None:
    tmp_path.chmod(0o777)
    for parent in list(tmp_path.parents)[:3]:
        if parent != Path("/tmp"):
            parent.chmod(0o755)
    command = script(tmp_path, f"id > {tmp_path}/id")
    records, _ = play(hook(command, user="nobody"))
    assert records[0][1] == "succeeded", records
    said = (tmp_path / "id").read_text()
    assert "uid=65534(nobody)" in said
    assert "(root)" not in said
