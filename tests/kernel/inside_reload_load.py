"""Reloads of a whole daemon under a continuous load, and a director that dies in the midst of one: no request fails.
And what else may happen to a daemon: a disk that is full when an operator speaks, an administrator with ipvsadm.

The topology is that of inside_daemon.py. Clients ask without a pause, a connection for each page, through IPVS.
"""

import contextlib
import os
import signal
import subprocess
import threading
from collections import Counter
from collections.abc import Iterator

import pytest

from haagent.control.requests import Operate, OperateAnswer, Refused, Reload
from tests.daemon_stage import Daemon, folder, wait_until
from tests.kernel.inside_daemon import (
    CHECKS,
    CLIENT,
    DIRECTOR,
    PATIENCE,
    ROUTER,
    SERVERS,
    SETUP,
    VIP,
    RealServer,
    Stage,
    ipvsadm,
    saved,
)

DYING = """
import os, sys
if "haagent.processes.director" in sys.orig_argv:
    import signal
    from haagent.linux import netlink
    ARMED = {armed!r}
    send = netlink.NetlinkSocket._request_batch
    netlink.BATCH_MESSAGES = 1
    def dying(self, batch, start, results, texts):
        send(self, batch, start, results, texts)
        if os.path.exists(ARMED):
            with open(ARMED) as file:
                left = int(file.read()) - 1
            if left == 0:
                os.unlink(ARMED)
                os.kill(os.getpid(), signal.SIGKILL)
            with open(ARMED, "w") as file:
                file.write(str(left))
    netlink.NetlinkSocket._request_batch = dying
"""


def configuration(weights: dict[str, int], scheduler: str = "rr", *, other: bool = False) -> str:
    rows = ", ".join(
        f'{{ name = "{name}", address = "192.0.2.1{name[2:]}", port = 8080, weight = {weight} }}'
        for name, weight in weights.items()
    )
    names = [("web", 80), ("other", 81)] if other else [("web", 80)]
    return (
        ROUTER
        + CHECKS
        + "".join(
            f'[virtual_service.{name}]\naddress = "{VIP}"\nport = {port}\nscheduler = "{scheduler}"\n'
            f'forwarding_method = "masquerading"\ncheck = ["page"]\nreal_servers = [{rows}]\n'
            for name, port in names
        )
    )


def table(weights: dict[str, int], scheduler: str = "rr", *, other: bool = False) -> list[str]:
    lines = []
    for port in (80, 81)[: 1 + other]:
        lines.append(f"-A -t {VIP}:{port} -s {scheduler}")
        lines += [f"-a -t {VIP}:{port} -r 192.0.2.1{n[2:]}:8080 -m -w {w}" for n, w in weights.items()]
    return sorted(lines)


class Load:
    """Clients that ask for a page again and again; who answered, and what was no answer."""

    def __init__(self, stage: Stage, clients: int) -> None:
        self.answers: Counter[str] = Counter()
        self.failures: list[str] = []
        self._stage, self._over = stage, threading.Event()
        self._threads = [threading.Thread(target=self._run) for _ in range(clients)]

    def __enter__(self) -> "Load":
        for each in self._threads:
            each.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for each in self._threads:
            each.join()

    def _run(self) -> None:
        while not self._over.is_set():
            try:
                page = self._stage.page()
            except OSError as error:
                page = str(error)
            if page.startswith("served by "):
                self.answers[page.removeprefix("served by ")] += 1
            else:
                self.failures.append(page or "cut off")

    def some_more(self, count: int = 20) -> None:
        before = self.answers.total()
        assert wait_until(lambda: self.failures or self.answers.total() >= before + count, PATIENCE)


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    with folder() as base:
        try:
            for line in SETUP.strip().splitlines():
                subprocess.run(["ip", *line.split()], check=True)
            servers = {f"rs{n}": RealServer(f"rs{n}", f"192.0.2.1{n}") for n in (1, 2, 3)}
            state = base / "state"
            state.mkdir()
            subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k,mode=755", "tmpfs", state], check=True)
            inject = base / "inject"
            inject.mkdir()
            inject.joinpath("sitecustomize.py").write_text(DYING.format(armed=str(base / "armed")))
            daemon = Daemon(base, DIRECTOR, environment={"PYTHONPATH": str(inject)})
            daemon.write(configuration({"rs1": 1, "rs2": 1, "rs3": 1}))
            daemon.start()
            found = Stage(daemon, servers)
            until(found, {"rs1": 1, "rs2": 1, "rs3": 1})
            yield found
            daemon.stop()
        finally:
            subprocess.run(["umount", "-l", base / "state"], check=False)
            for name in (DIRECTOR, SERVERS, CLIENT):
                subprocess.run(["ip", "netns", "del", name], check=False)


def until(stage: Stage, weights: dict[str, int], scheduler: str = "rr", *, other: bool = False) -> None:
    wanted = table(weights, scheduler, other=other)
    assert wait_until(lambda: saved() == wanted, PATIENCE, 0.1), (saved(), wanted, stage.daemon.log[-3000:])


def operate(stage: Stage, verb: str, server: str, weight: int = 0) -> None:
    word = Operate(verb=verb, server=server, weight=weight, keep=verb == "drain")  # type: ignore[arg-type]
    answer = stage.daemon.ask(word)
    assert isinstance(answer, OperateAnswer), answer


def active(address: str) -> int:
    """Connections that are open through this real server."""
    for line in ipvsadm("-Ln").splitlines():
        if f"{address}:8080" in line:
            return int(line.split()[4])
    return 0


def test_reloads_under_load_fail_no_request(stage: Stage) -> None:
    """Weights, schedulers and services change, a server is drained, leaves the configuration and comes back."""
    reloads = 0
    with Load(stage, 4) as load:
        for cycle in range(4):
            for number in range(3):
                weights, scheduler = {"rs1": 1 + number, "rs2": 3 - number, "rs3": 1}, ("wrr", "wlc", "rr")[number]
                stage.reload(configuration(weights, scheduler, other=number == 1))
                until(stage, weights, scheduler, other=number == 1)
                load.some_more()
            operate(stage, "drain", "rs3")
            until(stage, {"rs1": 3, "rs2": 1, "rs3": 0})
            assert wait_until(lambda: active("192.0.2.13") == 0, PATIENCE)
            stage.reload(configuration({"rs1": 3, "rs2": 1}))
            until(stage, {"rs1": 3, "rs2": 1})
            load.some_more()
            stage.reload(configuration({"rs1": 1, "rs2": 1, "rs3": 1}))
            operate(stage, "enable", "rs3")
            until(stage, {"rs1": 1, "rs2": 1, "rs3": 1})
            served = load.answers["rs3"]
            assert wait_until(lambda served=served: load.answers["rs3"] > served or load.failures, PATIENCE)
            reloads += 5
            assert load.failures == [], cycle
    assert load.failures == []
    assert reloads == 20
    print(f"{reloads} reloads, {load.answers.total()} requests, {load.failures} failed: {load.answers}")
    assert stage.status().problems == ()


@pytest.mark.parametrize("messages", [1, 4])
def test_a_director_that_dies_behind_a_message_of_a_reload_fails_no_request(stage: Stage, messages: int) -> None:
    """Its successor adopts what it finds, reads the new configuration and makes the rest of the changes."""
    weights = {"rs1": 5, "rs2": 6, "rs3": messages}
    killed = stage.daemon.pids()["director"]
    with Load(stage, 2) as load:
        load.some_more()
        stage.daemon.write(configuration(weights, "wlc", other=True))
        stage.daemon.base.joinpath("armed").write_text(str(messages))
        answer = stage.daemon.ask(Reload())
        assert wait_until(lambda: stage.daemon.pids().get("director", killed) != killed, PATIENCE), answer
        assert not stage.daemon.base.joinpath("armed").exists()
        between = saved()
        assert wait_until(stage.daemon.is_complete, PATIENCE), stage.daemon.log[-3000:]
        until(stage, weights, "wlc", other=True)
        load.some_more()
    assert between != table(weights, "wlc", other=True)
    assert load.failures == []
    assert stage.status().problems == ()
    stage.reload(configuration({"rs1": 1, "rs2": 1, "rs3": 1}))
    until(stage, {"rs1": 1, "rs2": 1, "rs3": 1})


def test_operators_words_on_a_full_disk(stage: Stage) -> None:
    """A word that cannot be stored changes nothing and is refused with the reason; the older ones hold, also over a
    crash; with room again it is stored.
    """
    operate(stage, "weight", "rs1", weight=7)
    until(stage, {"rs1": 7, "rs2": 1, "rs3": 1})
    state = stage.daemon.base / "state"
    stored = next(state.rglob("operator.json")).read_bytes()
    filler = state / "filler"
    with filler.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while file.write(bytes(4096)):
            pass
    with Load(stage, 2) as load:
        for verb in ("drain", "disable", "weight"):
            answer = stage.daemon.ask(Operate(verb=verb, server="rs2", weight=9))  # type: ignore[arg-type]
            assert isinstance(answer, Refused), answer
            assert "No space left on device" in answer.reason
            assert "nothing is changed" in answer.reason
        assert saved() == table({"rs1": 7, "rs2": 1, "rs3": 1})
        assert next(state.rglob("operator.json")).read_bytes() == stored
        assert any("operator.json" in problem for problem in stage.status().problems)
        killed = stage.daemon.kill("director")
        assert wait_until(lambda: stage.daemon.pids().get("director", killed) != killed, PATIENCE)
        assert wait_until(stage.daemon.is_complete, PATIENCE), stage.daemon.log[-3000:]
        until(stage, {"rs1": 7, "rs2": 1, "rs3": 1})
        load.some_more()
        filler.unlink()
        operate(stage, "weight", "rs2", weight=9)
        until(stage, {"rs1": 7, "rs2": 9, "rs3": 1})
        assert wait_until(lambda: stage.status().problems == (), PATIENCE), stage.status().problems
    assert load.failures == []
    operate(stage, "enable", "rs1")
    operate(stage, "enable", "rs2")
    until(stage, {"rs1": 1, "rs2": 1, "rs3": 1})


def test_ipvsadm_races_with_the_daemon(stage: Stage) -> None:
    """Somebody edits without a pause for some audits; then the table is the wanted one, and it was counted."""
    before = stage.status().table_repairs
    service, server = f"-t {VIP}:80", f"-t {VIP}:80 -r 192.0.2.11:8080"
    lines = (f"-e {server} -m -w 44", f"-d {server}", f"-a {server} -m -w 3", f"-E {service} -s wlc", f"-D {service}")
    loop = "\n".join(f"ipvsadm {line}" for line in lines)
    process = subprocess.Popen(
        ["ip", "netns", "exec", DIRECTOR, "sh", "-c", f"while :; do {loop}; done"],
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        for number in range(3):
            stage.reload(configuration({"rs1": 2 + number, "rs2": 1, "rs3": 1}))
        assert wait_until(lambda: stage.status().table_repairs >= before + 5, PATIENCE)
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    until(stage, {"rs1": 4, "rs2": 1, "rs3": 1})
    assert wait_until(lambda: stage.status().problems == (), PATIENCE), stage.status().problems
    stage.reload(configuration({"rs1": 1, "rs2": 1, "rs3": 1}))
