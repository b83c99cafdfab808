"""The table keeper among faults: a concurrent editor, lost replies, signals, and reloads under traffic."""

import contextlib
import errno
import os
import random
import signal
import socket
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from haagent.ipvs.plan import (
    AddDestination,
    AddService,
    Change,
    Owned,
    RemoveDestination,
    RemoveService,
    SetDestination,
    plan,
)
from haagent.ipvs.table import Destination, DestinationKey, Forwarding, Service, ServiceKey, Table
from haagent.linux.ipvs import Ipvs
from haagent.linux.netlink import NetlinkFailure, NetlinkSocket
from haagent.processes.table_keeper import Level, TableKeeper
from tests.kernel.nat_stage import REAL, VIP, Clients, Director, staged

MASQ = Forwarding.MASQUERADING
FOREIGN = ServiceKey(6, bytes((203, 0, 113, 9)), 99)
FOREIGN_AT = DestinationKey(bytes((192, 0, 2, 77)), 99)
SERVICES = tuple(ServiceKey(6, bytes((198, 51, 100, number)), 80) for number in range(1, 5))
TARGETS = tuple(DestinationKey(bytes((192, 0, 2, number)), 8080) for number in range(1, 41))


@pytest.fixture
def ipvs() -> Iterator[Ipvs]:
    opened = Ipvs.open()
    assert isinstance(opened, Ipvs), opened
    yield opened
    opened.close()


def table(weight: int, targets: Sequence[DestinationKey] = TARGETS) -> Table:
    return {key: Service("rr", destinations={at: Destination(MASQ, weight) for at in targets}) for key in SERVICES}


def held(ipvs: Ipvs) -> Table:
    observed = ipvs.observe()
    assert isinstance(observed, tuple), observed
    return observed[0]


class Editor:
    """Somebody who adds, changes and removes our own entries without a pause, through a socket of their own."""

    def __init__(self) -> None:
        opened = Ipvs.open()
        assert isinstance(opened, Ipvs)
        self._ipvs, self._random, self._ended = opened, random.Random(5), threading.Event()
        self._thread = threading.Thread(target=self._run)
        self.edits = 0

    def __enter__(self) -> "Editor":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()
        self._ipvs.close()

    def _run(self) -> None:
        while not self._ended.is_set():
            refused = self._ipvs.apply([self._edit()])
            self.edits += not refused

    def _edit(self) -> Change:
        key, at = self._random.choice(SERVICES), self._random.choice(TARGETS)
        match self._random.randrange(12):
            case 0:
                return RemoveService(key)
            case 1:
                return AddService(key, Service("wlc"))
            case 2 | 3 | 4:
                return AddDestination(key, at, Destination(MASQ, 7))
            case 5 | 6 | 7:
                return SetDestination(key, at, Destination(MASQ, 9))
            case _:
                return RemoveDestination(key, at)


def test_an_editor_who_never_rests_is_outlived(ipvs: Ipvs) -> None:
    """ENOENT, ESRCH and EEXIST in the midst of applies: no exception, and the end is the wanted one."""
    assert (
        ipvs.apply([AddService(FOREIGN, Service("rr")), AddDestination(FOREIGN, FOREIGN_AT, Destination(MASQ, 3))])
        == []
    )
    keeper = TableKeeper(ipvs, 30.0, lambda _: None)
    codes: set[int] = set()
    apply = ipvs.apply

    def recorded(changes: Sequence[Change]) -> list[tuple[Change, int]]:
        refused = apply(changes)
        codes.update(code for _, code in refused)
        return refused

    ipvs.apply = recorded  # type: ignore[method-assign]
    owned = Owned().with_table(table(1))
    repairs = 0
    with Editor() as editor:
        for number in range(150):
            if number % 5 == 0:
                keeper.audit_now()
            observed = keeper.round(Level(table(1 + number % 3, TARGETS[number % 7 :]), owned))
            repairs += observed.repairs
    assert editor.edits > 150
    assert codes & {errno.EEXIST, errno.ENOENT, errno.ESRCH}
    assert codes <= {errno.EEXIST, errno.ENOENT, errno.ESRCH}
    assert repairs > 0
    keeper.audit_now()
    assert keeper.round(Level(table(2), owned)).failures == ()
    found = dict(held(ipvs))
    assert found.pop(FOREIGN) == Service("rr", destinations={FOREIGN_AT: Destination(MASQ, 3)})
    assert plan(found, table(2), owned) == []
    assert found.keys() == table(2).keys()


@contextlib.contextmanager
def administrator(directory: Path) -> Iterator[None]:
    """Somebody who feeds one `ipvsadm --restore` with edits of our entries without end."""
    drawn, lines = random.Random(7), []
    for _ in range(2000):
        service = f"-t 198.51.100.{drawn.randrange(1, 5)}:80"
        server = f"{service} -r 192.0.2.{drawn.randrange(1, 41)}:8080"
        lines.append(drawn.choice((f"-D {service}", f"-A {service} -s wlc", *[f"-d {server}"] * 5)))
        lines.append(drawn.choice((f"-a {server} -m -w 7", f"-e {server} -m -w 9")))
    directory.joinpath("edits").write_text("\n".join(lines) + "\n")
    process = subprocess.Popen(
        ["sh", "-c", "while cat edits; do :; done | ipvsadm --restore"],
        cwd=directory,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        yield
        assert process.poll() is None, "ipvsadm gave up"
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def test_ipvsadm_in_a_loop_is_outlived(ipvs: Ipvs, tmp_path: Path) -> None:
    """The same from another process and by another's messages: what it breaks is looked for and made anew."""
    keeper = TableKeeper(ipvs, 30.0, lambda _: None)
    codes: Counter[int] = Counter()
    apply = ipvs.apply

    def recorded(changes: Sequence[Change]) -> list[tuple[Change, int]]:
        refused = apply(changes)
        codes.update(code for _, code in refused)
        return refused

    ipvs.apply = recorded  # type: ignore[method-assign]
    owned, repairs = Owned().with_table(table(1)), 0
    with administrator(tmp_path):
        end = time.monotonic() + 60
        while time.monotonic() < end and (repairs < 50 or len(codes) < 2):
            keeper.audit_now()
            level = Level(table(1 + len(codes) % 2, TARGETS[repairs % 5 :]), owned)
            repairs += keeper.round(level).repairs
    assert repairs >= 50
    assert len(codes) >= 2
    assert codes.keys() <= {errno.EEXIST, errno.ENOENT, errno.ESRCH}
    keeper.audit_now()
    assert keeper.round(Level(table(2), owned)).failures == ()
    assert held(ipvs) == table(2)


def test_replies_that_are_lost_are_looked_for(ipvs: Ipvs) -> None:
    """ENOBUFS: of a batch in which most fail, the replies exceed a small receive buffer."""
    keeper = TableKeeper(ipvs, 30.0, lambda _: None)
    owned = Owned().with_table(table(1))
    assert keeper.round(Level({}, owned)).failures == ()  # so much the keeper knows
    assert ipvs.apply(plan({}, table(7), owned)) == []  # and somebody was quicker
    ipvs._socket._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)  # the least that the kernel gives
    codes: list[int] = []
    apply = ipvs.apply

    def recorded(changes: Sequence[Change]) -> list[tuple[Change, int]]:
        refused = apply(changes)
        codes.extend(code for _, code in refused)
        return refused

    ipvs.apply = recorded  # type: ignore[method-assign]
    observed = keeper.round(Level(table(2), owned))
    assert errno.ENOBUFS in codes
    assert observed.failures == ()
    assert held(ipvs) == table(2)


def test_signals_interrupt_nothing(ipvs: Ipvs) -> None:
    """EINTR: a signal each millisecond while thousands of entries are written and read."""
    heard = 0

    def hear(*_: object) -> None:
        nonlocal heard
        heard += 1

    before = signal.signal(signal.SIGALRM, hear)
    signal.setitimer(signal.ITIMER_REAL, 0.001, 0.001)
    try:
        many = [DestinationKey(bytes((192, 0, 2 + number // 250, number % 250 + 1)), 80) for number in range(1000)]
        keeper = TableKeeper(ipvs, 30.0, lambda _: None)
        for weight in (1, 2, 3):
            keeper.audit_now()
            level = Level(table(weight, many), Owned().with_table(table(1, many)))
            assert keeper.round(level).failures == ()
        assert held(ipvs) == table(3, many)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert heard > 20


def test_the_kernel_does_not_wait_for_a_socket_that_is_gone() -> None:
    sock = NetlinkSocket.open(16)
    assert not isinstance(sock, NetlinkFailure)
    sock.close()
    assert sock.request([bytes(20)]) == [errno.EBADF]


def test_a_reload_of_ten_thousand_servers_with_one_change_is_one_change_in_the_kernel(
    ipvs: Ipvs, tmp_path: Path
) -> None:
    director = Director(ipvs, tmp_path)
    sent: list[Change] = []
    apply = ipvs.apply

    def counted(changes: Sequence[Change]) -> list[tuple[Change, int]]:
        sent.extend(changes)
        return apply(changes)

    ipvs.apply = counted  # type: ignore[method-assign]

    def text(heavier: str) -> str:
        parts = []
        for number in range(1, 101):
            rows = ", ".join(
                f'{{ name = "s{number}r{at}", address = "192.0.2.{at}", port = {2000 + number}'
                + (", weight = 2 }" if f"s{number}r{at}" == heavier else " }")
                for at in range(1, 101)
            )
            parts.append(
                f'[virtual_service.s{number}]\naddress = "198.51.100.{number}"\nport = 80\n'
                f'forwarding_method = "masquerading"\nreal_servers = [{rows}]\n'
            )
        return "".join(parts)

    director.load(text(""))
    assert director.failures == ()
    assert len(sent) == 10_100
    sent.clear()
    director.load(text("s7r7"))
    (only,) = sent
    assert isinstance(only, SetDestination)
    assert only.destination.weight == 2


def test_reloads_under_traffic_fail_no_request(ipvs: Ipvs, tmp_path: Path) -> None:
    """Weights, the scheduler, an added and a removed server, a persistence: every reload while a client asks."""
    variants = (
        ("rr", {"rs1": 1, "rs2": 1}, ""),
        ("wrr", {"rs1": 3, "rs2": 1}, ""),
        ("wlc", {"rs1": 1, "rs2": 1, "rs3": 2}, ""),
        ("rr", {"rs1": 1, "rs2": 1, "rs3": 1}, "persistence_timeout = 60"),
        ("sh", {"rs1": 1, "rs2": 2}, ""),
    )

    def text(number: int) -> str:
        scheduler, weights, more = variants[number % len(variants)]
        rows = ", ".join(f'{{ name = "{n}", address = "{REAL[n]}", weight = {w} }}' for n, w in weights.items())
        return (
            f'[virtual_service.web]\naddress = "{VIP}"\nport = 80\nforwarding_method = "masquerading"\n'
            f'scheduler = "{scheduler}"\n{more}\nreal_servers = [{rows}]\n'
        )

    director = Director(ipvs, tmp_path)
    with staged() as stage:
        stage.listen(80)
        director.load(text(0))
        with Clients(stage) as one, Clients(stage) as two, Clients(stage) as three:
            for number in range(1, 51):
                director.load(text(number))
                before = one.answers.total()
                while one.answers.total() < before + 3 and not one.failures:
                    threading.Event().wait(0.005)
        assert one.failures + two.failures + three.failures == []
        assert (one.answers + two.answers + three.answers).total() > 400
        assert one.answers["rs3"] > 0
