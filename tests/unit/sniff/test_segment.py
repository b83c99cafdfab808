"""Records of all kinds in, findings out, and the summary at the end."""

from haagent.sniff.segment import OwnerSummary, Segment, lines
from tests.unit.sniff.heard import advertisement, announcement


def split() -> Segment:
    segment = Segment()
    for at in range(4):
        for host in (1, 2):
            segment.hear(advertisement(at + 0.1 * host, host, 100 * host))
            segment.hear(announcement(at + 0.1 * host, host))
    return segment


def test_the_summary_has_every_speaker_owner_and_conflict() -> None:
    summary = split().summary()
    assert [(each.source, each.vrid, each.priority, each.count) for each in summary.speakers] == [
        ("192.0.2.1", 51, 100, 4),
        ("192.0.2.2", 51, 200, 4),
    ]
    assert summary.owners == (OwnerSummary("192.0.2.100", "02:00:00:00:00:02", 3.2, 3.2, ("02:00:00:00:00:01",)),)
    assert [each.about for each in summary.conflicts] == ["vrid 51", "192.0.2.100"]
    assert summary.records == 16


def test_time_passes_with_records_and_without() -> None:
    segment = Segment()
    segment.hear(advertisement(0, 1))
    assert segment.pass_time(1) == []
    assert segment.hear(advertisement(10, 2))[0].text == "192.0.2.1 fell silent: nothing for 4.00 s"
    assert [each.kind for each in segment.pass_time(20)] == ["change"]


def test_the_summary_in_words() -> None:
    text = lines(split().summary(), 3.2)
    assert text[0] == "16 records"
    assert "vrid 51         192.0.2.1 (02:00:00:00:00:01)  VRRPv3  priority 100  every 1 s  rfc9568" in text[1]
    assert "192.0.2.100     is at 02:00:00:00:00:02  before or also: 02:00:00:00:00:01" in text
    assert "2 conflicts" in text
