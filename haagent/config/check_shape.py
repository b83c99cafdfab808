"""The key tables of the checks, one for each type."""

from collections.abc import Mapping

from haagent.config import checks
from haagent.config.check_values import (
    ARGUMENT,
    DNS_NAME,
    HEADERS,
    HEX,
    HEX_EXPECT,
    JSON_VALUES,
    LINE,
    OPTIONAL_PATH,
    REGEX,
    SECRET,
    STATUS,
    WORD,
)
from haagent.config.table import Key, ListOf, Table, Variants
from haagent.config.values import (
    ACCOUNT,
    ADDRESS,
    ANY_TEXT,
    BOOLEAN,
    HOST,
    INTERFACE,
    URL_PATH,
    choice,
    integer,
    seconds,
)

TYPES = (
    "tcp", "http", "https", "dns", "udp", "icmp", "exec", "agent", "smtp", "imap", "pop3", "ftp", "ldap", "mysql",
    "postgresql", "redis", "radius", "sip", "ntp", "grpc",
)  # fmt: skip
Keys = Mapping[str, Key]

_ANY: Keys = {
    "type": Key(choice("type", TYPES)),
    "interval": Key(seconds(0.01, 86400)),
    "timeout": Key(seconds(0.01, 86400)),
    "fall": Key(integer(1, 100)),
    "rise": Key(integer(1, 100)),
}
_WIRE: Keys = {**_ANY, "source": Key(ADDRESS), "device": Key(INTERFACE), "mark": Key(integer(1, 0xFFFFFFFF))}
_PORT: Keys = {"port": Key(integer(1, 65535))}
_WIRE_PORT: Keys = {**_WIRE, **_PORT}
_CERTIFICATE: Keys = {
    "sni": Key(HOST),
    "verify": Key(choice("verification", ("none", "chain", "chain_and_name"))),
    "ca_file": Key(OPTIONAL_PATH),
    "warn_certificate_days": Key(integer(0, 3650)),
    "minimum_certificate_days": Key(integer(0, 3650)),
}
_TLS: Keys = {"tls": Key(choice("moment", ("none", "on_connect"))), **_CERTIFICATE}
_STARTTLS: Keys = {"tls": Key(choice("moment", ("none", "on_connect", "starttls"))), **_CERTIFICATE}
_LOGIN: Keys = {"user": Key(LINE), "password": Key(LINE)}
_MAIL: Keys = {**_WIRE_PORT, **_STARTTLS, **_LOGIN}
_TRANSPORT: Keys = {"transport": Key(choice("transport", ("tcp", "udp")))}
_PAYLOAD: Keys = {
    "send": Key(ANY_TEXT),
    "send_hex": Key(HEX),
    "expect": Key(ANY_TEXT),
    "expect_regex": Key(REGEX),
    "expect_hex": Key(HEX_EXPECT),
}
_STATUS: Keys = {"status": Key(ListOf(STATUS, "an array of status codes", least=1, unique=True))}
_HTTP: Keys = {
    **_WIRE_PORT,
    "version": Key(choice("version", ("1.0", "1.1"))),
    "method": Key(choice("method", ("GET", "HEAD", "POST", "OPTIONS"))),
    "path": Key(URL_PATH),
    "host": Key(HOST),
    "headers": Key(HEADERS, is_shared=True),
    "request_body": Key(ANY_TEXT),
    **_STATUS,
    "body": Key(ANY_TEXT),
    "body_regex": Key(REGEX),
    "json": Key(JSON_VALUES, is_shared=True),
    "follow_redirects": Key(integer(0, 10)),
}

CHECK = Variants(
    'a table with a "type"',
    "type",
    {
        "tcp": Table("check", checks.TcpCheck, {**_WIRE_PORT, **_TLS, **_PAYLOAD}),
        "http": Table("check", checks.HttpCheck, _HTTP),
        "https": Table("check", checks.HttpsCheck, {**_HTTP, **_CERTIFICATE}),
        "dns": Table(
            "check",
            checks.DnsCheck,
            {
                **_WIRE_PORT,
                **_TRANSPORT,
                "query": Key(DNS_NAME),
                "record_type": Key(
                    choice("record type", ("A", "AAAA", "NS", "CNAME", "SOA", "MX", "TXT", "PTR", "SRV"))
                ),
                "edns": Key(integer(0, 65535)),
                "recursion": Key(BOOLEAN),
                "rcode": Key(choice("rcode", ("NOERROR", "FORMERR", "SERVFAIL", "NXDOMAIN", "NOTIMP", "REFUSED"))),
                "expect": Key(ListOf(ANY_TEXT, "an array of answers", unique=True)),
                "match": Key(choice("way", ("any", "all"))),
                "authoritative": Key(BOOLEAN),
                "minimum_serial": Key(integer(0, 0xFFFFFFFF)),
            },
        ),
        "udp": Table("check", checks.UdpCheck, {**_WIRE_PORT, **_PAYLOAD}),
        "icmp": Table("check", checks.IcmpCheck, {**_WIRE, "size": Key(integer(0, 1400))}),
        "exec": Table(
            "check",
            checks.ExecCheck,
            {
                **_ANY,
                **_PORT,
                "command": Key(ListOf(ARGUMENT, "an array of the program's path and its arguments", least=1)),
                "output": Key(choice("output", ("exit_code", "json"))),
                "user": Key(ACCOUNT),
            },
        ),
        "agent": Table("check", checks.AgentCheck, {**_WIRE_PORT, **_TRANSPORT, "send": Key(ANY_TEXT)}),
        "smtp": Table("check", checks.SmtpCheck, {**_WIRE_PORT, **_STARTTLS, "hello": Key(WORD)}),
        "imap": Table("check", checks.ImapCheck, _MAIL),
        "pop3": Table("check", checks.Pop3Check, _MAIL),
        "ftp": Table("check", checks.FtpCheck, _MAIL),
        "ldap": Table(
            "check",
            checks.LdapCheck,
            {**_WIRE_PORT, **_STARTTLS, "bind_dn": Key(LINE), "password": Key(LINE), "base": Key(LINE)},
        ),
        "mysql": Table("check", checks.MysqlCheck, {**_WIRE_PORT, **_LOGIN}),
        "postgresql": Table("check", checks.PostgresqlCheck, {**_MAIL, "database": Key(LINE)}),
        "redis": Table("check", checks.RedisCheck, {**_WIRE_PORT, **_TLS, **_LOGIN}),
        "radius": Table("check", checks.RadiusCheck, {**_WIRE_PORT, "secret": Key(SECRET)}),
        "sip": Table("check", checks.SipCheck, {**_WIRE_PORT, **_TRANSPORT, **_STATUS, "uri": Key(HOST)}),
        "ntp": Table(
            "check",
            checks.NtpCheck,
            {
                **_WIRE_PORT,
                "maximum_stratum": Key(integer(1, 15)),
                "maximum_offset": Key(seconds(0, 86400)),
            },
        ),
        "grpc": Table("check", checks.GrpcCheck, {**_WIRE_PORT, **_TLS, "service": Key(LINE), "authority": Key(HOST)}),
    },
)
