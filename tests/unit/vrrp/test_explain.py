"""The sentences that people read at three in the morning."""

from dataclasses import replace
from math import inf

import pytest

from haagent.vrrp.events import DeadlinePassed, Event, LeaveAsked, SegmentChanged, Startup
from haagent.vrrp.explain import Heard, explain
from haagent.vrrp.router import Active, Backup, Initialize, Leaving, Lingering, State
from haagent.vrrp.virtual_router import VirtualRouter
from tests.rfc.rows import ACTIVE, BACKUP, INCUMBENT, LOW, NOW, ROUTER, STICKY, heard

GONE = Backup(NOW + 3.0, 1.0, LOW, inf)
LAST = Heard(LOW, 100, NOW)


@pytest.mark.parametrize(
    ("router", "state", "following", "event", "sentence"),
    [
        (ROUTER, Initialize(), BACKUP, Startup(), "started; listening for an Active router"),
        (
            replace(ROUTER, hold_off=10.0), Initialize(), BACKUP, Startup(),
            "started; holding off for at most 10 s, until something is received",
        ),
        (ROUTER, ACTIVE, BACKUP, heard(200), "192.0.2.1 has priority 200, ours is 100"),
        (STICKY, INCUMBENT, BACKUP, heard(255), "192.0.2.1 has priority 255, ours is 254"),
        (ROUTER, ACTIVE, BACKUP, heard(100), "192.0.2.1 has the same priority 100 and the greater address"),
        (
            ROUTER, ACTIVE, Leaving(NOW, inf), LeaveAsked(inf),
            "handing over: it holds the addresses until the peer has announced them",
        ),
        (ROUTER, Leaving(NOW, inf), Lingering(NOW, GONE), heard(50), "handing over: 192.0.2.1 takes over"),
        (
            ROUTER, Leaving(NOW, inf), ACTIVE, DeadlinePassed(),
            "no peer took over within 4 s: it stays here",
        ),
        (ROUTER, Leaving(NOW, None), Initialize(), DeadlinePassed(), "stopped; no peer took over"),
        (ROUTER, Lingering(NOW, GONE), GONE, DeadlinePassed(), "handed over to 192.0.2.1"),
        (ROUTER, Lingering(NOW, Initialize()), Initialize(), DeadlinePassed(), "stopped; 192.0.2.1 has taken over"),
        (ROUTER, Initialize(), Initialize(), SegmentChanged(), "SegmentChanged"),
    ],
)  # fmt: skip
def test_sentences(router: VirtualRouter, state: State, following: State, event: Event, sentence: str) -> None:
    assert explain(router, state, following, event, NOW, LAST) == sentence


def test_nobody_was_heard() -> None:
    due = Backup(NOW, 1.0)
    after = Active(NOW + 1.0, NOW, 1, NOW)
    assert explain(ROUTER, due, after, DeadlinePassed(), NOW, None) == "no Active router was heard for 3 s and the skew"
