"""Between any two netlink messages: what stands in the kernel there, and what follows a kill -9 there.

The writer is a process of its own: the production core, keeper and netlink socket, and a socket beneath them that
counts what is sent and delivers SIGKILL to its own process right behind the k-th message, before the answer is read.
Then a fresh core adopts what it finds, with the list of what is ours as it was stored before the writer began (it is
stored before the table is written) or after.

A batch is one `sendmsg`, and the kernel works off the whole of it before a signal counts. So that every message is an
end, some tests let a batch be one message; the others leave it as it is.
"""

import contextlib
import itertools
import os
import random
import signal
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from haagent.core.events import TableAdopted
from haagent.ipvs.plan import AddDestination, AddService, Change, Owned, apply, plan
from haagent.ipvs.table import Destination, DestinationKey, Forwarding, Service, ServiceKey, Table
from haagent.linux import netlink
from haagent.linux.ipvs import Ipvs
from haagent.processes.table_keeper import Level, TableKeeper
from tests.kernel.nat_stage import Director, saved

MASQ = Forwarding.MASQUERADING
FOREIGN = ServiceKey(6, bytes((203, 0, 113, 9)), 99)
FOREIGN_AT = DestinationKey(bytes((192, 0, 2, 77)), 99)


@pytest.fixture
def ipvs() -> Iterator[Ipvs]:
    opened = Ipvs.open()
    assert isinstance(opened, Ipvs), opened
    yield opened
    opened.close()


def held(ipvs: Ipvs) -> Table:
    observed = ipvs.observe()
    assert isinstance(observed, tuple), observed
    return observed[0]


def serving(table: Table, key: ServiceKey) -> int:
    return sum(1 for each in table[key].destinations.values() if each.weight) if key in table else 0


def is_emptier(now: Table, before: Table, after: Table) -> list[ServiceKey]:
    """Pools that are smaller now than at the smaller of both ends."""
    return [
        key
        for key in before.keys() & after.keys()
        if serving(now, key) < min(serving(before, key), serving(after, key))
    ]


def clear(ipvs: Ipvs) -> None:
    everything = held(ipvs)
    assert ipvs.apply(plan(everything, {}, Owned().with_table(everything))) == []


class Counting:
    """A netlink socket that calls somebody after each message that it sent."""

    def __init__(self, sock: socket.socket, sent: Callable[[], None]) -> None:
        self._socket, self._sent = sock, sent

    def sendto(self, octets: bytes, to: tuple[int, int]) -> int:
        count = self._socket.sendto(octets, to)
        self._sent()
        return count

    def __getattr__(self, name: str) -> object:
        return getattr(self._socket, name)


def watched(sent: Callable[[], None]) -> Ipvs:
    opened = Ipvs.open()
    assert isinstance(opened, Ipvs), opened
    opened._socket._socket = Counting(opened._socket._socket, sent)  # type: ignore[assignment]
    return opened


def dies(after: int, work: Callable[[Ipvs], object]) -> bool:
    """Whether the process that did the work died of SIGKILL behind so many messages; else it came to its end."""
    pid = os.fork()
    if pid == 0:
        left = after

        def count() -> None:
            nonlocal left
            left -= 1
            if left <= 0:
                os.kill(os.getpid(), signal.SIGKILL)

        try:
            work(watched(count))
            os._exit(0)
        finally:
            os._exit(3)
    _, status = os.waitpid(pid, 0)
    assert status in (0, signal.SIGKILL), f"the writer failed: {status}"
    return status != 0


# ----------------------------------------------------------------------------------------- a reload, message by message


def configuration(services: dict[int, tuple[str, dict[int, int]]], sorry: str = "") -> str:
    """By port: the scheduler, and the weight by real server."""
    text = '[check.c]\ntype = "tcp"\nport = 80\n'
    for port, (scheduler, pool) in services.items():
        rows = ", ".join(f'{{ name = "rs{n}", address = "192.0.2.{10 + n}", weight = {w} }}' for n, w in pool.items())
        text += (
            f'[virtual_service.s{port}]\naddress = "198.51.100.100"\nport = {port}\nscheduler = "{scheduler}"\n'
            f'forwarding_method = "masquerading"\ncheck = ["c"]\n{sorry}real_servers = [{rows}]\n'
        )
    return text


SORRY = 'sorry_server = { address = "192.0.2.99" }\n'
ONE = configuration({80: ("rr", {1: 1, 2: 1}), 81: ("wlc", {1: 2, 2: 5, 3: 1}), 82: ("rr", {4: 1, 5: 1})})
TWO = configuration({80: ("wrr", {2: 3, 3: 1, 4: 1}), 81: ("wlc", {1: 5, 2: 2, 6: 1}), 83: ("mh", {1: 1, 2: 1})}, SORRY)
NONE = ""
VERDICTS = {"rs1": "up", "rs2": "up", "rs3": "down", "rs4": "up", "rs5": "up", "rs6": "up"}


def loaded(ipvs: Ipvs, directory: Path, text: str, verdicts: dict[str, str]) -> Director:
    director = Director(ipvs, directory)
    director.load(text)
    director.judge(**verdicts)
    return director


def successor(ipvs: Ipvs, directory: Path, owned: Owned, text: str, verdicts: dict[str, str]) -> Director:
    """As the daemon starts: what the kernel holds is adopted, then the configuration and the verdicts come."""
    director = Director(ipvs, directory)
    director.deliver(TableAdopted(held(ipvs), owned))
    director.load(text)
    director.judge(**verdicts)
    return director


@contextlib.contextmanager
def message_by_message() -> Iterator[None]:
    before, netlink.BATCH_MESSAGES = netlink.BATCH_MESSAGES, 1
    try:
        yield
    finally:
        netlink.BATCH_MESSAGES = before


def add_foreign(ipvs: Ipvs) -> None:
    """A service that is not ours, and somebody's destination in one that is."""
    ours = sorted(held(ipvs))[:1]
    changes: list[Change] = [
        AddService(FOREIGN, Service("rr")),
        AddDestination(FOREIGN, FOREIGN_AT, Destination(MASQ, 3)),
    ]
    assert ipvs.apply([*changes, *(AddDestination(key, FOREIGN_AT, Destination(MASQ, 0)) for key in ours)]) == []


CHANGES = [(ONE, TWO), (TWO, ONE), (NONE, TWO), (ONE, NONE)]


@pytest.mark.parametrize(("first", "second"), CHANGES, ids=["there", "back", "start", "end"])
def test_kill_9_behind_every_message_of_a_reload(ipvs: Ipvs, tmp_path: Path, first: str, second: str) -> None:
    """Whoever comes next ends at the table of one who was never killed, and no pool was too small in between."""
    old = loaded(ipvs, tmp_path, first, VERDICTS)
    add_foreign(ipvs)
    start, stored_before = held(ipvs), old.level.owned

    def reload(mortal: Ipvs) -> None:
        old.keeper._ipvs = mortal
        old.load(second)

    with message_by_message():
        assert not dies(10_000, reload)  # in a process of its own: here `old` has not read the file yet
        reloaded = held(ipvs)
        whole = successor(ipvs, tmp_path, stored_before, second, VERDICTS)
        assert whole.failures == ()
        wanted, stored_after = saved(), stored_before.together_with(whole.level.owned)
        tables = []
        for kills in range(1, 10_000):
            clear(ipvs)
            assert ipvs.apply(plan({}, start, Owned())) == []
            if not dies(kills, reload):
                break
            found = held(ipvs)
            tables.append(found)
            assert is_emptier(found, start, reloaded) == [], (kills, saved())
            new = successor(ipvs, tmp_path, (stored_before, stored_after)[kills % 2], second, VERDICTS)
            assert new.failures == ()
            assert saved() == wanted, kills
            assert new.audit().repairs == 0
            found = held(ipvs)
            assert found[FOREIGN] == Service("rr", destinations={FOREIGN_AT: Destination(MASQ, 3)})
            assert plan(found, new.level.table, new.level.owned) == []
    way = start  # it died at every step of it; where an audit was due, also behind the messages that only ask
    for change in plan(start, reloaded, stored_after):
        way = apply(way, [change])
        assert way in tables, change
    assert way == reloaded


LARGE = tuple(DestinationKey(bytes((192, 0, 2 + n // 250, n % 250 + 1)), 8080) for n in range(1500))
WEB = ServiceKey(6, bytes((198, 51, 100, 100)), 80)


def large(seed: int) -> Table:
    """Two thirds of the destinations, other ones and other weights each time; more changes than five batches hold."""
    drawn = random.Random(seed)
    return {
        WEB: Service(
            "rr", destinations={at: Destination(MASQ, drawn.randrange(1, 4)) for at in LARGE if drawn.random() < 0.67}
        )
    }


def keep(ipvs: Ipvs, table: Table) -> tuple[str, ...]:
    """What a fresh keeper does that owns all of this."""
    level = Level(
        table, Owned().with_table({WEB: Service("rr", destinations=dict.fromkeys(LARGE, Destination(MASQ, 1)))})
    )
    return TableKeeper(ipvs, 30.0, lambda _: None).round(level).failures


def test_kill_9_between_whole_batches(ipvs: Ipvs) -> None:
    before, after = large(1), large(2)
    assert len(plan(before, after, Owned().with_table(before))) > 4 * netlink.BATCH_MESSAGES
    kills = 0
    while True:
        assert keep(ipvs, before) == ()
        if not dies(kills + 1, lambda mortal: keep(mortal, after)):
            break
        kills += 1
        assert is_emptier(held(ipvs), before, after) == []
        assert keep(ipvs, after) == ()
        assert held(ipvs) == after
    assert kills >= 6  # the dumps are messages too
    assert held(ipvs) == after


def test_kill_9_at_any_instant_of_a_writer_that_never_rests(ipvs: Ipvs) -> None:
    """From outside, wherever it is: in the midst of a `sendmsg`, of a dump, of reading answers."""
    drawn = random.Random(9)
    tables = [large(seed) for seed in (1, 2, 3)]
    met: list[Table] = []
    for _ in range(10):
        ready, tells = os.pipe()
        pid = os.fork()
        if pid == 0:
            with contextlib.suppress(BaseException):
                mine = Ipvs.open()
                assert isinstance(mine, Ipvs)
                for table in itertools.cycle((tables[1], tables[2], tables[0])):
                    keep(mine, table)
                    os.write(tells, b".")
            os._exit(3)
        assert os.read(ready, 1) == b"."  # it wrote once, whatever the machine is busy with
        time.sleep(drawn.uniform(0.0, 0.3))
        os.kill(pid, signal.SIGKILL)
        assert os.waitpid(pid, 0)[1] == signal.SIGKILL
        os.close(ready)
        os.close(tells)
        met.append(held(ipvs))
        assert keep(ipvs, tables[0]) == ()
        assert held(ipvs) == tables[0]
    assert any(each != tables[0] for each in met)


# ---------------------------------------------------------------------------------------- any two tables, and the model


def drawn_table(drawn: random.Random) -> Table:
    return {
        ServiceKey(drawn.choice((6, 17)), bytes((198, 51, 100, 100)), port): Service(
            drawn.choice(("rr", "wlc", "mh")),
            destinations={
                DestinationKey(bytes((192, 0, 2, host)), 8080): Destination(
                    drawn.choice((MASQ, Forwarding.TUNNELING)), drawn.randrange(4), upper_threshold=drawn.choice((0, 9))
                )
                for host in drawn.sample(range(10, 16), drawn.randrange(6))
            },
        )
        for port in drawn.sample(range(80, 84), drawn.randrange(1, 4))
    }


def test_any_table_leads_to_any_other_as_if_it_were_fresh(ipvs: Ipvs) -> None:
    """In the kernel what the properties of the model say: apply(A), apply(B) is apply(B); then there is no plan; after
    each single message no pool is smaller than at both ends, and the table is the one that the model foretells.
    """
    drawn = random.Random(5)
    steps = 0
    for _ in range(40):
        before, after = drawn_table(drawn), drawn_table(drawn)
        clear(ipvs)
        assert ipvs.apply(plan({}, before, Owned())) == []
        foretold = before
        changes = plan(held(ipvs), after, Owned().with_table(before))
        for change in changes:
            assert ipvs.apply([change]) == []
            foretold, steps = apply(foretold, [change]), steps + 1
            found = held(ipvs)
            assert found == foretold
            assert is_emptier(found, before, after) == [], (before, after, change)
        reached = saved()
        assert plan(held(ipvs), after, Owned().with_table(after)) == []
        clear(ipvs)
        assert ipvs.apply(plan({}, after, Owned())) == []
        assert saved() == reached
    assert steps > 200
