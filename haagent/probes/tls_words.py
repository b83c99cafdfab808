"""What a TLS handshake came to, in lines for a transcript: version, verification, and each certificate of the chain."""

import ssl
import time
from functools import lru_cache

from haagent.config.checks import Verify
from haagent.probes.asn1 import Malformed
from haagent.probes.certificate import Certificate, decode
from haagent.probes.words import counted, plain

CHAIN = 5  # certificates that are told of
LARGEST = 16384  # octets of one
DAY = 86400.0
ENCODING_DER = 2  # CPython, Modules/_ssl.c: PY_SSL_ENCODING_DER
ASKED = {
    "none": "nothing was verified",
    "chain": "the chain was verified, not the name",
    "chain_and_name": "chain and name were verified",
}


def handshake_words(tls: ssl.SSLObject, name: str, verify: Verify, error: str = "") -> str:
    """`error`: why the handshake failed; empty: it did not."""
    cipher = tls.cipher()
    version = tls.version() or (cipher[1] if cipher else "")
    return _handshake(version, cipher[0] if cipher else "", name, error or ASKED[verify])


@lru_cache(maxsize=256)  # equal lines are one object: thousands of transcripts may have them
def _handshake(version: str, suite: str, name: str, outcome: str) -> str:
    spoken = f"{version} {suite}".strip() if version else "no version was agreed on"
    return f"tls {spoken}, {f'asked for {plain(name)}' if name else 'asked for no name'}; {outcome}"


def chain_of(tls: ssl.SSLObject) -> tuple[bytes, ...]:
    """As the server sent it, verified or not; its own certificate first."""
    public = getattr(tls, "get_unverified_chain", None)  # Python 3.13
    private = getattr(getattr(tls, "_sslobj", None), "get_unverified_chain", None)  # 3.10; has no public name before
    if public is not None:
        chain = public()
    elif private is not None:
        chain = [each.public_bytes(ENCODING_DER) for each in private() or ()]
    else:
        own = tls.getpeercert(binary_form=True)
        chain = [own] if own else []
    return tuple(each for each in (chain or ())[:CHAIN] if len(each) <= LARGEST)


def chain_words(chain: tuple[bytes, ...], now: float) -> tuple[str, ...]:
    """`now` in seconds since the epoch."""
    return tuple(_line(depth, octets, now) for depth, octets in enumerate(chain))


def _line(depth: int, octets: bytes, now: float) -> str:
    certificate = _decoded(octets)
    if isinstance(certificate, Malformed):
        return f"tls certificate {depth} cannot be read: {certificate.reason}"
    if now < certificate.begins_at:
        standing = "not yet valid"
    elif now >= certificate.ends_at:
        standing = f"expired {counted(int((now - certificate.ends_at) // DAY), 'day')} ago"
    else:
        standing = f"{counted(int((certificate.ends_at - now) // DAY), 'day')} left"
    return _words(depth, certificate, standing)


@lru_cache(maxsize=256)
def _decoded(octets: bytes) -> Certificate | Malformed:
    return decode(octets)


@lru_cache(maxsize=256)
def _words(depth: int, certificate: Certificate, standing: str) -> str:
    issuer = "itself" if certificate.is_self_issued else plain(certificate.issuer) or "nobody"
    names = f", for {plain(' '.join(certificate.names), 200)}" if certificate.names else ""
    return (
        f"tls certificate {depth} of {plain(certificate.subject) or 'nobody'}{names}, issued by {issuer}, "
        f"{date(certificate.begins_at)} to {date(certificate.ends_at)}: {standing}"
    )


def date(at: float) -> str:
    return time.strftime("%Y-%m-%d", time.gmtime(min(max(at, 0.0), 2.5e11)))
