"""PostgreSQL: does the server take sessions? (frontend/backend protocol 3.0)

Without a user, being asked for a password, or being refused for who we are, proves that it would. With a user the login
must succeed: trust, cleartext, MD5 or SCRAM-SHA-256.
"""

import hashlib
import os

from haagent.config.checks import PostgresqlCheck
from haagent.health.probe import ProbeResult
from haagent.probes.dialogue import Broken, Dialogue, Octets, Script, secured
from haagent.probes.exchange import Conversation, Upgrade
from haagent.probes.scram import Refused, Scram
from haagent.probes.words import plain, shown

PROTOCOL, SSL_REQUEST = 196608, 80877103
MESSAGE_LIMIT = 65536
MESSAGES = 100  # of one dialogue
NOBODY = "haagent"  # who asks where no user is given
REFUSES_US = ("28", "3D", "42501")  # SQLSTATE: authorization, unknown database, privilege: about us, not the server
AUTH_OK, CLEARTEXT, MD5, SASL, SASL_CONTINUE, SASL_FINAL = 0, 3, 5, 10, 11, 12


def conversation(check: PostgresqlCheck) -> Conversation:
    return secured(Dialogue(script(check), (check.password,)), check.tls, check, check.sni)


def script(check: PostgresqlCheck) -> Script:
    if check.tls == "starttls":
        yield (8).to_bytes(4, "big") + SSL_REQUEST.to_bytes(4, "big")
        answer = yield Octets(1, "the answer to SSLRequest")
        if answer != b"S":
            said = "refuses TLS" if answer == b"N" else f"answers SSLRequest with {shown(answer)}"
            raise Broken(f"the server {said}")
        yield Upgrade.START_TLS
    user = check.user or NOBODY
    words = {"user": user, "database": check.database or user, "application_name": "haagent"}
    start = PROTOCOL.to_bytes(4, "big") + b"".join(f"{k}\0{v}\0".encode() for k, v in words.items()) + b"\0"
    yield (len(start) + 4).to_bytes(4, "big") + start
    return (yield from session(check, user))


def session(check: PostgresqlCheck, user: str) -> Script:
    scram = Scram(check.password, os.urandom(18).hex())
    for _ in range(MESSAGES):
        header = yield Octets(5, "the answer to the start-up message")
        length = int.from_bytes(header[1:], "big") - 4
        if not 0 <= length <= MESSAGE_LIMIT:
            raise Broken(f"the answer is not PostgreSQL's: it begins with {shown(header)}")
        body = yield Octets(length, "the answer to the start-up message")
        match header[:1]:
            case b"E":
                return refused(check, fields(body))
            case b"R" if not check.user:
                return ProbeResult(True, "ready")
            case b"R":
                try:
                    reply = authenticate(check, user, scram, body)
                except Refused as reason:
                    raise Broken(f"the login fails: {reason}") from None
                if reply:
                    yield reply
            case b"Z":
                yield message(b"X", b"")
                return ProbeResult(True, "logged in")
            case b"S" | b"K" | b"N" | b"v":
                continue
            case _:
                raise Broken(f"the answer is not PostgreSQL's: it begins with {shown(header)}")
    raise Broken(f"more than {MESSAGES} messages before the session is ready")


def authenticate(check: PostgresqlCheck, user: str, scram: Scram, body: bytes) -> bytes:
    """What to answer to a message R; nothing where it needs no answer. Raises Refused."""
    kind, rest = int.from_bytes(body[:4], "big"), body[4:]
    match kind:
        case _ if kind == AUTH_OK and len(body) >= 4:
            return b""
        case _ if kind == CLEARTEXT:
            if check.tls == "none":
                raise Refused("the server wants the password in clear, without TLS")
            return message(b"p", check.password.encode() + b"\0")
        case _ if kind == MD5:
            inner = hashlib.md5((check.password + user).encode(), usedforsecurity=False).hexdigest()
            outer = hashlib.md5(inner.encode() + rest[:4], usedforsecurity=False).hexdigest()
            return message(b"p", f"md5{outer}\0".encode())
        case _ if kind == SASL:
            if b"SCRAM-SHA-256" not in rest.split(b"\0"):
                raise Refused(f"the server offers {shown(rest, 60)} alone")
            first = scram.first()
            return message(b"p", b"SCRAM-SHA-256\0" + len(first).to_bytes(4, "big") + first)
        case _ if kind == SASL_CONTINUE:
            return message(b"p", scram.final(rest))
        case _ if kind == SASL_FINAL:
            scram.check(rest)
            return b""
    raise Refused(f"the server wants the method number {kind}, which is not known here")


def message(kind: bytes, body: bytes) -> bytes:
    return kind + (len(body) + 4).to_bytes(4, "big") + body


def fields(body: bytes) -> dict[str, str]:
    """Of an ErrorResponse: C the SQLSTATE, M the message."""
    return {part[:1].decode("latin-1"): part[1:].decode("utf-8", "replace") for part in body.split(b"\0") if part}


def refused(check: PostgresqlCheck, error: dict[str, str]) -> ProbeResult:
    code, text = error.get("C", ""), plain(error.get("M", "an error without words"), 120)
    if not check.user and code.startswith(REFUSES_US):
        return ProbeResult(True, "ready")
    where = "the login is refused" if code.startswith(REFUSES_US) else "the server refuses sessions"
    return ProbeResult(False, f"{where}: {text} ({plain(code, 5) or 'no code'})")
