"""TLS from the start and after STARTTLS, against Python's own server: the handshake, the certificate, the sentences."""

import asyncio
import re
import ssl
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from haagent.config.checks import (
    Check,
    FtpCheck,
    HttpCheck,
    HttpsCheck,
    ImapCheck,
    LdapCheck,
    Pop3Check,
    PostgresqlCheck,
    RedisCheck,
    SmtpCheck,
    TcpCheck,
)
from haagent.health.probe import Probe, ProbeResult
from haagent.probes import asn1
from haagent.probes.begin import begin
from haagent.probes.poller import Poller
from tests import probe_certificates

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("certificates")
    probe_certificates.make(folder)
    return folder


def context(folder: Path, name: str) -> ssl.SSLContext:
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.load_cert_chain(folder / f"{name}.pem", folder / f"{name}.key")
    return made


def ask(check: Check, serve: Serve, tls: ssl.SSLContext | None = None) -> ProbeResult:
    async def run() -> ProbeResult:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda loop, about: None)  # the server's own view of a refused handshake
        server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls)
        poller, done = Poller(loop), loop.create_future()
        begin(Probe(1, check, "127.0.0.1", server.sockets[0].getsockname()[1]), poller, done.set_result)
        try:
            result = await done
        finally:
            poller.close()
            server.close()
        assert isinstance(result, ProbeResult), result
        return result

    return asyncio.run(run())


async def web(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    writer.write(OK)
    await writer.drain()
    writer.close()


async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read()


def test_the_chain_and_the_name(folder: Path) -> None:
    ca = str(folder / "ca.pem")

    def https(certificate: str, **changes: object) -> ProbeResult:
        check = HttpsCheck(**({"name": "c", "timeout": 5.0, "host": "www.example.com"} | changes))  # type: ignore[arg-type]
        return ask(check, web, context(folder, certificate))

    full = {"verify": "chain_and_name", "ca_file": ca}
    assert https("good") == ProbeResult(True, "HTTP 200")
    assert https("good", **full) == ProbeResult(True, "HTTP 200")
    assert https("good", sni="127.0.0.1", **full) == ProbeResult(True, "HTTP 200")
    assert https("good", sni="mail.example.com", **full) == ProbeResult(
        False, "the certificate is not for mail.example.com"
    )
    assert https("ended", **full) == ProbeResult(False, "the certificate has expired")
    assert https("ended") == ProbeResult(True, "HTTP 200; the certificate has expired on 2020-03-01")
    assert https("ended", minimum_certificate_days=1) == ProbeResult(
        False, "the certificate has expired on 2020-03-01, wanted at least 1 day"
    )
    assert https("soon").detail.startswith("HTTP 200; the certificate expires in 4 days (")
    assert https("soon", warn_certificate_days=0) == ProbeResult(True, "HTTP 200")
    assert https("self", verify="chain", ca_file=ca) == ProbeResult(
        False, "the certificate is not trusted: self-signed certificate"
    )
    assert https("good", verify="chain").detail.startswith("the certificate is not trusted: ")
    wrong = https("good", status=(204,))
    assert wrong == ProbeResult(False, "HTTP 200, wanted 204")


def test_the_transcript_tells_of_version_verification_and_chain(folder: Path) -> None:
    def noted(certificate: str, **changes: object) -> tuple[str, ...]:
        check = HttpsCheck(**({"name": "c", "timeout": 5.0, "host": "www.example.com"} | changes))  # type: ignore[arg-type]
        transcript = ask(check, web, context(folder, certificate)).transcript
        assert transcript is not None
        return transcript.notes

    full = {"verify": "chain_and_name", "ca_file": str(folder / "ca.pem")}
    handshake, own = noted("good", **full)
    assert re.fullmatch(r"tls TLSv1\.3 TLS_\w+, asked for www\.example\.com; chain and name were verified", handshake)
    assert own.startswith(
        "tls certificate 0 of CN=www.example.com, for www.example.com 127.0.0.1, issued by CN=Test CA"
    )
    assert noted("good")[0].endswith("; nothing was verified")
    handshake, own = noted("self", **full)
    assert handshake.endswith("; the certificate is not trusted: self-signed certificate")
    assert own.startswith("tls certificate 0 of CN=x, issued by itself, ")  # shown although it was refused
    assert "; the certificate has expired" in noted("ended", **full)[0]


def test_a_file_of_authorities_that_cannot_be_used_is_our_own_trouble(folder: Path) -> None:
    for name, reason in (("none.pem", "No such file or directory"), ("index", "no certificates in it")):
        check = TcpCheck(name="c", timeout=5.0, tls="on_connect", verify="chain", ca_file=str(folder / name))
        result = ask(check, silent)
        assert (result.local, result.detail) == (
            True,
            f"this director cannot probe: ca_file {folder / name}: {reason}",
        )


def test_what_is_no_tls(folder: Path) -> None:
    check = TcpCheck(name="c", timeout=0.4, tls="on_connect")

    def says(octets: bytes) -> Serve:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(octets)
            await writer.drain()
            await reader.read(100)
            writer.close()

        return serve

    assert ask(check, says(b"SSH-2.0-OpenSSH_9.2\r\n")) == ProbeResult(
        False, 'not TLS: the answer begins with "SSH-2.0-OpenSSH_9.2.."'
    )
    assert ask(check, silent) == ProbeResult(False, "no complete answer within 0.4 s (no answer to the TLS handshake)")
    assert ask(check, says(b"\x16\x03\x03\x00\x50\x02")) == ProbeResult(
        False, "connection closed during the TLS handshake"
    )
    assert ask(HttpCheck(name="c", timeout=2.0), web, context(folder, "good")).detail.startswith("connection closed")


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1_1 is deprecated")
def test_protocols_that_do_not_meet(folder: Path) -> None:
    """A strict client, an old server: the alert is told in words."""
    old = context(folder, "good")
    old.maximum_version = ssl.TLSVersion.TLSv1_1
    old.set_ciphers("ALL:@SECLEVEL=0")
    strict = TcpCheck(name="c", timeout=5.0, tls="on_connect", verify="chain", ca_file=str(folder / "ca.pem"))
    result = ask(strict, silent, old)
    assert not result.passed
    assert result.detail.startswith("TLS handshake failed: ")
    lenient = TcpCheck(name="c", timeout=5.0, tls="on_connect")  # an old IIS works all the same
    assert ask(lenient, silent, old) == ProbeResult(True, "TLS handshake done")


def starttls(folder: Path, *turns: tuple[bytes, bytes], after: tuple[tuple[bytes, bytes], ...]) -> Serve:
    """Answers each request that ends so; then speaks TLS and answers on. A request may be empty: the server begins."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for ending, answer in turns:
            if ending:
                await reader.readuntil(ending)
            writer.write(answer)
            await writer.drain()
        await writer.start_tls(context(folder, "self"))
        for ending, answer in after:
            await reader.readuntil(ending)
            writer.write(answer)
            await writer.drain()

    return serve


LINE = b"\r\n"
LDAP_OK = asn1.integer(0, asn1.ENUMERATED) + asn1.encode(4, b"") + asn1.encode(4, b"")


def ldap(id: int, tag: int, content: bytes = LDAP_OK) -> bytes:
    return asn1.encode(0x30, asn1.integer(id) + asn1.encode(tag, content))


STARTED = [
    (
        SmtpCheck(name="c", tls="starttls"),
        ((b"", b"220 mx\r\n"), (LINE, b"250-mx\r\n250 STARTTLS\r\n"), (LINE, b"220 go\r\n")),
        ((LINE, b"250 mx\r\n"), (LINE, b"221 bye\r\n")),
        'ready: "220 mx"',
    ),
    (
        ImapCheck(name="c", tls="starttls", user="u", password="p"),
        ((b"", b"* OK hi\r\n"), (LINE, b"s OK go\r\n")),
        ((LINE, b"l OK in\r\n"), (LINE, b"* BYE\r\n")),
        "logged in",
    ),
    (
        Pop3Check(name="c", tls="starttls"),
        ((b"", b"+OK hi\r\n"), (LINE, b"+OK go\r\n")),
        ((LINE, b"+OK bye\r\n"),),
        'ready: "+OK hi"',
    ),
    (
        FtpCheck(name="c", tls="starttls"),
        ((b"", b"220 hi\r\n"), (LINE, b"234 go\r\n")),
        ((LINE, b"221 bye\r\n"),),
        'ready: "220 hi"',
    ),
    (
        PostgresqlCheck(name="c", tls="starttls"),
        ((b"\x2f", b"S"),),
        ((b"haagent\0\0", b"R\0\0\0\x08\0\0\0\3"),),
        "ready",
    ),
    (
        LdapCheck(name="c", tls="starttls"),
        ((b"20037", ldap(1, 0x78)),),
        ((b"\x80\x00", ldap(2, 0x61)), (b"1.1", ldap(3, 0x64, asn1.encode(4, b"")) + ldap(3, 0x65))),
        "found the root DSE",
    ),
]


@pytest.mark.parametrize(("check", "turns", "after", "detail"), STARTED, ids=lambda each: type(each).__name__)
def test_starttls(
    folder: Path,
    check: Check,
    turns: tuple[tuple[bytes, bytes], ...],
    after: tuple[tuple[bytes, bytes], ...],
    detail: str,
) -> None:
    patient = type(check)(**{f: getattr(check, f) for f in check.__struct_fields__} | {"timeout": 5.0})
    assert ask(patient, starttls(folder, *turns, after=after)) == ProbeResult(True, detail)


def test_redis_over_tls(folder: Path) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"PING\r\n")
        writer.write(b"+PONG\r\n")
        await reader.read()

    check = RedisCheck(name="c", timeout=5.0, tls="on_connect")
    assert ask(check, serve, context(folder, "good")) == ProbeResult(True, "PONG")


def test_a_redirect_to_tls_is_followed_to_the_same_server(folder: Path) -> None:
    seen: list[bytes] = []

    async def run() -> ProbeResult:
        loop = asyncio.get_running_loop()

        async def secure(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            seen.append(await reader.readuntil(b"\r\n\r\n"))
            writer.write(OK)
            await writer.drain()
            writer.close()

        tls = await asyncio.start_server(secure, "127.0.0.1", 0, ssl=context(folder, "good"))
        port = tls.sockets[0].getsockname()[1]

        async def first(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            seen.append(await reader.readuntil(b"\r\n\r\n"))
            writer.write(b"HTTP/1.1 308 P\r\nLocation: https://elsewhere.example:%d/a?b=c\r\n\r\n" % port)
            await writer.drain()
            writer.close()

        plain = await asyncio.start_server(first, "127.0.0.1", 0)
        poller, done = Poller(loop), loop.create_future()
        check = HttpCheck(name="c", timeout=5.0, follow_redirects=1, method="POST", request_body="x")
        begin(Probe(1, check, "127.0.0.1", plain.sockets[0].getsockname()[1]), poller, done.set_result)
        result = await done
        for each in (tls, plain):
            each.close()
        poller.close()
        assert result.detail == f"HTTP 200 (redirected to https://elsewhere.example:{port}/a?b=c)"
        return result

    assert asyncio.run(run()).passed
    assert seen[0].startswith(b"POST / HTTP/1.1\r\n")
    assert seen[1].startswith(b"POST /a?b=c HTTP/1.1\r\nHost: elsewhere.example:")


def test_dates_of_certificates(folder: Path) -> None:
    der = ssl.PEM_cert_to_DER_cert((folder / "ended.pem").read_text())
    assert asn1.not_after(der) == 1583020800.0  # 2020-03-01T00:00:00Z
    for cut in range(0, len(der), 7):
        asn1.not_after(der[:cut])  # anything at all, but no exception
