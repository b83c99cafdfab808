"""RFC 9568 section 7.1, the receive checks: every captured or constructed frame gets the RFC's result and its reason.

The frames come from keepalived and FRR (tests/vectors/vrrp.json) and from a generator whose results were observed on
keepalived 2.3.4 (vrrp-negative.json). What is discarded here and accepted there follows the errata of RFC 9568.
"""

import pytest

from haagent.vrrp.advertisement import Advertisement, ChecksumForm, Discard, decode
from haagent.vrrp.settings import Interface, RouterSettings
from haagent.vrrp.speaker import Speaker
from tests.frames import Datagram, ipv4_datagram, vectors

NEGATIVE = vectors("vrrp-negative.json")
CAPTURED = vectors("vrrp.json")

# The result of section 7.1, by vector; None: accepted
RESULTS: dict[str, Discard | None] = {
    "v3_bad_checksum": Discard.CHECKSUM,
    "v3_ttl_254": Discard.TTL,
    "v3_version_4": Discard.VERSION,
    "v2_on_v3_instance": Discard.VERSION,
    "v3_type_2": Discard.TYPE,
    "v3_vrid_unknown": Discard.VRID,
    "v3_truncated_address": Discard.LENGTH,
    "v3_header_only_4_bytes": Discard.LENGTH,
    "v3_count_2_but_1_address": Discard.LENGTH,
    "v3_count_0": Discard.COUNT,  # erratum 8299; keepalived accepts it
    "v3_interval_differs_200": None,
    "v3_address_list_differs": None,
    "v3_address_count_differs": None,
    "v3_rsvd_nibble_set": None,
    "v3_trailing_garbage_8": Discard.LENGTH,
    "v3_ethernet_padded_60": None,
    "v3_equal_prio_higher_ip": None,
    "v3_prio_255": None,
}

VIRTUAL = bytes((192, 0, 2, 100))


def speaker() -> Speaker:
    """The instance that the negative vectors were sent to: VRID 61, priority 100, 192.0.2.1."""
    speaker = Speaker()
    speaker.set_interfaces([Interface("eth0", 2, True, b"\2\0\0\0\0\1", ((bytes((192, 0, 2, 1)), 24),))], 0.0)
    speaker.set_routers([RouterSettings("r", "eth0", 61, 100, 1.0, ((VIRTUAL, 24),))], 0.0)
    return speaker


def receive(speaker: Speaker, datagram: Datagram) -> None:
    speaker.receive("eth0", datagram.message, datagram.ttl, datagram.source, datagram.destination, 1.0)


def test_every_vector_has_a_result() -> None:
    assert set(RESULTS) == set(NEGATIVE)


@pytest.mark.parametrize("name", RESULTS)
def test_result_and_reason(name: str) -> None:
    wanted = RESULTS[name]
    subject = speaker()
    receive(subject, ipv4_datagram(NEGATIVE[name]["frame_hex"]))
    assert dict(subject.discarded.get("eth0", {})) == ({wanted: 1} if wanted else {})
    assert subject.machines["r"].counters["advertisements_received"] == (0 if wanted else 1)


@pytest.mark.parametrize("name", [name for name, result in RESULTS.items() if result is not Discard.VRID])
def test_decode_alone_comes_to_the_same_result(name: str) -> None:
    datagram = ipv4_datagram(NEGATIVE[name]["frame_hex"])
    result = decode(datagram.message, datagram.ttl, datagram.source, datagram.destination)
    assert (result if isinstance(result, Discard) else None) == RESULTS[name]


@pytest.mark.parametrize(
    ("name", "counter"),
    [
        ("v3_interval_differs_200", "interval_mismatches"),
        ("v3_address_list_differs", "address_list_mismatches"),
        ("v3_address_count_differs", "address_list_mismatches"),
        ("v3_ethernet_padded_60", None),
        ("v3_rsvd_nibble_set", None),
    ],
)
def test_accepted_differences_are_counted(name: str, counter: str | None) -> None:
    subject = speaker()
    receive(subject, ipv4_datagram(NEGATIVE[name]["frame_hex"]))
    counters = subject.machines["r"].counters
    assert {each: counters[each] for each in ("interval_mismatches", "address_list_mismatches") if counters[each]} == (
        {counter: 1} if counter else {}
    )


def test_padding_is_cut_by_the_total_length() -> None:
    padded = ipv4_datagram(NEGATIVE["v3_ethernet_padded_60"]["frame_hex"])
    assert len(padded.message) == 12
    assert isinstance(decode(padded.message, 255, padded.source, padded.destination), Advertisement)
    assert decode(padded.message + bytes(14), 255, padded.source, padded.destination) is Discard.LENGTH


def test_reserved_nibble_is_no_part_of_the_interval() -> None:
    datagram = ipv4_datagram(NEGATIVE["v3_rsvd_nibble_set"]["frame_hex"])
    result = decode(datagram.message, 255, datagram.source, datagram.destination)
    assert isinstance(result, Advertisement)
    assert result.max_advertise_interval == 1.0


@pytest.mark.parametrize(
    ("name", "priority", "form"),
    [
        ("v3_ipv4_pseudoheader", 100, ChecksumForm.PSEUDO_HEADER),
        ("v3_ipv4_pseudoheader_prio0", 0, ChecksumForm.PSEUDO_HEADER),
        ("v3_ipv4_no_pseudoheader", 100, ChecksumForm.RFC9568),
        ("v3_ipv4_unicast", 120, ChecksumForm.PSEUDO_HEADER),
    ],
)
def test_real_frames_are_accepted_and_their_form_told_apart(name: str, priority: int, form: ChecksumForm) -> None:
    datagram = ipv4_datagram(CAPTURED[name]["frame_hex"])
    result = decode(datagram.message, datagram.ttl, datagram.source, datagram.destination)
    assert isinstance(result, Advertisement)
    assert (result.priority, result.max_advertise_interval, result.checksum_form) == (priority, 1.0, form)


@pytest.mark.parametrize("name", [name for name in CAPTURED if name.startswith("v2_ipv4") and "ah" not in name])
def test_version_2_is_discarded(name: str) -> None:
    datagram = ipv4_datagram(CAPTURED[name]["frame_hex"])
    assert decode(datagram.message, datagram.ttl, datagram.source, datagram.destination) is Discard.VERSION


@pytest.mark.parametrize(
    ("text", "ttl", "wanted"),
    [
        ("", 254, Discard.TTL),  # the TTL is looked at first, whatever follows
        ("", 255, Discard.LENGTH),
        ("41", 255, Discard.LENGTH),
        ("41" + "00" * 7, 255, Discard.VERSION),
        ("32" + "00" * 7, 255, Discard.TYPE),
        ("313d64010064ffff", 255, Discard.LENGTH),  # one address is announced, none is there: before the checksum
        ("313d64010064ffffc0000264", 255, Discard.CHECKSUM),
    ],
)
def test_order_of_the_checks(text: str, ttl: int, wanted: Discard) -> None:
    assert decode(bytes.fromhex(text), ttl, bytes((192, 0, 2, 2)), bytes((224, 0, 0, 18))) is wanted


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("3100640100640000c0000264", Discard.VRID),  # VRID 0 is nobody's
        ("313d64010000 0000c0000264", Discard.INTERVAL),  # erratum 8301; keepalived learns 0 ms from it
        ("313d6401a0000000c0000264", Discard.INTERVAL),  # only the reserved nibble is set
    ],
)
def test_discards_behind_a_valid_checksum(text: str, wanted: Discard) -> None:
    raw = bytearray.fromhex(text)
    total = sum(int.from_bytes(raw[at : at + 2], "big") for at in range(0, len(raw), 2))
    while total > 0xFFFF:
        total = (total & 0xFFFF) + (total >> 16)
    raw[6:8] = (~total & 0xFFFF).to_bytes(2, "big")
    assert decode(bytes(raw), 255, bytes((192, 0, 2, 2)), bytes((224, 0, 0, 18))) is wanted
