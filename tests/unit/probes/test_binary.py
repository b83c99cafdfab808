"""MySQL, PostgreSQL, LDAP, SIP over TCP and gRPC, played without a socket (the real servers: tests/netns)."""

import pytest

from haagent.config.checks import Check, GrpcCheck, LdapCheck, MysqlCheck, PostgresqlCheck, SipCheck
from haagent.health.probe import ProbeResult
from haagent.probes import asn1
from haagent.probes.grpc import DATA, END_STREAM, GOAWAY, HEADERS, PREFACE, RST_STREAM, SETTINGS, frame
from haagent.probes.mysql import scramble
from haagent.probes.postgresql import message
from haagent.probes.scram import Refused, Scram
from tests.probe_play import LOGIN, play

# ------------------------------------------------------------------------------------------------------- MySQL

MYSQL, MYSQL_LOGIN = MysqlCheck(name="c"), MysqlCheck(name="c", **LOGIN)
NONCE = bytes(range(1, 21))


def packet(number: int, payload: bytes) -> bytes:
    return len(payload).to_bytes(3, "little") + bytes((number,)) + payload


def greeting(method: str = "mysql_native_password") -> bytes:
    return packet(
        0,
        b"\x0a8.0.30\0" + bytes(4) + NONCE[:8] + b"\0" + bytes(2) + b"!" + bytes(2) + bytes(2) + b"\x15" + bytes(10)
        + NONCE[8:] + b"\0" + method.encode() + b"\0",
    )  # fmt: skip


OK, DENIED = packet(2, b"\0\0\0\2\0\0\0"), packet(2, b"\xff\x15\x04#28000Access denied")
SHA2 = "caching_sha2_password"


@pytest.mark.parametrize(
    ("check", "answers", "passed", "detail"),
    [
        (MYSQL, [greeting()], True, "ready: version 8.0.30"),
        (MYSQL_LOGIN, [greeting(), OK], True, "logged in: version 8.0.30"),
        (MYSQL_LOGIN, [greeting(SHA2), packet(2, b"\1\3") + packet(3, b"\0\0\0")], True, "logged in: version 8.0.30"),
        (
            MYSQL_LOGIN,
            [greeting(SHA2), packet(2, b"\xfemysql_native_password\0" + NONCE + b"\0"), packet(4, b"\0")],
            True,
            "logged in: version 8.0.30",
        ),
        (
            MYSQL_LOGIN,
            [greeting(SHA2), packet(2, b"\1\4")],
            False,
            "caching_sha2_password wants the password through TLS; one login elsewhere fills the server's cache",
        ),
        (MYSQL_LOGIN, [greeting(), DENIED], False, "the login is refused: 1045 Access denied"),
        (
            MYSQL_LOGIN,
            [greeting(), packet(2, b"\xfeclient_ed25519\0" + NONCE)],
            False,
            "the server wants the login method client_ed25519, which is not known here",
        ),
        (
            MYSQL,
            [packet(0, b"\xff\x10\x04Too many connections")],
            False,
            "the server refuses us: 1040 Too many connections",
        ),
        (MYSQL, [packet(0, b"\x09old")], False, "the greeting is not MySQL's: protocol version 9, wanted 10"),
        (MYSQL, [b"SSH-2.0-x\r\n"], False, "the greeting is not MySQL's: a packet of 4739923 octets"),
        (MYSQL, [packet(0, b"\x0a8.0\0short")], False, "the greeting is cut off"),
        (MYSQL, [], False, "connection closed instead of the greeting"),
    ],
)
def test_mysql(check: Check, answers: list[bytes], passed: bool, detail: str) -> None:
    assert play(check, answers)[0] == ProbeResult(passed, detail)


def test_the_scrambles_are_those_of_the_protocol() -> None:
    """Computed apart: SHA1(p) ^ SHA1(nonce + SHA1(SHA1(p))), and SHA-256 the other way round."""
    assert scramble("mysql_native_password", "", NONCE) == b""
    assert scramble("mysql_native_password", "secret", b"A" * 20).hex() == NATIVE_SCRAMBLE
    assert len(scramble(SHA2, "secret", NONCE)) == 32


# echo -n secret | openssl sha1 -binary > a; openssl sha1 -binary a > b; (20 times A; cat b) | openssl sha1; a xor that
NATIVE_SCRAMBLE = "c11a9201c00eb25c21e5ec5236e71d5433e86b6b"

# -------------------------------------------------------------------------------------------------- PostgreSQL

POSTGRESQL, POSTGRESQL_LOGIN = PostgresqlCheck(name="c"), PostgresqlCheck(name="c", **LOGIN)
TLS = PostgresqlCheck(name="c", tls="starttls")


def error(code: str, text: str) -> bytes:
    return message(b"E", b"SFATAL\0C" + code.encode() + b"\0M" + text.encode() + b"\0\0")


AUTH_OK = message(b"R", bytes(4))
READY = message(b"Z", b"I")


@pytest.mark.parametrize(
    ("check", "answers", "passed", "detail"),
    [
        (POSTGRESQL, [message(b"R", b"\0\0\0\x05salt")], True, "ready"),
        (POSTGRESQL, [error("28000", 'role "haagent" does not exist')], True, "ready"),
        (POSTGRESQL, [error("3D000", "no such database")], True, "ready"),
        (POSTGRESQL_LOGIN, [AUTH_OK + message(b"S", b"a\0b\0") + READY], True, "logged in"),
        (POSTGRESQL_LOGIN, [message(b"R", b"\0\0\0\x05salt"), AUTH_OK + READY], True, "logged in"),
        (
            POSTGRESQL,
            [error("57P03", "the database system is starting up")],
            False,
            "the server refuses sessions: the database system is starting up (57P03)",
        ),
        (
            POSTGRESQL_LOGIN,
            [error("28P01", "password authentication failed")],
            False,
            "the login is refused: password authentication failed (28P01)",
        ),
        (
            POSTGRESQL_LOGIN,
            [message(b"R", b"\0\0\0\x03")],
            False,
            "the login fails: the server wants the password in clear, without TLS",
        ),
        (
            POSTGRESQL_LOGIN,
            [message(b"R", b"\0\0\0\x07")],
            False,
            "the login fails: the server wants the method number 7, which is not known here",
        ),
        (POSTGRESQL, [b"HTTP/1.1 400 Bad\r\n"], False, 'the answer is not PostgreSQL\'s: it begins with "HTTP/"'),
        (TLS, [b"N"], False, "the server refuses TLS"),
        (TLS, [b"E"], False, 'the server answers SSLRequest with "E"'),
        (POSTGRESQL, [], False, "connection closed instead of the answer to the start-up message"),
    ],
)
def test_postgresql(check: Check, answers: list[bytes], passed: bool, detail: str) -> None:
    assert play(check, answers)[0] == ProbeResult(passed, detail)


def test_scram_of_rfc_7677() -> None:
    """Section 3, but for the name, which PostgreSQL leaves empty; so the proof is checked against our own server."""
    scram = Scram("pencil", "rOprNGfwEbeRWgbNEkqO")
    assert scram.first() == b"n,,n=,r=rOprNGfwEbeRWgbNEkqO"
    first = b"r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"
    final = scram.final(first)
    assert final.startswith(b"c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=")
    with pytest.raises(Refused, match="the server does not know the password itself"):
        scram.check(b"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=")


@pytest.mark.parametrize(
    ("first", "reason"),
    [
        (b"r=abcdef,s=AAAA,i=2000000000", "more than 20000 iterations"),  # it would stop the prober for minutes
        (b"r=abc,s=AAAA,i=4096", "does not repeat our nonce"),
        (b"r=abcdef,s=!,i=4096", "not base64"),
        (b"", "does not repeat our nonce"),
    ],
)
def test_scram_refuses(first: bytes, reason: str) -> None:
    with pytest.raises(Refused, match=reason):
        Scram("x", "abc").final(first)


# -------------------------------------------------------------------------------------------------------- LDAP

LDAP = LdapCheck(name="c")


def result(id: int, tag: int, code: int, text: bytes = b"") -> bytes:
    inner = asn1.integer(code, asn1.ENUMERATED) + asn1.encode(4, b"") + asn1.encode(4, text)
    return asn1.encode(0x30, asn1.integer(id) + asn1.encode(tag, inner))


ENTRY = asn1.encode(0x30, asn1.integer(3) + asn1.encode(0x64, asn1.encode(4, b"") + asn1.encode(0x30, b"")))
BOUND, FOUND = result(2, 0x61, 0), ENTRY + result(3, 0x65, 0)


@pytest.mark.parametrize(
    ("answers", "passed", "detail"),
    [
        ([BOUND, FOUND], True, "found the root DSE"),
        ([result(2, 0x61, 49, b"go away")], False, "the bind fails: invalidCredentials (go away)"),
        ([result(2, 0x61, 51)], False, "the bind fails: busy"),
        ([BOUND, result(3, 0x65, 32)], False, "the search fails: noSuchObject"),
        ([BOUND, result(3, 0x65, 0)], False, "the search finds no entry root DSE"),
        ([result(0, 0x78, 52, b"shutdown")], False, "the server takes leave: unavailable (shutdown)"),
        ([b"SSH-2.0-x\r\n"], False, "the answer is not LDAP's"),
        ([b"\x30\x84\x7f\xff\xff\xff"], False,
         "the answer to the bind: announced with 2147483653 octets, more than 65536"),
        ([b"\x30\x80"], False, "the answer is not LDAP's: a length without end or of more than 4 octets"),
        ([result(7, 0x61, 0)], False, "the answer to the bind is not LDAP's"),
        ([BOUND[:5]], False, "connection closed instead of the answer to the bind after 5 octets of it"),
    ],
)  # fmt: skip
def test_ldap(answers: list[bytes], passed: bool, detail: str) -> None:
    assert play(LDAP, answers)[0] == ProbeResult(passed, detail)


# -------------------------------------------------------------------------------------------------------- gRPC

GRPC = GrpcCheck(name="c", service="web")
START = frame(SETTINGS, 0, 0, b"")


def health(status: bytes) -> bytes:
    return frame(HEADERS, 4, 1, b"\x88") + frame(DATA, 0, 1, b"\0" + len(status).to_bytes(4, "big") + status)


@pytest.mark.parametrize(
    ("answers", "passed", "detail"),
    [
        ([START, health(b"\x08\x01")], True, "health is SERVING"),
        ([START, health(b"\x08\x02")], False, "health is NOT_SERVING"),
        ([START, health(b"")], False, "health is UNKNOWN"),
        ([START, frame(GOAWAY, 0, 0, bytes(7) + b"\x0b")], False, "the server takes leave: ENHANCE_YOUR_CALM"),
        ([START, frame(RST_STREAM, 0, 1, b"\0\0\0\7")], False, "the server resets the question: REFUSED_STREAM"),
        (
            [START, frame(HEADERS, 4 | END_STREAM, 1, b"\x88")],
            False,
            'no health of "web": the answer has no message (not a gRPC health service, or it does not know the name)',
        ),
        ([b"HTTP/1.1 400 Bad Request\r\n"], False, 'not HTTP/2: the answer begins with "HTTP/1.1 "'),
        ([START, START * 300], False, "more than 200 frames without an answer"),
        ([START], False, "connection closed instead of the answer"),
    ],
)
def test_grpc(answers: list[bytes], passed: bool, detail: str) -> None:
    heard, said = play(GRPC, answers)
    assert heard == ProbeResult(passed, detail)
    assert said[0].startswith(PREFACE)


# --------------------------------------------------------------------------------------------------------- SIP


def test_sip_over_tcp() -> None:
    check = SipCheck(name="c", transport="tcp")

    def answers(*lines: str) -> bytes:
        return ("\r\n".join(lines) + "\r\n\r\n").encode()

    result, said = play(check, [b"\r\nHTTP/1.1 400\r\n"])
    assert result == ProbeResult(False, 'the answer is no SIP: "HTTP/1.1 400"')
    assert said[0].startswith(b"OPTIONS sip:192.0.2.11:80 SIP/2.0\r\nVia: SIP/2.0/TCP ")
    result, _ = play(check, [answers("SIP/2.0 200 OK", "Call-ID: another")])
    assert result == ProbeResult(False, "connection closed instead of the answer to OPTIONS")
    result, _ = play(check, [b"SIP/2.0 200 OK\r\n" + b"X: y\r\n" * 300])
    assert result == ProbeResult(False, "headers without end (more than 200 lines)")
