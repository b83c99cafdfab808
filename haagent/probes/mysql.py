"""MySQL and MariaDB: the greeting, and a login where there is a user (client/server protocol 10).

The methods mysql_native_password and caching_sha2_password (its fast path). Without a user the handshake ends after
the greeting; servers count that as a connection error of this host, see max_connect_errors.
"""

import hashlib
from dataclasses import dataclass

from haagent.config.checks import MysqlCheck
from haagent.health.probe import ProbeResult
from haagent.probes.dialogue import Ask, Broken, Dialogue, Octets, Part, Script
from haagent.probes.exchange import Conversation
from haagent.probes.words import plain

OK, ERR, AUTH_SWITCH, MORE_DATA = 0x00, 0xFF, 0xFE, 0x01
FAST_AUTH_DONE, FULL_AUTH = 3, 4
LONG_PASSWORD, PROTOCOL_41, SECURE_CONNECTION, PLUGIN_AUTH = 0x1, 0x200, 0x8000, 0x80000
PACKET_LIMIT = 65536
UTF8 = 33
NATIVE, SHA2 = "mysql_native_password", "caching_sha2_password"


@dataclass(frozen=True, slots=True)
class Greeting:
    version: str
    nonce: bytes
    method: str


def conversation(check: MysqlCheck) -> Conversation:
    return Dialogue(script(check), (check.password,))


def script(check: MysqlCheck) -> Script:
    greeting = read_greeting((yield from packet("the greeting")))
    if not check.user:
        return ProbeResult(True, f"ready: version {plain(greeting.version)}")
    method, nonce = greeting.method, greeting.nonce
    answer = scramble(method, check.password, nonce)
    flags = LONG_PASSWORD | PROTOCOL_41 | SECURE_CONNECTION | PLUGIN_AUTH
    yield framed(
        1,
        flags.to_bytes(4, "little")
        + PACKET_LIMIT.to_bytes(4, "little")
        + bytes((UTF8,))
        + bytes(23)
        + check.user.encode()
        + bytes((0, len(answer)))
        + answer
        + method.encode()
        + b"\0",
    )
    number = 2
    for _ in range(4):
        reply = yield from packet("the answer to the login")
        number += 1
        match reply[:1]:
            case b"\x00":
                yield framed(0, b"\x01")  # COM_QUIT
                return ProbeResult(True, f"logged in: version {plain(greeting.version)}")
            case b"\xff":
                raise Broken(f"the login is refused: {error(reply)}")
            case b"\xfe":
                name, _, rest = reply[1:].partition(b"\0")
                method, nonce = name.decode("latin-1"), rest.rstrip(b"\0")
                yield framed(number, scramble(method, check.password, nonce))
                number += 1
            case b"\x01" if reply[1:2] == bytes((FULL_AUTH,)):
                raise Broken(f"{SHA2} wants the password through TLS; one login elsewhere fills the server's cache")
            case b"\x01":
                continue  # the fast path succeeded: OK follows
            case _:
                break
    raise Broken("the answer to the login is not of this protocol")


def packet(what: str) -> Part:
    header: bytes = yield Octets(4, what)
    length = int.from_bytes(header[:3], "little")
    if not 1 <= length <= PACKET_LIMIT:
        raise Broken(f"{what} is not MySQL's: a packet of {length} octets")
    return (yield Octets(length, what))


def framed(number: int, payload: bytes) -> Ask:
    return len(payload).to_bytes(3, "little") + bytes((number,)) + payload


def read_greeting(octets: bytes) -> Greeting:
    """Raises Broken."""
    if octets[0] == ERR:
        raise Broken(f"the server refuses us: {error(octets)}")
    if octets[0] != 10:
        raise Broken(f"the greeting is not MySQL's: protocol version {octets[0]}, wanted 10")
    version, zero, rest = octets[1:].partition(b"\0")
    if not zero or len(rest) < 31:
        raise Broken("the greeting is cut off")
    nonce = rest[4:12]
    length = max(13, rest[20] - 8)
    nonce += rest[31 : 31 + length].rstrip(b"\0")
    method = rest[31 + length :].partition(b"\0")[0].decode("latin-1") or NATIVE
    return Greeting(version.decode("latin-1"), nonce, method if method in (NATIVE, SHA2) else NATIVE)


def error(octets: bytes) -> str:
    """ "1045 Access denied for user" """
    code = int.from_bytes(octets[1:3], "little")
    text = octets[3:]
    if text[:1] == b"#":
        text = text[6:]
    return f"{code} {plain(text.decode('utf-8', 'replace'), 120)}"


def scramble(method: str, password: str, nonce: bytes) -> bytes:
    """Raises Broken for a method that we do not know."""
    if method not in (NATIVE, SHA2):
        raise Broken(f"the server wants the login method {plain(method)}, which is not known here")
    if not password:
        return b""
    secret, nonce = password.encode(), nonce[:20]
    if method == NATIVE:
        once = hashlib.sha1(secret, usedforsecurity=False).digest()
        twice = hashlib.sha1(once, usedforsecurity=False).digest()
        mask = hashlib.sha1(nonce + twice, usedforsecurity=False).digest()
    else:
        once = hashlib.sha256(secret).digest()
        mask = hashlib.sha256(hashlib.sha256(once).digest() + nonce).digest()
    return bytes(a ^ b for a, b in zip(once, mask, strict=True))
