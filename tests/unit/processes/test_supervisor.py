"""When a dead child may come back, and what is passed on. Real deaths: tests/netns/test_daemon.py."""

import signal
import subprocess
import sys

import pytest

from haagent.processes.supervisor import BACKOFF_LAST, SETTLED_TIME, Child, Supervisor


def dead(code: str, started_at: float = 0.0) -> subprocess.Popen[bytes]:
    process = subprocess.Popen([sys.executable, "-c", code])
    process.wait()
    return process


def bury(child: Child, now: float, code: str = "raise SystemExit(3)") -> float:
    """How long it must wait."""
    child.process, child.started_at = dead(code), now
    child.bury(now)
    return round(child.start_at - now, 3)


def test_one_that_dies_again_and_again_is_started_less_and_less_often():
    child = Child("prober", [])
    assert [bury(child, 100.0 + n) for n in range(9)] == [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, BACKOFF_LAST, BACKOFF_LAST]


def test_one_that_lived_for_a_while_is_started_at_once_again():
    child = Child("prober", [])
    for n in range(5):
        bury(child, 100.0 + n)
    child.process, child.started_at = dead("pass"), 200.0
    child.bury(200.0 + SETTLED_TIME + 1)
    assert child.start_at - (200.0 + SETTLED_TIME + 1) == pytest.approx(0.1)


def test_the_sentence_says_how_it_died():
    child = Child("prober", [])
    child.process = dead("raise SystemExit(3)")
    assert child.bury(0.0) == "the prober process exited with 3; it is started again in 0.1 s"
    child.process = dead("import os; os.kill(os.getpid(), 9)")
    assert (
        child.bury(0.0) == f"the prober process was killed by signal {signal.SIGKILL:d}; it is started again in 0.2 s"
    )


@pytest.fixture
def supervisor():
    return Supervisor("conf", "d1", "run/internal.sock", "run/accepted.msgpack", "nobody", "")


def test_a_hangup_waits_for_a_director_that_listens(supervisor):
    script = "import signal; signal.signal(signal.SIGHUP, lambda *_: exit(7)); print(flush=True); signal.pause()"
    process = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.readline()
    supervisor.director.process = process
    supervisor._remember(signal.SIGHUP, None)
    supervisor._act_on_signals()
    assert process.poll() is None
    supervisor._is_listening = True
    supervisor._pass_on_reload()
    assert process.wait(10) == 7
    process.stdout.close()


@pytest.mark.parametrize(("has_listened", "stops"), [(False, True), (True, False)])
def test_a_director_that_refuses_ends_a_daemon_that_is_starting_and_not_one_that_runs(supervisor, has_listened, stops):
    supervisor._has_listened = has_listened
    supervisor.director.process = dead("raise SystemExit(78)")
    supervisor._reap()
    assert supervisor._is_stopping is stops
    assert supervisor._exit_code == (1 if stops else 0)
