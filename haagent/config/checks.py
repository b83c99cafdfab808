"""The kinds of checks: what a real server must do to be healthy. Every default stands here (docs/checks.md).

Part of the model (model.py names these too); frozen, and equal checks of one target are one probe. Texts are compared
as UTF-8 octets. `timeout` is total: name, connection, handshake, question and the whole answer. Never show a `password`
or `secret`.
"""

from typing import ClassVar, Literal

from msgspec import Struct

Tls = Literal["none", "on_connect"]
UpgradableTls = Literal["none", "on_connect", "starttls"]
Verify = Literal["none", "chain", "chain_and_name"]
Transport = Literal["tcp", "udp"]
DnsType = Literal["A", "AAAA", "NS", "CNAME", "SOA", "MX", "TXT", "PTR", "SRV"]
Rcode = Literal["NOERROR", "FORMERR", "SERVFAIL", "NXDOMAIN", "NOTIMP", "REFUSED"]


class AnyCheck(Struct, frozen=True, kw_only=True):
    """When it is tried, and how many results flip the verdict."""

    name: str
    interval: float = 2.0
    timeout: float = 1.0
    fall: int = 3
    rise: int = 2


class WireCheck(AnyCheck, frozen=True, kw_only=True):
    """By which way the packets go; "" and 0: as the routing table says."""

    source: str = ""  # the address that it comes from
    device: str = ""  # the interface that it must use, SO_BINDTODEVICE
    mark: int = 0  # SO_MARK, for ip-rule(8), nft(8) and IPVS firewall marks


class PortCheck(WireCheck, frozen=True, kw_only=True):
    """A port of the real server."""

    port: int | None = None  # default: the real server's own port


class CertificateCheck(PortCheck, frozen=True, kw_only=True):
    """What is asked of a certificate, where the check speaks TLS."""

    sni: str = ""  # server name in the handshake; it is also the name that is verified
    verify: Verify = "none"
    ca_file: str = ""  # PEM; empty: the authorities of the system
    warn_certificate_days: int = 14  # with fewer left the sentence says so; it stays up
    minimum_certificate_days: int = 0  # with fewer left it is down; 0: never


class TcpCheck(CertificateCheck, frozen=True, kw_only=True, tag="tcp"):
    """A TCP connection is accepted; with something to expect: and says it, after `send`."""

    tls: Tls = "none"
    send: str = ""
    send_hex: str = ""
    expect: str = ""
    expect_regex: str = ""
    expect_hex: str = ""  # with "??" for any octet


class HttpCheck(PortCheck, frozen=True, kw_only=True, tag="http"):
    """A request is answered with an accepted status and the wanted body (RFC 9110)."""

    version: Literal["1.0", "1.1"] = "1.1"
    method: Literal["GET", "HEAD", "POST", "OPTIONS"] = "GET"
    path: str = "/"
    host: str = ""  # Host header; empty: the probed address
    headers: tuple[tuple[str, str], ...] = ()
    request_body: str = ""
    status: tuple[int | str, ...] = (200,)  # codes and ranges as in "200-299"
    body: str = ""  # must occur in the body; empty: any body
    body_regex: str = ""
    json: tuple[tuple[str, str], ...] = ()  # key with dots, its value as JSON text
    follow_redirects: int = 0  # so many, and always to the probed real server, whatever name they carry


class HttpsCheck(HttpCheck, frozen=True, kw_only=True, tag="https"):
    """The same through TLS."""

    sni: str = ""  # empty: `host`, where that is a name
    verify: Verify = "none"
    ca_file: str = ""
    warn_certificate_days: int = 14
    minimum_certificate_days: int = 0


class DnsCheck(PortCheck, frozen=True, kw_only=True, tag="dns"):
    """A name server answers a question as it should (RFC 1035)."""

    query: str = "."
    record_type: DnsType = "A"
    transport: Transport = "udp"  # a truncated answer is asked for again by TCP
    edns: int = 1232  # octets that we say to take (RFC 6891); 0: no EDNS
    recursion: bool = True  # the bit RD
    rcode: Rcode = "NOERROR"
    expect: tuple[str, ...] = ()  # answers; empty: at least one of the type, where the rcode is NOERROR
    match: Literal["any", "all"] = "any"  # of `expect`
    authoritative: bool = False  # the bit AA must be set
    minimum_serial: int = 0  # of the SOA record, in the arithmetic of RFC 1982; 0: any


class UdpCheck(PortCheck, frozen=True, kw_only=True, tag="udp"):
    """A datagram is answered. Silence is down."""

    send: str = ""
    send_hex: str = ""
    expect: str = ""
    expect_regex: str = ""
    expect_hex: str = ""


class IcmpCheck(WireCheck, frozen=True, kw_only=True, tag="icmp"):
    """An echo request is answered (RFC 792, RFC 4443)."""

    port: ClassVar[None] = None
    size: int = 56  # octets of payload


class ExecCheck(AnyCheck, frozen=True, kw_only=True, tag="exec"):
    """A program of the operator judges. It runs unprivileged, without a shell."""

    port: int | None = None
    command: tuple[str, ...]  # "{address}", "{port}" and "{check}" are replaced within the words
    output: Literal["exit_code", "json"] = "exit_code"
    user: str = ""  # whom it runs as; empty: the prober's user


class AgentCheck(PortCheck, frozen=True, kw_only=True, tag="agent"):
    """The real server says itself how it is, in the words of HAProxy's agent-check."""

    transport: Transport = "tcp"
    send: str = ""


class SmtpCheck(CertificateCheck, frozen=True, kw_only=True, tag="smtp"):
    """Greeting and EHLO (RFC 5321)."""

    tls: UpgradableTls = "none"
    hello: str = "haagent.invalid"


class LoginCheck(CertificateCheck, frozen=True, kw_only=True):
    """A greeting, and where a user is given a login."""

    tls: UpgradableTls = "none"
    user: str = ""
    password: str = ""


class ImapCheck(LoginCheck, frozen=True, kw_only=True, tag="imap"):
    """RFC 3501."""


class Pop3Check(LoginCheck, frozen=True, kw_only=True, tag="pop3"):
    """RFC 1939."""


class FtpCheck(LoginCheck, frozen=True, kw_only=True, tag="ftp"):
    """The control connection (RFC 959)."""


class PostgresqlCheck(LoginCheck, frozen=True, kw_only=True, tag="postgresql"):
    """The server takes sessions. Without a user: it would, were we one; with a user: the login succeeds."""

    database: str = ""  # empty: named as the user


class RedisCheck(CertificateCheck, frozen=True, kw_only=True, tag="redis"):
    """PING, after AUTH where a password is given."""

    tls: Tls = "none"
    user: str = ""
    password: str = ""


class MysqlCheck(PortCheck, frozen=True, kw_only=True, tag="mysql"):
    """The greeting of MySQL or MariaDB; with a user: the login succeeds."""

    user: str = ""
    password: str = ""


class LdapCheck(CertificateCheck, frozen=True, kw_only=True, tag="ldap"):
    """A simple bind, then one entry is read (RFC 4511)."""

    tls: UpgradableTls = "none"
    bind_dn: str = ""  # empty: anonymous
    password: str = ""
    base: str = ""  # the entry; empty: the root DSE


class NtpCheck(PortCheck, frozen=True, kw_only=True, tag="ntp"):
    """A time server answers and has a time (RFC 5905)."""

    maximum_stratum: int = 15
    maximum_offset: float = 0.0  # seconds away from this director's clock; 0: not compared


class RadiusCheck(PortCheck, frozen=True, kw_only=True, tag="radius"):
    """Status-Server (RFC 5997)."""

    secret: str


class SipCheck(PortCheck, frozen=True, kw_only=True, tag="sip"):
    """OPTIONS (RFC 3261)."""

    transport: Transport = "udp"
    uri: str = ""  # empty: sip: and the probed address
    status: tuple[int | str, ...] = (200,)


class GrpcCheck(CertificateCheck, frozen=True, kw_only=True, tag="grpc"):
    """grpc.health.v1.Health/Check says SERVING."""

    tls: Tls = "none"
    service: str = ""  # empty: the server as a whole
    authority: str = ""  # empty: the probed address


Check = (
    TcpCheck
    | HttpCheck
    | HttpsCheck
    | DnsCheck
    | UdpCheck
    | IcmpCheck
    | ExecCheck
    | AgentCheck
    | SmtpCheck
    | ImapCheck
    | Pop3Check
    | FtpCheck
    | PostgresqlCheck
    | RedisCheck
    | MysqlCheck
    | LdapCheck
    | NtpCheck
    | RadiusCheck
    | SipCheck
    | GrpcCheck
)


def secrets_of(check: Check) -> tuple[str, ...]:
    """What nobody may see, wherever octets of a try are shown."""
    match check:
        case HttpCheck():
            return tuple(value for _, value in check.headers)
        case RadiusCheck():
            return (check.secret,)
        case LoginCheck() | RedisCheck() | MysqlCheck() | LdapCheck():
            return (check.password,) if check.password else ()
        case _:
            return ()
