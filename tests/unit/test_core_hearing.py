"""Who answers for many addresses, told to a peer in few words."""

import math

from msgspec import structs

from haagent.core.hearing import Answered, Hearing, absolute, answered, answers, is_finite, relative

ADDRESSES = tuple(f"192.0.2.{host}" for host in range(100, 140))
ACTIVE, FOREIGN = "02:00:00:00:00:01", "02:00:00:00:00:09"
HEARD = {address: frozenset((ACTIVE,)) for address in ADDRESSES}


def test_what_is_the_same_for_most_is_said_once_and_comes_back() -> None:
    heard = {**HEARD, "192.0.2.110": frozenset((ACTIVE, FOREIGN))}
    del heard["192.0.2.111"]  # nobody answers
    told = answered(ADDRESSES, heard, 5.0)
    assert told == Answered(at=5.0, most=(ACTIVE,), others={"192.0.2.110": (ACTIVE, FOREIGN), "192.0.2.111": ()})
    assert answers(ADDRESSES, told) == heard
    assert answers((), told) == answers(ADDRESSES, answered(ADDRESSES, {}, 5.0)) == {}


def test_what_is_no_mac_is_not_taken() -> None:
    told = Answered(
        at=5.0, most=("x" * 4000, "02:00:00:00:00:0A", f"{ACTIVE}:01", FOREIGN), others={"198.51.100.1": (ACTIVE,)}
    )
    assert answers(("192.0.2.100",), told) == {"192.0.2.100": frozenset((FOREIGN,))}


def test_its_instant_moves_with_the_others() -> None:
    owners = Answered(at=95.0)
    hearing = Hearing(router="web", state="backup", since=90.0, at=99.0, priority=1, interval=1.0, owners=owners)
    (said,) = relative((hearing,), 100.0)
    assert said.owners is not None
    assert said.owners.at == -5.0
    (heard,) = absolute((said,), 1000.0)
    assert heard.owners is not None
    assert heard.owners.at == 995.0
    assert is_finite(hearing)
    assert not is_finite(structs.replace(hearing, owners=Answered(at=math.nan)))
