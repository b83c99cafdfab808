"""LDAP: a simple bind, then the search for one entry, by default the root DSE (RFC 4511, RFC 4513)."""

from collections.abc import Generator

from haagent.config.checks import LdapCheck
from haagent.health.probe import ProbeResult
from haagent.probes import asn1
from haagent.probes.asn1 import Element, Malformed, elements
from haagent.probes.dialogue import Ask, Broken, Dialogue, Message, Script, secured
from haagent.probes.exchange import Conversation, Upgrade
from haagent.probes.words import plain

BIND, BIND_DONE, UNBIND = 0x60, 0x61, 0x42
SEARCH, ENTRY, SEARCH_DONE, REFERENCE = 0x63, 0x64, 0x65, 0x73
EXTENDED, EXTENDED_DONE = 0x77, 0x78
START_TLS_OID = b"1.3.6.1.4.1.1466.20037"  # RFC 4511 §4.14
RESULTS = {
    1: "operationsError", 2: "protocolError", 3: "timeLimitExceeded", 8: "strongerAuthRequired", 10: "referral",
    13: "confidentialityRequired", 32: "noSuchObject", 34: "invalidDNSyntax", 48: "inappropriateAuthentication",
    49: "invalidCredentials", 50: "insufficientAccessRights", 51: "busy", 52: "unavailable", 53: "unwillingToPerform",
}  # fmt: skip


def conversation(check: LdapCheck) -> Conversation:
    return secured(Dialogue(script(check), (check.password,)), check.tls, check, check.sni)


def script(check: LdapCheck) -> Script:
    if check.tls == "starttls":
        yield request(1, EXTENDED, asn1.encode(0x80, START_TLS_OID))
        operation = yield from answer(1, "the answer to StartTLS")
        expect_success(operation, EXTENDED_DONE, "the answer to StartTLS")
        yield Upgrade.START_TLS
    credentials = asn1.encode(0x80, check.password.encode())
    name = asn1.encode(asn1.OCTET_STRING, check.bind_dn.encode())
    yield request(2, BIND, asn1.integer(3) + name + credentials)
    operation = yield from answer(2, "the answer to the bind")
    expect_success(operation, BIND_DONE, "the bind")
    yield request(3, SEARCH, search(check.base))
    entries = 0
    for _ in range(10):
        operation = yield from answer(3, "the entry")
        if operation.tag == ENTRY:
            entries += 1
        elif operation.tag != REFERENCE:
            break
    expect_success(operation, SEARCH_DONE, "the search")
    if not entries:
        raise Broken(f"the search finds no entry {plain(check.base) or 'root DSE'}")
    yield request(4, UNBIND, b"")
    return ProbeResult(True, f"found {plain(check.base) or 'the root DSE'}")


def search(base: str) -> bytes:
    """One entry, present objectClass, no attributes (RFC 4511 §4.5.1.8: "1.1")."""
    return (
        asn1.encode(asn1.OCTET_STRING, base.encode())
        + asn1.integer(0, asn1.ENUMERATED)
        + asn1.integer(0, asn1.ENUMERATED)
        + asn1.integer(1)
        + asn1.integer(0)
        + asn1.encode(asn1.BOOLEAN, b"\0")
        + asn1.encode(0x87, b"objectClass")
        + asn1.encode(asn1.SEQUENCE, asn1.encode(asn1.OCTET_STRING, b"1.1"))
    )


def request(id: int, tag: int, content: bytes) -> bytes:
    return asn1.encode(asn1.SEQUENCE, asn1.integer(id) + asn1.encode(tag, content))


def length_of(octets: bytes) -> int | None:
    if octets and octets[0] != asn1.SEQUENCE:
        raise Broken("the answer is not LDAP's")
    length = asn1.length_of(octets)
    if isinstance(length, Malformed):
        raise Broken(f"the answer is not LDAP's: {length.reason}")
    return length


def answer(id: int, what: str) -> Generator[Ask, bytes, Element]:
    """The operation within the next message."""
    octets: bytes = yield Message(length_of, what)
    outer = asn1.read(octets)
    inner = [] if isinstance(outer, Malformed) else list(elements(outer[0].content))
    match inner:
        case [Element(tag=asn1.INTEGER, content=number), Element() as operation, *_]:
            if int.from_bytes(number[:5], "big") == id:
                return operation
            if not any(number) and operation.tag == EXTENDED_DONE:  # RFC 4511 §4.4.1
                raise Broken(f"the server takes leave: {result_of(operation)}")
    raise Broken(f"{what} is not LDAP's")


def expect_success(operation: Element, tag: int, what: str) -> None:
    """Raises Broken."""
    if operation.tag != tag:
        raise Broken(f"{what} is answered with another operation")
    result = result_of(operation)
    if result:
        raise Broken(f"{what} fails: {result}")


def result_of(operation: Element) -> str:
    """An LDAPResult in words; success: nothing."""
    match list(elements(operation.content)):
        case [Element(tag=asn1.ENUMERATED, content=code), Element(), Element(content=text), *_]:
            number = int.from_bytes(code[:4], "big")
            said = plain(text.decode("utf-8", "replace"))
            return "" if number == 0 else f"{RESULTS.get(number, f'result {number}')}" + (f" ({said})" if said else "")
    return "a result that cannot be read"
