"""Whether the directors agree: each verdict with its evidence, and what no evidence may turn into one."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from haagent.core.agreement import LEAST_PATIENCE, ORDER, Agreement, Finding, Scene, damped, find, patience
from haagent.core.hearing import LAG, Hearing, Source, absolute, as_of, is_finite, relative

NOW = 1000.0
D1, D2, OTHER = "192.0.2.1", "192.0.2.2", "192.0.2.9"
DOWN_TIME = 3 + 56 / 256  # Active_Down_Interval of priority 200 at 1 s


def hearing(state: str = "active", own: str = D1, *sources: Source, **changes: object) -> Hearing:
    values: dict[str, object] = {
        "router": "web",
        "state": state,
        "since": 100.0,
        "at": NOW,
        "priority": 200,
        "interval": 1.0,
        "own": (own,),
        "sources": sources,
        **changes,
    }
    return Hearing(**values)  # type: ignore[arg-type]


def source(address: str, ago: float = 0.5, **changes: object) -> Source:
    values: dict[str, object] = {"address": address, "at": NOW - ago, "priority": 100, "interval": 1.0, **changes}
    return Source(**values)  # type: ignore[arg-type]


def scene(own: Hearing, word: Hearing | None = None, **changes: object) -> Scene:
    values: dict[str, object] = {"me": "d1", "own": own, "words": {"d2": word}, **changes}
    return Scene(**values)  # type: ignore[arg-type]


def test_two_that_are_active_and_deaf_to_each_other() -> None:
    found = find(scene(hearing(), hearing("active", D2, source(D1, 20.0))), NOW)
    assert found.state == "split"
    assert found.evidence == (
        "d1 and d2 are both Active",
        "d1 has never heard d2 (192.0.2.2)",
        "d2 heard nothing from d1 (192.0.2.1) for 20 s",
    )


@pytest.mark.parametrize(
    ("here", "there", "evidence"),
    [
        ((source(D2),), (), ("d1 hears d2 (192.0.2.2)", "d2 has never heard d1 (192.0.2.1)")),
        ((), (source(D1),), ("d1 has never heard d2 (192.0.2.2)", "d2 hears d1 (192.0.2.1)")),
        (
            (source(D2, refusal="auth_failure"),),
            (source(D1),),
            (
                "d1 does not listen to d2 (192.0.2.2): its advertisements have another password",
                "d2 hears d1 (192.0.2.1)",
            ),
        ),
    ],
)
def test_one_direction(here: tuple[Source, ...], there: tuple[Source, ...], evidence: tuple[str, ...]) -> None:
    found = find(scene(hearing("active", D1, *here), hearing("active", D2, *there)), NOW)
    assert (found.state, found.evidence) == ("one_way", ("d1 and d2 are both Active", *evidence))


AGES = st.lists(st.floats(0, 30), max_size=2)


@given(AGES, AGES, st.sampled_from(("backup", "active")), st.booleans())
def test_whatever_two_hear_of_each_other_both_say_the_same(
    here: list[float], there: list[float], state: str, is_refused: bool
) -> None:
    refusal = "version" if is_refused else ""
    one = hearing("active", D1, *(source(D2, age, refusal=refusal) for age in here))
    two = hearing(state, D2, *(source(D1, age) for age in there))
    found = find(scene(one, two), NOW), find(Scene("d2", two, {"d1": one}), NOW)
    assert found[0].state == found[1].state
    if state == "active":
        hears = [any(age <= DOWN_TIME for age in ages) for ages in (here if not is_refused else [], there)]
        assert found[0].state == ("one_way" if hears[0] != hears[1] else "split")
    else:
        assert found[0].state == "agreed"


def test_both_directors_come_to_the_same_verdict() -> None:
    one, two = hearing("active", D1, source(D2)), hearing("active", D2)
    found = find(scene(one, two), NOW), find(Scene("d2", two, {"d1": one}), NOW)
    assert [each.state for each in found] == ["one_way", "one_way"]
    assert set(found[0].evidence[1:]) == set(found[1].evidence[1:])


@pytest.mark.parametrize(
    ("own", "word"),
    [
        (hearing(), hearing("backup", D2, source(D1))),
        (hearing("backup", D1, source(D2)), hearing("active", D2)),
        (hearing(), hearing("initialize", D2)),
        (hearing(since=NOW - 5), hearing("active", D2, at=NOW - 6)),  # said before we took over
        (hearing(), hearing("active", D2, at=NOW - 16)),  # an old word
        (hearing(), None),
        (hearing("active", D1, source(D2, priority=0)), hearing("backup", D2)),  # its farewell
        (hearing("active", D1, source(D2, 0.1), since=NOW - 2), None),  # it was the Active one a moment ago
        (hearing("active", D1, source(D2)), hearing("backup", D2, source(D1))),  # its word is newer than what it sent
    ],
)
def test_agreed(own: Hearing, word: Hearing | None) -> None:
    assert find(scene(own, word), NOW).state == "agreed"


def test_what_the_agreement_rests_on() -> None:
    found = find(scene(hearing(), hearing("backup", D2, source(D1))), NOW)
    assert found.evidence == ("d1 is Active and hears nobody else advertise", "d2 is Backup and hears d1")
    found = find(scene(hearing("backup", D1, source(D2)), None, words={}), NOW)
    assert found.evidence == (
        "d1 is Backup of 192.0.2.2",
        "no word of other directors: [peers] is not configured",
    )


def test_who_does_not_yield_does_not_hear_us() -> None:
    alone = scene(hearing("active", D1, source(D2)), words={})
    found = find(alone, NOW)
    assert found.state == "one_way"
    assert found.evidence == ("192.0.2.2 goes on advertising priority 100, below the 200 of d1: it does not hear d1",)
    silent = scene(hearing("active", D1, source(D2, DOWN_TIME + 0.1)), words={})
    assert find(silent, NOW).state == "agreed"


def test_a_backup_that_hears_two() -> None:
    found = find(scene(hearing("backup", "192.0.2.3", source(D1), source(D2, 1.0)), words={}), NOW)
    assert (found.state, found.seen_at) == ("split", NOW - 1.0)
    assert found.evidence == ("d1 hears that 192.0.2.2 and 192.0.2.1 both advertise as Active",)
    paths = scene(hearing("backup", D1, source(D2), source("203.0.113.2")), words={}, has_second_path=True)
    assert find(paths, NOW).state == "agreed"
    word = structs.replace(hearing("active", D2), own=(D2, "203.0.113.2"))
    assert find(scene(hearing("backup", D1, source(D2), source("203.0.113.2")), word), NOW).state == "agreed"


STRANGE = source(OTHER, others=("192.0.2.200",), lacks=("192.0.2.100",))


@pytest.mark.parametrize(
    ("heard", "changes", "evidence"),
    [
        (
            STRANGE,
            {"words": {}},
            "192.0.2.9 advertises VRRPv3 with priority 100 for this VRID, other virtual addresses (192.0.2.200) and"
            " without 192.0.2.100: a stranger with this VRID, or a peer that is configured otherwise",
        ),
        (
            source(OTHER),
            {},
            "192.0.2.9 advertises VRRPv3 with priority 100 for this VRID: it is none of the peers (d2 192.0.2.2)",
        ),
        (
            source(OTHER, version=2, refusal="version"),
            {"words": {"d2": None}},
            "192.0.2.9 advertises VRRPv2 with priority 100 for this VRID, refused since its advertisements are of"
            " another version: a stranger with this VRID, or a peer that is configured otherwise",
        ),
        (
            source(OTHER, refusal="source"),
            {"words": {}, "is_unicast": True, "known": {D2: D2}},
            "192.0.2.9 advertises VRRPv3 with priority 100 for this VRID, refused since its advertisements come from"
            " none of the unicast peers",
        ),
    ],
)
def test_strangers(heard: Source, changes: dict[str, object], evidence: str) -> None:
    found = find(scene(hearing("backup", D1, source(D2), heard), hearing("active", D2), **changes), NOW)
    assert (found.state, found.evidence) == ("stranger", (evidence,))


def test_who_may_be_a_peer_is_no_stranger() -> None:
    """d2 was never heard to say which address is its own."""
    assert find(scene(hearing("backup", D1, source(OTHER)), None), NOW).state == "agreed"
    assert find(scene(hearing("backup", D1, STRANGE), None, known={OTHER: "d2"}), NOW).state == "agreed"


def test_a_third_director_says_it_too() -> None:
    third = "192.0.2.3"
    words = {"d1": hearing("active", D1), "d2": hearing("active", D2, source(D1, 9.0))}
    found = find(Scene("d3", hearing("backup", third, source(D1)), words), NOW)
    assert found.state == "split"
    assert found.evidence == (
        "d1 and d2 are both Active",
        "d1 has never heard d2 (192.0.2.2)",
        "d2 heard nothing from d1 (192.0.2.1) for 9 s",
    )
    dead = words | {"d1": hearing("active", D1, at=NOW - 4), "d2": hearing("active", D2, since=NOW - 3)}
    assert find(Scene("d3", hearing("backup", third, source(D2)), dead), NOW).state == "agreed"


def test_a_peer_that_is_refused_and_says_nothing_else() -> None:
    heard = source(D2, refusal="signature_missing")
    found = find(scene(hearing("active", D1, heard), None, known={D2: "d2"}), NOW)
    assert found.state == "one_way"
    assert found.evidence == ("d1 does not listen to d2 (192.0.2.2): its advertisements are not signed",)


def test_the_worst_comes_first_with_everything_else() -> None:
    own = hearing("active", D1, STRANGE)
    found = find(
        scene(own, hearing("active", D2), contest="02:00:00:00:00:09 answers for 192.0.2.100", contest_at=NOW), NOW
    )
    assert found.state == "split"
    assert found.evidence[0] == "d1 and d2 are both Active"
    assert any(each.startswith("192.0.2.9 advertises") for each in found.evidence)
    assert found.evidence[-1] == "02:00:00:00:00:09 answers for 192.0.2.100"
    alone = find(scene(hearing(), None, contest="02:00:00:00:00:09 answers for 192.0.2.100", contest_at=NOW), NOW)
    assert alone.state == "contested"


def test_what_the_loser_of_a_split_was_heard_to_answer_is_no_contest() -> None:
    heard = {"contest": "02:00:00:00:00:09 answers for 192.0.2.100", "contest_at": NOW - 5}
    assert find(scene(hearing(), None, **heard, disagreed_at=NOW - 5.5), NOW).state == "agreed"
    assert find(scene(hearing(), None, **heard, disagreed_at=NOW - 6.5), NOW).state == "contested"
    assert damped(Agreement(), Finding("split", (), NOW), hearing(), NOW).disagreed_at == NOW


# ---------------------------------------------------------------------- damping


def fed(states: list[tuple[float, str]], lag: float = 0.0) -> list[Agreement]:
    known = [Agreement("agreed", (), 0.0)]
    for now, state in states:
        known.append(damped(known[-1], Finding(state, (state,), now - lag), hearing(), now))  # type: ignore[arg-type]
    return known


def test_evidence_that_is_seen_again_after_two_active_down_intervals() -> None:
    wait = patience(hearing())
    assert wait == pytest.approx(2 * DOWN_TIME)
    assert patience(hearing(interval=0.1)) == LEAST_PATIENCE
    *_, last = fed([(10.0, "split"), (10.0 + wait - 0.1, "split")])
    assert last.state == "agreed"
    *_, last = fed([(10.0, "split"), (10.0 + wait, "split")])
    assert (last.state, last.since, last.evidence) == ("split", 10.0 + wait, ("split",))


def test_evidence_that_is_not_seen_again_is_none() -> None:
    known = Agreement("agreed", (), 0.0)
    for now in range(10, 100):  # one advertisement of a stranger, known for as long as it counts
        known = damped(known, Finding("stranger", ("",), 10.0), hearing(), float(now))
    assert known.state == "agreed"


@given(st.lists(st.tuples(st.floats(0.1, 6.0), st.sampled_from(("agreed", *ORDER))), max_size=40))
def test_a_verdict_follows_only_from_what_lasted(looks: list[tuple[float, str]]) -> None:
    now, states = 0.0, []
    for pause, state in looks:
        now += pause
        states.append((now, state))
    known = fed(states)
    for (before, after), (at, found) in zip(pairwise(known), states, strict=True):
        if after.state == before.state:
            continue
        assert after.state == found
        lasted = [state for when, state in states if at - patience(hearing()) <= when <= at]
        assert set(lasted) == {found}


# ---------------------------------------------------------------------- words


def test_a_word_needs_no_common_clock() -> None:
    told = relative([hearing("active", D1, source(D2, 4.0), since=NOW - 30)], NOW)
    (word,) = absolute(told, 77.0)
    assert (word.at, word.since, word.sources[0].at) == (77.0, 47.0, 73.0)


def test_a_report_that_did_not_come_says_that_nothing_changed() -> None:
    own = hearing("active", D1, source(D2, 1.0))
    assert as_of(own, NOW + 1.0).at == NOW
    assert as_of(own, NOW + 9.0).at == NOW + 9.0 - LAG
    assert find(scene(as_of(own, NOW + 2.0), words={}), NOW + 2.0).state == "one_way"
    assert find(scene(as_of(own, NOW + 9.0), words={}), NOW + 9.0).state == "agreed"
    (told,) = relative([own], NOW + 9.0)
    assert (told.at, told.sources[0].at) == (-LAG, -10.0)


def test_nothing_that_a_peer_says_lies_in_the_future() -> None:
    (word,) = absolute([hearing("active", D1, source(D2, -5000.0), since=99.0)], 77.0)
    assert (word.at, word.since, word.sources[0].at) == (77.0, 77.0, 77.0)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_instants_that_are_none(value: float) -> None:
    sound = hearing("active", D1, source(D2))
    assert is_finite(sound)
    assert not is_finite(structs.replace(sound, since=value))
    assert not is_finite(structs.replace(sound, interval=value))
    assert not is_finite(hearing("active", D1, source(D2, at=value)))
