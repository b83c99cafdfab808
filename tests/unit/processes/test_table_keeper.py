"""What counts as somebody else's doing, and what as one cause. The keeper itself: tests/kernel/inside_daemon.py."""

import errno

from haagent.ipvs.plan import AddDestination, AddService, Change, Owned, RemoveDestination, SetDestination, SetService
from haagent.ipvs.table import Destination, DestinationKey, Forwarding, Service, ServiceKey, Table
from haagent.processes.table_keeper import Level, is_race, undone, without_consequences

WEB, OTHER = (ServiceKey(6, bytes((198, 51, 100, n)), 80) for n in (100, 101))
A, B = (DestinationKey(bytes((198, 51, 100, n)), 80) for n in (11, 12))
ONE, TWO = Destination(Forwarding.DIRECT_ROUTING, 1), Destination(Forwarding.DIRECT_ROUTING, 2)
LEVEL = Level({WEB: Service("wlc", destinations={A: ONE, B: TWO})}, Owned())


def test_at_the_first_look_nothing_is_somebody_elses():
    assert undone([AddDestination(WEB, A, ONE)], None, LEVEL) == 0


def test_what_we_had_still_to_do_is_ours_and_the_rest_is_not():
    believed: Table = {WEB: Service("wlc", destinations={A: ONE, B: ONE})}  # B's new weight is still to be set
    done: list[Change] = [AddDestination(WEB, A, ONE), SetDestination(WEB, B, TWO)]
    assert undone(done, believed, LEVEL) == 1
    assert undone(done[1:], believed, LEVEL) == 0
    assert undone([], believed, LEVEL) == 0


def test_a_missing_scheduler_is_no_race_and_a_vanished_entry_is():
    assert not is_race((AddService(WEB, Service("twos")), errno.ENOENT))
    assert not is_race((SetService(WEB, Service("twos")), errno.ENOENT))
    assert not is_race((AddDestination(WEB, A, ONE), errno.EINVAL))
    assert is_race((AddService(WEB, Service("rr")), errno.EEXIST))
    assert is_race((RemoveDestination(WEB, A), errno.ENOENT))
    assert is_race((AddDestination(WEB, A, ONE), errno.ESRCH))


def test_after_lost_answers_we_look_again():
    assert is_race((AddDestination(WEB, A, ONE), errno.ENOBUFS))


def test_one_cause_is_one_sentence():
    lacking = AddService(WEB, Service("twos")), errno.ENOENT
    elsewhere = AddDestination(OTHER, A, ONE), errno.EINVAL
    refused = [lacking, (AddDestination(WEB, A, ONE), errno.ESRCH), elsewhere]
    assert without_consequences(refused) == [lacking, elsewhere]
