"""The pool, or this director."""

from haagent.health.blame import Blame, PeerView, Verdict, blame

WEB = {("web", "rs1"): Verdict("down", 100.0), ("web", "rs2"): Verdict("down", 101.0)}
DNS = {("dns", "ns1"): Verdict("up", 0.0)}


def view(at, *healths, keys=tuple(WEB)):
    return PeerView(at, dict(zip(keys, healths, strict=True)))


def test_a_peer_that_sees_them_up_says_that_we_are_at_fault():
    found = blame({**WEB, **DNS}, {"d2": view(104.0, "up", "up")})
    assert found.here == {"web"}
    assert found.sentences == (
        "this director is at fault, not the pool web: all its 2 real servers are down here, and d2 sees 2 of them up; "
        "look at the interfaces and routes towards them",
    )


def test_a_peer_that_sees_them_down_says_that_the_pool_is():
    assert blame({**WEB, **DNS}, {"d2": view(104.0, "down", "down")}) == Blame()
    assert blame(WEB, {"d2": view(104.0, "down", "down")}) == Blame()


def test_what_a_peer_saw_before_our_failure_settled_does_not_count():
    assert blame({**WEB, **DNS}, {"d2": view(102.0, "up", "up")}) == Blame()
    slow = {key: Verdict(each.health, each.since, doubt=30.0) for key, each in WEB.items()}
    assert blame({**slow, **DNS}, {"d2": view(120.0, "up", "up")}) == Blame()
    assert blame({**slow, **DNS}, {"d2": view(134.0, "up", "up")}).here == {"web"}


def test_one_of_ours_that_is_up_is_the_pools_matter():
    mixed = {("web", "rs1"): Verdict("down", 100.0), ("web", "rs2"): Verdict("up", 0.0)}
    assert blame(mixed, {"d2": view(104.0, "up", "up")}) == Blame()


def test_a_single_server_proves_nothing():
    one = {("web", "rs1"): Verdict("down", 100.0)}
    assert blame({**one, **DNS}, {"d2": view(104.0, "up", keys=tuple(one))}) == Blame()


def test_without_a_word_of_a_peer_there_is_a_hint_when_all_falls_at_once():
    (sentence,) = blame(WEB, {}).sentences
    assert sentence.startswith("all 2 real servers that this director checks went down within 1 s: look at its own")
    assert blame({**WEB, **DNS}, {}) == Blame()
    apart = {("web", "rs1"): Verdict("down", 10.0), ("web", "rs2"): Verdict("down", 101.0)}
    assert blame(apart, {}) == Blame()
