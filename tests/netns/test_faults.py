"""Faults on real kernels: processes that are stopped, killed and started again, datagrams that are lost, ways that are
cut in one direction, sends that are refused. Afterwards: exactly one owner, the rightful one, and nobody's late word.

Several pairs share one bridge and the time that a fault takes. What is expected under loss: a Backup router takes over
when it misses three advertisements in a row. Of those with a share p lost that comes once in (1 - p^3) / ((1 - p) p^3)
intervals: at 10 % and 100 ms every 111 s, at 30 % every 5 s, at 60 % every 0.9 s. That is the protocol, not a fault of
either side, so how often is printed and not asserted. What must hold: without loss nothing moves, and once the loss is
over there is one Active router, at once and for good.
"""

import os
import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from haagent.processes.vrrp_messages import SetRouters
from tests.netns.pairs import HIGH, IN_FLIGHT, LOW, Pair, losers_words, make_pair
from tests.netns.segment import Host, Segment, Vrrp, end, router, run, wait_until
from tests.netns.wire import Wire

pytestmark = pytest.mark.root

VIRTUAL = "192.0.2.100"


def pairs_of(count: int) -> list[str]:
    return [f"{side}{number}" for number in range(count) for side in "ab"]


@pytest.fixture
def segment() -> Iterator[Segment]:
    with Segment("a0", "b0", "client", prefix="hq") as each:
        yield each


@pytest.fixture
def pair(segment: Segment, tmp_path: Path) -> Pair:
    return make_pair(segment, tmp_path, 0, HIGH, LOW)


# ------------------------------------------------------------------------------------------------------------ SIGSTOP


def test_stopped_for_a_while_and_continued(tmp_path: Path) -> None:
    """The Active router does not run for 0.5, 2 and 10 s; the others take over. Continued, the better one takes back;
    the lesser one is Backup before it says anything but its last word, for which it lost."""
    times = (0.5, 2.0, 10.0, 2.0)
    with Segment(*pairs_of(len(times)), "client", prefix="hq") as segment, Wire(segment.hosts["client"]) as wire:
        pairs = [make_pair(segment, tmp_path, number, HIGH, LOW) for number in range(3)]
        better_peer = router(priority=200, preempt=False)
        pairs.append(make_pair(segment, tmp_path, 3, LOW, better_peer))
        stopped_at = time.monotonic()
        for pair in pairs:
            os.kill(pair.vrrps[0].pid, signal.SIGSTOP)
        for pair in pairs:
            assert wait_until(lambda pair=pair: pair.vrrps[1].director.state() == "active")
        continued: dict[int, float] = {}
        for seconds, pair in sorted(zip(times, pairs, strict=True), key=lambda each: each[0]):
            time.sleep(max(0.0, stopped_at + seconds - time.monotonic()))
            continued[pair.vrid] = time.monotonic()
            os.kill(pair.vrrps[0].pid, signal.SIGCONT)
        for pair, winner in zip(pairs, (0, 0, 0, 1), strict=True):
            assert wait_until(lambda pair=pair, winner=winner: pair.has_settled_on(winner)), pair.transitions()
        time.sleep(0.5)  # several intervals of calm
        for pair, winner in zip(pairs, (0, 0, 0, 1), strict=True):
            assert pair.has_settled_on(winner), pair.transitions()
            said = wire.since(continued[pair.vrid], pair.vrid)
            assert len(losers_words(said, pair.ip(winner))) <= IN_FLIGHT, said
        lesser = pairs[3]
        late = [each for each in wire.since(continued[lesser.vrid], lesser.vrid) if each.source == lesser.ip(0)]
        assert [each.priority for each in late] in ([100], [100, 100])  # in both checksum forms at most
        assert [state for state, _ in lesser.vrrps[1].director.transitions()][-1] == "active"
        assert len(lesser.vrrps[1].director.transitions()) == 2  # Backup, Active: nothing took it away again


# ------------------------------------------------------------------------------------------------------------ kill -9


def test_killed_and_started_again_and_again(pair: Pair) -> None:
    """A supervisor that restarts at once: each successor sweeps, hears who is there, and wins by its priority."""
    director = pair.vrrps[0].director
    vrrp = pair.vrrps[0]
    for _ in range(4):
        end(vrrp.process, signal.SIGKILL)
        connections = director.connections
        vrrp = pair.segment.restart_vrrp(pair.names[0], director)
        assert wait_until(lambda connections=connections: director.connections > connections)
        time.sleep(0.1)  # killed in the midst of its start, too
    assert wait_until(lambda: pair.has_settled_on(0)), pair.transitions()
    time.sleep(0.5)
    assert pair.has_settled_on(0), pair.transitions()


# ------------------------------------------------------------------------------------------------- loss, one-way cuts


def filter_vrrp(segment: Segment, name: str, hook: str, verdict: str) -> None:
    """A rule of the host's own on protocol 112; flush_vrrp takes it away."""
    segment.hosts[name].run(
        "nft",
        f"add table inet faults; add chain inet faults {hook} {{ type filter hook {hook} priority 0; }};"
        f" add rule inet faults {hook} ip protocol 112 {verdict}",
    )


def flush_vrrp(segment: Segment, name: str) -> None:
    segment.hosts[name].run("nft", "delete table inet faults")


def test_loss_of_up_to_60_percent_in_both_directions(tmp_path: Path) -> None:
    shares = (0, 10, 30, 60)
    with Segment(*pairs_of(len(shares)), "client", prefix="hq") as segment, Wire(segment.hosts["client"]) as wire:
        pairs = [make_pair(segment, tmp_path, number, HIGH, LOW) for number in range(len(shares))]
        before = {pair.vrid: len(pair.vrrps[1].director.transitions()) for pair in pairs}
        for share, pair in zip(shares, pairs, strict=True):
            for name in pair.names:
                filter_vrrp(segment, name, "input", f"numgen random mod 100 < {share} drop")
        time.sleep(4.0)
        for share, pair in zip(shares, pairs, strict=True):
            takeovers = [state for state, _ in pair.vrrps[1].director.transitions()[before[pair.vrid] :]]
            print(f"{share} % lost: {takeovers.count('active')} takeovers in 4 s")
        over_at = time.monotonic()
        for pair in pairs:
            for name in pair.names:
                flush_vrrp(segment, name)
        for pair in pairs:
            assert wait_until(lambda pair=pair: pair.has_settled_on(0)), pair.transitions()
        time.sleep(0.5)
        for pair in pairs:
            assert pair.has_settled_on(0), pair.transitions()
            said = wire.since(over_at, pair.vrid)
            assert len(losers_words(said, pair.ip(0))) <= IN_FLIGHT, said
        assert len(pairs[0].vrrps[1].director.transitions()) == before[pairs[0].vrid]  # without loss nothing moved


def test_a_backup_that_is_deaf_and_an_active_that_is_deaf(tmp_path: Path) -> None:
    """One way is cut. A deaf Backup becomes Active beside the better one, which it cannot hear: that one goes on, and
    answers each of its announcements, so the clients keep to it. A deaf Active has nothing to hear."""
    with Segment(*pairs_of(2), "client", prefix="hq") as segment, Wire(segment.hosts["client"]) as wire:
        deaf_backup, deaf_active = (make_pair(segment, tmp_path, number, HIGH, LOW) for number in range(2))
        filter_vrrp(segment, "b0", "input", "drop")
        filter_vrrp(segment, "a1", "input", "drop")
        assert wait_until(lambda: deaf_backup.states() == ("active", "active"))
        client, better = segment.hosts["client"], segment.hosts["a0"]
        assert wait_until(lambda: client.ping(deaf_backup.virtual) and client.neighbour("192.0.2.100") == better.mac())
        time.sleep(1.0)
        assert deaf_active.has_settled_on(0)
        assert len(deaf_active.vrrps[1].director.transitions()) == 1  # Backup, ever since
        over_at = time.monotonic()
        for name in ("b0", "a1"):
            flush_vrrp(segment, name)
        for pair in (deaf_backup, deaf_active):
            assert wait_until(lambda pair=pair: pair.has_settled_on(0)), pair.transitions()
            assert len(losers_words(wire.since(over_at, pair.vrid), pair.ip(0))) <= IN_FLIGHT


# ----------------------------------------------------------------------------------------------------- refused sends


def counted(vrrp: Vrrp) -> tuple[int, int]:
    """Sends that failed, advertisements that were sent, in one report."""
    report = vrrp.director.report()
    counters = report.counters if report else {}
    return counters.get("send_failures", 0), counters.get("advertisements_sent", 0)


def queue(host: Host, verb: str, *what: str) -> None:
    host.run("tc", "qdisc", verb, "dev", "eth0", "root", *what)


@pytest.mark.parametrize("how", ["a queue that is full", "a filter that refuses", "an interface that is down"])
def test_sends_that_fail_are_counted_and_end_nothing(segment: Segment, tmp_path: Path, how: str) -> None:
    """ENOBUFS, EPERM, ENETDOWN. The peer takes over from who cannot be heard; afterwards all is as before."""
    pair = make_pair(segment, tmp_path, 0, router(priority=200, mute_hold=0.5), LOW)
    a, b = pair.vrrps
    before, _ = counted(a)
    host, name = pair.segment.hosts[pair.names[0]], pair.names[0]
    match how:
        case "a queue that is full":  # less than a packet fits in: each is dropped on the way, which is ENOBUFS
            queue(host, "add", "tbf", "rate", "8bit", "burst", "20b", "limit", "20b")
        case "a filter that refuses":
            filter_vrrp(pair.segment, name, "output", "drop")
        case _:
            host.run("ip", "link", "set", "eth0", "down")
    assert wait_until(lambda: b.director.state() == "active"), pair.transitions()
    assert wait_until(lambda: counted(a)[0] > before)
    if how != "an interface that is down":  # there it says farewell once, in vain, and is silent
        failed, sent = counted(a)
        assert wait_until(lambda: counted(a)[0] > failed)
        assert counted(a)[1] == sent  # none of them is taken for sent
    assert a.process.poll() is None
    match how:
        case "a queue that is full":
            queue(host, "del")
        case "a filter that refuses":
            flush_vrrp(pair.segment, name)
        case _:
            host.run("ip", "link", "set", "eth0", "up")
    assert wait_until(lambda: pair.has_settled_on(0)), pair.transitions()


def test_who_is_mute_yields_and_comes_back_when_it_can_speak(tmp_path: Path) -> None:
    """Its own kernel refuses what the Active router says, and it hears the peer that took over: that one alone serves,
    for as long as it lasts, through several attempts. With a hold of 1 s the next ones are after 1, 2, 4, 8 s."""
    with Segment("a0", "b0", "client", prefix="hq") as segment, Wire(segment.hosts["client"]) as wire:
        high = router(priority=200, mute_hold=1.0)
        pair = make_pair(segment, tmp_path, 0, high, LOW)
        a, b = pair.vrrps
        filter_vrrp(segment, "a0", "output", "drop")
        assert wait_until(lambda: pair.has_settled_on(1)), pair.transitions()
        taken = pair.transitions()
        failed, _ = counted(a)
        until = time.monotonic() + 5.0  # two attempts at least
        while time.monotonic() < until:
            assert pair.owners() == ["b0"], pair.transitions()
            time.sleep(0.05)
        assert wait_until(lambda: counted(a)[0] >= failed + 2)
        assert pair.transitions() == taken  # nobody moved
        report = a.director.report()
        assert report is not None
        assert report.yields
        assert report.reason == (
            f"our advertisements are refused by the kernel (Operation not permitted): {pair.ip(1)} serves"
        )
        over_at = time.monotonic()
        flush_vrrp(segment, "a0")
        assert wait_until(lambda: pair.has_settled_on(0), 15.0), pair.transitions()
        assert len(losers_words(wire.since(over_at, pair.vrid), pair.ip(0))) <= IN_FLIGHT
        assert wait_until(lambda: (now := a.director.report()) is not None and "go out again" in now.reason)
        time.sleep(0.5)
        assert pair.has_settled_on(0), pair.transitions()
        assert [state for state, _ in b.director.transitions()][-2:] == ["active", "backup"]


def test_who_never_could_speak_does_not_preempt(segment: Segment, tmp_path: Path) -> None:
    """The better one comes back and its kernel refuses: it holds the address at no time, and no client hears of it."""
    low = segment.start_vrrp("b0", tmp_path, LOW)
    assert wait_until(lambda: low.director.state() == "active")
    client, serving = segment.hosts["client"], segment.hosts["b0"].mac()
    assert client.ping(VIRTUAL)
    filter_vrrp(segment, "a0", "output", "drop")
    high = segment.start_vrrp("a0", tmp_path, router(priority=200, mute_hold=1.0))
    assert wait_until(lambda: (now := high.director.report()) is not None and "refused" in now.reason)
    until = time.monotonic() + 2.0
    while time.monotonic() < until:
        assert segment.owners(VIRTUAL) == ["b0"]
        assert client.neighbour(VIRTUAL) == serving
        time.sleep(0.05)
    assert high.director.state() == "backup"
    flush_vrrp(segment, "a0")
    assert wait_until(lambda: segment.owners(VIRTUAL) == ["a0"], 15.0)
    assert wait_until(lambda: client.ping(VIRTUAL) and client.neighbour(VIRTUAL) == segment.hosts["a0"].mac())


def test_who_reaches_one_of_two_peers_is_not_mute(segment: Segment, tmp_path: Path) -> None:
    peer, nobody = segment.hosts["b0"].ip, "192.0.2.77"
    both = tuple(socket.inet_aton(each) for each in (peer, nobody))
    back = (socket.inet_aton(segment.hosts["a0"].ip),)
    high, low = router(priority=200, unicast_peers=both), router(priority=100, unicast_peers=back)
    pair = make_pair(segment, tmp_path, 0, high, low)
    failed, _ = counted(pair.vrrps[0])
    filter_vrrp(segment, "a0", "output", f"ip daddr {nobody} drop")
    assert wait_until(lambda: counted(pair.vrrps[0])[0] > failed + 8)
    report = pair.vrrps[0].director.report()
    assert report is not None
    assert "refused" not in report.reason
    assert pair.has_settled_on(0), pair.transitions()


def test_who_is_mute_and_alone_stays_active_and_says_so(segment: Segment, tmp_path: Path) -> None:
    alone = segment.start_vrrp("a0", tmp_path, HIGH)
    assert wait_until(lambda: alone.director.state() == "active")
    filter_vrrp(segment, "a0", "output", "drop")
    assert wait_until(lambda: (now := alone.director.report()) is not None and "nobody else is heard" in now.reason)
    assert segment.owners(VIRTUAL) == ["a0"]
    flush_vrrp(segment, "a0")
    assert wait_until(lambda: (now := alone.director.report()) is not None and "go out again" in now.reason)
    assert alone.director.state() == "active"


# ------------------------------------------------------------------------------------------------ somebody else's hand


def test_all_addresses_are_flushed_its_own_too(pair: Pair) -> None:
    """As `ifdown` or a script for the network does: without an address of its own it takes no part, and says so."""
    a, _ = pair.vrrps
    host = pair.segment.hosts[pair.names[0]]
    host.run("ip", "addr", "flush", "dev", "eth0")
    assert wait_until(lambda: pair.owners() == [pair.names[1]]), pair.transitions()
    assert a.director.state() == "initialize"
    host.run("ip", "addr", "add", f"{host.ip}/24", "dev", "eth0")
    assert wait_until(lambda: pair.has_settled_on(0)), pair.transitions()


def test_addresses_are_deleted_while_it_is_stopped(pair: Pair) -> None:
    """Nobody listens to the kernel then: what it told is read afterwards, or the audit finds it."""
    a, b = pair.vrrps
    os.kill(a.pid, signal.SIGSTOP)
    pair.segment.hosts[pair.names[0]].run("ip", "addr", "del", f"{pair.virtual}/24", "dev", "eth0")
    assert wait_until(lambda: b.director.state() == "active")
    os.kill(a.pid, signal.SIGCONT)
    assert wait_until(lambda: pair.has_settled_on(0)), pair.transitions()
    a.director.say(SetRouters(()))
    assert wait_until(lambda: pair.owners() == [pair.names[1]])
    assert run("ip", "-4", "addr", netns=pair.segment.hosts[pair.names[0]].netns).count(VIRTUAL) == 0
