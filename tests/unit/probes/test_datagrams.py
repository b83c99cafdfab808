"""DNS, UDP, ICMP, NTP, RADIUS, SIP and the agent's datagram: played without a socket."""

import hashlib
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from haagent.config.checks import (
    AgentCheck,
    Check,
    DnsCheck,
    IcmpCheck,
    NtpCheck,
    RadiusCheck,
    SipCheck,
    UdpCheck,
)
from haagent.health.probe import ProbeResult
from haagent.probes import ntp, radius
from haagent.probes.dns_message import AA, QR, TC, Malformed, Message, decode, encode_name
from haagent.probes.exchange import Elsewhere
from haagent.probes.icmp import checksum
from tests.probe_play import conversation_for, hear


def answered(check: Check, answer: bytes) -> ProbeResult | None:
    """The verdict on one datagram; `ID` in it stands for the first two octets of the question."""
    conversation = conversation_for(check)
    result = hear(conversation, [answer.replace(b"ID", conversation.request[:2])], ends=False)
    assert not isinstance(result, Elsewhere)
    return result


# --------------------------------------------------------------------------------------------------------- DNS


def reply(name: str, type: int, *data: bytes, flags: int = QR, rcode: int = 0) -> bytes:
    question = encode_name(name) + struct.pack("!2H", type, 1)
    records = [b"\xc0\x0c" + struct.pack("!HHIH", type, 1, 60, len(each)) + each for each in data]
    return b"ID" + struct.pack("!5H", flags | rcode, 1, len(data), 0, 0) + question + b"".join(records)


WWW = DnsCheck(name="c", query="WWW.example.com.", expect=("192.0.2.80",))
A_80, A_81 = bytes((192, 0, 2, 80)), bytes((192, 0, 2, 81))


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (reply("www.example.com", 1, A_81, A_80), (True, "WWW.example.com. A is 192.0.2.81, 192.0.2.80")),
        (reply("www.example.com", 1, A_81), (False, "WWW.example.com. A is 192.0.2.81, wanted 192.0.2.80")),
        (reply("www.example.com", 1), (False, "NOERROR without an answer to WWW.example.com. A")),
        (reply("www.example.com", 1, rcode=2), (False, "SERVFAIL for WWW.example.com. A, wanted NOERROR")),
        (reply("www.example.com", 1, rcode=11), (False, "rcode 11 for WWW.example.com. A, wanted NOERROR")),
        (b"ID" + struct.pack("!5H", QR | 5, 0, 0, 0, 0), (False, "REFUSED for WWW.example.com. A, wanted NOERROR")),
        (reply("www.example.com", 1, A_80)[:-2], (False, "the answer is no DNS message: a record is cut off")),
        (reply("www.example.com", 1, b"\1\2\3"), (False, "the answer is no DNS message: a record A of a wrong length")),
        (reply("other.example.com", 1, A_80), None),  # to another question: listen on
        (reply("www.example.com", 28), None),
        (reply("www.example.com", 1, A_80).replace(b"ID", b"xy"), None),
        (reply("www.example.com", 1, A_80, flags=0), None),  # a question
        (b"hello", None),
    ],
)
def test_dns(answer: bytes, expected: tuple[bool, str] | None) -> None:
    result = answered(WWW, answer)
    assert (None if result is None else (result.passed, result.detail)) == expected


def test_dns_authority_and_serial() -> None:
    check = DnsCheck(name="c", query="example.com", record_type="SOA", authoritative=True, minimum_serial=0xFFFFFFF0)
    soa = encode_name("ns1.example.com") + encode_name("admin.example.com") + struct.pack("!5I", 5, 1, 1, 1, 1)
    assert answered(check, reply("example.com", 6, soa)) == ProbeResult(
        False, "NOERROR for example.com SOA, but not authoritative"
    )
    result = answered(check, reply("example.com", 6, soa, flags=QR | AA))  # RFC 1982: 5 comes after 2**32 - 16
    assert result == ProbeResult(True, "example.com SOA is ns1.example.com admin.example.com 5 1 1 1 1")
    old = encode_name("a") + encode_name("b") + struct.pack("!5I", 0xFFFFFFEF, 1, 1, 1, 1)
    assert answered(check, reply("example.com", 6, old, flags=QR | AA)) == ProbeResult(
        False, "the serial of example.com is 4294967279, wanted at least 4294967280"
    )


def test_a_truncated_answer_is_asked_for_again_by_tcp() -> None:
    conversation = conversation_for(WWW)
    answer = reply("www.example.com", 1, flags=QR | TC).replace(b"ID", conversation.request[:2])
    step = conversation.feed(answer)
    assert isinstance(step, Elsewhere)
    assert step.port == 80
    asked = step.conversation.connected()
    assert isinstance(asked, bytes)
    assert asked == len(conversation.request).to_bytes(2, "big") + conversation.request
    full = reply("www.example.com", 1, A_80).replace(b"ID", conversation.request[:2])
    assert step.conversation.feed(len(full).to_bytes(2, "big") + full) == ProbeResult(
        True, "WWW.example.com. A is 192.0.2.80 (by TCP)"
    )


@pytest.mark.parametrize(
    ("octets", "reason"),
    [
        (bytes(11), "only 11 octets"),
        (struct.pack("!6H", 0, QR, 1, 0, 0, 0) + b"\xc0\x0c\0\1\0\1", "a name that points at itself"),
        (struct.pack("!6H", 0, QR, 1, 0, 0, 0) + b"\x05abc", "a name is cut off"),
        (struct.pack("!6H", 0, QR, 1, 0, 0, 0) + b"\x40x", "a label of an unknown kind"),
        (struct.pack("!6H", 0, QR, 1, 0, 0, 0) + (b"\x3f" + b"x" * 63) * 4 + b"\0", "a name of more than 255 octets"),
        (struct.pack("!6H", 0, QR, 0, 5000, 0, 0), "5000 answers"),
    ],
)
def test_what_is_no_dns_message(octets: bytes, reason: str) -> None:
    assert decode(octets) == Malformed(reason)


@given(st.binary(max_size=300))
def test_decoding_dns_takes_any_octets(octets: bytes) -> None:
    assert isinstance(decode(octets), Message | Malformed)
    message = decode(struct.pack("!6H", 0, QR, 1, 3, 0, 0) + octets)
    assert isinstance(message, Message | Malformed)
    if isinstance(message, Message):
        assert all(record.name.isprintable() for record in message.answers)


# --------------------------------------------------------------------------------------------------------- UDP


@pytest.mark.parametrize(
    ("check", "answer", "expected"),
    [
        (UdpCheck(name="c", send="x"), b"anything", ProbeResult(True, 'answered 8 octets "anything"')),
        (UdpCheck(name="c", send="x"), b"", ProbeResult(True, 'answered 0 octets ""')),
        (UdpCheck(name="c", send="x", expect="yes"), b"yes!", ProbeResult(True, 'answered 4 octets "yes!"')),
        (
            UdpCheck(name="c", send="x", expect="yes"),
            b"no",
            ProbeResult(False, 'the reply of 2 octets "no" does not contain "yes"'),
        ),
        (
            UdpCheck(name="c", send="x", expect_hex="00??ff"),
            b"\0\n\xff\1",
            ProbeResult(True, 'answered 4 octets "...."'),
        ),
        (
            UdpCheck(name="c", send="x", expect_hex="00??ff"),
            b"\0",
            ProbeResult(False, 'the reply of 1 octet "." does not begin with 00??ff'),
        ),
    ],
)
def test_udp(check: Check, answer: bytes, expected: ProbeResult) -> None:
    assert answered(check, answer) == expected


# -------------------------------------------------------------------------------------------------------- ICMP


def test_icmp() -> None:
    check = IcmpCheck(name="c", size=16)
    conversation = conversation_for(check)
    request = conversation.request
    assert (request[0], request[1], checksum(request)) == (8, 0, 0)  # right: the sum over all is zero
    identifier, sequence = struct.unpack("!2H", request[4:8])

    def echo(kind: int = 0, number: int = sequence, payload: bytes = request[8:]) -> bytes:
        return struct.pack("!BBHHH", kind, 0, 0, identifier, number) + payload

    assert conversation.feed(echo(kind=8)) is None  # somebody's request
    assert conversation.feed(echo(number=7)) is None
    assert conversation.feed(b"") is None
    assert conversation.heard() == "3 datagrams that answer another question"
    assert conversation.feed(echo(payload=b"other")) == ProbeResult(
        False, "the echo reply does not repeat what was sent"
    )
    assert conversation.feed(echo()) == ProbeResult(True, "echo reply")


def test_endless_answers_to_other_questions_are_cut() -> None:
    result = hear(conversation_for(WWW), [b"hello"] * 100, ends=False)
    assert result == ProbeResult(False, "more than 64 datagrams that answer another question")


# --------------------------------------------------------------------------------------------------------- NTP

NOW = 1_700_000_000.0


def time_answer(leap: int = 0, stratum: int = 2, code: bytes = b"\xc0\0\2\1", offset: float = 0.0) -> bytes:
    stamp = struct.pack("!2I", int(NOW + offset) + ntp.EPOCH - (1 << 32) * (int(NOW + offset) + ntp.EPOCH >> 32), 0)
    return bytes((leap << 6 | 4 << 3 | ntp.SERVER, stratum, 0, 0)) + bytes(8) + code + bytes(16) + stamp + stamp


@pytest.mark.parametrize(
    ("check", "answer", "expected"),
    [
        ({}, time_answer(), (True, "stratum 2")),
        ({"maximum_offset": 5.0}, time_answer(offset=3), (True, "stratum 2")),
        (
            {"maximum_offset": 5.0},
            time_answer(offset=-60),
            (False, "the server's clock is -60.000 s away from this director's, wanted at most 5 s"),
        ),
        ({}, time_answer(leap=3), (False, "the server's clock is not synchronized")),
        ({}, time_answer(leap=3, stratum=0, code=b"INIT"), (False, "the server's clock is not synchronized (INIT)")),
        ({}, time_answer(leap=3, stratum=0, code=b"RATE"), (False, "the server refuses to serve us: RATE")),
        ({"maximum_stratum": 3}, time_answer(stratum=4), (False, "stratum 4, wanted at most 3")),
    ],
)
def test_ntp(check: dict[str, object], answer: bytes, expected: tuple[bool, str]) -> None:
    result = ntp.judge(NtpCheck(name="c", **check), answer, NOW, NOW)  # type: ignore[arg-type]
    assert (result.passed, result.detail) == expected


def test_ntp_in_the_next_era() -> None:
    """2036-02-07 and later: the seconds begin anew."""
    assert ntp.timestamp(struct.pack("!2I", 100, 0), 2_085_978_496.0 + 100) == 2_085_978_596.0


def test_ntp_hears_only_the_answer_to_its_question() -> None:
    conversation = conversation_for(NtpCheck(name="c"))
    cookie = conversation.request[40:48]
    assert conversation.feed(time_answer()) is None
    answer = time_answer()
    ours = answer[:24] + cookie + answer[32:]
    assert conversation.feed(ours) == ProbeResult(True, "stratum 2")


# ------------------------------------------------------------------------------------------------------ RADIUS

SECRET = b"sesame-7"


def signed(code: int, request: bytes, secret: bytes = SECRET, attributes: bytes = b"") -> bytes:
    head = bytes((code, request[1])) + (20 + len(attributes)).to_bytes(2, "big")
    return head + hashlib.md5(head + request[4:20] + attributes + secret).digest() + attributes


@pytest.mark.parametrize(
    ("code", "secret", "expected"),
    [
        (2, SECRET, (True, "Access-Accept")),
        (5, SECRET, (True, "Accounting-Response")),
        (3, SECRET, (False, "Access-Reject, wanted Access-Accept or Accounting-Response")),
        (2, b"other", (False, "the answer is signed with another secret")),
    ],
)
def test_radius(code: int, secret: bytes, expected: tuple[bool, str]) -> None:
    conversation = conversation_for(RadiusCheck(name="c", secret="sesame-7"))
    result = conversation.feed(signed(code, conversation.request, secret, b"\x12\x05abc"))
    assert isinstance(result, ProbeResult)
    assert (result.passed, result.detail) == expected


def test_radius_length_and_identifier() -> None:
    conversation = conversation_for(RadiusCheck(name="c", secret="sesame-7"))
    answer = signed(2, conversation.request)
    assert conversation.feed(answer[:1] + bytes((answer[1] ^ 1,)) + answer[2:]) is None
    assert conversation.feed(answer[:2] + b"\1\0" + answer[4:]) == ProbeResult(
        False, "the answer is no RADIUS: 20 octets that call themselves 256"
    )


def test_the_radius_request_is_that_of_rfc_5997() -> None:
    """Section 6, the first example: Status-Server with identifier 0xda and the secret xyzzy5461."""
    authenticator = bytes.fromhex("8a54f4686fb394c52866e302185d0623")
    octets = radius.request(0xDA, authenticator, b"xyzzy5461")
    assert octets.hex() == "0cda0026" + authenticator.hex() + "5012" + "5a665e2e1e8411f3e243822097c84fa3"


# --------------------------------------------------------------------------------------------------------- SIP


def test_sip() -> None:
    conversation = conversation_for(SipCheck(name="c", status=("200-299", 486)))
    call = next(each for each in conversation.request.split(b"\r\n") if each.startswith(b"Call-ID"))

    def says(status: bytes) -> object:
        return conversation.feed(b"SIP/2.0 " + status + b"\r\n" + call + b"\r\nContent-Length: 0\r\n\r\n")

    assert says(b"100 Trying") is None
    assert conversation.feed(b"SIP/2.0 200 OK\r\nCall-ID: other\r\n\r\n") is None
    assert says(b"200 OK") == ProbeResult(True, "SIP/2.0 200 OK")
    assert says(b"486 Busy Here") == ProbeResult(True, "SIP/2.0 486 Busy Here")
    assert says(b"503 Overload") == ProbeResult(False, "SIP/2.0 503 Overload, wanted 200-299 or 486")
    assert conversation.feed(b"\x16\x03") == ProbeResult(False, 'the answer is no SIP: ".."')


# ------------------------------------------------------------------------------------------------------- agent


def test_the_agents_datagram() -> None:
    check = AgentCheck(name="c", transport="udp")
    assert answered(check, b"up 50%\n") == ProbeResult(True, "the agent says up 50%", weight=50)
    assert answered(check, b"100000%") == ProbeResult(False, 'the agent says "100000%", which is none of its words')
    assert answered(check, b"9999%") == ProbeResult(True, "the agent says 9999%", weight=1000)
    assert answered(check, b"") == ProbeResult(False, 'the agent says "", which is none of its words')
