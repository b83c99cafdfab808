"""Who speaks for a VRID, counted; and a flood of sources that grows nothing."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from haagent.vrrp.advertisement import Advertisement, ChecksumForm
from haagent.vrrp.sources import FORGET_TIME, MOST_ACCEPTED, MOST_REFUSED, Sources

PEER = bytes((192, 0, 2, 1))
HEARD = Advertisement(51, 200, 1.0, (bytes((192, 0, 2, 100)),), ChecksumForm.PSEUDO_HEADER)
V2 = bytes((0x21, 51, 100, 1, 1, 1, 0, 0))


def test_what_is_kept_of_a_source() -> None:
    sources = Sources()
    sources.hear(PEER, HEARD, 10.0)
    sources.hear(PEER, replace(HEARD, priority=0), 11.0)
    (source,) = sources.all()
    assert (source.address, source.heard, source.first_at, source.last_at) == (PEER, 2, 10.0, 11.0)
    assert (source.priority, source.version, source.interval, source.checksum) == (0, 3, 1.0, "pseudo_header")
    assert (source.refusal, source.addresses) == ("", HEARD.addresses)


def test_one_that_is_refused_now_and_then_stands_in_both() -> None:
    sources = Sources()
    sources.hear(PEER, HEARD, 10.0)
    sources.refuse(PEER, V2, "version", 11.0)
    sources.refuse(PEER, V2[:2], "length", 12.0)
    accepted, refused = sources.all()
    assert (accepted.last_at, accepted.refusal) == (10.0, "")
    assert (refused.heard, refused.refusal, refused.version, refused.priority) == (2, "length", 2, 0)


def test_the_silent_make_room() -> None:
    sources = Sources()
    for number in range(MOST_ACCEPTED):
        sources.hear(bytes((192, 0, 2, number)), HEARD, float(number))
    sources.hear(PEER[:3] + b"\xff", HEARD, FORGET_TIME - 0.1)
    assert sources.uncounted == 1
    sources.hear(PEER[:3] + b"\xff", HEARD, FORGET_TIME)
    assert len(sources.accepted) == MOST_ACCEPTED
    assert bytes((192, 0, 2, 0)) not in sources.accepted
    assert sources.accepted[PEER[:3] + b"\xff"].heard == 1


@given(st.lists(st.tuples(st.binary(min_size=4, max_size=4), st.booleans(), st.floats(0, 30)), max_size=200))
def test_a_flood_grows_nothing_and_displaces_nobody_who_speaks(flood: list[tuple[bytes, bool, float]]) -> None:
    sources = Sources()
    sources.hear(PEER, HEARD, 0.0)
    for address, is_accepted, now in sorted(flood, key=lambda each: each[2]):
        if is_accepted:
            sources.hear(address, HEARD, now)
        else:
            sources.refuse(address, V2, "version", now)
    assert len(sources.accepted) <= MOST_ACCEPTED
    assert len(sources.refused) <= MOST_REFUSED
    assert PEER in sources.accepted
    assert sum(each.heard for each in sources.all()) + sources.uncounted == len(flood) + 1
