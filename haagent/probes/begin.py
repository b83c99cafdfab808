"""The way from a check to its try: which conversation, over which kind of socket."""

from collections.abc import Callable
from functools import partial
from typing import assert_never

from haagent.config import checks
from haagent.config.checks import Check
from haagent.health.probe import Probe
from haagent.probes import (
    agent,
    dns,
    exec,
    ftp,
    grpc,
    http,
    icmp,
    imap,
    ldap,
    mysql,
    ntp,
    pop3,
    postgresql,
    radius,
    redis,
    sip,
    smtp,
    tcp,
    udp,
)
from haagent.probes.exchange import Conversation, Done, Exchange, Running, Way, way_of
from haagent.probes.path import Answered, way_through
from haagent.probes.poller import Poller


def begin(probe: Probe, poller: Poller, done: Done) -> Running:
    """The result goes to `done`, never before this has returned. Whatever the network or the peer does is a result."""
    check, address, port = probe.check, probe.address, probe.port
    if isinstance(check, checks.ExecCheck):
        return exec.begin(check, address, port, poller, done)
    if isinstance(check, checks.IcmpCheck):
        port = 0
    conversation, way = conversation_of(check, address, port)
    if probe.through:
        through = way_through(probe, way)
        if isinstance(through, str):
            return Answered(done, through)
        way = through
    return Exchange(address, port, check.timeout, conversation, poller, done, way)


def prepared(probe: Probe) -> Callable[[Poller, Done], Running]:
    """As `begin`, for one who tries again and again: what is the same each time is done here."""
    check = probe.check
    if isinstance(check, checks.HttpCheck) and not probe.through:
        return partial(http.ask, http.question(check, probe.address, probe.port), way_of(check))
    return partial(begin, probe)


def conversation_of(check: Check, address: str, port: int) -> tuple[Conversation, Way]:
    match check:
        case checks.TcpCheck():
            return tcp.conversation(check), way_of(check)
        case checks.HttpCheck():
            return http.conversation(check, address, port), way_of(check)
        case checks.DnsCheck():
            return dns.conversation(check, port), dns.way(check)
        case checks.UdpCheck():
            return udp.conversation(check), udp.way(check)
        case checks.IcmpCheck():
            return icmp.conversation(check, address), icmp.way(check, address)
        case checks.AgentCheck():
            return agent.conversation(check), agent.way(check)
        case checks.SmtpCheck():
            return smtp.conversation(check), way_of(check)
        case checks.ImapCheck():
            return imap.conversation(check), way_of(check)
        case checks.Pop3Check():
            return pop3.conversation(check), way_of(check)
        case checks.FtpCheck():
            return ftp.conversation(check), way_of(check)
        case checks.PostgresqlCheck():
            return postgresql.conversation(check), way_of(check)
        case checks.RedisCheck():
            return redis.conversation(check), way_of(check)
        case checks.MysqlCheck():
            return mysql.conversation(check), way_of(check)
        case checks.LdapCheck():
            return ldap.conversation(check), way_of(check)
        case checks.NtpCheck():
            return ntp.conversation(check), ntp.way(check)
        case checks.RadiusCheck():
            return radius.conversation(check), radius.way(check)
        case checks.SipCheck():
            return sip.conversation(check, address, port), sip.way(check)
        case checks.GrpcCheck():
            return grpc.conversation(check, address, port), way_of(check)
        case checks.ExecCheck():
            raise AssertionError("a program has no conversation")
        case _:
            assert_never(check)
