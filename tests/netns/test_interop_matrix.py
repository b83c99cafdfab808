"""The interop matrix: us and each peer, as Active and Backup, versions 2 and 3, both families, multicast and unicast.

In each election the stronger one is stopped, killed and cut off, and comes back: exactly one router answers for the
virtual address, and the client's neighbor cache has its MAC, without the client asking. The elections are independent
and wait most of the time, so they run side by side; each test asserts its own. INTEROP_MD=FILE writes docs/interop.md.
"""

import os
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.netns.claims import claimants
from tests.netns.participants import PROGRAMS, Frr, Haagent, Participant, Terms
from tests.netns.segment import Segment, wait_until

pytestmark = pytest.mark.root

AT_ONCE = 8
LOCKTIME = 2.0  # seconds: our first burst, and one more
PATIENCE = 8.0  # seconds for a step; an election of version 2 takes 3.6


@dataclass(frozen=True)
class Case:
    """One cell of the matrix."""

    peer: str
    role: str  # ours
    terms: Terms

    @property
    def name(self) -> str:
        return f"{self.peer} {self.role} {self.terms}"


@dataclass
class Seen:
    """What happened, step by step: seconds until the right one was the owner, or what was there instead."""

    took: dict[str, float] = field(default_factory=dict)
    wrong: dict[str, str] = field(default_factory=dict)


def cases() -> Iterator[Case]:
    protocols = (Terms(2, 4), Terms(3, 4), Terms(3, 6))
    for peer in PROGRAMS:
        for role in ("active", "backup"):
            for terms in protocols:
                has_password = peer == "keepalived" and terms.version == 2
                yield Case(peer, role, Terms(terms.version, terms.family, False, has_password))
                if peer != "FRR":  # which has no unicast
                    yield Case(peer, role, Terms(terms.version, terms.family, True, False))


CASES = list(cases())


class Election:
    """The segment of one case."""

    def __init__(self, case: Case, segment: Segment, path: Path) -> None:
        self.case, self.segment, self.seen = case, segment, Seen()
        ours, theirs = (200, 100) if case.role == "active" else (100, 200)
        for each in ("ours", "theirs"):
            (path / each).mkdir()
        us: Participant = Haagent(segment, "ours", path / "ours", case.terms, ours, "theirs")
        peer: Participant = PROGRAMS[case.peer](segment, "theirs", path / "theirs", case.terms, theirs, "ours")
        self.strong, self.weak = (us, peer) if case.role == "active" else (peer, us)
        for number, host in enumerate(segment.hosts.values(), 1):
            host.run("ip", "addr", "add", f"2001:db8::{number}/64", "dev", "eth0", "nodad")
        assert wait_until(lambda: not any("tentative" in h.run("ip", "-6", "addr") for h in segment.hosts.values()))

    def play(self) -> Seen:
        client = self.segment.hosts["client"]
        self.weak.start()
        self.strong.start()
        self.expect("start", self.strong, asks_first=True)
        client.ping(self.case.terms.virtual)
        self.strong.stop()
        self.expect("stop", self.weak)
        self.calm()
        self.strong.start()
        self.expect("return", self.strong)
        self.strong.kill()
        self.expect("kill", self.weak, asks=False)
        self.calm()
        self.strong.start()
        self.expect("return after the kill", self.strong)
        self.segment.cut(self.strong.name)
        self.expect("cut", self.weak)
        self.calm()
        self.segment.heal(self.strong.name)
        self.expect("heal", self.strong, is_told=self.strong_is_told)
        return self.seen

    def calm(self) -> None:
        """FRR announces each takeover once, and Linux clients do not believe what comes within a second of our own
        burst (locktime, arp(7)): give it time."""
        if self.case.peer == "FRR" and self.case.role == "backup":
            time.sleep(LOCKTIME)

    @property
    def strong_is_told(self) -> bool:
        """FRR 8.4 does not notice that its carrier went: it was Active all the time, and announces nothing when the
        link heals, not even when our last advertisement says that there were two. The client has to find out itself."""
        return (self.case.peer, self.case.role) != ("FRR", "backup")

    def expect(
        self, step: str, owner: Participant, *, asks_first: bool = False, is_told: bool = True, asks: bool = True
    ) -> None:
        """`asks_first`: the client has no cache entry yet that an announcement could change. Not `asks`: the kernel of
        a killed router answers too, and the client would take that in."""
        client, virtual, begun = self.segment.hosts["client"], self.case.terms.virtual, time.monotonic()

        # FRR announces once, and Linux ignores what comes within a second of the last change (locktime): whether a
        # cache follows FRR is a matter of luck. Who answers for the address is checked all the same.
        is_told = is_told and not isinstance(owner, Frr)

        def is_known() -> bool:
            if asks_first:
                client.ping(virtual)
            return client.neighbour(virtual) == owner.mac

        def answering() -> set[str]:
            return claimants(client, self.case.terms.own(self.segment, "client"), virtual)

        wait_until(is_known, PATIENCE, 0.05) if is_told else wait_until(lambda: answering() == {owner.mac})
        took = time.monotonic() - begun
        time.sleep(4 * self.case.terms.interval)
        cache = client.neighbour(virtual)  # before we ask, for then it may change
        answers = {owner.mac}
        if asks:
            wait_until(lambda: answering() == {owner.mac})
            answers = answering()
        if answers == {owner.mac} and (cache == owner.mac or not is_told):
            self.seen.took[step] = took
        else:
            names = {self.strong.mac: self.strong.name, self.weak.mac: self.weak.name, "": "nobody"}
            who = ", ".join(sorted(names.get(each, each) for each in answers)) or "nobody"
            self.seen.wrong[step] = f"expected {owner.name}: {who} answers, cached is {names.get(cache, cache)}"


def play(case: Case, path: Path) -> Seen:
    with Segment("ours", "theirs", "client", prefix="hi") as segment:
        return Election(case, segment, path).play()


@pytest.fixture(scope="module")
def elections(
    tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Iterator[dict[Case, "Future[Seen]"]]:
    """Those that were asked for, all under way."""
    items = [each for each in request.session.items if isinstance(each, pytest.Function) and hasattr(each, "callspec")]
    wanted: list[Case] = [each.callspec.params["case"] for each in items if each.path == request.path]  # type: ignore[misc]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        futures = {case: pool.submit(play, case, tmp_path_factory.mktemp("case")) for case in wanted}
        yield futures
    if page := os.environ.get("INTEROP_MD"):
        Path(page).write_text(render({case: future.result() for case, future in futures.items()}))


@pytest.mark.timeout(400)
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_one_owner_after_every_step(elections: dict[Case, "Future[Seen]"], case: Case) -> None:
    seen = elections[case].result()
    assert not seen.wrong, seen
    assert len(seen.took) == 7


STEPS = ("start", "stop", "return", "kill", "return after the kill", "cut", "heal")


def render(results: dict[Case, Seen]) -> str:
    """docs/interop.md: what `INTEROP_MD=docs/interop.md pytest tests/netns/test_interop_matrix.py` saw."""
    head = (Path(__file__).parent / "interop-head.md").read_text()
    rows = [
        "| peer | we are | version, family, transport | " + " | ".join(STEPS) + " |",
        "|---" * (3 + len(STEPS)) + "|",
    ]
    for case, seen in results.items():
        cells = [
            f"{seen.took[step]:.2f}" if step in seen.took else f"**{seen.wrong.get(step, '-')}**" for step in STEPS
        ]
        rows.append(f"| {case.peer} | {case.role.capitalize()} | {case.terms} | " + " | ".join(cells) + " |")
    return head + "\n".join(rows) + "\n"
