"""What a preemption waits for, from the evidence alone."""

from dataclasses import replace

import pytest

from haagent.ipvs.daemon import SyncDaemon, SyncRole
from haagent.pool.guard import Evidence, hold, is_receiving, warm_at

READY = Evidence(has_pools=True, is_audited=True, receives=True, receiving_since=100.0, warm_time=20.0)
DAEMON = SyncDaemon("eth2", 3)


@pytest.mark.parametrize(
    ("evidence", "words"),
    [
        (Evidence(), ""),
        (READY, ""),
        (replace(READY, unjudged=1), "not every check has given its first verdict"),
        (replace(READY, is_audited=False), "no audit has found the kernel's table as it should be yet"),
        (replace(READY, receiving_since=None), "connection sync does not receive"),
        (replace(READY, receiving_since=101.0), "connection sync has received for less than 20 s"),
        (Evidence(receives=True), "connection sync does not receive"),
        (replace(READY, receives=False, receiving_since=None), ""),
    ],
)
def test_one_reason(evidence: Evidence, words: str) -> None:
    assert hold(evidence, 120.0) == words


def test_two_reasons() -> None:
    evidence = replace(READY, unjudged=3, is_audited=False, receiving_since=119.0)
    assert hold(evidence, 120.0) == (
        "not every check has given its first verdict; connection sync has received for less than 20 s"
    )


def test_it_is_over_by_itself_once() -> None:
    assert warm_at(READY) == 120.0
    assert hold(READY, 119.999) != hold(READY, 120.0)
    assert warm_at(replace(READY, receives=False)) is None


def test_the_receiver_that_is_wanted() -> None:
    assert is_receiving({SyncRole.RECEIVER: DAEMON}, {SyncRole.RECEIVER: DAEMON})
    assert not is_receiving({SyncRole.SENDER: DAEMON}, {SyncRole.RECEIVER: DAEMON})
    assert not is_receiving({SyncRole.RECEIVER: replace(DAEMON, sync_id=4)}, {SyncRole.RECEIVER: DAEMON})
    assert not is_receiving({SyncRole.RECEIVER: DAEMON}, {})
