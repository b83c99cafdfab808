"""Playing a server's part against a conversation, without a socket; and a sample of every check that has one."""

from collections.abc import Iterable, Sequence

from haagent.config.checks import (
    AgentCheck,
    Check,
    DnsCheck,
    FtpCheck,
    GrpcCheck,
    HttpCheck,
    HttpsCheck,
    IcmpCheck,
    ImapCheck,
    LdapCheck,
    MysqlCheck,
    NtpCheck,
    Pop3Check,
    PostgresqlCheck,
    RadiusCheck,
    RedisCheck,
    SipCheck,
    SmtpCheck,
    TcpCheck,
    UdpCheck,
)
from haagent.health.probe import ProbeResult
from haagent.probes.begin import conversation_of
from haagent.probes.exchange import Conversation, Elsewhere

ADDRESS = "192.0.2.11"
LOGIN = {"user": "probe", "password": "sesame-7"}
STREAMS: tuple[Check, ...] = (
    TcpCheck(name="tcp", send="hello\n", expect="world"),
    TcpCheck(name="tcp regex", expect_regex="w.*d"),
    TcpCheck(name="tcp hex", send_hex="00", expect_hex="ff??00"),
    TcpCheck(name="tcp tls", tls="on_connect"),
    HttpCheck(name="http", body="working"),
    HttpCheck(name="http json", json=(("status", '"ok"'), ("a.0.b", "1"))),
    HttpCheck(name="http regex", body_regex="w.rk", status=("200-399",)),
    HttpCheck(name="http redirects", follow_redirects=2),
    HttpCheck(name="http head", method="HEAD", version="1.0"),
    HttpsCheck(name="https"),
    DnsCheck(name="dns", transport="tcp", query="www.example.com", expect=("192.0.2.80",)),
    AgentCheck(name="agent"),
    SmtpCheck(name="smtp"),
    SmtpCheck(name="smtp starttls", tls="starttls"),
    ImapCheck(name="imap", **LOGIN),
    Pop3Check(name="pop3", **LOGIN),
    FtpCheck(name="ftp", **LOGIN),
    PostgresqlCheck(name="postgresql"),
    PostgresqlCheck(name="postgresql login", **LOGIN),
    PostgresqlCheck(name="postgresql starttls", tls="starttls"),
    RedisCheck(name="redis", password="sesame-7"),
    MysqlCheck(name="mysql"),
    MysqlCheck(name="mysql login", **LOGIN),
    LdapCheck(name="ldap", bind_dn="cn=probe", password="sesame-7"),
    LdapCheck(name="ldap starttls", tls="starttls"),
    SipCheck(name="sip", transport="tcp"),
    GrpcCheck(name="grpc", service="web"),
)
DATAGRAMS: tuple[Check, ...] = (
    UdpCheck(name="udp", send="hello", expect="world"),
    UdpCheck(name="udp hex", send_hex="00", expect_hex="ff??00"),
    DnsCheck(name="dns", query="www.example.com", expect=("192.0.2.80",)),
    DnsCheck(name="dns soa", query="example.com", record_type="SOA", minimum_serial=7),
    AgentCheck(name="agent", transport="udp"),
    NtpCheck(name="ntp", maximum_offset=1.0),
    RadiusCheck(name="radius", secret="sesame-7"),
    SipCheck(name="sip"),
    IcmpCheck(name="icmp"),
)


def conversation_for(check: Check) -> Conversation:
    return conversation_of(check, ADDRESS, 80)[0]


def hear(conversation: Conversation, pieces: Iterable[bytes], *, ends: bool) -> ProbeResult | Elsewhere | None:
    """What a conversation makes of these octets, in these pieces; None: it would go on waiting."""
    step = conversation.connected()
    for piece in pieces:
        if isinstance(step, ProbeResult | Elsewhere):
            return step
        step = conversation.feed(piece)
        assert isinstance(conversation.heard(), str)
    if isinstance(step, ProbeResult | Elsewhere):
        return step
    if ends:
        step = conversation.ended()
        assert isinstance(step, ProbeResult | Elsewhere)
        return step
    return None


def play(check: Check, answers: Sequence[bytes], *, ends: bool = True) -> tuple[ProbeResult, list[bytes]]:
    """The result, and what was said before each answer; then the server closes."""
    conversation = conversation_for(check)
    said = []
    step = conversation.connected()
    heard: ProbeResult | None = None
    words = conversation.request
    for answer in answers:
        assert not isinstance(step, Elsewhere)
        if isinstance(step, ProbeResult):
            heard = step
            break
        said.append(words + (step if isinstance(step, bytes) else b""))
        words = b""
        step = conversation.feed(answer)
    if heard is None:
        if not isinstance(step, ProbeResult):
            said.append(words + (step if isinstance(step, bytes) else b""))
            step = conversation.ended() if ends else None
        assert isinstance(step, ProbeResult)
        heard = step
    return heard, said
