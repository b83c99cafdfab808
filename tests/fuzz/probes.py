"""Fuzz targets of the probes: what a server may say to every check; each seed is a working answer."""

import struct
from collections.abc import Callable
from random import Random

from haagent.config.checks import Check
from haagent.health.probe import ProbeResult
from haagent.probes import asn1, certificate
from haagent.probes.dns_message import Malformed, Message, decode, encode_name
from haagent.probes.dns_words import message_words
from haagent.probes.exchange import Elsewhere
from haagent.probes.exec import judge_code, judge_json
from haagent.probes.tls_words import chain_words
from tests.probe_play import DATAGRAMS, STREAMS, conversation_for, hear

Run = Callable[[bytes, Random], None]

_LDAP = asn1.integer(0, asn1.ENUMERATED) + asn1.encode(4, b"") + asn1.encode(4, b"")


def _ldap(id: int, tag: int) -> bytes:
    return asn1.encode(0x30, asn1.integer(id) + asn1.encode(tag, _LDAP))


TALK = (
    b"220-mx\r\n220 mx\r\n250-x\r\n250 STARTTLS\r\n221 bye\r\n",
    b"220 ftp\r\n331 password\r\n230 in\r\n221 bye\r\n",
    b"* OK hi\r\n* CAPABILITY\r\nl OK in\r\n* BYE\r\n",
    b"+OK hi\r\n+OK\r\n+OK\r\n+OK bye\r\n",
    b"+OK\r\n+PONG\r\n",
    b"R\0\0\0\x08\0\0\0\0S\0\0\0\x08a\0b\0Z\0\0\0\5I",
    b"R\0\0\0\x17\0\0\0\x0aSCRAM-SHA-256\0\0R\0\0\0\x20\0\0\0\x0br=abc,s=AAAA,i=4096,xxx",
    b"E\0\0\0\x1aSFATAL\0C57P03\0Mstarting\0\0",
    b"\x4a\0\0\0\x0a8.0.30\0" + bytes(4) + b"12345678\0" + bytes(7) + b"\x15" + bytes(10) + b"123456789012\0mysql\0",
    b"\7\0\0\2\0\0\0\2\0\0\0",
    _ldap(2, 0x61) + _ldap(3, 0x64) + _ldap(3, 0x65),
    b"\0\0\0\4\0\0\0\0\0\0\0\7\0\0\0\0\0\1\0\0\0\0\2\x08\1",
    b"SIP/2.0 100 Trying\r\n\r\nSIP/2.0 200 OK\r\nCall-ID: x\r\nContent-Length: 0\r\n\r\n",
    b"75% ready #fine\n",
    b"HTTP/1.1 302 Found\r\nLocation: https://www.example.com:8443/a?b\r\nContent-Length: 0\r\n\r\n",
    b'HTTP/1.1 200 OK\r\nContent-Length: 35\r\n\r\n{"status": "ok", "a": [{"b": 1}]}  ',
)
DNS = (
    b"\0\1\x84\0\0\1\0\2\0\0\0\1" + encode_name("www.example.com") + b"\0\1\0\1"
    + b"\xc0\x0c\0\1\0\1\0\0\0\x3c\0\4\xc0\0\2\x50" + b"\xc0\x0c\0\5\0\1\0\0\0\x3c\0\2\xc0\x10" + b"\0\0\x29\4\xd0"
    + bytes(6),
    b"\0\1\x84\0\0\1\0\1\0\0\0\0" + encode_name("example.com") + b"\0\6\0\1"
    + b"\xc0\x0c\0\6\0\1\0\0\0\x3c\0\x1a\xc0\x0c\1a\xc0\x0c"
    + struct.pack("!5I", 7, 1, 1, 1, 1) + b"\0",
    b"\0\1\x86\0\0\1\0\0\0\0\0\0" + encode_name("www.example.com") + b"\0\1\0\1",
    b"\0\1\x81\x85\0\0\0\0\0\0\0\0",
)  # fmt: skip
REPLIES = (
    *DNS,
    bytes((4 << 3 | 4, 2)) + bytes(46),
    b"\2\7\0\x14" + bytes(16),
    b"SIP/2.0 200 OK\r\nCall-ID: x\r\n\r\n",
    b"\0\0\0\0\0\0\0\1" + bytes(56),
    b"world",
    b"50%\n",
)


def examine(result: object) -> None:
    if result is None or isinstance(result, Elsewhere):
        return
    assert isinstance(result, ProbeResult), result
    assert result.detail, result
    assert result.detail.isprintable(), result
    assert len(result.detail) < 600, result
    assert not result.local, result
    assert "sesame" not in result.detail, result


def pieces(octets: bytes, random: Random) -> list[bytes]:
    cuts = sorted(random.randrange(len(octets) + 1) for _ in range(random.randrange(5)))
    return [octets[a:b] for a, b in zip([0, *cuts], [*cuts, len(octets)], strict=True) if a < b]


def run_stream(check: Check) -> Run:
    def run(octets: bytes, random: Random) -> None:
        conversation = conversation_for(check)
        examine(hear(conversation, pieces(octets, random), ends=random.random() < 0.7))
        conversation.close()

    return run


def run_datagram(check: Check) -> Run:
    def run(octets: bytes, random: Random) -> None:
        conversation = conversation_for(check)
        own = conversation.request
        heard = [
            octets,
            own[:2] + octets[2:],
            octets[:24] + own[40:48] + octets[32:],
            octets[:4] + own[4:8] + octets[8:],
        ]
        examine(hear(conversation, heard, ends=False))
        conversation.close()

    return run


def run_dns_message(octets: bytes, random: Random) -> None:
    assert isinstance(decode(octets), Message | Malformed)
    lines = list(message_words(octets))
    assert lines
    assert all(each.isprintable() and len(each) < 1200 for each in lines), lines


def run_program(octets: bytes, random: Random) -> None:
    examine(judge_json(octets, random.choice((0, 0, 1))))
    examine(judge_code(octets, random.randrange(256)))


def run_certificate(octets: bytes, random: Random) -> None:
    assert isinstance(asn1.not_after(octets), float | None)
    assert isinstance(certificate.decode(octets), certificate.Certificate | asn1.Malformed)
    [line] = chain_words((octets,), 1e9)
    assert line.isprintable()
    assert len(line) < 600


def _distinguished(name: str) -> bytes:
    pair = asn1.encode(6, b"\x55\x04\x03") + asn1.encode(0x0C, name.encode())
    return asn1.encode(0x30, asn1.encode(0x31, asn1.encode(0x30, pair)))


CERTIFICATE = asn1.encode(
    0x30,
    asn1.encode(
        0x30,
        asn1.encode(0xA0, b"\2\1\2") + asn1.integer(7) + asn1.encode(0x30, b"") + _distinguished("Test CA")
        + asn1.encode(0x30, asn1.encode(0x17, b"260101000000Z") + asn1.encode(0x18, b"20990101000000Z"))
        + _distinguished("www.example.com") + asn1.encode(0x30, b"")
        + asn1.encode(0xA3, asn1.encode(0x30, asn1.encode(0x30, asn1.encode(6, b"\x55\x1d\x11")
        + asn1.encode(4, asn1.encode(0x30, asn1.encode(0x82, b"a.example") + asn1.encode(0x87, bytes(4))))))),
    ),
)  # fmt: skip

# name -> seeds, what to do
PROBES: dict[str, tuple[tuple[bytes, ...], Run]] = {
    **{
        f"probe_{check.name.replace(' ', '_')}": (TALK, run_stream(check))
        for check in STREAMS
        if "tls" not in check.name
    },
    **{f"probe_{check.name.replace(' ', '_')}_datagram": (REPLIES, run_datagram(check)) for check in DATAGRAMS},
    "dns_message": (DNS, run_dns_message),
    "program": ((b'{"up": true, "weight": 50, "detail": "x"}', b"fine\n"), run_program),
    "certificate": ((CERTIFICATE,), run_certificate),
}
