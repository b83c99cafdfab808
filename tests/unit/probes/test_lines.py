"""The protocols of lines, played without a socket: what is said, the verdict, and the exact sentence."""

import pytest

from haagent.config.checks import Check, FtpCheck, ImapCheck, Pop3Check, RedisCheck, SmtpCheck
from haagent.health.probe import ProbeResult
from tests.probe_play import LOGIN, play

SMTP = SmtpCheck(name="c")
FTP, FTP_LOGIN = FtpCheck(name="c"), FtpCheck(name="c", **LOGIN)
IMAP, IMAP_LOGIN = ImapCheck(name="c"), ImapCheck(name="c", **LOGIN)
POP3, POP3_LOGIN = Pop3Check(name="c"), Pop3Check(name="c", **LOGIN)
REDIS, REDIS_LOGIN = RedisCheck(name="c"), RedisCheck(name="c", **LOGIN)

GOOD: list[tuple[Check, list[bytes], str]] = [
    (SMTP, [b"220 mx ESMTP\r\n", b"250-mx\r\n250-SIZE 1\r\n250 HELP\r\n", b"221 bye\r\n"], 'ready: "220 mx ESMTP"'),
    (SMTP, [b"220-two\r\n220 lines\r\n", b"250 mx\r\n"], 'ready: "220 lines"'),  # closes instead of the answer to QUIT
    (SMTP, [b"220\r\n", b"250\r\n", b"221 bye\r\n"], 'ready: "220"'),
    (FTP, [b"220-hello\r\n 220 not yet\r\n220 (vsFTPd)\r\n", b"221 bye\r\n"], 'ready: "220 (vsFTPd)"'),
    (FTP_LOGIN, [b"220 hi\r\n", b"331 password\r\n", b"230 in\r\n", b"221 bye\r\n"], "logged in"),
    (FTP_LOGIN, [b"220 hi\r\n", b"230 no password needed\r\n", b"221 bye\r\n"], "logged in"),
    (IMAP, [b"* OK Dovecot\r\n", b"* BYE\r\n"], 'ready: "* OK Dovecot"'),
    (IMAP, [b"* PREAUTH hi\r\n", b"* BYE\r\n"], 'ready: "* PREAUTH hi"'),
    (IMAP_LOGIN, [b"* OK\r\n", b"* CAPABILITY x\r\nl OK in\r\n", b"* BYE\r\n"], "logged in"),
    (IMAP_LOGIN, [b"* OK\r\n", b"l ok in\r\n", b"* BYE\r\n"], "logged in"),
    (POP3, [b"+OK ready\r\n", b"+OK\r\n"], 'ready: "+OK ready"'),
    (POP3_LOGIN, [b"+OK\r\n", b"+OK\r\n", b"+OK in\r\n", b"+OK\r\n"], "logged in"),
    (REDIS, [b"+PONG\r\n"], "PONG"),
    (REDIS_LOGIN, [b"+OK\r\n", b"+PONG\r\n"], "PONG"),
]


@pytest.mark.parametrize(("check", "answers", "detail"), GOOD)
def test_good(check: Check, answers: list[bytes], detail: str) -> None:
    assert play(check, answers)[0] == ProbeResult(True, detail)
    one_by_one = [bytes((octet,)) for answer in answers for octet in answer]
    assert play(check, one_by_one)[0] == ProbeResult(True, detail)


BAD: list[tuple[Check, list[bytes], str]] = [
    (SMTP, [], "connection closed instead of the greeting"),
    (SMTP, [b"22"], "connection closed instead of the greeting after 2 octets of it"),
    (SMTP, [b"554 no service here\r\n"], 'the greeting is "554 no service here", wanted 220'),
    (SMTP, [b"SSH-2.0-OpenSSH\r\n"], 'the greeting is "SSH-2.0-OpenSSH", which has no code'),
    (SMTP, [b"220 x\r\n", b"421 too busy\r\n"], 'the answer to EHLO is "421 too busy", wanted 250'),
    (SMTP, [b"220 " + b"x" * 9000], "the greeting: a line without end (more than 8192 octets)"),
    (FTP, [b"421 too many users\r\n"], 'the greeting is "421 too many users", wanted 220'),
    (FTP_LOGIN, [b"220 hi\r\n", b"331 go\r\n", b"530 no\r\n"], 'the login is refused: "530 no"'),
    (FTP_LOGIN, [b"220 hi\r\n", b"530 not you\r\n"], 'the login is refused: "530 not you"'),
    (FTP_LOGIN, [b"220 hi\r\n", b"331 go\r\n"], "connection closed instead of the answer to PASS"),
    (IMAP, [b"* BYE overloaded\r\n"], 'the greeting is "* BYE overloaded", wanted * OK'),
    (IMAP_LOGIN, [b"* OK\r\n", b"l NO [UNAVAILABLE] db\r\n"], 'the login is refused: "NO [UNAVAILABLE] db"'),
    (IMAP_LOGIN, [b"* OK\r\n", b"hello\r\n"], 'the answer to LOGIN is "hello"'),
    (IMAP_LOGIN, [b"* OK\r\n", b"* x\r\n" * 200], "more than 100 lines before the answer to LOGIN"),
    (POP3, [b"-ERR down\r\n"], 'the greeting is "-ERR down", wanted +OK'),
    (POP3_LOGIN, [b"+OK\r\n", b"+OK\r\n", b"-ERR no\r\n"], 'the login is refused: "-ERR no"'),
    (REDIS, [b"-LOADING the dataset\r\n"], 'the answer to PING is "-LOADING the dataset", wanted +PONG'),
    (REDIS, [b"HTTP/1.1 400\r\n"], 'the answer to PING is "HTTP/1.1 400", wanted +PONG'),
    (REDIS_LOGIN, [b"-WRONGPASS no\r\n"], 'the login is refused: "-WRONGPASS no"'),
]


@pytest.mark.parametrize(("check", "answers", "detail"), BAD)
def test_bad(check: Check, answers: list[bytes], detail: str) -> None:
    assert play(check, answers)[0] == ProbeResult(False, detail)


@pytest.mark.parametrize(
    ("check", "answers", "said"),
    [
        (SMTP, [b"220 x\r\n", b"250 x\r\n"], [b"", b"EHLO haagent.invalid\r\n", b"QUIT\r\n"]),
        (
            FTP_LOGIN,
            [b"220 x\r\n", b"331 x\r\n", b"230 x\r\n"],
            [b"", b"USER probe\r\n", b"PASS sesame-7\r\n", b"QUIT\r\n"],
        ),
        (IMAP_LOGIN, [b"* OK\r\n", b"l OK\r\n"], [b"", b'l LOGIN "probe" "sesame-7"\r\n', b"q LOGOUT\r\n"]),
        (
            POP3_LOGIN,
            [b"+OK\r\n", b"+OK\r\n", b"+OK\r\n"],
            [b"", b"USER probe\r\n", b"PASS sesame-7\r\n", b"QUIT\r\n"],
        ),
        (
            REDIS_LOGIN,
            [b"+OK\r\n"],
            [b"*3\r\n$4\r\nAUTH\r\n$5\r\nprobe\r\n$8\r\nsesame-7\r\n", b"*1\r\n$4\r\nPING\r\n"],
        ),
    ],
)
def test_what_is_said(check: Check, answers: list[bytes], said: list[bytes]) -> None:
    assert play(check, answers)[1] == said


@pytest.mark.parametrize(
    ("check", "before"),
    [
        (FTP_LOGIN, [b"220 x\r\n", b"331 x\r\n"]),
        (IMAP_LOGIN, [b"* OK\r\n"]),
        (POP3_LOGIN, [b"+OK\r\n", b"+OK\r\n"]),
        (REDIS_LOGIN, []),
    ],
)
def test_a_server_that_repeats_the_password_does_not_bring_it_into_the_sentence(
    check: Check, before: list[bytes]
) -> None:
    word = b"l NO " if isinstance(check, ImapCheck) else b"530 -ERR "
    result, _ = play(check, [*before, word + b"wrong sesame-7\r\n"])
    assert not result.passed
    assert "***" in result.detail
    assert "sesame" not in result.detail


def test_octets_behind_the_answer_to_starttls_are_refused() -> None:
    """Else somebody on the way could put them in front of what TLS protects."""
    check = SmtpCheck(name="c", tls="starttls")
    result, _ = play(check, [b"220 x\r\n", b"250 STARTTLS\r\n", b"220 go\r\n250 injected\r\n"])
    assert result == ProbeResult(False, 'more than the answer to STARTTLS was sent: "250 injected.."')


def test_endless_small_talk_is_cut() -> None:
    result, _ = play(SMTP, [b"220-x\r\n" * 2000] * 30)
    assert result == ProbeResult(False, "an answer without end (more than 262144 octets)")
