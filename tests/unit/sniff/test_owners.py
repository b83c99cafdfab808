"""Who has which address: facts, moves, disputes and duplicates."""

from haagent.sniff.finding import Finding
from haagent.sniff.owners import Owners
from haagent.sniff.records import ArpHeard, NeighbourHeard, SolicitationHeard
from tests.unit.sniff.heard import announcement, answer, mac, probe, question

ADDRESS_6 = bytes.fromhex("20010db8" + 11 * "00" + "64")


def hear(*records: ArpHeard | SolicitationHeard | NeighbourHeard) -> list[Finding]:
    owners = Owners()
    return [finding for record in records for finding in owners.hear(record)]


def told(*records: ArpHeard | SolicitationHeard | NeighbourHeard) -> list[tuple[str, str]]:
    return [(each.kind, each.text) for each in hear(*records)]


def test_a_fact_is_told_once() -> None:
    assert told(announcement(0, 1), announcement(0.2, 1), question(1, 3), answer(1.1, 1, 3)) == [
        ("fact", "192.0.2.100 is at 02:00:00:00:00:01"),
        ("fact", "192.0.2.3 is at 02:00:00:00:00:03"),
    ]


def test_a_takeover_and_the_way_back_are_moves() -> None:
    records = [announcement(at, host) for at, host in ((0, 1), (5, 2), (5.2, 2), (6, 1), (6.2, 1))]
    assert told(*records)[1:] == [
        ("change", "192.0.2.100 moved from 02:00:00:00:00:01 to 02:00:00:00:00:02"),
        ("change", "192.0.2.100 moved from 02:00:00:00:00:02 to 02:00:00:00:00:01"),
    ]


def test_two_that_announce_in_turns_and_the_end_of_it() -> None:
    records = [announcement(at, 1 + at % 2) for at in range(6)]
    kinds = [each.kind for each in hear(*records)]
    assert kinds == ["fact", "change", "change", "change", "conflict"]
    conflict = hear(*records)[-1]
    assert conflict.text == (
        "two MACs claim 192.0.2.100: 02:00:00:00:00:01 and 02:00:00:00:00:02; clients reach now the one, now the other"
    )
    assert told(*records, announcement(20, 2))[-1] == (
        "calm",
        "02:00:00:00:00:02 alone claims 192.0.2.100 again",
    )


def test_two_answers_to_one_question_are_a_conflict_at_once() -> None:
    found = told(question(0, 3), answer(0.001, 1, 3), answer(0.002, 2, 3))
    assert [text for kind, text in found if kind == "conflict"] == [
        "two MACs answer for 192.0.2.100: 02:00:00:00:00:01 and 02:00:00:00:00:02;"
        " clients reach now the one, now the other"
    ]


def test_answers_to_questions_that_are_far_apart_are_a_move() -> None:
    found = told(question(0, 3), answer(0.001, 1, 3), question(9, 3), answer(9.001, 2, 3))
    assert [kind for kind, _ in found] == ["fact", "fact", "change"]


def test_a_probe_that_is_answered_is_a_duplicate() -> None:
    found = told(probe(0, 2), answer(0.001, 1, 2), probe(1, 2), answer(1.001, 1, 2))
    assert found == [
        ("fact", "02:00:00:00:00:02 asks whether 192.0.2.100 is free"),
        (
            "conflict",
            "duplicate address: 02:00:00:00:00:02 asked whether 192.0.2.100 is free, and 02:00:00:00:00:01 has it",
        ),
        ("fact", "192.0.2.100 is at 02:00:00:00:00:01"),
    ]


def test_a_probe_that_nobody_answers_is_none() -> None:
    assert [kind for kind, _ in told(probe(0, 2), probe(1, 2), announcement(4, 2))] == ["fact", "fact"]


def test_two_that_probe_at_once() -> None:
    found = told(probe(0, 1), probe(0.5, 2), probe(1, 1))
    assert [text for kind, text in found if kind == "conflict"] == [
        "duplicate address: 02:00:00:00:00:01 and 02:00:00:00:00:02 both are about to take 192.0.2.100",
    ]


def test_nd_says_the_same_in_its_own_words() -> None:
    found = told(
        SolicitationHeard(0, mac(2), bytes(16), ADDRESS_6),
        NeighbourHeard(0.1, mac(1), ADDRESS_6, False, True),
        SolicitationHeard(1, mac(3), ADDRESS_6[:15] + b"\3", ADDRESS_6),
    )
    assert found == [
        ("fact", "02:00:00:00:00:02 asks whether 2001:db8::64 is free"),
        (
            "conflict",
            "duplicate address: 02:00:00:00:00:02 asked whether 2001:db8::64 is free, and 02:00:00:00:00:01 has it",
        ),
        ("fact", "2001:db8::64 is at 02:00:00:00:00:01"),
        ("fact", "2001:db8::3 is at 02:00:00:00:00:03"),
    ]
