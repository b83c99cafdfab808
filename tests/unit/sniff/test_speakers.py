"""Who speaks, what changes, and every conflict about a VRID; a healthy takeover is none."""

from collections.abc import Iterable
from dataclasses import replace

import pytest

from haagent.sniff.finding import Finding
from haagent.sniff.records import VrrpHeard
from haagent.sniff.speakers import Speakers
from haagent.vrrp.advertisement import ChecksumForm
from tests.unit.sniff.heard import advertisement, ip, mac


def hear(*records: VrrpHeard, until: float | None = None) -> list[Finding]:
    """With time passing before each record, as the segment does."""
    speakers = Speakers()
    found: list[Finding] = []
    for record in records:
        found += speakers.pass_time(record.at)
        found += speakers.hear(record)
    return found + list(speakers.pass_time(until)) if until is not None else found


def texts(findings: Iterable[Finding], kind: str) -> list[str]:
    return [each.text for each in findings if each.kind == kind]


def test_one_line_for_many_advertisements() -> None:
    found = hear(*(advertisement(at, 1, 200) for at in range(20)))
    assert [(each.kind, each.about, each.text) for each in found] == [
        (
            "fact",
            "vrid 51",
            "192.0.2.1 (02:00:00:00:00:01) speaks VRRPv3 with priority 200, every 1 s, for 192.0.2.100"
            " (checksum rfc9568, TTL 255)",
        )
    ]


@pytest.mark.parametrize(
    ("changed", "text"),
    [
        ({"priority": 0}, "192.0.2.1 lets go (priority 100 -> 0)"),
        ({"priority": 90}, "192.0.2.1 changed its priority: 100 -> 90"),
        ({"interval": 0.5}, "192.0.2.1 changed its interval: 1 s -> 0.5 s"),
        ({"addresses": ("192.0.2.101",)}, "192.0.2.1 changed its addresses: +192.0.2.101, -192.0.2.100"),
        ({"form": ChecksumForm.PSEUDO_HEADER}, "192.0.2.1 changed its checksum form: rfc9568 -> pseudo_header"),
        ({"ttl": 1}, "192.0.2.1 changed its TTL: 255 -> 1"),
    ],
)
def test_changes(changed: dict[str, object], text: str) -> None:
    found = hear(advertisement(0, 1), advertisement(1, 1, **changed))  # type: ignore[arg-type]
    assert texts(found, "change") == [text]


def test_silence_is_told_once_at_the_instant_when_backups_give_up() -> None:
    found = hear(advertisement(0, 1), until=3.9)
    assert texts(found, "change") == []
    found = hear(advertisement(0, 1), until=10)
    (silent,) = [each for each in found if each.kind == "change"]
    assert silent.text == "192.0.2.1 fell silent: nothing for 4.00 s"
    assert silent.at == pytest.approx(3 + 255 / 256)


def test_who_let_go_is_not_called_silent() -> None:
    found = hear(advertisement(0, 1), advertisement(1, 1, 0), advertisement(1.6, 2), until=2.5)
    assert texts(found, "change") == ["192.0.2.1 lets go (priority 100 -> 0)"]
    assert texts(found, "conflict") == []


def test_a_takeover_a_return_and_an_answered_latecomer_are_no_split() -> None:
    crash = hear(*(advertisement(at, 1, 200) for at in range(5)), *(advertisement(8 + at, 2) for at in range(5)))
    assert texts(crash, "conflict") == []
    preemption = hear(*(advertisement(at, 1) for at in range(5)), *(advertisement(4.5 + at, 2, 200) for at in range(9)))
    assert texts(preemption, "conflict") == []
    answered = [
        advertisement(0, 1, 200),
        advertisement(0.5, 2),
        advertisement(0.501, 1, 200),
        advertisement(1.5, 1, 200),
    ]
    assert texts(hear(*answered), "conflict") == []


def test_a_split_is_named_once_and_its_end_too() -> None:
    both = [advertisement(at + 0.1 * host, host, 100 * host) for at in range(10) for host in (1, 2)]
    found = hear(*both, *(advertisement(10 + at, 2, 200) for at in range(10)))
    assert texts(found, "conflict") == [
        "split: 2 routers are Active at once: 192.0.2.1 (02:00:00:00:00:01) with priority 100 and"
        " 192.0.2.2 (02:00:00:00:00:02) with priority 200."
        " At least one of them does not hear, or does not accept, the other"
    ]
    (split,) = [each for each in found if each.kind == "conflict"]
    assert split.at == 1.2  # the second advertisement of the second one
    (calm,) = texts(found, "calm")
    assert calm == f"the split is over after {9.1 + 3 + 255 / 256 - 1.2:.2f} s: 192.0.2.2 alone speaks"


def test_a_second_split_is_named_again() -> None:
    def both(start: float) -> list[VrrpHeard]:
        return [advertisement(start + at + 0.1 * host, host) for at in range(3) for host in (1, 2)]

    found = hear(*both(0), *(advertisement(4 + at, 2) for at in range(20)), *both(30))
    assert len(texts(found, "conflict")) == 2


def test_a_router_that_lets_go_ends_the_split() -> None:
    both = [advertisement(at + 0.1 * host, host) for at in range(4) for host in (1, 2)]
    found = hear(*both, advertisement(4.1, 1, 0))
    assert texts(found, "calm") == ["the split is over after 2.90 s: 192.0.2.2 alone speaks"]


def test_two_virtual_routers_with_one_vrid() -> None:
    one = [advertisement(at, 1) for at in range(4)]
    other = [advertisement(at + 0.5, 9, addresses=("192.0.2.200",)) for at in range(4)]
    found = hear(*sorted((*one, *other), key=lambda each: each.at))
    collisions = [text for text in texts(found, "conflict") if "split" not in text]
    assert collisions == [
        "192.0.2.1 lists 192.0.2.100, 192.0.2.9 lists 192.0.2.200:"
        " two different virtual routers use this VRID on one segment; give one of them another"
    ]


def test_lists_that_overlap_are_one_virtual_router_with_two_configurations() -> None:
    more = ("192.0.2.100", "192.0.2.101")
    found = hear(advertisement(0, 1), advertisement(0.1, 2, addresses=more))
    assert texts(found, "conflict") == [
        "192.0.2.1 lists 192.0.2.100, 192.0.2.2 lists 192.0.2.100, 192.0.2.101: their configurations differ"
    ]


def test_different_intervals() -> None:
    found = hear(advertisement(0, 1), advertisement(0.1, 2, interval=0.5))
    assert texts(found, "conflict") == [
        "192.0.2.1 advertises every 1 s, 192.0.2.2 every 0.5 s: their configurations differ"
    ]


def test_a_different_vrid_is_nobody_elses_business() -> None:
    both = [advertisement(at + 0.1 * host, host, vrid=50 + host) for at in range(4) for host in (1, 2)]
    assert texts(hear(*both), "conflict") == []


@pytest.mark.parametrize(
    ("changed", "word"),
    [
        ({"ttl": 254}, "sends with TTL 254: every router discards what does not have 255"),
        ({"form": ChecksumForm.PSEUDO_HEADER}, "puts a pseudo-header under its checksum"),
    ],
)
def test_what_is_wrong_by_itself_is_told_once(changed: dict[str, object], word: str) -> None:
    found = hear(*(advertisement(at, 1, **changed) for at in range(3)))  # type: ignore[arg-type]
    (text,) = texts(found, "conflict")
    assert word in text


def test_malformed_ones_are_counted_and_told_once_with_the_codecs_reason() -> None:
    good = advertisement(0, 9)
    bad = VrrpHeard(1.0, mac(9), ip("192.0.2.9"), good.destination, 255, good.message[:2] + b"\0" + good.message[3:])
    speakers = Speakers()
    found = [*speakers.hear(bad), *speakers.hear(bad)]
    assert [each.text for each in found] == [
        "192.0.2.9 (02:00:00:00:00:09) sends what every router discards (CHECKSUM): its checksum is wrong in every form"
    ]
    assert found[0].about == "vrid 51"
    assert speakers.malformed == {(ip("192.0.2.9"), "CHECKSUM"): 2}
    assert speakers.routers == {}


def test_versions_side_by_side() -> None:
    head = bytes((0x21, 51, 100, 1, 0, 1))
    rest = ip("192.0.2.100") + bytes(8)
    data = head + rest
    total = sum(int.from_bytes(data[place : place + 2], "big") for place in range(0, len(data), 2))
    total = (total & 0xFFFF) + (total >> 16)
    message = head + (~total & 0xFFFF).to_bytes(2, "big") + rest
    old = VrrpHeard(0.5, mac(2), ip("192.0.2.2"), ip("224.0.0.18"), 255, message)
    found = hear(advertisement(0, 1), old)
    assert texts(found, "conflict") == ["192.0.2.1 speaks VRRPv3, 192.0.2.2 VRRPv2: neither hears the other"]


def test_two_checksum_forms_for_one_vrid() -> None:
    foreign = ChecksumForm.PSEUDO_HEADER
    found = hear(
        *(
            advertisement(at + 0.1 * each, each, form=form)
            for at in range(2)
            for each, form in ((1, foreign), (2, ChecksumForm.RFC9568))
        )
    )
    assert [text for text in texts(found, "conflict") if "differ" in text] == [
        "192.0.2.1 and 192.0.2.2 differ in what the checksum covers (pseudo_header, rfc9568):"
        " unless they take both, neither hears the other"
    ]


def test_a_router_that_says_everything_in_both_forms() -> None:
    forms = (ChecksumForm.RFC9568, ChecksumForm.PSEUDO_HEADER)
    twins = [advertisement(at + 0.0001 * number, 2, form=form) for at in range(4) for number, form in enumerate(forms)]
    other = [advertisement(at + 0.5, 1, form=ChecksumForm.PSEUDO_HEADER) for at in range(4)]
    found = hear(*sorted((*twins, *other), key=lambda each: each.at), *(advertisement(20 + at, 2) for at in range(3)))
    assert [text for text in texts(found, "change") if "form" in text] == [
        "192.0.2.2 changed its checksum form: rfc9568 -> both",
        "192.0.2.2 changed its checksum form: both -> rfc9568",
    ]
    assert [text for text in texts(found, "conflict") if "checksum" in text] == [
        "192.0.2.1 puts a pseudo-header under its checksum, as keepalived and FRR do: a router that takes RFC 9568"
        " by the word discards it"
    ]


def test_signing_begins_changes_and_ends() -> None:
    plain = advertisement(0, 1)
    found = hear(
        plain,
        *(
            replace(plain, at=float(n), message=plain.message + bytes((1, key)) + bytes(26))
            for n, key in ((1, 1), (2, 7))
        ),
        replace(plain, at=3.0),
    )
    assert texts(found, "change") == [
        "192.0.2.1 signs its advertisements now, with key 1",
        "192.0.2.1 changed its signing key: 1 -> 7",
        "192.0.2.1 does not sign its advertisements any more",
    ]
    (fact,) = texts(hear(replace(plain, message=plain.message + bytes((1, 3)) + bytes(26))), "fact")
    assert fact.endswith("(checksum rfc9568, TTL 255, signed with key 3)")
