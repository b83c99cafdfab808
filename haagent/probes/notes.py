"""What the octets of a transcript mean, where they are no text: read when somebody asks, not at every try."""

from haagent.config.checks import Check, DnsCheck
from haagent.health.transcript import Transcript
from haagent.probes.dns_words import dns_words


def notes(check: Check, tried: Transcript) -> tuple[str, ...]:
    return dns_words(tried) if isinstance(check, DnsCheck) else ()
