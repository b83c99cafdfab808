"""TLS between a conversation and its socket: the handshake, the certificate, and what is wrong with either.

Works in memory (ssl.MemoryBIO), so the one deadline and the one poller serve it too. From the start of the connection,
or from the moment that the conversation asks for it (STARTTLS). Without verification everything that OpenSSL still
speaks is accepted, old versions too: the question is whether the server works, not whether it is modern.
"""

import os
import ssl
import time
import warnings
from dataclasses import replace
from functools import lru_cache
from typing import Protocol

from haagent.config.checks import Verify
from haagent.health.probe import ProbeResult
from haagent.health.transcript import OCTETS
from haagent.probes.asn1 import not_after
from haagent.probes.exchange import Conversation, Elsewhere, Step, Upgrade, local
from haagent.probes.tls_words import chain_of, chain_words, date, handshake_words
from haagent.probes.words import counted, plain, shown

READ_SIZE = 16384
DAY = 86400.0
NOT_TLS = ("WRONG_VERSION_NUMBER", "HTTP_REQUEST", "RECORD_LAYER_FAILURE", "UNKNOWN_PROTOCOL", "PACKET_LENGTH_TOO_LONG")
WRONG_NAME = (62, 64)  # X509_V_ERR_HOSTNAME_MISMATCH, X509_V_ERR_IP_ADDRESS_MISMATCH
EXPIRED, NOT_YET_VALID = 10, 9


class TlsSettings(Protocol):
    """The keys that every check with TLS has."""

    @property
    def verify(self) -> Verify: ...
    @property
    def ca_file(self) -> str: ...
    @property
    def warn_certificate_days(self) -> int: ...
    @property
    def minimum_certificate_days(self) -> int: ...


class TlsConversation:
    """Another conversation, through TLS."""

    def __init__(
        self,
        inner: Conversation,
        settings: TlsSettings,
        name: str,
        *,
        is_upgrade: bool = False,
        protocols: tuple[str, ...] = (),
    ) -> None:
        """`name` is sent as SNI and verified; empty: neither. `protocols` are offered by ALPN."""
        self.request = inner.request if is_upgrade else b""
        self._inner, self._settings, self._name, self._protocols = inner, settings, name, protocols
        self._is_upgrade = is_upgrade
        self._is_secure = False
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls: ssl.SSLObject | None = None  # None: not begun
        self._first = b""  # of the peer's octets, to show where they are no TLS
        self._note = ""
        self.plain_said = b""  # what goes through TLS, the first octets of each direction, for the transcript
        self.plain_heard = b""
        self.notes: tuple[str, ...] = ()  # on the handshake and the chain, for the transcript

    def connected(self) -> Step:
        return self._grant(self._inner.connected()) if self._is_upgrade else self._begin()

    def feed(self, data: bytes) -> Step:
        if self._tls is None:
            return self._grant(self._inner.feed(data))
        self._first = self._first or data[:32]
        self._incoming.write(data)
        try:
            return self._go_on()
        except ssl.SSLError as error:
            trouble = self._trouble(error)
            if self._tls is not None and not self._is_secure:
                self._note_handshake(self._tls, trouble)
            return ProbeResult(False, trouble)

    def ended(self) -> Step:
        if self._tls is None:
            return self._grant(self._inner.ended())
        if not self._is_secure:
            return ProbeResult(False, "connection closed during the TLS handshake")
        return self._noted(self._inner.ended())

    def heard(self) -> str:
        if self._tls is None or self._is_secure:
            return self._inner.heard()
        return "during the TLS handshake" if self._first else "no answer to the TLS handshake"

    def close(self) -> None:
        self._tls = None
        self._inner.close()

    def _grant(self, step: Step) -> Step:
        return self._begin() if step is Upgrade.START_TLS else step

    def _begin(self) -> Step:
        settings = self._settings
        try:
            changed_at = os.stat(settings.ca_file).st_mtime if settings.ca_file else 0.0
            context = context_of(settings.verify, settings.ca_file, changed_at, self._protocols)
        except ssl.SSLError:  # an OSError too
            return local(f"ca_file {settings.ca_file}: no certificates in it")
        except OSError as error:
            return local(f"ca_file {settings.ca_file}: {error.strerror}")
        try:
            self._tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname=self._name or None)
        except ValueError:
            return local(f"{plain(self._name)} cannot be sent as a server name")
        return self._go_on()

    def _go_on(self) -> Step:
        """As far as the octets reach. Raises ssl.SSLError."""
        assert self._tls is not None
        try:
            if not self._is_secure:
                self._tls.do_handshake()
                self._is_secure = True
                self._note_handshake(self._tls)
                verdict = self._secured(self._tls)
                if verdict is not None:
                    return verdict
            while True:
                step = self._hear(self._tls)
                if step is not None:
                    return step
        except ssl.SSLWantReadError:
            return self._outgoing.read() or None

    def _note_handshake(self, tls: ssl.SSLObject, trouble: str = "") -> None:
        words = handshake_words(tls, self._name, self._settings.verify, trouble)
        self.notes = words, *chain_words(chain_of(tls), time.time())

    def _secured(self, tls: ssl.SSLObject) -> Step:
        verdict = self._judge_dates(tls.getpeercert(binary_form=True))
        if verdict is not None:
            return verdict
        step = self._inner.connected()
        if not self._is_upgrade and self._inner.request:
            self._write(tls, self._inner.request)
        return self._pass_on(tls, step)

    def _hear(self, tls: ssl.SSLObject) -> Step:
        try:
            data = tls.read(READ_SIZE)
        except ssl.SSLZeroReturnError:
            data = b""
        self.plain_heard += data[: OCTETS - len(self.plain_heard)]
        return self._pass_on(tls, self._inner.feed(data)) if data else self._noted(self._inner.ended())

    def _write(self, tls: ssl.SSLObject, data: bytes) -> None:
        self.plain_said += data[: OCTETS - len(self.plain_said)]
        tls.write(data)

    def _pass_on(self, tls: ssl.SSLObject, step: Step) -> Step:
        if isinstance(step, bytes):
            self._write(tls, step)
            return None
        return self._noted(step)

    def _noted(self, step: Step) -> Step:
        """A result with the certificate's warning."""
        if isinstance(step, ProbeResult) and self._note:
            return replace(step, detail=f"{step.detail}; {self._note}")
        assert not isinstance(step, Upgrade)
        assert not isinstance(step, Elsewhere) or step.conversation is not self
        return step

    def _judge_dates(self, certificate: bytes | None) -> ProbeResult | None:
        ends_at = not_after(certificate) if certificate else None
        if ends_at is None:
            return None
        left = ends_at - time.time()
        days = int(left // DAY)
        day = date(ends_at)
        words = f"expires in {counted(days, 'day')} ({day})" if left > 0 else f"has expired on {day}"
        minimum = self._settings.minimum_certificate_days
        if minimum and left < minimum * DAY:
            return ProbeResult(False, f"the certificate {words}, wanted at least {counted(minimum, 'day')}")
        if left < self._settings.warn_certificate_days * DAY:
            self._note = f"the certificate {words}"
        return None

    def _trouble(self, error: ssl.SSLError) -> str:
        if isinstance(error, ssl.SSLCertVerificationError):
            match error.verify_code:
                case code if code in WRONG_NAME:
                    return f"the certificate is not for {plain(self._name)}"
                case code if code == EXPIRED:
                    return "the certificate has expired"
                case code if code == NOT_YET_VALID:
                    return "the certificate is not yet valid"
            return f"the certificate is not trusted: {plain(error.verify_message)}"
        reason = error.reason or ""
        if not self._is_secure and reason in NOT_TLS and self._first[:1] not in (b"\x15", b"\x16"):
            return f"not TLS: the answer begins with {shown(self._first)}"
        words = plain(reason.lower().replace("_", " ")) or "protocol error"
        alert = words.partition("alert ")[2]
        said = f"the server says {alert}" if alert else words
        return f"TLS ended: {said}" if self._is_secure else f"TLS handshake failed: {said}"


@lru_cache(maxsize=64)
def context_of(verify: Verify, ca_file: str, changed_at: float, protocols: tuple[str, ...]) -> ssl.SSLContext:
    """Raises OSError or ssl.SSLError for a file of authorities that cannot be read. `changed_at` names its version."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = verify == "chain_and_name"
    if protocols:
        context.set_alpn_protocols(list(protocols))
    if verify == "none":
        context.verify_mode = ssl.CERT_NONE
        context.set_ciphers("ALL:@SECLEVEL=0")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            context.minimum_version = ssl.TLSVersion.TLSv1
    elif ca_file:
        context.load_verify_locations(ca_file)
    else:
        context.load_default_certs()
    return context
