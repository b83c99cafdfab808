"""What a certificate says of itself (RFC 5280 §4.1): whose, by whom, for which names, from when to when."""

from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import ip_address

from haagent.probes import asn1
from haagent.probes.asn1 import Element, Malformed

NAMES_SHOWN = 8
ALTERNATIVE_NAMES = b"\x55\x1d\x11"  # 2.5.29.17
DNS_NAME, IP_ADDRESS = 0x82, 0x87  # GeneralName, §4.2.1.6
ATTRIBUTES = {b"\x55\x04\x03": "CN", b"\x55\x04\x06": "C", b"\x55\x04\x0a": "O", b"\x55\x04\x0b": "OU"}
WIDE = {0x1E: "utf-16-be", 0x1C: "utf-32-be"}  # BMPString, UniversalString


@dataclass(frozen=True, slots=True)
class Certificate:
    subject: str  # "CN=www.example.com, O=Example"; "" where it has none that we know
    issuer: str
    begins_at: float  # seconds since the epoch
    ends_at: float
    names: tuple[str, ...]  # host names and addresses it is for; the first few

    @property
    def is_self_issued(self) -> bool:
        return self.subject == self.issuer


def decode(octets: bytes) -> Certificate | Malformed:
    """Any octets."""
    match asn1.read(octets):
        case Malformed() as malformed:
            return malformed
        case (outer, _):
            inner = asn1.read(outer.content)
    if isinstance(inner, Malformed):
        return inner
    fields = _within(inner[0].content)
    if fields and fields[0].tag == 0xA0:  # version
        fields = fields[1:]
    if len(fields) < 5:  # serialNumber, signature, issuer, validity, subject
        return Malformed("no certificate")
    instants = [asn1.instant(each) for each in _within(fields[3].content)]
    if len(instants) != 2 or instants[0] is None or instants[1] is None:
        return Malformed("no validity")
    extensions = next((each.content for each in fields[5:] if each.tag == 0xA3), b"")
    names = tuple(name for name, _ in zip(_names(extensions), range(NAMES_SHOWN), strict=False))
    return Certificate(_name(fields[4]), _name(fields[2]), instants[0], instants[1], names)


def _within(octets: bytes) -> list[Element]:
    return [each for each in asn1.elements(octets) if isinstance(each, Element)]


def _name(sequence: Element) -> str:
    """A distinguished name, the most telling attribute first."""
    found = []
    for relative in _within(sequence.content):
        for pair in _within(relative.content):
            match _within(pair.content):
                case [Element(tag=6, content=kind), value] if kind in ATTRIBUTES:
                    text = value.content.decode(WIDE.get(value.tag, "utf-8"), "replace")
                    found.append(f"{ATTRIBUTES[kind]}={text}")
    return ", ".join(sorted(found, key=lambda each: not each.startswith("CN=")))


def _names(extensions: bytes) -> Iterator[str]:
    for sequence in _within(extensions):
        for extension in _within(sequence.content):
            parts = _within(extension.content)
            if len(parts) >= 2 and parts[0].content == ALTERNATIVE_NAMES:
                for names in _within(parts[-1].content):
                    yield from _general_names(names.content)


def _general_names(octets: bytes) -> Iterator[str]:
    for each in _within(octets):
        if each.tag == DNS_NAME:
            yield each.content.decode("ascii", "replace")
        elif each.tag == IP_ADDRESS and len(each.content) in (4, 16):
            yield str(ip_address(each.content))
