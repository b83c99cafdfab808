"""What pools say about routers."""

from haagent.config.model import PoolTrack
from haagent.ipvs.table import Service
from haagent.pool.desired import Pool
from haagent.pool.tracking import tracking
from haagent.vrrp.settings import Term, Tracking
from tests.unit.build import router

EMPTY, SERVING = Pool(Service("wlc")), Pool(Service("wlc"), frozenset({"rs1"}))


def test_an_empty_pool_is_a_fault_where_the_router_says_so():
    tracked = tracking([router(track=(PoolTrack(pool="web", fault=True),))], {"web": EMPTY})
    assert tracked["web"].fault == "pool web is empty: none of its real servers is in service"
    assert tracked["web"].terms == ()


def test_an_empty_pool_is_a_priority_term_otherwise():
    tracks = (PoolTrack(pool="web", priority=-50), PoolTrack(pool="mail", priority=-30))
    empty = {name: f"pool {name} is empty: none of its real servers is in service" for name in ("web", "mail")}
    both = Tracking(terms=(Term(empty["web"], -50), Term(empty["mail"], -30)))
    assert tracking([router(track=tracks)], {"web": EMPTY, "mail": EMPTY})["web"] == both
    one = Tracking(terms=(Term(empty["web"], -50),))
    assert tracking([router(track=tracks)], {"web": EMPTY, "mail": SERVING})["web"] == one


def test_a_pool_that_only_we_cannot_reach():
    here = [router(track=(PoolTrack(pool="web", when="empty_here", priority=-50),))]
    term = Term("pool web has no healthy real server here, and a peer reaches it", -50)
    assert tracking(here, {"web": EMPTY}, at_fault={"web"})["web"] == Tracking(terms=(term,))
    assert tracking(here, {"web": EMPTY}, at_fault={"mail"})["web"] == Tracking()
    back = Pool(Service("wlc"), frozenset({"rs1"}), healthy=1, total=2)
    assert tracking(here, {"web": back}, at_fault={"web"})["web"] == Tracking()  # the peer's word is older


def test_a_serving_pool_says_nothing_and_untracked_routers_are_not_named():
    assert tracking([router(track=(PoolTrack(pool="web", fault=True),))], {"web": SERVING}) == {"web": Tracking()}
    assert tracking([router()], {"web": EMPTY}) == {}


def test_below_the_quorum():
    tracks = (PoolTrack(pool="web", when="below_quorum", fault=True),)
    below = Pool(Service("wlc"), frozenset({"rs1"}), live_weight=1)
    assert (
        tracking([router(track=tracks)], {"web": below})["web"].fault == "pool web is below its quorum: live weight 1"
    )
    assert tracking([router(track=tracks)], {"web": Pool(Service("wlc"), has_quorum=True)})["web"] == Tracking()


def test_below_a_fraction():
    tracks = (PoolTrack(pool="web", when="below_fraction", fraction=0.5, priority=-9),)
    assert tracking([router(track=tracks)], {"web": Pool(Service("wlc"), healthy=1, total=3)})["web"].terms == (
        Term("pool web has 1 of 3 real servers healthy", -9),
    )
    assert tracking([router(track=tracks)], {"web": Pool(Service("wlc"), healthy=1, total=2)})["web"].terms == ()
