"""The lines of a transcript that say what its octets mean: DNS messages decoded, the TLS handshake and its chain."""

import struct
import time
from pathlib import Path

import pytest

from haagent.config.checks import DnsCheck, TcpCheck
from haagent.health.transcript import Transcript, difference
from haagent.probes.asn1 import Malformed
from haagent.probes.certificate import decode
from haagent.probes.dns_message import encode_name, encode_query
from haagent.probes.notes import notes
from haagent.probes.tls_words import chain_words
from tests import probe_certificates
from tests.probe_certificates import openssl

CHECK = DnsCheck(name="c", query="example.com", record_type="SOA")
QUERY = encode_query(4711, "example.com", 6, recursion=True, edns=1232)
NAME = encode_name("example.com")
SOA = b"\3ns1\xc0\x0c\5admin\xc0\x0c" + struct.pack("!5I", 2026112401, 3600, 600, 86400, 60)
OPT = b"\0" + struct.pack("!HHIH", 41, 1232, 0, 0)


def message(flags: int, answers: tuple[bytes, ...] = (), authority: tuple[bytes, ...] = (), id: int = 4711) -> bytes:
    header = struct.pack("!6H", id, flags, 1, len(answers), len(authority), 1)
    return header + NAME + struct.pack("!2H", 6, 1) + b"".join((*answers, *authority)) + OPT


def record(type: int, data: bytes, ttl: int = 60) -> bytes:
    return b"\xc0\x0c" + struct.pack("!HHIH", type, 1, ttl, len(data)) + data


def tried(received: bytes, sent: bytes = QUERY, passed: bool = True) -> Transcript:
    found = Transcript(passed=passed, detail="", sent=sent, received=received, received_octets=len(received))
    return Transcript(
        passed=passed, detail="", sent=sent, received=received, received_octets=len(received),
        notes=notes(CHECK, found),
    )  # fmt: skip


def test_a_question_and_its_answer() -> None:
    received = message(0x8580, (record(6, SOA),), (record(2, b"\3ns1\xc0\x0c"), record(99, b"\1x")))
    assert tried(received).notes == (
        "dns > id 4711, flags rd",
        "dns > question example.com SOA",
        "dns > additional OPT: takes 1232 octets, extended rcode 0",
        "dns < id 4711, flags qr aa rd ra, NOERROR, 1 answer, 2 authority, 1 additional",
        "dns < question example.com SOA",
        "dns < answer example.com 60 SOA ns1.example.com admin.example.com serial 2026112401",
        "dns < authority example.com 60 NS ns1.example.com",
        "dns < authority example.com 60 TYPE99, 2 octets",
        "dns < additional OPT: takes 1232 octets, extended rcode 0",
    )


def test_by_tcp_both_have_their_length_before_them() -> None:
    def framed(octets: bytes) -> bytes:
        return len(octets).to_bytes(2, "big") + octets

    received = message(0x8182)
    assert tried(framed(received), framed(QUERY)).notes == tried(received).notes
    assert "dns < id 4711, flags qr rd ra, SERVFAIL, 0 answer, 0 authority, 1 additional" in tried(received).notes


@pytest.mark.parametrize(
    ("received", "last"),
    [
        (b"\0\1", "dns < no DNS message: only 2 octets"),
        (message(0x8180, (record(6, SOA),))[:50], "dns < the rest cannot be read: a record is cut off"),
        (message(0x8180, (record(1, b"abc"),)), "dns < the rest cannot be read: a record A of a wrong length"),
        (message(0x8180, tuple(record(1, bytes((192, 0, 2, each))) for each in range(50))), "dns < and more"),
        (b"", "dns > additional OPT: takes 1232 octets, extended rcode 0"),
    ],
)
def test_what_cannot_be_read_is_said(received: bytes, last: str) -> None:
    assert tried(received).notes[-1] == last


def test_a_text_with_a_password_is_decoded_before_it_is_masked() -> None:
    text = b"password=sesame-7"
    told = tried(message(0x8180, (record(16, bytes((len(text),)) + text),))).without(("sesame-7",))
    assert "dns < answer example.com 60 TXT password=***" in told.notes


def test_only_a_dns_check_is_read_as_dns() -> None:
    assert notes(TcpCheck(name="c"), Transcript(passed=True, detail="", sent=QUERY)) == ()


def test_the_difference_is_told_in_decoded_lines() -> None:
    good = tried(message(0x8580, (record(6, SOA, ttl=50),), id=1))
    failed = tried(message(0x8182), passed=False)
    assert difference(failed, good) == (
        "dns < flags qr rd ra, SERVFAIL, 0 answer, 0 authority, 1 additional, not then",
        "dns < flags qr aa rd ra, NOERROR, 1 answer, 0 authority, 1 additional, then, not now",
        "dns < answer example.com SOA ns1.example.com admin.example.com serial 2026112401, then, not now",
    )
    assert difference(tried(message(0x8580, (record(6, SOA, ttl=7),))), good) == ()


# ---------------------------------------------------------------------------------------------------------- chain


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("certificates")
    probe_certificates.make(folder)
    return folder


def der(folder: Path, name: str) -> bytes:
    openssl(folder, "x509", "-in", f"{name}.pem", "-outform", "DER", "-out", f"{name}.der")
    return (folder / f"{name}.der").read_bytes()


def test_the_lines_of_a_chain(folder: Path) -> None:
    ours, authority, ended = (der(folder, name) for name in ("good", "ca", "ended"))
    now = time.time()
    first, second, third = chain_words((ours, authority, ended), now)
    assert first.startswith(
        "tls certificate 0 of CN=www.example.com, for www.example.com 127.0.0.1, issued by CN=Test CA, "
    )
    assert first.endswith(": 89 days left")
    assert second.startswith("tls certificate 1 of CN=Test CA, issued by itself, ")
    assert "2020-01-01 to 2020-03-01: expired " in third
    assert third.endswith(" days ago")
    assert chain_words((ours,), now - 7 * 86400)[0].endswith(": not yet valid")
    assert chain_words((ours,), now)[0] is first  # thousands of transcripts share one line


def test_a_changed_certificate_is_a_difference_and_a_day_less_is_not(folder: Path) -> None:
    def with_(name: str, now: float, passed: bool) -> Transcript:
        return Transcript(passed=passed, detail="", notes=chain_words((der(folder, name),), now))

    now = time.time()
    assert difference(with_("good", now + 86400 * 5.5, False), with_("good", now, True)) == ()
    then, lost = difference(with_("self", now, False), with_("good", now, True))
    assert then.startswith("tls certificate 0 of CN=x, issued by itself")
    assert then.endswith(", not then")
    assert lost.endswith(", then, not now")


@pytest.mark.parametrize("octets", [b"", b"\x30\x80", b"\x30\x03\x30\x01\x02", b"junk"])
def test_what_is_no_certificate(octets: bytes) -> None:
    assert isinstance(decode(octets), Malformed)
    assert chain_words((octets,), 0.0)[0].startswith("tls certificate 0 cannot be read: ")
